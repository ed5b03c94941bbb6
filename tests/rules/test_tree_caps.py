"""What conditions know of a journey's past: the order of events, what was shown, an order that was undone."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.events.model import EVENT_TYPES, type_name
from layers.events.record import Record
from layers.tree.journey import Standing, advance, in_order
from layers.tree.reading import read_yaml
from layers.tree.state import PATH, SHOWN, State, UnreadableState, decode_state, encode_state
from layers.tree.variables import values_of
from tests.rules.journeys import PARAMETERS, record
from tests.rules.test_journey import STANDING
from tests.rules.test_tree_reading import TREE


def folded(*records: Record, standing: Standing = STANDING) -> tuple[State, Any]:
    state, _ = advance(None, records, standing)
    assert state is not None
    return state, values_of(state, PARAMETERS)


PAID = (record("AddedToBasket", 0), record("OrderPaid", 1, order="order-1", total=60))


@pytest.mark.parametrize("status", ["cancelled", "refunded"])
def test_an_order_undone_is_as_if_it_had_not_been_paid(status: str) -> None:
    state, values = folded(*PAID)
    assert (
        values["order"] == {"paid": True, "cancelled": False, "total": 60.0} and "usual1" not in values["recommended"]
    )
    undone = record("OrderStatusUpdated", 2, order="order-1", status=status, session="server", channel="server")
    state, values = folded(*PAID, undone)
    assert values["order"] == {"paid": False, "cancelled": True, "total": 60.0} and "usual1" in values["recommended"]
    assert values["event"]["status"] == status and state.node == "arrival"
    # Whoever comes back comes to a new journey, as after an order that stands.
    assert folded(*PAID, undone, record("PageViewed", 3, session="visit-2"))[0].events == 1
    assert folded(*PAID, undone, record("PageViewed", 3))[0].events == 4


@pytest.mark.parametrize(("order", "status"), [("order-2", "cancelled"), ("order-1", "delivered")])
def test_another_orders_status_changes_nothing(order: str, status: str) -> None:
    _, values = folded(*PAID, record("OrderStatusUpdated", 2, order=order, status=status, channel="server"))
    assert values["order"]["paid"] and not values["order"]["cancelled"]


@pytest.mark.parametrize("status", ["delivered", "cancelled", "refunded"])
def test_an_order_of_which_a_part_is_left_stands_and_holds_what_is_left(status: str) -> None:
    kept = {"total": 42.5, "lines": [{"product": "bread", "paid": 42.5}]}
    part = record("OrderStatusUpdated", 2, order="order-1", status=status, channel="server", kept=kept)
    _, values = folded(*PAID, part)
    assert values["order"] == {"paid": True, "cancelled": False, "total": 42.5}
    assert "usual1" in values["recommended"], "what was not delivered may be recommended again"
    whole = record("OrderStatusUpdated", 3, order="order-1", status="cancelled", channel="server")
    assert folded(*PAID, part, whole)[1]["order"]["cancelled"]


def test_a_path_tells_the_order_of_events() -> None:
    _, values = folded(record("PageViewed", 0), record("Searched", 1), record("AddedToBasket", 2))
    assert values["session"]["path"] == "PageViewed Searched AddedToBasket"


def test_a_node_is_left_once_it_was_shown_often_enough_also_in_the_next_visit() -> None:
    tree = {**TREE, "root": {**TREE["root"], "children": [dict(TREE["root"]["children"][0])]}}
    tree["root"]["children"][0].update(
        when="basket.lines >= 0", leave='shown.nodes.filter(node, node == "nearly").size() >= 2'
    )
    standing = Standing(read_yaml(yaml.safe_dump(tree)), PARAMETERS, granted_by_default=True)

    def shown(minute: float, node: str = "nearly") -> Record:
        return record("ExperienceShown", minute, kind="tension", node=node)

    assert folded(shown(0), shown(1, "start"), standing=standing)[0].node == "nearly"
    state, values = folded(shown(0), shown(1), standing=standing)
    assert (state.node, values["shown"]["tensions"]) == ("start", 2)
    paid = record("OrderPaid", 2)
    assert (
        folded(shown(0), shown(1), paid, record("PageViewed", 3, session="two"), standing=standing)[0].node == "start"
    )
    assert folded(shown(0), shown(1), record("PageViewed", 500), standing=standing)[0].node == "nearly"


EVENTS = st.lists(
    st.tuples(st.sampled_from([t for t in map(type_name, EVENT_TYPES) if "Click" not in t]), st.floats(0, 400)),
    min_size=1,
)


@settings(deadline=None, max_examples=60)
@given(EVENTS)
def test_what_is_remembered_is_bounded_and_of_its_type(events: list[tuple[str, float]]) -> None:
    records = [record(type, minute, id=f"event-{n:04d}") for n, (type, minute) in enumerate(events)]
    state, values = folded(*records)
    types = [type_name(r.event) for r in in_order(records)]
    assert len(state.path) == min(state.events, PATH)
    assert values["session"]["path"].split() == types[-len(state.path) :]
    assert len(state.shown) <= SHOWN and values["shown"]["games"] == len(state.shown)
    assert decode_state(encode_state(state)) == state


def test_a_state_of_the_older_format_is_folded_anew() -> None:
    state, _ = folded(*PAID)
    older = encode_state(state).replace(b'{"format":3,', b'{"format":2,')
    with pytest.raises(UnreadableState, match="folded anew"):
        decode_state(older)
    assert json.loads(encode_state(state))["format"] == 3


def test_predictions_of_the_page_and_of_the_product_at_hand() -> None:
    def values(*records: Record) -> Any:
        return folded(*records)[1]

    assert values(record("PageViewed", 0, kind="category", category="DAIRY"))["page"]["probability"] == 0.9
    assert values(record("PageViewed", 0, kind="category", category="WINE"))["page"]["probability"] == 0.0
    assert values(record("ProductViewed", 0, product="usual0"))["event"]["probability"] == 0.9
    assert values(record("ProductViewed", 0, product="new"))["event"]["probability"] == 0.0
