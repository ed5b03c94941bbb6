"""`replayed.sql` on the emulator: which visits are judged, and which orders are laid to them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from functions.cooling.rules import cool, cool_decisions
from layers.declarations.settings import Settings
from layers.events.model import ConsentChanged, Event, OrderLine, OrderPaid, Purposes
from layers.events.record import Record
from layers.experiments.__main__ import replay
from layers.experiments.judging.replayed import SQL, binding
from layers.retailers import Retailer
from layers.stores.bigquery.warehouse import BigQueryWarehouse
from layers.stores.bigquery.writer import BigQueryFacts
from layers.tree.decision import Decision, encode_decisions
from layers.tree.treatment import LoggedOffer
from tests.contracts.datasets import make_dataset

pytestmark = pytest.mark.emulators

PROJECT = "judging"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MONDAY = datetime(2026, 11, 9, tzinfo=UTC)
OFFERS = msgspec.json.encode(
    [
        LoggedOffer("coffee", "percent_20", "p1", 1.0, propensity=0.9, drawn=True, group=0.95),
        LoggedOffer("coffee", "percent_10", "p1", 0.5, propensity=0.05, group=0.95),
    ]
).decode()


def name(number: int) -> str:
    return f"01{number:032x}"


def decision(shopper: int, at: datetime, *, starts: bool = True, control: bool | None = False) -> Decision:
    reason = '[{"node":"arrival","rule":"starts"}]' if starts else '[{"node":"arrival","rule":"stays"}]'
    return Decision(
        event_id=f"visit-{shopper}-{at:%m%d%H%M}", shopper=name(shopper), session="s", channel="web", at=at,
        received=at, revision=1, tree="t", tree_version="1", parameters_version="v", node_before="a", node_after="a",
        reason=reason, shown="[]", propensity=1.0, control=control, offers=OFFERS,
    )  # fmt: skip


def order(shopper: int, at: datetime, paid: float, discount: float = 0.0) -> Record:
    id = f"order-{shopper}-{at:%m%d%H%M}"
    lines = (OrderLine("p1", paid=paid, discount=discount), OrderLine("p2", paid=1.0))
    return told(shopper, OrderPaid(id=id, at=at, order=id, total=paid + 1.0, lines=lines))


def told(shopper: int, event: Event) -> Record:
    return Record(shopper=name(shopper), session="s", channel="web", received=event.at, event=event)


def consent(shopper: int, at: datetime, measurement: bool) -> Record:
    purposes = Purposes(measurement=measurement, personalisation=True)
    return told(shopper, ConsentChanged(id=f"consent-{shopper}-{at:%m%d}", at=at, purposes=purposes))


VISIT = MONDAY + timedelta(hours=10)
DAY = timedelta(days=1)
DECISIONS = [
    decision(1, VISIT),
    decision(1, VISIT + timedelta(hours=1)),  # the same week: what came of the first may have led to it
    decision(1, MONDAY + 6 * DAY + timedelta(hours=23)),  # Sunday night: the same week still
    decision(2, VISIT, control=True),
    decision(3, VISIT, starts=False),
    decision(4, VISIT, control=None),
    decision(5, VISIT),
    decision(6, MONDAY - timedelta(minutes=1)),  # Sunday: the week before, before `since`
    decision(6, NOW - 7 * DAY + timedelta(minutes=1)),  # a week since is not over yet
    decision(7, VISIT),
]
RECORDS = [
    *(consent(n, MONDAY - 30 * DAY, measurement=n != 5) for n in range(1, 7)),
    order(1, VISIT - timedelta(minutes=1), 40.0),
    order(1, VISIT - 91 * DAY, 20.0),
    order(1, VISIT - 92 * DAY, 1000.0),
    order(1, VISIT + timedelta(minutes=20), 30.0, discount=2.5),
    order(1, VISIT + 7 * DAY, 5.0),
    order(1, VISIT + 7 * DAY + timedelta(seconds=60), 1000.0),
]


@pytest.fixture(scope="module")
def asked(bigquery_emulator: tuple[str, str]) -> tuple[BigQueryWarehouse, str]:
    import asyncio

    rest, storage = bigquery_emulator
    dataset = make_dataset(rest, PROJECT, "retailer_demo")
    values = Settings(
        {"GONDOLA_PROJECT": PROJECT, "BIGQUERY_EMULATOR_HOST": rest, "BIGQUERY_STORAGE_EMULATOR_HOST": storage}
    )

    async def fill() -> None:
        facts = BigQueryFacts.of(values)
        cooled, corrupt = cool_decisions(encode_decisions(DECISIONS).split(b"\n"))
        assert corrupt == []
        for _ in range(2):  # delivery is at least once
            for one in (*cooled, *cool(RECORDS)):
                await facts.append(dataset, one.table, one.columns)
        await facts.close()

    asyncio.run(fill())
    return BigQueryWarehouse.of(values), dataset


def found(asked: tuple[BigQueryWarehouse, str], unknown_consent: bool) -> dict[str, dict[str, Any]]:
    warehouse, dataset = asked
    sql = SQL.replace("{dataset}", warehouse.full_name(dataset))
    rows: Sequence[dict[str, Any]] = warehouse.query(sql, binding(MONDAY, NOW, NOW, unknown_consent))
    assert len({row["shopper"] for row in rows}) == len(rows)
    return {row["shopper"]: row for row in rows}


def test_first_visits_of_a_week_of_who_agreed_to_be_measured(asked: tuple[BigQueryWarehouse, str]) -> None:
    assert set(found(asked, False)) == {name(1), name(2)}
    assert set(found(asked, True)) == {name(1), name(2), name(7)}


def test_what_came_of_it_and_what_was_known(asked: tuple[BigQueryWarehouse, str]) -> None:
    """Two orders within the week after, two within the 91 days before; each row counts once though it came twice."""
    first = found(asked, False)[name(1)]
    assert (first["paid"], first["discount"]) == (30.0 + 1.0 + 5.0 + 1.0, 2.5)
    assert (first["spent_before"], first["orders_before"]) == (40.0 + 1.0 + 20.0 + 1.0, 2)
    assert first["offers"] == OFFERS and first["control"] is False
    other = found(asked, False)[name(2)]
    assert (other["paid"], other["spent_before"], other["control"]) == (0.0, 0.0, True)


def test_a_policy_is_judged_on_them(
    asked: tuple[BigQueryWarehouse, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse, _ = asked
    shop = Retailer(id="demo", name="Demo", write_key="w" * 16, read_key="r" * 16, origins=())
    given = argparse.Namespace(policy="best", since=MONDAY, until=NOW, campaign=None, json=tmp_path / "best.json")
    assert replay(given, warehouse, shop, 0.25, NOW) == 0
    data = json.loads((tmp_path / "best.json").read_text())
    assert (data["visits"], data["counted"]["visits"]) == (2, 2)
    # Shopper 1 was shown a fifth off at 0.855, shopper 2 nothing, being in the control group.
    brought = 0.25 * (37.0 + 2.5) - 2.5
    assert data["estimates"]["ips"]["value"] == pytest.approx(brought / 0.855 / 2)
    assert "not to be judged" in capsys.readouterr().out
    given.campaign = "another"
    assert replay(given, warehouse, shop, 0.25, NOW) == 1
    assert "nothing to judge on" in capsys.readouterr().err
