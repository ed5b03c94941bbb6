"""A scoring run: under its scheduled clock, every retailer, harmless when repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from starlette.responses import Response

from functions.scoring.handler import PAGE, answer
from functions.scoring.room import Room
from layers.events.record import milliseconds
from layers.retailers import Registry, Retailer
from layers.stores.bigquery.fake import FakeWarehouse
from layers.stores.bigquery.port import Parameter, Unavailable
from layers.stores.bigtable.fake import FakeShopperRows
from layers.stores.bigtable.port import ShopperRow
from layers.tree.parameters import decode_parameters
from tests.handlers.asking import ask

SCHEDULED = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 3, 34, 56, tzinfo=UTC)
ONE, TWO = (
    Retailer(id=id, name=id, write_key=id * 16, read_key=id * 15, origins=(), timezone=zone)
    for id, zone in (("aa", "Europe/Paris"), ("bb", "America/New_York"))
)


def shoppers(count: int) -> list[dict[str, Any]]:
    return [
        {
            "shopper": f"01{number:032x}",
            "orders": 3,
            "usual": 20.0,
            "stretch": 22.0 + number % 7,
            "discount": 5.0,
            "paid": 15.0,
            "products": json.dumps([{"id": "p1", "probability": 0.5, "price": 1.0}]),
            "categories": None,
        }
        for number in range(count)
    ]


def house(**answers: Any) -> FakeWarehouse:
    return FakeWarehouse({f"retailer_{id}.orders": answer for id, answer in answers.items()})


async def run(warehouse: FakeWarehouse, rows: FakeShopperRows, scheduled: str = "2026-11-22T03:30:00Z") -> Response:
    request = ask("POST", "/", headers={"X-CloudScheduler-ScheduleTime": scheduled})
    return await answer(request, Room(Registry([ONE, TWO]), warehouse, rows), NOW)


def reports(response: Response) -> list[Any]:
    found: list[Any] = msgspec.json.decode(response.body)["retailers"]
    return found


async def test_every_shopper_of_every_retailer_gets_parameters_of_one_version() -> None:
    rows = FakeShopperRows()
    warehouse = house(aa=shoppers(PAGE * 2 + 1), bb=shoppers(2))
    response = await run(warehouse, rows)
    assert response.status_code == 200
    assert [(r["retailer"], r["shoppers"], r["done"]) for r in reports(response)] == [
        ("aa", PAGE * 2 + 1, True),
        ("bb", 2, True),
    ]
    for report in reports(response):
        for number in range(report["shoppers"]):
            stored = (await rows.read(report["retailer"], f"01{number:032x}")).parameters
            assert stored is not None
            assert decode_parameters(stored).version == report["version"]


async def test_the_clock_is_the_schedules() -> None:
    rows = FakeShopperRows()
    warehouse = house(aa=shoppers(1), bb=[])
    await run(warehouse, rows)
    assert [parameters["now"] for _, parameters in warehouse.statements] == [SCHEDULED] * 2
    assert [parameters["timezone"] for _, parameters in warehouse.statements] == ["Europe/Paris", "America/New_York"]
    ((_, row),) = rows.rows.items()
    assert row.parameters is not None
    assert row.parameters[0] == milliseconds(SCHEDULED)


async def test_a_repeated_run_leaves_the_same_bytes() -> None:
    rows = FakeShopperRows()
    warehouse = house(aa=shoppers(3), bb=[])
    await run(warehouse, rows)
    before = {key: row.parameters for key, row in rows.rows.items()}
    await run(warehouse, rows)
    assert {key: row.parameters for key, row in rows.rows.items()} == before


async def test_an_older_run_that_comes_late_does_not_take_the_place_of_a_newer() -> None:
    rows = FakeShopperRows()
    warehouse = house(aa=shoppers(1), bb=[])
    (newest, _) = reports(await run(warehouse, rows))
    await run(warehouse, rows, "2026-11-21T03:30:00Z")
    stored = (await rows.read("aa", f"01{0:032x}")).parameters
    assert stored is not None
    assert decode_parameters(stored).version == newest["version"]


async def test_who_is_in_no_result_any_more_has_no_parameters_and_keeps_the_rest() -> None:
    rows = FakeShopperRows()
    await run(house(aa=shoppers(3), bb=shoppers(1)), rows, "2026-11-21T03:30:00Z")
    withdrawn = f"01{2:032x}"
    await rows.write_consent("aa", withdrawn, 1, b"c")
    response = await run(house(aa=shoppers(2), bb=shoppers(1)), rows)
    assert [(r["shoppers"], r["removed"]) for r in reports(response)] == [(2, 1), (1, 0)]
    assert await rows.read("aa", withdrawn) == ShopperRow(consent=b"c")
    assert (await rows.read("aa", f"01{1:032x}")).parameters is not None


async def test_a_run_that_is_not_done_takes_nothing_from_anybody() -> None:
    rows = FakeShopperRows()
    await run(house(aa=shoppers(2), bb=[]), rows, "2026-11-21T03:30:00Z")
    bad = [shoppers(1)[0] | {"usual": -3.0}]
    assert (await run(house(aa=bad, bb=[]), rows)).status_code == 503
    assert all(row.parameters is not None for row in rows.rows.values())


async def test_one_retailers_trouble_costs_no_other_its_night(capsys: pytest.CaptureFixture[str]) -> None:
    def down(_: Mapping[str, Parameter]) -> list[dict[str, Any]]:
        raise Unavailable("secret@example.org")

    rows = FakeShopperRows()
    response = await run(house(aa=down, bb=shoppers(2)), rows)
    assert response.status_code == 503, "so that Scheduler runs it again"
    assert [(r["retailer"], r["shoppers"], r["done"]) for r in reports(response)] == [("aa", 0, False), ("bb", 2, True)]
    logged = capsys.readouterr().out
    assert "secret@example.org" not in logged
    assert "00000000" not in logged, "no pseudonym in a log"


async def test_when_bigtable_goes_down_the_run_is_not_done() -> None:
    rows = FakeShopperRows()
    rows.down = True
    response = await run(house(aa=shoppers(1), bb=[]), rows)
    assert response.status_code == 503
    assert [r["done"] for r in reports(response)] == [False, False]


async def test_a_row_that_breaks_the_contract_is_never_written() -> None:
    rows = FakeShopperRows()
    bad = [*shoppers(1), shoppers(2)[1] | {"usual": -3.0}]
    response = await run(house(aa=bad, bb=[]), rows)
    assert response.status_code == 503
    assert rows.rows == {}


async def test_without_a_clock_nothing_runs() -> None:
    warehouse = house(aa=shoppers(1), bb=[])
    assert (await run(warehouse, FakeShopperRows(), "yesterday")).status_code == 400
    assert warehouse.statements == []
