"""One shopper worked out again as the newest run did, so that it can be told why: every campaign, and what moved the
likeliest products. Nothing is written. Blocking where it says so.

No statement names the shopper: a range of some fifty shoppers is read, and the one is picked out here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from functions.scoring.explaining import Recounted
from functions.scoring.offering import Foreseen, with_offers
from functions.scoring.pages import pages
from functions.scoring.predicting import Outdated, columns, restriction
from functions.scoring.predictor import local_day
from functions.scoring.room import Sources
from layers.learning import PRODUCTS, Reason, UnreadableModels
from layers.learning.reading import numbers
from layers.offers.considering import considered
from layers.offers.model import Setting
from layers.offers.written import UnreadableSetting, read_setting
from layers.retailers import Retailer
from layers.scoring_runs import settings, shards
from layers.scoring_runs.ledger import Ledger, Plan
from layers.scoring_runs.messages import name_of
from layers.scoring_runs.shards import Shard
from layers.stores.bigquery.port import Unavailable
from layers.stores.firestore.port import Documents

CROWD = 50
"""Shoppers among whom one is read."""

MOST_PRODUCTS = 5
"""Whose reasons are told: each costs some hundred predictions."""


class NotTold(Exception):
    """It cannot be told now: the fact, and what is missing."""


async def recounted(
    sources: Sources, documents: Documents, ledger: Ledger, retailer: Retailer, shopper: str
) -> Recounted:
    """Raises:
    NotTold: see there. Whatever Firestore raises.
    """
    head = await ledger.head(retailer.id)
    found = await ledger.run(retailer.id, head.run) if head is not None else None
    if head is None or found is None or not found.plan.setting:
        raise NotTold("no run is known that was planned with campaigns")
    run, plan = head.run, found.plan
    text = await settings.read(documents, retailer.id, run, plan.setting)
    if text is None:
        raise NotTold(f"what run {name_of(run)} was planned with is kept no more")
    try:
        setting = read_setting(text)
        return await asyncio.to_thread(_again, sources, retailer, run, plan, setting, shopper)
    except (UnreadableSetting, Outdated) as error:
        raise NotTold(f"{error}") from None
    except Unavailable:
        raise NotTold("BigQuery cannot be reached; try again") from None


def _again(
    sources: Sources, retailer: Retailer, run: datetime, plan: Plan, setting: Setting, shopper: str
) -> Recounted:
    among = shards.shard_of(shopper, shards.count(plan.shoppers, CROWD))
    foreseen, by_models = _foreseen(sources, retailer, run, among, plan, setting, shopper)
    made = with_offers(foreseen, setting)
    products = [product.id for product in made.products[:MOST_PRODUCTS]]
    reasons = _reasons(sources, retailer, run, among, plan, shopper, products) if by_models else {}
    return Recounted(name_of(run), made, setting, considered(foreseen.reached(setting), setting), reasons)


def _foreseen(
    sources: Sources, retailer: Retailer, run: datetime, among: Shard, plan: Plan, setting: Setting, shopper: str
) -> tuple[Foreseen, bool]:
    for page in pages(sources, retailer, run, among, plan, setting.prices.keys(), falls_back=False):
        for one in page.shoppers:
            if one.shopper == shopper:
                return one, page.by_models
    raise NotTold("the shopper has no claim to parameters any more, or is known since that run only")


def _reasons(
    sources: Sources,
    retailer: Retailer,
    run: datetime,
    among: Shard,
    plan: Plan,
    shopper: str,
    products: Sequence[str],
) -> dict[str, Sequence[Reason]]:
    """By the models of the run, where they are kept still."""
    try:
        models = sources.trained.read(retailer.dataset, plan.models)
    except UnreadableModels:
        return {}
    if models is None or not products:
        return {}
    (of,) = among.ranges([shopper[:2]])
    try:
        batches = [
            batch.filter(pc.and_(pc.equal(batch["shopper"], shopper), pc.is_in(batch["product"], pa.array(products))))
            for batch in sources.table_rows.batches(
                retailer.dataset, PRODUCTS.table, columns(PRODUCTS), restriction(*of)
            )
        ]
    except LookupError:
        return {}
    found = [batch for batch in batches if batch.num_rows]
    if not found:
        return {}
    table = pa.Table.from_batches(found)
    if set(pc.unique(pc.cast(table.column("as_of"), pa.date32())).to_pylist()) != {local_day(retailer, run)}:
        return {}
    named = table.column("product").to_pylist()
    return dict(zip(named, models.reasons(PRODUCTS, numbers(table, PRODUCTS.names)), strict=True))
