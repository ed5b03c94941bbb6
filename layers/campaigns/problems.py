"""What is wrong with a campaign that every field by itself would allow. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from zoneinfo import available_timezones

from layers.campaigns.law import CAPS, value_cap, volume_cap
from layers.campaigns.model import Budget, Campaign, HouseRules, Level, ProductKind
from layers.campaigns.terms import Cap, Shared

LEAST_EXPLORATION = 0.1
MOST_THRESHOLDS = 100


def _level(level: Level, kind: str) -> str | None:
    given = [name for name in ("percent", "money", "prize") if getattr(level, name) is not None]
    if len(given) != 1:
        return "needs exactly one of `percent`, `money` and `prize`, so that one knows what is given away"
    if kind == "game":
        if given != ["prize"] or level.chance is None:
            return "of a game is a `prize` with the `chance` of winning it, from which its cost follows"
    elif given == ["prize"] or level.chance is not None:
        return f"of a {kind} has no `prize` and no `chance`; those are a game's"
    if kind == "tension" and given == ["percent"]:
        return "of a tension is `money`: a percentage of a basket has no bound"
    return None


def problems_of(campaign: Campaign, rules: HouseRules) -> list[str]:
    """Each names the field, the consequence and the remedy."""
    return list(_problems(campaign, rules))


def _problems(campaign: Campaign, rules: HouseRules) -> Iterator[str]:
    wrong = [(number, _level(level, campaign.kind)) for number, level in enumerate(campaign.generosity, 1)]
    yield from (f"generosity {number}: {problem}" for number, problem in wrong if problem)
    if not any(problem for _, problem in wrong) and len({level.id for level in campaign.generosity}) != len(wrong):
        yield "generosity: a level stands twice, so a decision could not name it; remove one"
    if campaign.kind == "promotion" and not (campaign.products or campaign.categories):
        yield "products: a promotion is of something; name `products`, or `categories`"
    if campaign.kind != "promotion":
        if campaign.products or campaign.categories or campaign.substitutes or campaign.margin is not None:
            yield (
                f"products, categories, substitutes, margin: a {campaign.kind} is of the whole basket and has none of "
                "them"
            )
        if campaign.threshold is None:
            yield f"threshold: a {campaign.kind} without one gives money away for nothing; say lowest, highest and step"
    if campaign.threshold is not None:
        asked = campaign.threshold
        if asked.highest < asked.lowest:
            yield "threshold: `highest` is below `lowest`, so there is none to choose"
        elif (asked.highest - asked.lowest) / asked.step > MOST_THRESHOLDS:
            yield f"threshold: more than {MOST_THRESHOLDS} steps; a larger `step` says the same to a shopper"
    yield from _budgets(campaign)
    yield from _capped("caps", campaign.caps)
    yield from _audience(campaign)
    if len(set(campaign.stores)) != len(campaign.stores):
        yield "stores: one stands twice; remove one"
    if campaign.ends < campaign.starts:
        yield "ends: before `starts`, so it would never run"
    if campaign.timezone not in available_timezones():
        yield f"timezone: {campaign.timezone!r} is none; write an IANA name such as Europe/Paris"
    if not campaign.combines and campaign.exclusive:
        yield "exclusive: says nothing beside `combines: false`, which excludes every other campaign; remove one"
    if 0 < campaign.exploration < LEAST_EXPLORATION:
        yield (
            f"exploration: below {LEAST_EXPLORATION} nothing can be learnt from it in reasonable time; write at least "
            f"{LEAST_EXPLORATION}, or 0 where the agreement forbids it"
        )
    if campaign.exploration > 0 and len(campaign.generosity) > 5:
        yield "generosity: with exploration at most 5 levels, or each is drawn too seldom to be judged"
    yield from _unlawful(campaign, rules)


def _budgets(campaign: Campaign) -> Iterator[str]:
    if campaign.budget.money is None and campaign.budget.count is None:
        yield "budget: neither `money` nor `count`, so nothing would ever end it; say at least one"
    if campaign.budget.of == "store":
        yield (
            "budget: scoring plans by what the whole campaign has, and `of: store` is each store's; say the campaign's "
            "here, and each store's in `within`"
        )
    for number, budget in enumerate(campaign.within, 1):
        if budget.money is None and budget.count is None:
            yield f"within {number}: neither `money` nor `count`, so it limits nothing; say at least one, or remove it"
        yield from _larger(number, budget, campaign)
    if len({(one.per, one.of) for one in (campaign.budget, *campaign.within)}) != 1 + len(campaign.within):
        yield "within: two budgets are of the same period, so nobody knows which holds; write one of each period"


_LENGTH = ("day", "week", "month", "campaign")


def _larger(number: int, budget: Budget, campaign: Campaign) -> Iterator[str]:
    whole = campaign.budget
    if budget.of == "campaign" or _LENGTH.index(budget.per) < _LENGTH.index(whole.per):
        return
    for unit in ("money", "count"):
        part, all_of_it = getattr(budget, unit), getattr(whole, unit)
        if part is not None and all_of_it is not None and part > all_of_it and budget.per == whole.per:
            yield f"within {number}: a store has more `{unit}` than the whole campaign in the same period; lower it"


def _capped(field: str, caps: Sequence[Cap]) -> Iterator[str]:
    for number, cap in enumerate(caps, 1):
        if cap.money is None and cap.count is None:
            yield f"{field} {number}: neither `money` nor `count`, so it caps nothing; say at least one, or remove it"
    if len({cap.per for cap in caps}) != len(caps):
        yield f"{field}: two are of the same period, so nobody knows which holds; write one of each period"


def _audience(campaign: Campaign) -> Iterator[str]:
    from layers.campaigns.conditions import faults  # Only who checks a campaign pays for the language.

    audience = campaign.audience
    for number, predicted in enumerate(audience.predicted, 1):
        if (predicted.product is None) == (predicted.category is None):
            yield f"audience.predicted {number}: needs exactly one of `product` and `category`, to know what is likely"
    for number, condition in enumerate(audience.conditions, 1):
        yield from (f"audience.conditions {number}: {fault}" for fault in faults(condition))


def problems_of_rules(rules: HouseRules) -> list[str]:
    """The same of house rules."""
    return list(_of_rules(rules))


def _of_rules(rules: HouseRules) -> Iterator[str]:
    seen: set[tuple[str, str, str]] = set()
    for number, shared in enumerate(rules.shared, 1):
        if shared.money is None and shared.count is None:
            yield f"shared {number}: neither `money` nor `count`, so it limits nothing; say at least one, or remove it"
        named = _whose(shared)
        if named in seen:
            yield f"shared {number}: another is of the same brand, store and period; write both limits in one"
        seen.add(named)
    yield from _capped("shopper_caps", rules.shopper_caps)
    if any(cap.per == "campaign" for cap in rules.shopper_caps):
        yield "shopper_caps: are of all campaigns, which have no period in common; write a day, a week or a month"


def _whose(shared: Shared) -> tuple[str, str, str]:
    return shared.brand, shared.store, shared.per


def _unlawful(campaign: Campaign, rules: HouseRules) -> Iterator[str]:
    caps = CAPS.get(rules.country)
    if caps is None or campaign.kind != "promotion":
        return
    # Of a product only the id is known here, and of a category perhaps no kind: those get the benefit of the doubt,
    # since scoring knows each product's category and department and drops what is above its own cap.
    kinds = {*rules.departments.values(), *rules.categories.values()}
    loosest = None if ProductKind.DURABLE in kinds else max(caps.value.values())
    declared = [rules.categories.get(name) for name in campaign.categories]
    allowed = [loosest if kind is None else value_cap(rules.country, kind) for kind in declared]
    if campaign.products:
        allowed.append(loosest)
    for level in campaign.generosity:
        share = (level.percent or 0.0) / 100
        broken = [cap for cap in allowed if cap is not None and share > cap + 1e-9]
        if allowed and len(broken) == len(allowed):
            yield (
                f"generosity: {level.percent:g} % is more than the {max(broken):.0%} that the law of {rules.country} "
                f"allows ({caps.source}); it could never be offered. Lower it, or declare the category's kind in the "
                "house rules"
            )
    volume = volume_cap(rules.country, campaign.agreed_units)
    if volume is not None and (campaign.budget.count is None or campaign.budget.count > volume):
        yield (
            f"budget: of {campaign.agreed_units} units agreed, at most {volume} ({caps.volume:.0%}) may be promoted "
            f"({caps.source}); set `count` to that or less"
        )
