"""A simulation counts what the fold decides, the same whatever the file's order; its costs can be recomputed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.events.record import Record, decode_record
from layers.tree.__main__ import main
from layers.tree.offer import ShopperOffer
from layers.tree.parameters import encode_parameters
from layers.tree.reckoning import as_json, traffic
from layers.tree.simulation import Simulation
from tests.rules.journeys import OFFERS, PARAMETERS, record
from tests.rules.test_journey import TREE
from tests.rules.test_tree_reading import EXAMPLE

SOMEBODY, ELSE = "01" + "ab" * 16, "01" + "cd" * 16


def simulated(*records: Record, parameters: Any = PARAMETERS) -> Simulation:
    simulation = Simulation(TREE, granted_by_default=True)
    simulation.replay(records, parameters)
    return simulation


def near(minute: float) -> Record:
    """36 of the 50 that the offer asks for: `favourite_offer`."""
    return record("AddedToBasket", minute, product="usual1", quantity=3, price=12)


def paid(minute: float, *products: str, total: float = 51) -> Record:
    return record("OrderPaid", minute, total=total, lines=[{"product": product, "paid": 1} for product in products])


def cost(simulation: Simulation, where: tuple[str, str, str]) -> tuple[float, float, float]:
    often = simulation.shown[where]
    return often.at_most, often.expected, often.claimed


PROMOTED = ("favourite_offer", "promotion", "basket")


@pytest.mark.parametrize(
    ("order", "claimed"),
    [(paid(3, "usual3"), 1.0), (paid(3, "other"), 0.0), (paid(3, "usual3", total=49.99), 0.0)],
)
def test_an_offer_costs_once_a_journey_what_its_order_claims(order: Record, claimed: float) -> None:
    simulation = simulated(near(0), record("PageViewed", 1), record("ProductViewed", 2, product="x"), order)
    assert cost(simulation, PROMOTED) == (OFFERS[0].generosity, OFFERS[0].expected_cost, claimed)
    assert simulation.shown[PROMOTED].times == simulation.shown[PROMOTED].journeys == 1
    # Again, in a new journey: it is promised again.
    again = simulated(near(0), order, near(1000))
    assert cost(again, PROMOTED) == (2.0, 0.4, claimed)
    assert (again.journeys, again.shoppers, again.nodes["favourite_offer"].journeys) == (2, 1, 2)


def test_an_offer_shown_at_two_nodes_is_one_promise() -> None:
    at_another = record("AddedToBasket", 1, product="usual2", quantity=1, price=15)
    simulation = simulated(near(0), at_another, paid(3, "usual3"), paid(4, "usual3"))
    assert simulation.shown[("reward_reached", "promotion", "basket")].journeys == 1
    assert cost(simulation, PROMOTED) == (1.0, 0.2, 1.0)
    assert cost(simulation, ("reward_reached", "promotion", "basket")) == (0.0, 0.0, 0.0)


def test_an_order_claims_nothing_that_its_own_page_shows_first() -> None:
    simulation = simulated(near(0), paid(1, "usual1"))
    game = ("big_order_game", "game", "confirmation")
    assert cost(simulation, game) == (5.0, 0.0, 0.0)


def test_money_off_the_basket_is_that_of_the_campaign_behind_it() -> None:
    step = ShopperOffer(
        campaign="step", offer="money_2", kind="tension", generosity=2.0, threshold=50.0, expected_cost=0.7
    )
    parameters = msgspec.structs.replace(PARAMETERS, offers=(step,))
    simulation = simulated(near(0), paid(1, "any"), parameters=parameters)
    assert cost(simulation, ("favourite_offer", "tension", "main")) == (2.0, 0.7, 2.0)
    control = msgspec.structs.replace(parameters, control=True)
    assert ("favourite_offer", "tension", "main") not in simulated(near(0), parameters=control).shown


EVENTS = st.lists(
    st.tuples(st.sampled_from(["PageViewed", "Searched", "AddedToBasket", "OrderPaid"]), st.integers(0, 900)),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, max_examples=40)
@given(EVENTS, st.randoms(use_true_random=False))
def test_whatever_the_order_every_event_counts_once(events: list[tuple[str, int]], random: Any) -> None:
    records = [record(type, at, id=f"event-{n:04d}") for n, (type, at) in enumerate(events)]
    first = simulated(*records)
    random.shuffle(records)
    again = simulated(*records, *records[:2])
    assert as_json(first) == as_json(again)
    assert sum(one.events for one in first.nodes.values()) == first.events == len({r.event.id for r in records})
    assert first.nodes[TREE.root].journeys == first.journeys >= first.nodes[TREE.root].shoppers == 1
    for name, place in TREE.places.items():
        assert all(first.nodes[child].journeys <= first.nodes[name].journeys for child in place.children)
    assert all(0 <= each.share <= 1 for each in traffic(first).values())


def test_the_command_replays_a_file_and_sets_two_trees_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    visits = [near(0), paid(3, "usual3"), record("PageViewed", 1)]
    others = [msgspec.structs.replace(each, shopper=ELSE) for each in visits]
    sessions = tmp_path / "sessions.jsonl.gz"
    sessions.write_bytes(gzip.compress(b"\n".join(msgspec.json.encode(r) for r in (*visits, *others))))
    assert decode_record(gzip.decompress(sessions.read_bytes()).splitlines()[0]) == visits[0]
    parameters = tmp_path / "parameters.jsonl"
    parameters.write_bytes(b'{"shopper":"%s","parameters":%s}\n' % (SOMEBODY.encode(), encode_parameters(PARAMETERS)))
    other = tmp_path / "other.yaml"
    other.write_text(EXAMPLE.read_text().replace("favourite_offer", "favourite"))
    picture = tmp_path / "tree.svg"
    command = ["simulate", str(EXAMPLE), "--sessions", str(sessions), "--parameters", str(parameters)]
    assert main([*command, "--against", str(other), "-o", str(picture)]) == 0
    told = capsys.readouterr().out
    assert "2 shoppers (1 of them without parameters), 2 journeys, 6 events" in told
    assert "they differ after 0.0% of the events" in told and "favourite  (no longer there)" in told
    [promotion] = [line.split() for line in told.splitlines() if line.startswith("favourite_offer: promotion")]
    assert promotion[4:] == ["1", "(0)", "1", "(0)", "1.00", "(0.00)", "0.20", "(0.00)", "1.00", "(0.00)"]
    assert "1 of 2 journeys · 50.0%" in picture.read_text()
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["simulated"]
    assert found["nodes"]["favourite_offer"] == {"shoppers": 1, "journeys": 1, "events": 2}
    sessions.write_bytes(sessions.read_bytes()[:-9])
    assert main(command) == 2
    sessions.with_suffix("").write_text('{"shopper":"x"}\n')
    assert main(["simulate", str(EXAMPLE), "--sessions", str(sessions.with_suffix(""))]) == 2
    assert "an event cannot be read" in capsys.readouterr().err
