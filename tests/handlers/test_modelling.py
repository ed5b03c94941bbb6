"""Modelling on fakes: what is built, recorded and told, whoever is in trouble and wherever it is killed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from starlette.responses import Response

from functions.modelling.building import Ran, Told
from functions.modelling.handler import answer
from functions.modelling.room import Room
from layers.facts.questions import EDITION
from layers.privacy.suppression import suppression_id
from layers.retailers import Learning, Registry, Retailer
from layers.stores.bigquery.fake import FakeWarehouse
from layers.stores.bigquery.port import Unavailable
from layers.stores.collections import MODEL_RUNS, SUPPRESSIONS
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.pubsub.fake import FakePublisher
from layers.stores.pubsub.port import Unavailable as NotPublished
from tests.handlers.asking import ask

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
DEMO = Retailer(id="demo", name="Demo", write_key="w" * 16, read_key="r" * 16, origins=())
OTHER = Retailer(id="other", name="Other", write_key="v" * 16, read_key="q" * 16, origins=())
ANNE = "01" + "a" * 32

GOOD = {"unique_id": "model.gondola.trips", "status": "success", "adapter_response": {"bytes_processed": 7}}
TESTED = {"unique_id": "test.gondola.unique_grain_trips.0", "status": "pass", "failures": 0}
FAILS = {"unique_id": "test.gondola.unique_grain_trips.0", "status": "fail", "failures": 2}
SKIPPED = {"unique_id": "model.gondola.shopper_statistics", "status": "skipped"}


def results(*made: Mapping[str, Any]) -> bytes:
    return json.dumps({"results": list(made)}).encode()


class FakeBuilder:
    """Attributes:
    answers: by dataset; an exception is raised. builds: what was asked.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Ran | Exception] = {}
        self.builds: list[tuple[str, Mapping[str, Any]]] = []

    async def build(self, dataset: str, variables: Mapping[str, Any], told: Told) -> Ran:
        self.builds.append((dataset, variables))
        told("trips", "success")
        answer = self.answers.get(dataset, Ran(True, results(GOOD, TESTED)))
        if isinstance(answer, Exception):
            raise answer
        return answer


class Site:
    """A room on fakes."""

    def __init__(self) -> None:
        self.documents, self.topic, self.builder = FakeDocuments(), FakePublisher(), FakeBuilder()
        self.trained: str | None = f"20261122T044500Z-{EDITION}"
        self.warehouse = FakeWarehouse(
            {
                "DELETE": [{}],
                "DROP": [],
                "MAX(m.version)": lambda _: [{"version": self.trained}],
                "COUNT(DISTINCT": [{"shoppers": 400}],
            }
        )
        self.warehouse.there = {"trained_models"}
        self.room = Room(Registry([DEMO, OTHER]), self.documents, self.warehouse, self.builder, self.topic)

    async def fire(self, query: str = "", now: datetime = NOW) -> Response:
        headers = {"x-cloudscheduler-scheduletime": now.isoformat()}
        return await answer(ask("POST", "/", headers=headers, query=query), self.room, NOW)

    async def run(self, retailer: str) -> dict[str, Any]:
        document = await self.documents.get(MODEL_RUNS, f"{retailer}:20261124T030000Z")
        return {} if document is None else document.data

    @property
    def told(self) -> list[str]:
        return [message.attributes["retailer"] for message in self.topic.messages]


def body_of(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(response.body))
    return found


async def test_every_retailers_models_are_built_recorded_and_told() -> None:
    site = Site()
    response = await site.fire()
    assert response.status_code == 200
    assert [each["status"] for each in body_of(response)["retailers"]] == ["built", "built"]
    assert site.told == ["demo", "other"]
    assert {message.attributes["run"] for message in site.topic.messages} == {"20261124T030000Z"}
    kept = await site.run("demo")
    assert set(kept) == set(MODEL_RUNS.fields)
    assert (kept["status"], kept["bytes"], len(kept["steps"])) == ("built", 7, 2)
    assert [dataset for dataset, _ in site.builder.builds] == ["retailer_demo", "retailer_other"]
    assert site.builder.builds[0][1]["training_days"] == [], "it is a Tuesday, and somebody has learned"


async def test_a_test_of_the_data_that_fails_is_recorded_and_not_told() -> None:
    site = Site()
    site.builder.answers["retailer_demo"] = Ran(False, results(GOOD, FAILS, SKIPPED))
    response = await site.fire()
    assert response.status_code == 200, "repeated, it would fail again"
    assert site.told == ["other"]
    kept = await site.run("demo")
    assert kept["status"] == "refused"
    assert [step["rows"] for step in kept["steps"] if step["status"] == "fail"] == [2]
    site.builder.answers.clear()
    await site.fire()
    assert site.told == ["other", "demo"], "the mended one is built, the other not a second time"


