"""A training run: who is due, what the gate refuses, and that nothing is lost or done twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import Response

from functions.training.handler import answer
from functions.training.room import Room
from functions.training.rules import EVERY, due, judge, version
from layers.learning import QUESTIONS, Question
from layers.retailers import Registry, Retailer
from layers.scoring_runs.messages import Built, read_built
from layers.stores.bigquery.fake import FakeWarehouse
from layers.stores.bigquery.port import Unavailable
from layers.stores.bigquery.trained import FakeShelf
from layers.stores.pubsub.fake import FakePublisher
from layers.stores.pubsub.port import Unavailable as NotPublished
from tests.handlers.asking import ask

MONDAY = datetime(2026, 11, 16, 4, 45, tzinfo=UTC)
SHOP, OTHER = (
    Retailer(id=id, name=id, write_key=id * 16, read_key=id * 15, origins=(), timezone="Europe/Paris")
    for id in ("aa", "bb")
)


def table(question: Question, sense: float, many: int = 700) -> Any:
    """`sense`: how much the features say of what happens, every one a little."""
    chance = np.random.default_rng(5)
    habit = chance.normal(size=many)
    columns = {name: habit + chance.normal(size=many) for name in question.names}
    logit = 3 * sense * habit
    return pa.table(
        {
            "as_of": pa.array(chance.integers(20_000, 20_003, many), pa.int32()).cast(pa.date32()),
            **{key: [f"{key}{number % 97}" for number in range(many)] for key in question.keys},
            "target": (chance.random(many) < 1 / (1 + np.exp(-logit))).astype(int),
            **columns,
        }
    )


class FakeRows:
    """Attributes:
    trouble: of a dataset, what reading it raises. asked: how often a table was read.
    """

    def __init__(self, sense: float = 1.0) -> None:
        self.sense = sense
        self.trouble: dict[str, Exception] = {}
        self.asked = 0

    def batches(self, dataset: str, table_name: str, columns: Sequence[str], restriction: str = "") -> Iterator[Any]:
        self.asked += 1
        if dataset in self.trouble:
            raise self.trouble[dataset]
        question = next(question for question in QUESTIONS if question.table == table_name)
        yield from table(question, self.sense).select(list(columns)).to_batches()


TABLES_OF = MONDAY.replace(hour=3, minute=0)
"""The moment of the modelling run that made the tables."""


def room(
    rows: FakeRows,
    shelf: FakeShelf,
    retailers: Sequence[Retailer] = (SHOP,),
    built: FakePublisher | None = None,
    tables_of: datetime | None = TABLES_OF,
) -> Room:
    warehouse = FakeWarehouse({"MAX(s.built)": [{"built": tables_of}]})
    return Room(Registry(retailers), rows, shelf, warehouse, built or FakePublisher(), effort=0.15)


async def fire(
    rows: FakeRows,
    shelf: FakeShelf,
    at: datetime = MONDAY,
    query: str = "",
    retailers: Sequence[Retailer] = (SHOP,),
    built: FakePublisher | None = None,
    tables_of: datetime | None = TABLES_OF,
) -> Response:
    request = ask("POST", "/", headers={"X-CloudScheduler-ScheduleTime": at.isoformat()}, query=query)
    return await answer(request, room(rows, shelf, retailers, built, tables_of), at + timedelta(minutes=3))


def told(response: Response) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(response.body)["retailers"]
    return found


async def test_without_a_model_one_is_trained_and_a_repeated_run_does_nothing() -> None:
    rows, shelf = FakeRows(), FakeShelf()
    response = await fire(rows, shelf)
    assert (response.status_code, told(response)[0]["status"]) == (200, "trained")
    models = shelf.newest(SHOP.dataset)
    assert models is not None
    assert models.version == told(response)[0]["version"]
    assert models.trained_until == "2026-11-16"
    asked = rows.asked
    again = await fire(rows, shelf)
    assert told(again)[0]["status"] == "not due"
    assert rows.asked == asked
    assert len(shelf.kept[SHOP.dataset]) == 1


async def test_new_models_score_the_same_night_and_a_run_that_was_killed_before_it_said_so_says_it_again() -> None:
    rows, shelf, built = FakeRows(), FakeShelf(), FakePublisher()
    built.down = True
    assert (await fire(rows, shelf, built=built)).status_code == 503
    assert len(shelf.kept[SHOP.dataset]) == 1, "taken into use, and nobody knows"
    built.down = False
    asked = rows.asked
    response = await fire(rows, shelf, built=built)
    assert (told(response)[0]["status"], told(response)[0]["scored"]) == ("not due", "20261116T030001Z")
    assert rows.asked == asked, "nothing is learned twice"
    (run,) = [read_built(message.attributes) for message in built.messages]
    assert run == Built(SHOP.id, TABLES_OF + timedelta(seconds=1)), "newer than the night's own run, of the same tables"
    await fire(rows, shelf, MONDAY + timedelta(days=1), built=built)
    assert len(built.messages) == 1, "the next night's models-built is modelling's to send"
    with pytest.raises(NotPublished):
        built.down = True
        await built.publish([])


async def test_refused_models_score_nobody_and_without_tables_there_is_nothing_to_score() -> None:
    rows, shelf, built = FakeRows(), FakeShelf(), FakePublisher()
    assert told(await fire(rows, shelf, built=built, tables_of=None))[0]["status"] == "trained"
    rows.sense = 0.3
    assert told(await fire(rows, shelf, MONDAY + timedelta(days=7), built=built))[0]["status"] == "refused"
    assert built.messages == []


async def test_a_week_later_it_is_due() -> None:
    rows, shelf = FakeRows(), FakeShelf()
    for week in range(2):
        response = await fire(rows, shelf, MONDAY + week * timedelta(days=7))
        assert told(response)[0]["status"] == "trained"
    assert [version.trained_at for version in shelf.versions(SHOP.dataset)] == [MONDAY + timedelta(days=7), MONDAY]


async def test_worse_models_are_refused_and_those_in_use_stay() -> None:
    rows, shelf = FakeRows(), FakeShelf()
    good = told(await fire(rows, shelf))[0]["version"]
    rows.sense = 0.3
    later = MONDAY + timedelta(days=7)
    report = told(await fire(rows, shelf, later))[0]
    assert report["status"] == "refused"
    assert any("AUC" in reason and "in use had" in reason for reason in report["reasons"])
    newest = shelf.newest(SHOP.dataset)
    assert newest is not None and newest.version == good == report["version"]
    forced = told(await fire(rows, shelf, later, query="force=true"))[0]
    assert forced["status"] == "trained"
    assert forced["reasons"], "what was wrong is told all the same"


async def test_going_back_is_dropping_the_newest() -> None:
    rows, shelf = FakeRows(), FakeShelf()
    first = told(await fire(rows, shelf))[0]["version"]
    second = told(await fire(rows, shelf, MONDAY + timedelta(days=7)))[0]["version"]
    assert shelf.drop(SHOP.dataset, second)
    assert not shelf.drop(SHOP.dataset, second)
    newest = shelf.newest(SHOP.dataset)
    assert newest is not None and newest.version == first


async def test_one_retailers_trouble_costs_no_other_its_models() -> None:
    rows, shelf = FakeRows(), FakeShelf()
    rows.trouble[SHOP.dataset] = Unavailable("not now")
    response = await fire(rows, shelf, retailers=(SHOP, OTHER))
    assert response.status_code == 503
    assert [report["status"] for report in told(response)] == ["failed", "trained"]


async def test_a_retailer_without_history_is_no_failure() -> None:
    rows, shelf = FakeRows(), FakeShelf()
    rows.trouble[SHOP.dataset] = LookupError("product_features does not exist in retailer_aa")
    response = await fire(rows, shelf)
    assert (response.status_code, told(response)[0]["status"]) == (200, "nothing to learn from")


async def test_a_wrong_clock_and_a_wrong_word_are_refused() -> None:
    rows, shelf = FakeRows(), FakeShelf()
    assert (await fire(rows, shelf, query="force=perhaps")).status_code == 400
    request = ask("POST", "/", headers={"X-CloudScheduler-ScheduleTime": "yesterday"})
    assert (await answer(request, room(rows, shelf), MONDAY)).status_code == 400
    assert rows.asked == 0


_FIGURES = st.fixed_dictionaries(
    {
        "auc": st.floats(0, 1) | st.just(float("nan")),
        "log_loss": st.floats(0, 2),
        "log_loss_of_the_mean": st.floats(0, 2),
        "calibration_error": st.floats(0, 1),
    }
)
_MODELS = st.fixed_dictionaries({question.name: _FIGURES for question in QUESTIONS})


@settings(deadline=None)
@given(_MODELS, st.none() | _MODELS)
def test_the_gate_takes_nothing_that_is_no_good_or_worse(found: Any, in_use: Any) -> None:
    if judge(found, in_use).good:
        for name, figures in found.items():
            assert figures["auc"] >= 0.6
            assert figures["log_loss"] <= figures["log_loss_of_the_mean"]
            assert in_use is None or figures["auc"] >= in_use[name]["auc"] - 0.02


@given(st.lists(st.integers(0, 300), max_size=4))
def test_due_without_models_or_after_a_week(days: list[int]) -> None:
    moments = {version(MONDAY - timedelta(days=day)): MONDAY - timedelta(days=day) for day in days}
    assert due(moments, datetime(2027, 1, 1, tzinfo=UTC))
    if moments:
        newest = max(moments.values())
        assert not due(moments, newest)
        assert not due(moments, newest + EVERY - timedelta(seconds=1))
        of_other_features = {f"{name[:17]}0123abcd": at for name, at in moments.items()}
        assert due(of_other_features, newest), "a deployment with other features waits no week"
        assert not due({**of_other_features, version(newest + EVERY): newest + EVERY}, newest + EVERY)
