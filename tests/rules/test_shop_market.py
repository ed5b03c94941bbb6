"""The demo's market day: its files are what a marketer could publish, and what is counted of it is counted right."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.shop import games, offering
from emulators.shop.games import Opened
from emulators.shop.journey_data import Order
from emulators.shop.kinds import BRANCHES, BY_CHANCE, missing, of_campaign, seen
from emulators.shop.market_told import rows
from emulators.shop.offering import CAMPAIGNS, TREE, campaign, read_simulated
from emulators.shop.prizes import must_play
from emulators.shop.promised import kept
from emulators.shop.sessions import Session, browse
from emulators.shop.stage import DemoFailed
from emulators.shop.stopping import CampaignProbe, Looker, tree_paused
from emulators.shop.today import ends, kept_of, refusing, stamped
from emulators.shop.tracker import Answer, Shown
from layers.campaigns.reading import read_campaign_json, read_rules
from layers.events.model import ConsentChanged, Kept, OrderLine, OrderPaid
from layers.game.reading import read_rules as read_game
from layers.promises.model import Fate, Promise
from layers.tree.model import Game, Promotion, Recommendation, Tension
from layers.tree.reading import read_yaml
from layers.tree.review import reviewed
from tests.rules.shop import ASSORTMENT
from tests.rules.shop import order as an_order

AT = datetime(2026, 11, 22, 15, tzinfo=UTC)
KINDS = {"promotion": Promotion, "tension": Tension, "game": Game}


@settings(deadline=None, max_examples=20)
@given(st.dates(date(2026, 1, 1), date(2040, 1, 1)))
def test_every_campaign_is_valid_from_any_day_on(day: date) -> None:
    rules = read_rules(offering.HOUSE_RULES.read_text())
    found = [read_campaign_json(json.dumps(campaign(name, day)).encode(), rules) for name in CAMPAIGNS]
    assert [one.campaign for one in found] == list(CAMPAIGNS)
    assert {str(one.kind) for one in found} == set(KINDS)
    noon = datetime(day.year, day.month, day.day, 18, tzinfo=UTC)
    assert all(one.runs(noon) for one in found)


def test_the_tree_has_a_branch_for_each_campaign_and_nothing_to_correct() -> None:
    source = TREE.read_text()
    tree = read_yaml(source)
    campaigns = {name: str(campaign(name, AT.date())["kind"]) for name in CAMPAIGNS}
    assert reviewed(tree, source, campaigns) == []
    assert set(BRANCHES.values()) == set(CAMPAIGNS)
    for node, name in BRANCHES.items():
        shown = [type(one.definition) for one in tree.places[node].show]
        assert shown == [KINDS[campaigns[name]], Recommendation]
    played = {
        one.definition.name for place in tree.places.values() for one in place.show if isinstance(one.definition, Game)
    }
    assert played == set(games.GAMES), "a game that a page shows is one that is played"


def test_the_games_are_valid_and_last_a_demo() -> None:
    for name, kind in games.GAMES.items():
        rules = read_game(games.rules(name, AT, AT + timedelta(seconds=30)))
        assert (rules.game, rules.kind, rules.tickets_per_shopper) == (name, kind, games.TICKETS_PER_SHOPPER)
        assert rules.beacon.source == "laptop", "no beacon is reached, and the record must say so"


PROMOTED = Shown(kind="promotion", slot="basket", product="p1", generosity=1.0, threshold=30.0)
RECOMMENDED = Shown(kind="recommendation", products=("a", "b", "c", "d", "e"))


def test_a_page_counts_for_the_campaign_of_its_branch() -> None:
    answers = {
        "e1": Answer(node="brand_offer", tree="market_day", experiences=(PROMOTED, RECOMMENDED)),
        "e2": Answer(node="brand_offer", tree="market_day", experiences=(PROMOTED,)),
        "e3": Answer(node="newcomer", experiences=(Shown(kind="tension", threshold=40.0),)),
        "e4": Answer(node="order_paid", experiences=(Shown(kind="game", name="evening_draw", prize=9.0),)),
        "e5": Answer(node="arrival", default=True, reason="consent", experiences=(Shown(kind="default"),)),
    }
    found = seen(answers, {"e1": "s1", "e2": "s1", "e3": "s2", "e4": "s2", "e5": "s3"})
    assert [(each.kind, each.of, each.reason, each.shoppers, each.pages) for each in found] == [
        ("promotion", "brand_week", "", 1, 2),
        ("tension", "", "", 1, 1),
        ("game", "evening_draw", "", 1, 1),
        ("recommendation", "", "", 1, 1),
        ("default", "", "consent", 1, 1),
    ]
    assert missing(found) == ["tension one_more_step", "game basket_back"] == list(BY_CHANCE)
    got = json.loads(found[3].page)
    assert got["experience"] == {"kind": "recommendation", "products": ["a", "b", "c", "and 2 more"]}
    assert json.loads(found[4].page)["reason"] == "consent"


@given(an_order(most_lines=4))
def test_who_refuses_says_so_before_all_else(order: Order) -> None:
    session = browse(order, ASSORTMENT)
    found = refusing(session)
    assert found == session or (
        isinstance(found.events[0], ConsentChanged)
        and not found.events[0].purposes.personalisation
        and found.events[1:] == session.events
    )
    assert len({event.id for event in found.events}) == len(found.events)
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    sent = [stamped(event) for event in found.events]
    assert all(before <= event.at <= datetime.now(UTC) for event in sent)
    assert [event.id for event in sent] == [event.id for event in found.events]


def test_orders_end_in_every_way_and_a_few_shoppers_refuse() -> None:
    found = [ends(str(number)) for number in range(800)]
    assert {("cancelled",), ("delivered", "refunded"), ("delivered",)} == set(found)
    assert found.count(("delivered",)) > 500


@given(an_order(most_lines=4))
def test_what_is_delivered_of_an_order_is_the_order_or_all_but_its_last_line(order: Order) -> None:
    payment = browse(order, ASSORTMENT).events[-1]
    assert isinstance(payment, OrderPaid)
    kept_lines = kept_of(payment)
    if isinstance(kept_lines, Kept):
        assert [line.product for line in kept_lines.lines] == [line.product for line in payment.lines[:-1]]
        assert abs(kept_lines.total + payment.lines[-1].paid - payment.total) < 0.011


def test_some_orders_are_delivered_in_part() -> None:
    lines = (OrderLine("p1", 9.0), OrderLine("p2", 1.5))
    orders = [OrderPaid(id="event-0001", at=AT, order=str(n), total=10.5, lines=lines) for n in range(80)]
    parts = [kept for kept in map(kept_of, orders) if isinstance(kept, Kept)]
    assert 3 <= len(parts) <= 25 and all(kept.total == 9.0 for kept in parts)


def promise(number: int, fate: Fate, cents: int = 100, earned: int = 0) -> Promise:
    return Promise(
        key=str(number), campaign="brand_week", offer="percent_10", kind="promotion", product="p1", cents=cents,
        at=AT, until=AT + timedelta(hours=24), fate=fate, earned=earned,
    )  # fmt: skip


def line(spent: int, reserved: int) -> dict[str, Any]:
    return {"unit": "cents", "limit": 1000, "spent": spent, "reserved": reserved, "left": 1000 - spent - reserved}


@given(st.lists(st.tuples(st.sampled_from(Fate), st.integers(1, 50)), max_size=12))
def test_promises_and_budget_must_agree(fates: Sequence[tuple[Fate, int]]) -> None:
    promises = [
        promise(number, fate, 60, cents if fate is Fate.EARNED else 0) for number, (fate, cents) in enumerate(fates)
    ]
    spent = sum(cents for fate, cents in fates if fate is Fate.EARNED)
    reserved = 60 * sum(fate in (Fate.OPEN, Fate.ORDERED) for fate, _ in fates)
    [one] = kept(promises, {"brand_week": [line(spent, reserved)]})
    assert (one.promised, one.spent, one.reserved) == (len(fates), spent, reserved)
    assert one.earned + one.freed + one.returned + one.waiting + sum(f is Fate.LAPSED for f, _ in fates) == len(fates)
    with pytest.raises(DemoFailed, match="its budget says"):
        kept(promises, {"brand_week": [line(spent + 1, reserved)]})


@given(st.lists(st.tuples(st.integers(-5, 40), st.integers(1, 4)), max_size=30))
def test_only_orders_of_the_games_minute_must_play_and_two_of_a_shopper(orders: Sequence[tuple[int, int]]) -> None:
    opened = Opened(AT, AT + timedelta(seconds=30), {})
    events = {
        str(number): OrderPaid(
            id=f"event-{number:04d}", at=AT + timedelta(seconds=seconds), order=str(number), total=9.0,
            lines=(OrderLine("p1", 9.0),),
        )
        for number, (seconds, _) in enumerate(orders)
    }  # fmt: skip
    customers = {str(number): str(customer) for number, (_, customer) in enumerate(orders)}
    found = must_play(events, customers, opened)
    assert all(game == "evening_draw" and 0 <= orders[int(order)][0] < 30 for game, order in found)
    whose = [customers[order] for _, order in found]
    assert all(whose.count(customer) <= games.TICKETS_PER_SHOPPER for customer in whose)
    assert all(ends(order) == ("delivered",) for _, order in found)


class _Page:
    """A tracker's page that shows a promotion while its campaign is not paused."""

    def __init__(self) -> None:
        self.paused, self.changes = False, list[str]()

    def change(self, campaign: str, what: str) -> None:
        self.changes.append(f"{what} {campaign}")
        self.paused = what == "pause"

    async def look(self, _shopper: str, _after: str) -> Answer:
        return Answer(node="brand_offer", experiences=() if self.paused else (PROMOTED,))


