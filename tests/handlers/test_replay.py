"""A night's replay of what decisioning really decided, however its messages came: no difference, and any is found."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from starlette.responses import Response

from functions.decisioning.handler import answer as decide
from functions.decisioning.room import Room as DecisioningRoom
from functions.replay.function import FUNCTION
from functions.replay.handler import answer
from functions.replay.room import Room
from functions.replay.rules import Status
from layers.campaigns.known import KnownCampaigns
from layers.events.record import Record
from layers.stores.bigquery.fake import FakeWarehouse
from layers.stores.collections import TREES
from layers.tree.decision import Decision
from layers.tree.live import publish
from layers.tree.parameters import encode_parameters
from layers.tree.reading import read_yaml
from tests.handlers.asking import ask
from tests.handlers.visiting import DEMO, EXAMPLE, NOW, OTHER, SHOPPER, TREE, Stores, pushed, seen
from tests.rules.journeys import PARAMETERS

NIGHT = datetime.fromisoformat("2026-11-21T02:50:00+01:00")


class Night(Stores):
    """A day of decisions, and the replay after it.

    Attributes:
        changed: what somebody changed in the log, by event id.
    """

    def __init__(self) -> None:
        super().__init__()
        self.changed: dict[str, dict[str, Any]] = {}
        view = f".{DEMO.dataset}.decisions"
        self.warehouse = FakeWarehouse(
            {
                f"COUNT(*) AS found FROM `project{view}": lambda bound: [{"found": len(self._rows(bound))}],
                f"project{view}": self._rows,
                "COUNT(*) AS found": [{"found": 0}],
                "retailer_strict": [],
            }
        )

    def _newest(self) -> dict[str, Decision]:
        best: dict[str, Decision] = {}
        for decision in self.published():
            known = best.get(decision.event_id)
            if known is None or decision.revision >= known.revision:
                best[decision.event_id] = decision
        return best

    def _rows(self, bound: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows = [msgspec.structs.asdict(each) | self.changed.get(id, {}) for id, each in self._newest().items()]
        of_day = [row for row in rows if bound["start"] <= row["at"] < bound["end"]]
        if "place" in bound:
            place = bound["place"] - 1
            of_day = [row for row in of_day if row["shopper"][place : place + 4] < bound["below"]]
        return sorted(of_day, key=lambda row: (row["shopper"], row["at"], row["event_id"]))

    def room(self, most: int) -> Room:
        return Room(self.registry, self.documents, self.hot, self.rows, self.warehouse, self.suppressions, most)

    async def happens(self, *records: Record) -> None:
        await self.store(*records)
        room = DecisioningRoom(
            self.registry,
            self.hot,
            self.rows,
            self.documents,
            self.trees,
            self.topic,
            self.suppressions,
            KnownCampaigns(self.documents, lambda: self.clock),
        )
        assert (await decide(ask("POST", "/", pushed(*records)), room, NOW)).status_code == 204

    async def fire(self, now: datetime = NIGHT, most: int = 1000, really: datetime | None = None) -> Response:
        headers = {"x-cloudscheduler-scheduletime": now.isoformat()}
        return await answer(ask("POST", "/", headers=headers), self.room(most), really or now)

    async def told(self, **given: Any) -> dict[str, Any]:
        response = await self.fire(**given)
        assert response.status_code == 200, response.body
        found: dict[str, Any] = json.loads(bytes(response.body))["days"][0]
        return found


@pytest.fixture
async def night() -> Night:
    night = Night()
    await night.open((SHOPPER, OTHER))
    return night


def day_of(shopper: str) -> list[Record]:
    kinds = ("PageViewed", "AddedToBasket", "AddedToBasket", "Searched", "BasketValidated", "OrderPaid", "PageViewed")
    visit = [(kind, 10 * n) for n, kind in enumerate(kinds)] + [("AddedToBasket", 500 + n) for n in range(4)]
    return [seen(kind, at, shopper=shopper, id=f"{shopper[-4:]}-{at:08d}") for kind, at in visit]


@pytest.mark.parametrize("seed", range(4))
async def test_a_day_is_replayed_without_a_difference_in_whatever_order_its_events_came(
    night: Night, seed: int
) -> None:
    chance = random.Random(seed)
    records = [*day_of(SHOPPER), *day_of(OTHER)]
    chance.shuffle(records)
    while records:
        # Some come twice, some never.
        some, records = records[: chance.randint(1, 4)], records[chance.randint(1, 4) :]
        await night.happens(*some)
    stored = len(night.hot.rows)
    told = await night.told()
    assert stored == told["decisions"] == told["compared"] == told["same"] > 5
    assert (told["status"], told["different"], told["excused"], told["differences"]) == ("same", 0, {}, [])
    assert (told["day"], told["share"], told["shoppers"]) == ("2026-11-20", 1.0, 2)


async def test_new_parameters_and_a_new_tree_in_the_middle_of_a_visit_are_replayed_under_what_was_live(
    night: Night,
) -> None:
    records = day_of(SHOPPER)
    await night.happens(*records[:3])
    newer = msgspec.structs.replace(PARAMETERS, version="2026-11-20b", threshold=30.0)
    await night.rows.write_parameters("demo", [(SHOPPER, encode_parameters(newer))], 2)
    await night.happens(*records[3:5])
    changed = EXAMPLE.read_text().replace("basket.total >= shopper.threshold * 0.66", "basket.total >= 1.0")
    assert read_yaml(changed).version != TREE.version
    await publish(night.documents, "demo", read_yaml(changed), changed)
    night.clock += 10
    await night.happens(*records[5:])
    told = await night.told()
    assert (told["compared"], told["same"]) == (len(records), len(records))
    for _ in range(2):
        newest = msgspec.structs.replace(PARAMETERS, version=f"later-{_}")
        await night.rows.write_parameters("demo", [(SHOPPER, encode_parameters(newest))], 3 + _)
    told = await night.told()
    assert told["excused"] == {"parameters_gone": 3} and told["status"] == Status.SAME


async def test_what_was_changed_is_found_told_and_named_to_whoever_asks_alone(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    records = day_of(SHOPPER)
    await night.happens(*records)
    wrong = records[2].event.id
    night.changed[wrong] = {"node_after": "elsewhere"}
    told = await night.told()
    assert (told["status"], told["different"], told["same"]) == ("different", 1, len(records) - 1)
    [difference] = told["differences"]
    assert (difference["event"], difference["differs"]) == (wrong, ["node_after"])
    said = capsys.readouterr().out
    lines = [json.loads(each) for each in said.splitlines()]
    [differs] = [each for each in lines if each["message"] == "a decision differs"]
    assert (differs["severity"], differs["differs"], differs["tree_version"]) == ("ERROR", "node_after", TREE.version)
    [day] = [each for each in lines if each["message"] == "replayed" and each["retailer"] == "demo"]
    assert (day["status"], day["different"]) == ("different", 1)
    assert wrong not in said and SHOPPER not in said, "a log names nobody"


async def test_a_version_of_the_tree_that_was_changed_is_found(night: Night) -> None:
    await night.happens(*day_of(SHOPPER))
    name = f"demo:{TREE.id}:{TREE.version}"
    data = night.documents.collections[TREES.name][name].data
    await night.documents.put(TREES, name, {**data, "definition": data["definition"].replace("0.66", "0.01")})
    assert (await night.told())["status"] == "different"


async def test_erased_shoppers_are_counted_and_not_read(night: Night) -> None:
    await night.happens(*day_of(SHOPPER))
    await night.happens(*day_of(OTHER))
    night.suppressions.suppress("demo", OTHER, NIGHT - timedelta(hours=3))
    await night.hot.delete_shopper("demo", OTHER)
    told = await night.told()
    assert told["excused"] == {"erased": len(day_of(OTHER))} and told["different"] == 0


async def test_an_event_that_is_stored_and_was_never_decided_with_is_found(night: Night) -> None:
    records = day_of(SHOPPER)
    await night.happens(*records[:2], *records[3:])
    late = msgspec.structs.replace(records[2], received=records[-1].received + timedelta(minutes=1))
    await night.store(late)
    told = await night.told(really=late.received + timedelta(minutes=5))
    assert set(told["excused"]) == {"late_event"} and told["different"] == 0
    told = await night.told(really=late.received + timedelta(hours=5))
    assert told["differences"][0]["differs"] == ["late_event"] and told["excused"] == {}


async def test_of_many_decisions_those_of_a_sample_of_shoppers_are_compared(night: Night) -> None:
    shoppers = [f"01{random.Random(n).randbytes(16).hex()}" for n in range(40)]
    await night.happens(*(seen("PageViewed", 1, shopper=each, id=f"view-{each}") for each in shoppers))
    told = await night.told(most=20)
    assert told["decisions"] == 40 and 5 < told["compared"] < 35 and told["share"] == 0.5
    assert (await night.told(most=20)) == told


async def test_nothing_decided_is_no_difference_and_says_so(night: Night) -> None:
    assert (await night.told())["status"] == "empty"


async def test_a_store_that_is_down_breaks_one_retailer_off_and_asks_to_come_again(night: Night) -> None:
    await night.happens(*day_of(SHOPPER))
    night.hot.down = True
    response = await night.fire()
    told = json.loads(bytes(response.body))
    assert (response.status_code, told["broken"], [each["retailer"] for each in told["days"]]) == (
        503,
        ["demo"],
        ["strict"],
    )


async def test_only_a_post_with_a_clock_starts_it(night: Night) -> None:
    assert (await answer(ask("GET", "/"), night.room(1), NOW)).status_code == 404
    wrong = {"x-cloudscheduler-scheduletime": "yesterday"}
    assert (await answer(ask("POST", "/", headers=wrong), night.room(1), NOW)).status_code == 400


def test_its_alarms_hear_every_bad_status() -> None:
    heard = {status for alarm in FUNCTION.alarms for status in alarm.among}
    assert heard == {Status.DIFFERENT.value, Status.UNPROVED.value}
    assert any(alarm.silent_s for alarm in FUNCTION.alarms)
