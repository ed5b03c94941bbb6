"""A run is planned: by which predictor, with which campaigns, how many shards; and a message for each that is not done.

Planning again is how a run is resumed: the plan of the first time stays, and only the shards that are missing are
published. Killed between any two lines, the message comes again and finds the rest.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

from functions.scoring.agreed import Agreed, Priced, agreed, priced
from functions.scoring.predicting import STATISTICS
from functions.scoring.predictor import FELL_BACK, choose
from functions.scoring.room import Room
from functions.scoring.rules import PRICES, SHOPPERS_A_SHARD, SQL, version
from layers.offers.written import write_setting
from layers.retailers import Retailer
from layers.scoring_runs import settings, shards
from layers.scoring_runs.ledger import Plan, Status
from layers.scoring_runs.messages import ShardDue, name_of, shard_message
from layers.scoring_runs.shards import Shard
from layers.shell.log import log
from layers.stores.bigquery.port import Unavailable

FIRST_KEY = "01"
"""The key version of a retailer of whom there is no shopper yet."""


async def plan(room: Room, retailer: Retailer, run: datetime, now: datetime) -> None:
    """Raises:
    Superseded: a newer run has begun.
    Contended, Unavailable: of Firestore, BigQuery or Pub/Sub; the message must come again.
    """
    head = await room.ledger.begin(retailer.id, run)
    known = await room.ledger.run(retailer.id, run)
    if known is None:
        await _first(room, retailer, run, now)
        known = await room.ledger.run(retailer.id, run)
    if known is None:
        raise Unavailable("the plan was written and is not there")
    if known.status is Status.DONE and head.settled:
        log("INFO", "scored already", retailer=retailer.id, run=name_of(run))
        return
    of = known.plan.shards
    done = await room.ledger.done(retailer.id, run, of)
    # A run whose shards are all done and which is not closed was killed on its last line: any shard closes it.
    due = [number for number in range(of) if number not in done] or [0]
    await room.shards.publish([shard_message(ShardDue(retailer.id, run, Shard(number, of))) for number in due])
    log(
        "INFO",
        "scoring planned",
        retailer=retailer.id,
        run=name_of(run),
        shoppers=known.plan.shoppers,
        shards=of,
        published=len(due),
        careful=head.careful,
        predictor="learned" if known.plan.models else "recency",
        setting=known.plan.setting,
    )


async def _first(room: Room, retailer: Retailer, run: datetime, now: datetime) -> None:
    found = await agreed(room.documents, retailer, run)
    plan, priced_ = await asyncio.to_thread(_planned, room, retailer, run, found)
    # What a plan names is whole before it: a kill in between leaves texts that no plan names.
    text = write_setting(priced_.setting, priced_.uses, priced_.sample)
    setting = await settings.keep(room.documents, retailer.id, run, text, now)
    named = version(f"{SQL}{STATISTICS}{PRICES}", retailer, run, plan.models, setting)
    await room.ledger.plan(retailer.id, run, replace(plan, version=named, setting=setting), now)


def _planned(room: Room, retailer: Retailer, run: datetime, found: Agreed) -> tuple[Plan, Priced]:
    chosen = choose(room, retailer, run)
    log(
        "INFO",
        "predictor chosen",
        retailer=retailer.id,
        run=name_of(run),
        predictor=chosen.predictor,
        reason=chosen.why,
    )
    if chosen.fell_back:
        log("WARNING", FELL_BACK, retailer=retailer.id, run=name_of(run), reason=chosen.why)
    dataset = room.warehouse.full_name(retailer.dataset)
    rows = room.warehouse.query(
        "SELECT SUBSTR(o.shopper, 1, 2) AS key_version, COUNT(DISTINCT o.shopper) AS shoppers"
        f" FROM `{dataset}.orders` AS o WHERE o.`at` < @now GROUP BY 1 ORDER BY 1",
        {"now": run},
    )
    shoppers = sum(int(row["shoppers"]) for row in rows)
    versions = tuple(str(row["key_version"]) for row in rows) or (FIRST_KEY,)
    plan = Plan("not named yet", shoppers, shards.count(shoppers, SHOPPERS_A_SHARD), versions, chosen.models)
    return plan, priced(room, retailer, run, found, plan)