def test_the_first_page_with_a_campaign_sees_its_pause_and_its_end() -> None:
    page: Any = _Page()
    probe = CampaignProbe(page.change)
    session = Session("visit-1", "7", Order("1", "7", "330", AT, AT.date(), ()), ())
    watched = OrderPaid(id="event-0001", at=AT, order="1", total=1.0, lines=(OrderLine("p1", 1.0),))

    async def visit() -> None:
        await probe(page, session, watched, Answer(node="arrival", experiences=(RECOMMENDED,)))
        assert page.changes == []
        for _ in range(2):
            await probe(page, session, watched, Answer(node="brand_offer", experiences=(PROMOTED,)))

    asyncio.run(visit())
    assert page.changes == ["pause brand_week", "resume brand_week"], "once, and nothing stays paused"
    assert probe.paused is not None and probe.paused.what == "brand_week" and len(probe.unsure) == 2


def test_a_pause_of_everything_is_measured_from_when_it_was_said() -> None:
    class Page:
        default = False

        async def look(self, _shopper: str, _after: str) -> Answer:
            return Answer(default=self.default, reason="off" if self.default else None)

    page: Any = Page()
    said: list[str] = []

    def direct(what: str) -> datetime:
        said.append(what)
        page.default = what == "pause"
        return datetime.now(UTC) - timedelta(seconds=7)

    found = asyncio.run(tree_paused(Looker(page, "7", "e", patience_s=5.0), direct))
    assert said == ["pause", "resume"] and found.what == "everything"
    assert min(found.gone_s, found.back_s) >= 7.0