@pytest.mark.parametrize("trouble", [Ran(False, None), Ran(False, b"{"), Unavailable("down")], ids=str)
async def test_one_retailers_trouble_costs_no_other(trouble: Ran | Exception) -> None:
    site = Site()
    site.builder.answers["retailer_demo"] = trouble
    response = await site.fire()
    assert response.status_code == 503
    assert [each["status"] for each in body_of(response)["retailers"]] == ["failed", "built"]
    assert site.told == ["other"]
    site.builder.answers.clear()
    response = await site.fire()
    assert response.status_code == 200 and site.told == ["other", "demo"]
    assert [each["repeated"] for each in body_of(response)["retailers"]] == [False, True]


async def test_a_run_that_is_killed_before_its_document_is_told_again() -> None:
    site = Site()
    site.topic.down = True
    assert (await site.fire()).status_code == 503
    assert await site.run("demo") == {}
    site.topic.down = False
    await site.fire()
    assert site.told == ["demo", "other"]
    with pytest.raises(NotPublished):
        site.topic.down = True
        await site.topic.publish([])


async def test_who_is_erased_meanwhile_is_taken_out_again_and_nobody_is_named() -> None:
    site = Site()
    site.warehouse.there |= {"purchases", "trips", "product_popularity", "purchases__dbt_tmp"}
    for id, noted in ((suppression_id("demo", ANNE), datetime.now(UTC)), (suppression_id("demo", "old"), NOW)):
        old = timedelta(days=0 if noted is not NOW else 4000)
        await site.documents.put(SUPPRESSIONS, id, {"retailer": "demo", "since": noted, "noted": noted - old})
    response = await site.fire("retailer=demo")
    assert body_of(response)["retailers"][0]["forgotten"] == 2
    deleted = [(sql, bound) for sql, bound in site.warehouse.statements if sql.startswith("DELETE")]
    assert [sql.split("`")[1] for sql, _ in deleted] == [
        "project.retailer_demo.purchases",
        "project.retailer_demo.trips",
    ]
    assert all(len(bound["erased"]) == 1 for _, bound in deleted)  # type: ignore[arg-type]
    assert ANNE not in str(site.warehouse.statements) + str(await site.run("demo")) + bytes(response.body).decode()
    dropped = [sql for sql, _ in site.warehouse.statements if sql.startswith("DROP")]
    assert dropped and all("__dbt_tmp`" in sql for sql in dropped)


async def test_the_erased_are_taken_out_even_where_dbt_fell_over() -> None:
    site = Site()
    site.warehouse.there |= {"trips"}
    site.builder.answers["retailer_demo"] = RuntimeError("killed")
    data = {"retailer": "demo", "since": NOW, "noted": datetime.now(UTC)}
    await site.documents.put(SUPPRESSIONS, suppression_id("demo", ANNE), data)
    assert (await site.fire("retailer=demo")).status_code == 503
    assert any(sql.startswith("DELETE") for sql, _ in site.warehouse.statements)


async def test_rows_to_learn_from_are_made_when_asked_on_sundays_and_at_first() -> None:
    site = Site()
    await site.fire("training=true&retailer=demo")
    await site.fire(now=NOW - timedelta(days=2))
    site.warehouse.there.clear()
    await site.fire(now=NOW + timedelta(days=1))
    site.warehouse.there = {"trained_models"}
    for site.trained in (None, "20261122T044500Z-0123abcd"):
        await site.fire("retailer=demo", now=NOW + timedelta(days=2))
        site.documents = FakeDocuments()
        site.room = replace(site.room, documents=site.documents)
    assert all(len(given["training_days"]) == 4 for _, given in site.builder.builds)
    assert {given["training_share"] for _, given in site.builder.builds} == {1.0}, "400 shoppers are few"
    assert len(site.builder.builds) == 7


async def test_a_retailers_entry_says_from_how_much_is_learned() -> None:
    site = Site()
    lean = msgspec.structs.replace(DEMO, learning=Learning(days=2, shoppers=300))
    site.room = replace(site.room, registry=Registry([lean]))
    await site.fire("training=true")
    ((_, given),) = site.builder.builds
    assert given["training_days"] == ["2026-09-29", "2026-10-27"]
    assert given["training_share"] == 0.75


@pytest.mark.parametrize(
    ("query", "kind"), [("retailer=nobody", "unknown-retailer"), ("training=yes", "invalid-training")]
)
async def test_what_is_asked_wrongly_builds_nothing_and_is_not_echoed(query: str, kind: str) -> None:
    site = Site()
    response = await site.fire(query)
    assert response.status_code == 400 and body_of(response)["type"].endswith(kind)
    assert "nobody" not in bytes(response.body).decode() and not site.builder.builds


async def test_a_wrong_clock_or_path_builds_nothing() -> None:
    site = Site()
    wrong = ask("POST", "/", headers={"x-cloudscheduler-scheduletime": "yesterday"})
    assert (await answer(wrong, site.room, NOW)).status_code == 400
    assert (await answer(ask("GET", "/"), site.room, NOW)).status_code == 404
    assert not site.builder.builds
