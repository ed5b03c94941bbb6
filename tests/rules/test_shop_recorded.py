"""The demo's day as a file of sessions: what a tree's simulation reads, whole or not at all."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given

from emulators.shop import recorded
from emulators.shop.journey_data import Order
from emulators.shop.sessions import browse
from layers.events.record import decode_record
from layers.privacy.pseudonym import PATTERN
from layers.tree.parameters import encode_parameters
from layers.tree.sessions import parameters_of, records_of, sessions_of
from layers.tree.simulation import Simulation
from tests.rules.journeys import PARAMETERS, SHOPPER
from tests.rules.shop import ASSORTMENT
from tests.rules.shop import order as an_order
from tests.rules.test_journey import TREE


@given(an_order(most_lines=6))
def test_a_recorded_session_is_its_events_under_a_pseudonym(order: Order) -> None:
    session = browse(order, ASSORTMENT)
    records = [decode_record(line) for line in recorded.lines_of([[session]])]
    assert tuple(each.event for each in records) == session.events
    assert {each.session for each in records} == {session.id}
    assert len({each.shopper for each in records}) == 1 and PATTERN.match(records[0].shopper)
    simulation = Simulation(TREE, granted_by_default=True)
    simulation.replay(records, None)
    assert simulation.nodes["order_paid"].journeys == 1


def test_the_day_is_written_and_simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "day.jsonl.gz"
    assert recorded.main(["day", "--orders", "3", "--out", str(out)]) == 0
    lines = gzip.decompress(out.read_bytes()).splitlines()
    assert f"{len(lines)} events" in capsys.readouterr().out
    shoppers = sessions_of(out)
    assert 1 <= len(shoppers) <= 3 and sum(map(len, shoppers.values())) == len(lines)
    assert all(records_of(theirs, out) for theirs in shoppers.values())
    assert [path.name for path in tmp_path.iterdir()] == ["day.jsonl.gz"]


def test_parameters_are_written_as_they_are_read(tmp_path: Path) -> None:
    out = tmp_path / "parameters.jsonl"
    out.write_bytes(b"\n".join(recorded.parameter_lines([(SHOPPER, encode_parameters(PARAMETERS))])))
    assert parameters_of(out) == {SHOPPER: PARAMETERS}


def test_without_a_stack_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--out", str(tmp_path / "a"), "--parameters", str(tmp_path / "b")]
    assert recorded.main(["stack", "--folder", str(tmp_path / "none"), *files]) == 2
    assert "nothing is written: " in capsys.readouterr().err and not list(tmp_path.iterdir())