def test_a_pause_that_nobody_sees_fails_the_demo() -> None:
    page: Any = _Page()
    with pytest.raises(DemoFailed, match="after the pause of it pages show what they showed"):
        asyncio.run(Looker(page, "7", "e", patience_s=0.01).until("pause of it", lambda answer: not answer.experiences))


def test_a_campaign_is_named_only_where_its_branch_shows_it() -> None:
    assert of_campaign(Answer(node="brand_offer", experiences=(RECOMMENDED, PROMOTED))) == ("brand_week", PROMOTED)
    assert of_campaign(Answer(node="arrival", experiences=(PROMOTED,))) is None
    assert of_campaign(Answer(node="playing", experiences=(RECOMMENDED,))) is None


def test_a_simulation_is_read_as_it_is_told() -> None:
    figures = {"times": 3, "journeys": 2, "at_most": 4.0, "expected": 1.0, "claimed": 1.5}
    told = {
        "simulated": {
            "shoppers": 9,
            "nodes": {"arrival": {"shoppers": 9, "journeys": 9, "events": 20}},
            "shown": [
                {"node": "brand_offer", "kind": "promotion", "slot": "basket", "figures": figures},
                {"node": "other", "kind": "promotion", "slot": "main", "figures": figures},
                {"node": "playing", "kind": "game", "slot": "basket", "figures": {**figures, "at_most": 500.0}},
            ],
        }
    }
    found = read_simulated(told)
    assert (found.shoppers, found.reached, found.shown) == (9, {"arrival": 9}, {"promotion": 4, "game": 2})
    assert (found.claimed, found.at_most) == (3.0, 8.0), "a game's prizes are fixed before it opens"


def test_the_closing_table_says_what_was_left_out() -> None:
    numbers = {
        "orders": 2, "events": 50, "seconds": 3.0, "simulated": {"claimed": 1.5}, "paused": [], "campaigns": [],
        "kinds": [{"kind": "default", "of": "", "reason": "consent", "shoppers": 1}], "games": [],
        "audited": {"promises": 0, "repaired": 0, "unrepaired": 0},
        "refunds": {"orders": 0}, "replay": {"decisions": 5, "same": 5, "different": 0, "excused": {}},
    }  # fmt: skip
    told = dict(rows(numbers))
    assert told["kinds seen"] == "default consent 1" and told["pause"] == "none"
