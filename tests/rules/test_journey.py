"""The fold: what moves a shopper, when a journey begins, and that the order of delivery changes nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.events.model import ConsentChanged
from layers.events.record import Record, row_key
from layers.facts import DECISIONS
from layers.retailers import Retailer
from layers.stores.bigtable.fake import FakeHotEvents
from layers.stores.bigtable.port import HotEvent, ShopperRow
from layers.tree.catching_up import catch_up, read_row
from layers.tree.decision import Decision, decode_decision, encode_decisions
from layers.tree.folding import key_of
from layers.tree.journey import Standing, advance, fits, in_order, stretch_start
from layers.tree.reading import read_yaml
from layers.tree.state import BASKET, COUNTED, State, decode_state, encode_state
from layers.tree.variables import basket_total
from tests.rules.journeys import PARAMETERS, SHOPPER, START, record

EXAMPLE = Path(__file__).parents[2] / "layers" / "tree" / "examples" / "grocery_basket.yaml"
TREE = read_yaml(EXAMPLE.read_text())
STANDING = Standing(TREE, PARAMETERS, granted_by_default=True)
REFUSING = Standing(TREE, PARAMETERS, granted_by_default=False)
RETAILER = Retailer(id="demo", name="Demo", write_key="w" * 16, read_key="r" * 16, origins=())
NOW = START.replace(day=28)


def fold(*records: Record, standing: Standing = STANDING) -> tuple[State, list[Decision]]:
    state, decisions = advance(None, records, standing)
    assert state is not None
    return state, decisions


def test_a_decision_fits_its_table_and_survives_the_wire() -> None:
    _, decisions = fold(record("PageViewed", 0), record("AddedToBasket", 1))
    assert tuple(decisions[0].__struct_fields__) and set(decisions[0].__struct_fields__) == {
        column.name for column in DECISIONS.columns
    }
    assert [decode_decision(line) for line in encode_decisions(decisions).split(b"\n")] == decisions


def test_the_basket_follows_adds_and_removals() -> None:
    state, _ = fold(
        record("AddedToBasket", 0, product="a", quantity=2, price=1.1),
        record("AddedToBasket", 1, product="b", quantity=0.5, price=8),
        record("RemovedFromBasket", 2, product="a", quantity=1, price=1.1),
        record("RemovedFromBasket", 3, product="never", quantity=1, price=1),
        record("RemovedFromBasket", 4, product="b", quantity=9, price=8),
    )
    assert {product: line.quantity for product, line in state.basket.items()} == {"a": 1.0}
    assert basket_total(state) == 1.1


def test_a_script_cannot_grow_the_state() -> None:
    adds = [record("AddedToBasket", n / 100, id=f"event-{n:05d}", product=f"p{n}") for n in range(BASKET + 100)]
    state, decisions = fold(*adds)
    assert len(state.basket) == BASKET and len(state.counted) == COUNTED and len(decisions) == len(adds)
    assert len(encode_state(state)) < 16_000


def test_history_never_moves_anybody() -> None:
    assert advance(None, [record("OrderPaid", 0, channel="history")], STANDING) == (None, [])
    state, _ = fold(record("AddedToBasket", 0))
    assert advance(state, [record("OrderPaid", 1, channel="history")], STANDING) == (state, [])


def test_a_pause_of_more_than_six_hours_begins_a_journey() -> None:
    just, _ = fold(record("AddedToBasket", 0), record("PageViewed", 360))
    over, decisions = fold(record("AddedToBasket", 0), record("PageViewed", 360.001))
    assert just.basket and just.events == 2
    assert not over.basket and over.events == over.revision == 1
    assert decisions[-1].node_before == TREE.root
    assert json.loads(decisions[-1].reason)[0]["rule"] == "starts"


def test_a_new_session_after_the_order_begins_a_journey_but_the_thank_you_page_does_not() -> None:
    paid = [record("AddedToBasket", 0), record("OrderPaid", 1, session="server-9", channel="server")]
    thanked, decisions = fold(*paid, record("PageViewed", 2, kind="checkout", page="/thanks"))
    assert thanked.order.paid and decisions[-1].node_after == "order_paid"
    status, _ = fold(*paid, record("OrderStatusUpdated", 3, session="server-10", channel="server"))
    assert status.order.paid
    again, decisions = fold(*paid, record("PageViewed", 30, session="visit-2"))
    assert not again.order.paid and again.events == 1
    assert decisions[-1].node_before == decisions[-1].node_after == "arrival"
    # A late event that takes the journey's start away must still raise the revision, or the older decision would win.
    assert again.revision == 3


def test_an_order_at_the_till_leaves_the_basket_on_the_web() -> None:
    state, _ = fold(record("AddedToBasket", 0), record("OrderPaid", 1, channel="store"))
    assert state.basket and not state.order.paid


def test_without_consent_nothing_personal_is_decided() -> None:
    adds = [record("AddedToBasket", n, product=f"usual{n}") for n in range(3)]
    _, decisions = fold(*adds, standing=REFUSING)
    for decision in decisions:
        assert decision.node_before == decision.node_after == "arrival"
        assert decision.parameters_version == ""
        assert json.loads(decision.shown) == [
            {"kind": "default", "default": True, "slot": "main", "products": [], "text": ""}
        ]
        assert json.loads(decision.reason)[-1] == {"node": "arrival", "rule": "refused"}


def test_consent_counts_from_its_own_time_on() -> None:
    given_at = record("ConsentChanged", 1)
    withdrawn = record("ConsentChanged", 3, purposes={"personalisation": False})
    adds = [record("AddedToBasket", at, product=f"usual{at}") for at in (0, 2, 4)]
    _, decisions = fold(withdrawn, *adds, given_at, standing=REFUSING)
    assert ["refused" in d.reason for d in decisions] == [True, False, False, True, True]


def test_a_shoppers_words_are_not_quoted() -> None:
    _, decisions = fold(record("PageViewed", 0), record("Searched", 1, query="my secret remedy"))
    assert decisions[-1].node_after == "searching"
    assert b"secret" not in encode_decisions(decisions)


def test_what_was_just_bought_is_not_recommended() -> None:
    state, decisions = fold(
        record("AddedToBasket", 0),
        record("OrderPaid", 1, total=12, lines=[{"product": "usual0", "paid": 12}]),
    )
    assert state.node == "order_paid" and state.basket == {}
    assert json.loads(decisions[-1].shown)[0]["products"] == ["usual1", "usual2", "usual3", "usual4", "usual5"]


def test_a_stretch_is_found_from_any_of_its_events() -> None:
    records = in_order(record("PageViewed", at) for at in (0, 5, 700, 1000, 2000))
    at = [key_of(r)[0] for r in records]
    assert [stretch_start(records, ms) for ms in (0, at[1], at[2], at[3], at[4], at[4] + 1)] == [0, 0, 2, 2, 4, 4]
    assert stretch_start([], 0) is None


def test_another_tree_or_other_parameters_make_the_fold_begin_anew() -> None:
    state, _ = fold(record("AddedToBasket", 0))
    newer = msgspec.structs.replace(PARAMETERS, version="2026-11-21")
    soon, later = record("PageViewed", 5), record("PageViewed", 500)
    assert fits(state, [soon], STANDING) and fits(state, [record("AddedToBasket", 0), soon], STANDING)
    assert not fits(state, [soon], Standing(TREE, newer, True))
    assert fits(state, [later], Standing(TREE, newer, True))
    assert not fits(state, [record("PageViewed", -1)], STANDING)
    assert not fits(None, [soon], STANDING)


# ------------------------------------------------------------ any order of storing and delivering, any duplicates

_TYPES = (
    "PageViewed",
    "Searched",
    "AddedToBasket",
    "AddedToBasket",
    "RemovedFromBasket",
    "OrderPaid",
    "ConsentChanged",
)


@st.composite
def visits(draw: st.DrawFn) -> list[Record]:
    """Up to 25 events over a few days: bunches, pauses around six hours, equal moments, orders, changes of consent.

    A consent never comes in channel `history` here: delivered late in bulk, it counts from then on, and nothing is
    decided anew.
    """
    minutes = 0.0
    records = []
    for number in range(draw(st.integers(1, 25))):
        minutes += draw(st.sampled_from([0, 0, 1, 5, 90, 359, 360, 361, 500]))
        type_ = draw(st.sampled_from(_TYPES))
        fields: dict[str, Any] = {}
        channels = ["web", "web", "web", "server", "officer" if type_ == "ConsentChanged" else "history"]
        if type_ in ("AddedToBasket", "RemovedFromBasket"):
            fields = {"product": f"usual{draw(st.integers(0, 4))}", "quantity": 1, "price": 9}
        if type_ == "ConsentChanged":
            fields = {"purposes": {"personalisation": draw(st.booleans())}}
        records.append(
            record(
                type_,
                minutes,
                id=f"event-{draw(st.integers(0, 9))}-{number:03d}",
                session=draw(st.sampled_from(["visit-1", "visit-2", "visit-3"])),
                channel=draw(st.sampled_from(channels)),
                **fields,
            )
        )
    return records


class Stack:
    """Stores and delivers as ingest and decisioning do, one message at a time."""

    def __init__(self, standing: Standing) -> None:
        self.standing, self.hot = standing, FakeHotEvents()
        self.row = ShopperRow()
        self.newest: dict[str, Decision] = {}

    async def store(self, records: list[Record]) -> None:
        await self.hot.write(
            [
                HotEvent(row_key("demo", SHOPPER, r.event.at, r.event.id), "f", key_of(r)[0], msgspec.json.encode(r))
                for r in records
            ]
        )
        for consent in (r for r in records if isinstance(r.event, ConsentChanged)):
            known = read_row(self.row).consent
            if known is None or known.key <= key_of(consent):
                self.row = ShopperRow(None, self.row.state, msgspec.json.encode(consent))

    async def deliver(self, records: list[Record]) -> None:
        shopper = read_row(self.row)
        keys = {key_of(r) for r in records if r.channel != "history"}
        if not keys or (shopper.state and all(shopper.state.has_counted(key) for key in keys)):
            return
        caught_up = await catch_up(self.hot, RETAILER, SHOPPER, shopper, self.standing, NOW, delivered=keys)
        for decision in caught_up.decisions:
            if decision.event_id not in self.newest or decision.revision >= self.newest[decision.event_id].revision:
                self.newest[decision.event_id] = decision
        assert caught_up.state is not None
        self.row = ShopperRow(None, encode_state(caught_up.state), self.row.consent)


@given(visits(), st.data(), st.sampled_from([STANDING, REFUSING]))
@settings(max_examples=250, deadline=None)
def test_any_order_of_delivery_gives_the_state_and_decisions_of_folding_all(
    records: list[Record], data: st.DataObject, standing: Standing
) -> None:
    expected_state, expected = advance(None, records, standing)
    order = data.draw(st.permutations(records))
    twice = data.draw(st.lists(st.sampled_from(records), max_size=5))
    ahead = data.draw(st.lists(st.integers(0, len(records)), min_size=len(order), max_size=len(order)))

    async def play() -> Stack:
        stack = Stack(standing)
        for number, (one, stored) in enumerate(zip(order, ahead, strict=True)):
            await stack.store(list(order[: max(number + 1, stored)]))
            await stack.deliver([one])
        for again in twice:
            await stack.deliver([again])
        return stack

    stack = asyncio.run(play())
    live = [r for r in records if r.channel != "history"]
    assert {d.event_id for d in stack.newest.values()} == {r.event.id for r in live}
    assert sorted(stack.newest.values(), key=lambda d: (d.at, d.event_id)) == expected
    state = decode_state(stack.row.state) if stack.row.state else None
    assert state == expected_state


@given(visits(), st.integers(0, 24))
@settings(max_examples=200, deadline=None)
def test_folding_on_from_a_stored_state_is_folding_all(records: list[Record], cut: int) -> None:
    ordered = in_order(records)
    state, first = advance(None, ordered[:cut], STANDING)
    stored = decode_state(encode_state(state)) if state else None
    # What was counted is sent again, and skipped.
    again = [r for r in ordered[:cut] if stored and stored.has_counted(key_of(r))]
    after, second = advance(stored, [*ordered[cut:], *again], STANDING)
    assert (after, first + second) == advance(None, ordered, STANDING)


@given(visits(), st.data())
@settings(max_examples=200, deadline=None)
def test_folding_one_stretch_gives_what_folding_from_the_beginning_gives(
    records: list[Record], data: st.DataObject
) -> None:
    ordered = in_order(records)
    if not ordered:
        return
    target = data.draw(st.sampled_from([key_of(r)[0] for r in ordered]))
    start = stretch_start(ordered, target)
    assert start is not None
    whole_state, whole = advance(None, records, STANDING)
    before, _ = advance(None, [r for r in records if key_of(r) < key_of(ordered[start])], STANDING)
    known = [before.consent] if before else []
    history = [r for r in records if r.channel == "history"]
    state, decisions = advance(None, [*ordered[start:], *history], STANDING, known)
    assert (state, decisions) == (whole_state, whole[start:])


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_visit_longer_than_a_state_remembers_in_any_order(seed: int) -> None:
    """Beyond COUNTED events a duplicate looks like a late event: it costs a longer read and changes nothing."""
    random = Random(seed)
    types = ["PageViewed", "AddedToBasket", "RemovedFromBasket", "Searched"]
    records = [
        record(random.choice(types), n * 0.5, id=f"event-{n:05d}", session=f"visit-{n // 60}") for n in range(200)
    ]
    expected_state, expected = advance(None, records, STANDING)
    nearly = sorted(records, key=lambda r: key_of(r)[0] + random.choice([0, 0, 0, 200_000, 3_000_000]))
    stack = Stack(STANDING)
    for start in range(0, len(nearly), 7):
        await stack.store(nearly[start : start + 7 + random.randrange(20)])
        await stack.deliver(nearly[start : start + 7])
    for again in random.sample(records, 10):
        await stack.deliver([again])
    assert [stack.newest[d.event_id] for d in expected] == expected
    assert stack.row.state and decode_state(stack.row.state) == expected_state
