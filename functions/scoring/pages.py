"""A shard's shoppers a page at a time, by whichever predictor the run has. Blocking: called in a thread."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from functions.scoring import features, predicting, predictor, rules
from functions.scoring.offering import Foreseen
from functions.scoring.predicting import Outdated, Statistics, learned
from functions.scoring.predictor import FELL_BACK
from functions.scoring.room import Sources
from functions.scoring.rules import PAGE, SQL, binding
from layers.retailers import Retailer
from layers.scoring_runs.ledger import Plan
from layers.scoring_runs.messages import name_of
from layers.scoring_runs.shards import Shard
from layers.shell.log import log

KEY = "o.shopper"


@dataclass(frozen=True, slots=True)
class Page:
    """Attributes:
    by_models: trained models predicted it, not how often they buy.
    """

    by_models: bool
    shoppers: list[Foreseen]


def pages(
    room: Sources,
    retailer: Retailer,
    run: datetime,
    shard: Shard,
    plan: Plan,
    promoted: Collection[str] = (),
    *,
    falls_back: bool = True,
) -> Iterator[Page]:
    """Who may be personalised, each shopper once.

    Args:
        promoted: products that campaigns may promote. falls_back: where trained models cannot predict, how often they
            buy does; else nothing takes their place.

    Raises:
        Outdated: the tables changed after the first page, or do not serve and nothing takes their place.
        Unavailable
    """
    if plan.models:
        by_models = _by_models(room, retailer, run, shard, plan, promoted)
        try:
            first = next(by_models, None)
        except Outdated as error:
            if not falls_back:
                raise
            # The night after has begun to build, or the models are gone: facts are there at any time.
            log(
                "WARNING",
                FELL_BACK,
                retailer=retailer.id,
                run=name_of(run),
                shard=shard.number,
                reason=str(error),
            )
            first = None
        else:
            if first is None:
                log("INFO", "shard scored by recency", retailer=retailer.id, reason="no statistics of it")
        if first is not None or not falls_back:
            yield from () if first is None else (first,)
            # Outdated from here on: the message comes again, and then it is so from the first page on.
            yield from by_models
            return
    condition = shard.condition(KEY, plan.key_versions)
    sql = SQL.replace("{dataset}", room.warehouse.full_name(retailer.dataset)).replace("{shard}", condition)
    for rows in room.warehouse.pages(sql, binding(retailer, run), PAGE):
        known = [features.Features.of(row) for row in rows]
        yield Page(False, [Foreseen(rules.parameters(f, plan.version, run), features.view(f)) for f in known])


def _by_models(
    room: Sources, retailer: Retailer, run: datetime, shard: Shard, plan: Plan, promoted: Collection[str]
) -> Iterator[Page]:
    found = predictor.pages(room, retailer, run, shard, plan.key_versions, plan.models, PAGE, promoted)
    for rows, predictions, models in found:
        known = [Statistics.of(row) for row in rows]
        yield Page(
            True,
            [
                Foreseen(learned(s, predictions, models, plan.version, run), predicting.view(s, predictions))
                for s in known
            ],
        )
