"""One shopper's limits: whatever becomes of what was promised, no cap is passed; terms, periods and versions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from layers.campaigns.budgets import EACH, NOWHERE, paid_from
from layers.campaigns.model import Budget, Campaign, HouseRules, Level
from layers.campaigns.terms import Cap, Shared, days_of, may_combine
from layers.promises.limits import Because, limits_of, refusal
from layers.promises.model import HELD_FOR, Fate, Promise, Promises
from layers.tree.entitlement import holds
from layers.tree.offer import ShopperOffer
from layers.tree.state import Consent, State
from layers.tree.withholding import Named, read_version, still_own, without
from tests.rules.journeys import PARAMETERS

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
ZONES = ("Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata", "Asia/Beirut")
moments = st.integers(0, 725 * 86_400).map(lambda second: datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=second))
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=2, max_size=12).map(lambda name: f"c{name}")
products = st.just("") | st.text("ABCxyz019._:-", max_size=12).map(lambda name: f"p{name}")


def campaign(**changes: Any) -> Campaign:
    fields: dict[str, Any] = {
        "campaign": "coffee", "kind": "promotion", "products": ("p1",), "generosity": (Level(money=1.0),),
        "budget": Budget(money=100.0), "starts": date(2026, 1, 1), "ends": date(2027, 12, 31),
        "timezone": "Europe/Paris",
    }  # fmt: skip
    return Campaign(**{**fields, **changes})


def promised(number: int, at: datetime, cents: int = 100, **changes: Any) -> Promise:
    fields: dict[str, Any] = {
        "key": f"{number:032x}", "campaign": "coffee", "offer": "money_1", "kind": "promotion", "product": f"p{number}",
        "cents": cents, "at": at, "until": at + HELD_FOR,
    }  # fmt: skip
    return Promise(**{**fields, **changes})


@given(
    st.lists(st.tuples(moments, st.integers(1, 500), st.sampled_from(list(Fate))), max_size=30),
    st.sampled_from(["day", "week", "month", "campaign"]),
    st.integers(1, 5),
    st.integers(1, 12),
    st.sampled_from(ZONES),
)
def test_no_cap_is_passed_in_any_period_whatever_becomes_of_promises(
    wishes: list[tuple[datetime, int, Fate]], per: Any, count: int, money: int, zone: str
) -> None:
    one = campaign(caps=(Cap(count=count, money=money, per=per),), timezone=zone)
    held: tuple[Promise, ...] = ()
    for number, (at, cents, fate) in enumerate(sorted(wishes, key=lambda wish: wish[0])):
        wish = promised(number, at, cents)
        before = Promises(retailer="demo", at=at, promises=held)
        refused = refusal(before, wish, limits_of(one, HouseRules(country="FR"), at), at)
        if refused is not None:
            assert refused.because is Because.CAPPED and refused.until > at
            continue
        held = (*held, replace(wish, fate=fate, earned=cents // 2 if fate is Fate.EARNED else 0))
    for at, _, _ in wishes:
        period = days_of(per, at, zone)
        [limit] = limits_of(one, HouseRules(country="FR"), at)
        assert limit.since <= at < limit.until and (period is None) == (per == "campaign")
        same = [p for p in held if limit.since <= p.at < limit.until]
        had = [p for p in same if p.fate in (Fate.ORDERED, Fate.EARNED, Fate.LAPSED)]
        assert len(had) <= count
        assert sum(p.earned if p.fate is Fate.EARNED else p.cents for p in had) <= money * 100


@given(moments, st.sampled_from(ZONES), st.sampled_from(["day", "week", "month"]))
def test_periods_follow_each_other_without_a_gap_also_where_the_clocks_change(
    at: datetime, zone: str, per: Any
) -> None:
    """In Santiago and Beirut clocks are changed at midnight, which one day a year is not there."""
    one = campaign(budget=Budget(money=1.0, per=per), timezone=zone)
    [paid] = paid_from(one, HouseRules(country="FR"), at)
    [following] = paid_from(one, HouseRules(country="FR"), paid.until)
    [last] = paid_from(one, HouseRules(country="FR"), paid.until - timedelta(microseconds=1))
    assert at < paid.until and last == paid and following.budget != paid.budget and following.until > paid.until


def test_each_budget_that_an_offer_needs_is_named_once_and_by_its_store() -> None:
    rules = HouseRules(
        country="FR",
        brand_money={"National": 500.0},
        shared=(
            Shared(brand="National", count=9, per="day"),
            Shared(brand="Another", count=9, per="day"),
            Shared(store="lille", money=50.0, per="day"),
            Shared(store=EACH, money=40.0, per="week"),
            Shared(money=1000.0, count=5),
        ),
    )
    one = campaign(brand="National", within=(Budget(count=3, per="day"), Budget(money=5.0, per="day", of="store")))
    here, there, nowhere = (paid_from(one, rules, AT, store) for store in ("lille", "lens", ""))
    assert [(paid.budget, paid.units, paid.local) for paid in here] == [
        ("coffee.campaign.2026-01-01.cents", 10_000, False),
        ("coffee.day.2026-11-20.count", 3, False),
        ("coffee.day.2026-11-20.store.lille.cents", 500, True),
        ("brand-865b30e2fae6.month.2026-11-01.cents", 50_000, False),
        ("shared-865b30e2fae6.day.2026-11-20.count", 9, False),
        ("shared-all.day.2026-11-20.in.lille.cents", 5_000, True),
        ("shared-all.week.2026-11-16.each.lille.cents", 4_000, True),
        ("shared-all.month.2026-11-01.cents", 100_000, False),
        ("shared-all.month.2026-11-01.count", 5, False),
    ]
    assert len({paid.budget for paid in here}) == len(here)
    assert [paid.budget for paid in there if paid.local] == [
        "coffee.day.2026-11-20.store.lens.cents", "shared-all.week.2026-11-16.each.lens.cents",
    ]  # fmt: skip
    assert next(paid.budget for paid in nowhere if paid.local).endswith(f"store.{NOWHERE}.cents")


groups = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["", "x", "y"]), st.booleans())


@given(groups, groups)
def test_combining_is_mutual_and_a_campaign_goes_with_itself(one: Any, other: Any) -> None:
    assert may_combine(one, other) is may_combine(other, one)
    assert may_combine(one, (one[0], *other[1:]))


@given(
    st.sets(names, max_size=3),
    st.dictionaries(st.tuples(names, products), moments, max_size=4),
)
def test_a_version_says_all_that_was_left_out(campaigns: set[str], found: dict[tuple[str, str], datetime]) -> None:
    own = {name: until for name, until in found.items() if name[0] not in campaigns}
    offers = [ShopperOffer(campaign=c, offer="o", kind="tension", generosity=1.0) for c in sorted(campaigns)]
    offers += [ShopperOffer(campaign=c, offer="o", kind="promotion", product=p, generosity=1.0) for c, p in own]
    other = ShopperOffer(campaign="another", offer="o", kind="game", generosity=1.0)
    left = without(replace(PARAMETERS, offers=(*offers, other)), campaigns, own)
    assert left is not None and left.offers == (other,)
    said = read_version(left.version)
    assert said == Named(PARAMETERS.version, frozenset(campaigns), own)
    assert said.whole is (not campaigns and not own)
    # Saying it again from what was said gives the same version: so a replay and a page find the same.
    assert without(replace(PARAMETERS, offers=(*offers, other)), said.campaigns, said.own) == left
    for name, until in own.items():
        assert name in still_own(left.version, until - timedelta(seconds=1))
        assert name not in still_own(left.version, until)


def state(**changes: Any) -> State:
    fields = {"tree_version": "", "started_ms": 0, "stretch_ms": 0, "last_ms": 0, "last_id": "", "node": "", **changes}
    return State(**fields)


@pytest.mark.parametrize(
    ("terms", "seen", "expected"),
    [
        ({}, {}, True),
        ({"stores": ("lille",)}, {"store": "lille"}, True),
        ({"stores": ("lille",)}, {"store": "lens"}, False),
        ({"stores": ("lille",)}, {}, False),
        ({"until": AT}, {"last_ms": int(AT.timestamp() * 1000) - 1}, True),
        ({"until": AT}, {"last_ms": int(AT.timestamp() * 1000)}, False),
        ({"purposes": ("advertising",)}, {}, False),
        ({"purposes": ("advertising",)}, {"consent": Consent(1, "e", True, ("advertising", "rewards"))}, True),
        ({"purposes": ("advertising",)}, {"consent": Consent(1, "e", True, ("rewards",))}, False),
    ],
)
def test_an_offer_holds_by_what_the_state_knows(terms: dict[str, Any], seen: dict[str, Any], expected: bool) -> None:
    offer = ShopperOffer(campaign="c", offer="o", kind="tension", generosity=1.0, **terms)
    assert holds(offer, state(**seen)) is expected
