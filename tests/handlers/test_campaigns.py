"""Campaigns through the marketer's endpoint: who may ask, what is refused and where, what each request leaves."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.campaigns.handler import answer
from functions.campaigns.room import Room
from functions.campaigns.rules import NoSuchPath, NoVersion, OtherMethod, read_question
from layers.campaigns.published import running
from layers.campaigns.withheld import withheld_at
from layers.ledger.books import Books
from layers.ledger.ledger import Ledger, Wish
from layers.retailers import Registry, Retailer
from layers.stores.collections import CAMPAIGN_VERSIONS, CAMPAIGNS, WITHHELD
from layers.stores.firestore.fake import FakeDocuments
from tests.handlers.asking import ask

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MARKETER, STRANGER = "marketing@demo.example", "who@demo.example"
COFFEE: dict[str, Any] = {
    "campaign": "winter_coffee",
    "kind": "promotion",
    "products": ["p1"],
    "generosity": [{"percent": 10}, {"money": 1.5}],
    "budget": {"money": 1000, "count": 500, "per": "week"},
    "within": [{"money": 200, "per": "day"}],
    "starts": "2026-11-16",
    "ends": "2026-12-31",
    "timezone": "Europe/Paris",
}


def shop(id: str, marketer: str) -> Retailer:
    return Retailer(
        id=id, name=id, write_key=f"{id}-write" * 2, read_key=f"{id}-read" * 2, origins=(), marketing=(marketer,)
    )


class Desk:
    def __init__(self) -> None:
        self.documents = FakeDocuments()
        registry = Registry([shop("demo", MARKETER), shop("other", "marketing@other.example")])
        self.room = Room(registry, self.documents)

    async def ask(
        self, method: str, path: str = "", body: object = None, *, who: str = MARKETER, at: datetime = NOW, **query: str
    ) -> tuple[int, Any]:
        claims = base64.urlsafe_b64encode(json.dumps({"email": who}).encode()).decode().rstrip("=")
        headers = {"authorization": f"Bearer e30.{claims}.SIGNATURE_REMOVED", "content-type": "application/json"}
        sent = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        asked = {"retailer": "demo"} | query
        query_string = "&".join(f"{name}={value}" for name, value in asked.items())
        response = await answer(ask(method, f"/v1/campaigns{path}", sent, headers, query_string), self.room, at)
        return response.status_code, json.loads(bytes(response.body))

    async def published(self, campaign: dict[str, Any] = COFFEE) -> str:
        status, kept = await self.ask("PUT", "/winter_coffee", campaign)
        assert status == 200
        status, _ = await self.ask("POST", "/winter_coffee/publish", version=kept["version"])
        assert status == 200
        return str(kept["version"])


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_version_that_is_kept_is_offered_to_nobody_until_it_is_published(desk: Desk) -> None:
    status, kept = await desk.ask("PUT", "/winter_coffee", COFFEE)
    assert (status, kept["changed"]) == (200, True)
    assert await running(desk.documents, "demo", NOW) == ()
    assert (await desk.ask("GET", "/winter_coffee"))[1]["state"] == "draft"
    again = await desk.ask("PUT", "/winter_coffee", COFFEE, at=NOW + timedelta(hours=1))
    assert again == (200, {**kept, "changed": False})
    for changed in (True, False):
        status, done = await desk.ask("POST", "/winter_coffee/publish", version=kept["version"])
        assert (status, done["state"], done["changed"]) == (200, "live", changed)
    [campaign] = await running(desk.documents, "demo", NOW)
    assert campaign.campaign == "winter_coffee"
    status, told = await desk.ask("GET", "/winter_coffee")
    assert told["campaign"] == json.loads(json.dumps(COFFEE))
    assert [one["version"] for one in told["versions"]] == [kept["version"]]
    assert [one["version"] for one in (await desk.ask("GET"))[1]["campaigns"]] == [kept["version"]]


async def test_an_earlier_version_is_a_rollback_and_none_is_ever_changed(desk: Desk) -> None:
    first = await desk.published()
    before = desk.documents.collections[CAMPAIGN_VERSIONS.name][f"demo:winter_coffee:{first}"]
    second = await desk.published({**COFFEE, "generosity": [{"percent": 20}]})
    assert second != first
    await desk.ask("POST", "/winter_coffee/publish", version=first)
    assert (await desk.ask("GET", "/winter_coffee"))[1]["version"] == first
    assert desk.documents.collections[CAMPAIGN_VERSIONS.name][f"demo:winter_coffee:{first}"] == before


@pytest.mark.parametrize("verb", ["pause", "end"])
async def test_what_is_paused_or_ended_is_withheld_at_once(desk: Desk, verb: str) -> None:
    version = await desk.published()
    for changed in (True, False):
        status, done = await desk.ask("POST", f"/winter_coffee/{verb}")
        assert (status, done["changed"]) == (200, changed)
    held = await desk.documents.get(WITHHELD, "demo")
    assert held is not None and withheld_at(held.data, NOW) == {"winter_coffee"}
    assert await running(desk.documents, "demo", NOW) == ()
    status, told = await desk.ask("POST", "/winter_coffee/resume")
    if verb == "end":
        assert status == 409 and "publish a version" in told["detail"]
        status, told = await desk.ask("POST", "/winter_coffee/publish", version=version)
    assert (status, told["changed"]) == (200, True)
    held = await desk.documents.get(WITHHELD, "demo")
    assert held is not None and withheld_at(held.data, NOW) == set()
    assert len(await running(desk.documents, "demo", NOW)) == 1


async def test_a_kill_between_withholding_and_the_state_is_mended_by_the_same_request(desk: Desk) -> None:
    await desk.published()
    kept = desk.documents.collections[CAMPAIGNS.name]["demo:winter_coffee"]
    await desk.ask("POST", "/winter_coffee/pause")
    desk.documents.collections[CAMPAIGNS.name]["demo:winter_coffee"] = kept
    status, done = await desk.ask("POST", "/winter_coffee/pause")
    assert (status, done["changed"]) == (200, True)
    assert (await desk.ask("GET", "/winter_coffee"))[1]["state"] == "paused"


@pytest.mark.parametrize(
    ("change", "pointer", "says"),
    [
        ({"generosity": [{"percent": 50}]}, "#/generosity", "loi no 2020-1525"),
        ({"generosity": [{"percent": 10}, {"prize": 5}]}, "#/generosity/1", "a game's"),
        ({"generosity": [{"percent": 10}, {"percent": 200}]}, "#/generosity/1/percent", "<= 100"),
        ({"starts": "2027-01-01"}, "#/ends", "never run"),
        ({"timezone": "Paris"}, "#/timezone", "IANA"),
        ({"budget": {"per": "week"}}, "#/budget", "neither"),
        ({"within": [{"per": "day"}]}, "#/within/0", "limits nothing"),
        ({"within": [{"count": 1, "per": "week"}]}, "#/within", "same period"),
        ({"agreed_units": 100}, "#/budget", "25%"),
        ({"shopper": "x"}, "#", "unknown field"),
        ({"campaign": "another"}, "#/campaign", "in the path"),
    ],
)
async def test_what_is_wrong_is_said_at_its_field(desk: Desk, change: dict[str, Any], pointer: str, says: str) -> None:
    status, problem = await desk.ask("PUT", "/winter_coffee", {**COFFEE, **change})
    assert (status, problem["type"].rsplit("/", 1)[1]) == (422, "invalid-campaign")
    assert any(one["pointer"] == pointer and says in one["detail"] for one in problem["errors"]), problem["errors"]
    assert not desk.documents.collections.get(CAMPAIGN_VERSIONS.name)


async def test_a_budget_that_would_shrink_is_refused_and_one_that_grows_is_not(desk: Desk) -> None:
    first = await desk.published()
    status, kept = await desk.ask("PUT", "/winter_coffee", {**COFFEE, "budget": {"money": 900, "per": "week"}})
    status, problem = await desk.ask("POST", "/winter_coffee/publish", version=kept["version"])
    assert status == 409 and "cannot shrink" in problem["detail"]
    assert (await desk.ask("GET", "/winter_coffee"))[1]["version"] == first
    await desk.published({**COFFEE, "budget": {"money": 1100, "count": 500, "per": "week"}})


async def test_the_report_says_what_is_spent_reserved_and_left(desk: Desk) -> None:
    await desk.published()
    ledger = Ledger(Books(desk.documents), lambda: NOW)
    money, count, day = "winter_coffee.week.2026-11-16.cents", "winter_coffee.week.2026-11-16.count", "winter_coffee"
    day = "winter_coffee.day.2026-11-22.cents"
    for key in ("a1", "a2"):
        wishes = [Wish(money, 150), Wish(count, 1), Wish(day, 150)]
        assert (await ledger.reserve("demo", key, wishes, NOW + timedelta(hours=1))).status == "reserved"
    await ledger.commit("demo", "a1", {money: 120, day: 120})
    status, told = await desk.ask("GET", "/winter_coffee/report")
    found = {one["budget"]: [one[name] for name in ("limit", "spent", "reserved", "left")] for one in told["budgets"]}
    assert status == 200 and found == {
        money: [100_000, 120, 150, 99_730],
        count: [500, 1, 1, 498],
        day: [20_000, 120, 150, 19_730],
    }


async def test_nobody_acts_for_another_retailer_nor_learns_which_there_are(desk: Desk) -> None:
    answers = [
        await desk.ask("GET", who=STRANGER),
        await desk.ask("GET", retailer="other"),
        await desk.ask("GET", retailer="none"),
        await desk.ask("PUT", "/winter_coffee", COFFEE, retailer="other"),
    ]
    assert {status for status, _ in answers} == {403} and len({told["detail"] for _, told in answers}) == 1
    assert not desk.documents.collections.get(CAMPAIGN_VERSIONS.name)
    response = await answer(ask("GET", "/v1/campaigns", query="retailer=demo"), desk.room, NOW)
    assert response.status_code == 401 and response.headers["www-authenticate"] == "Bearer"


async def test_what_is_not_there_is_said(desk: Desk) -> None:
    assert (await desk.ask("GET", "/never_there"))[0] == 404
    assert (await desk.ask("POST", "/never_there/pause"))[0] == 404
    assert (await desk.ask("POST", "/never_there/publish", version="0" * 12))[0] == 404
    assert (await desk.ask("POST", "/never_there/publish"))[0] == 400
    assert (await desk.ask("DELETE", "/never_there"))[0] == 405
    assert (await desk.ask("GET", "/Not/an/id"))[0] == 404
    assert (await desk.ask("PUT", "/winter_coffee", b"\xff{"))[0] == 422
    assert (await desk.ask("PUT", "/winter_coffee", b"x" * 70_000))[0] == 413


@given(st.sampled_from(["GET", "PUT", "POST", "DELETE"]), st.text(max_size=30), st.text(max_size=14))
def test_any_question_is_one_or_is_refused(method: str, path: str, version: str) -> None:
    try:
        asked = read_question(method, f"/v1/campaigns{path}", {"version": version})
    except (NoSuchPath, OtherMethod, NoVersion):
        return
    assert asked.campaign.isascii() and (asked.what == "list") == (not asked.campaign)
