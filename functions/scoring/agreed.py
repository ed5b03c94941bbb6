"""What a run offers and at which prices: read and worked out once, for all of its shards.

Shards decide apart, and no shard sees the others' shoppers. What couples shoppers, the budgets, reaches them as prices
that are found here, on one range of pseudonyms: a keyed code, so whoever stands in a range was drawn evenly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec

from functions.scoring.pages import pages
from functions.scoring.room import Room
from functions.scoring.rules import PRICES, PRICES_DAYS
from layers.campaigns.model import Campaign, HouseRules, default_rules
from layers.campaigns.published import rules_of, running
from layers.campaigns.reporting import report
from layers.experiments.assignment import uniform
from layers.offers.budgets import Allocation, Spent, allocate, sampled
from layers.offers.model import Setting, ShopperView
from layers.offers.tables import setting_of
from layers.offers.written import BudgetUse
from layers.retailers import AbsentConsent, Retailer
from layers.scoring_runs import shards
from layers.scoring_runs.ledger import Plan
from layers.scoring_runs.messages import name_of
from layers.scoring_runs.shards import Shard
from layers.shell.log import log
from layers.stores.firestore.port import Documents

SAMPLE = 2000
"""Shoppers that budgets' prices are found on, at most and on average, until there are as many ranges as there may be
(12 200 of 50 million): a shard's work once more. Of m who would take a budget's offers, 1.645 / √m of it is held back.
"""

RESPONSES = "price_responses"

OFFERLESS = "no campaign is offered"
"""The message of the log line that stands for campaigns which run and could not be offered; an alarm stands on it."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """Attributes:
    campaigns: that run at the run's moment. spent: of each, in its running period.
    """

    campaigns: tuple[Campaign, ...]
    rules: HouseRules
    spent: Mapping[str, Spent] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Priced:
    """Attributes:
    uses: what each budget is expected to be used for. sample: shoppers on whom prices were found.
    """

    setting: Setting
    uses: tuple[BudgetUse, ...] = ()
    sample: int = 0


async def agreed(documents: Documents, retailer: Retailer, run: datetime) -> Agreed:
    """Whatever the store raises passes through: the message must come again."""
    try:
        rules = await rules_of(documents, retailer)
    except msgspec.MsgspecError as error:
        # A cap could be missed. The control group stays out of what the tree shows by itself.
        log("ERROR", OFFERLESS, retailer=retailer.id, reason=f"the house rules cannot be read: {error}")
        return Agreed((), default_rules(retailer.locale))
    campaigns = await running(documents, retailer.id, run)
    if not campaigns:
        return Agreed((), rules)
    lines = await report(documents, retailer, run, campaigns)
    spent: dict[str, Spent] = {}
    for campaign in campaigns:
        # Of the campaign's own budget: of those `within` it the ledger alone keeps account.
        first, _ = campaign.period_days(run)
        name = f"{campaign.campaign}.{campaign.budget.per}.{first}"
        own = [line for line in lines if line.budget in (f"{name}.cents", f"{name}.count")]
        gone = {line.unit: line.limit - line.left for line in own}
        spent[campaign.campaign] = Spent(gone.get("cents", 0) / 100, gone.get("count", 0))
    return Agreed(campaigns, rules, spent)


def priced(room: Room, retailer: Retailer, run: datetime, found: Agreed, plan: Plan) -> Priced:
    """Blocking.

    Args:
        plan: as far as it is known; which predictor, how many shoppers.

    Raises:
        Outdated, Unavailable: the message must come again.
    """
    setting = _setting(room, retailer, run, found)
    if not found.campaigns:
        return Priced(setting)
    for campaign in setting.audiences.unreadable:
        log(
            "ERROR",
            "a campaign's audience cannot be read, so it reaches nobody",
            retailer=retailer.id,
            campaign=campaign,
        )
    of = shards.count(plan.shoppers, SAMPLE)
    # Another range each night, so that no shopper's week decides for all for ever.
    range_ = Shard(int(uniform("sample", retailer.id, name_of(run)) * of), of)
    views: list[ShopperView] = []
    for page in pages(room, retailer, run, range_, plan, setting.prices.keys()):
        views += [one.paid_for(setting) for one in page.shoppers]
    if not views:
        return Priced(setting)
    try:
        allocation = allocate(sampled(views, setting), setting, len(views) * of, found.spent)
    except ArithmeticError as error:
        log("ERROR", OFFERLESS, retailer=retailer.id, reason=f"the budgets' prices were not found: {error}")
        return Priced(replace(setting, campaigns=(), prices={}))
    uses = _uses(allocation)
    log(
        "INFO",
        "budgets priced",
        retailer=retailer.id,
        run=name_of(run),
        campaigns=len(found.campaigns),
        sample=len(views),
        of=of,
        binding=sum(use.price > 0 for use in uses),
        gap=round(allocation.gap, 4),
    )
    return Priced(replace(setting, budget_prices=allocation.prices), uses, len(views))


def _setting(room: Room, retailer: Retailer, run: datetime, found: Agreed) -> Setting:
    promotions = [campaign for campaign in found.campaigns if campaign.kind == "promotion"]
    dataset = room.warehouse.full_name(retailer.dataset)
    prices: Sequence[Mapping[str, object]] = ()
    responses: Sequence[Mapping[str, object]] = ()
    if promotions:
        contract = timedelta(days=min(PRICES_DAYS, retailer.contract.transactions))
        prices = room.warehouse.query(
            PRICES.replace("{dataset}", dataset),
            {
                "now": run,
                "since": run - contract,
                # An empty list has no type.
                "products": sorted({product for c in promotions for product in c.products}) or [""],
                "categories": sorted({category for c in promotions for category in c.categories}) or [" "],
                "unknown_consent": retailer.absent_consent is AbsentConsent.GRANTED,
            },
        )
        if RESPONSES in room.warehouse.names(retailer.dataset):
            responses = room.warehouse.query(
                "SELECT r.category, r.product_weeks, r.products, r.sxx, r.sxy, r.syy"
                f" FROM `{dataset}.{RESPONSES}` AS r WHERE r.purpose = 'score' ORDER BY r.category"
            )
    return setting_of(retailer.id, run, found.campaigns, found.rules, prices, responses)


def _uses(allocation: Allocation) -> tuple[BudgetUse, ...]:
    prices = {"money": allocation.prices.money, "count": allocation.prices.count, "brand": allocation.prices.brand}
    return tuple(
        BudgetUse(kind, name, round(use.expected, 2), round(use.upper, 2), use.limit, prices[kind].get(name, 0.0))
        for (kind, name), use in sorted(allocation.uses.items())
    )
