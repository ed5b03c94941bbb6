"""The answer counts the event just sent, is the retailer's default rather than an error, and tells nobody anything."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.responses import Response

from functions.decisioning.handler import answer as decide
from functions.decisioning.room import Room as DecisioningRoom
from functions.experiences.handler import answer
from functions.experiences.room import PATIENCE_S, Room
from functions.experiences.rules import Door
from layers.campaigns.known import KnownCampaigns
from layers.events.record import Record
from layers.privacy.shopper_token import issue
from layers.stores.bigtable.port import ShopperRow
from layers.stores.collections import LIVE_TREES
from layers.tree.folding import key_of
from layers.tree.live import FRESH_S, change
from layers.tree.programme import stop
from layers.tree.state import decode_state
from tests.handlers.asking import ask
from tests.handlers.visiting import CUSTOMER, KEY, NOW, RING, SHOPPER, SIGNING, TREE, Stores, pushed, seen

ORIGIN = "https://shop.example"


class Page(Stores):
    """A retailer's page that asks what to show."""

    patience_s = 2.0
    hangs = False
    # Most of these tests are about what is shown; who may ask has tests of its own.
    required = False

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []
        read, newest_first = self.rows.read, self.hot.newest_first

        class Rows(type(self.rows)):  # type: ignore[misc]
            async def read(rows, *given: Any) -> ShopperRow:
                self.reads.append("row")
                if self.hangs:
                    await asyncio.Event().wait()
                return await read(*given)

        class Hot(type(self.hot)):  # type: ignore[misc]
            async def newest_first(hot, *given: Any, **named: Any) -> list[Record]:
                self.reads.append("events")
                return await newest_first(*given, **named)

        self.counting_rows, self.counting_hot = Rows(), Hot()

    @property
    def room(self) -> Room:
        return Room(
            self.registry,
            {retailer.id: RING for retailer in self.registry},
            {retailer.id: Door(SIGNING, self.required) for retailer in self.registry},
            self.counting_hot,
            self.counting_rows,
            self.trees,
            self.suppressions,
            self.patience_s,
        )

    async def push(self, *records: Record, retailer: str = "demo") -> None:
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
        assert (await decide(ask("POST", "/", pushed(*records, retailer=retailer)), room, NOW)).status_code == 204

    async def get(
        self,
        query: str = "",
        *,
        key: str = KEY,
        headers: dict[str, str] | None = None,
        method: str = "GET",
        path: str = "/v1/experiences",
        now: datetime = NOW,
    ) -> Response:
        sent = {"gondola-shopper": CUSTOMER} if headers is None else headers
        return await answer(ask(method, path, headers=sent, query=f"key={key}&{query}"), self.room, now)

    async def shown(self, query: str = "", **given: Any) -> dict[str, Any]:
        self.reads.clear()
        response = await self.get(query, **given)
        assert response.status_code == 200, response.body
        assert response.headers["cache-control"] == "private, no-store"
        found: dict[str, Any] = json.loads(bytes(response.body))
        return found


@pytest.fixture
async def page() -> Page:
    page = Page()
    await page.open()
    return page


VIEW, ADD = seen("PageViewed", 0), seen("AddedToBasket", 1, product="usual0", price=10)
MORE = seen("AddedToBasket", 2, product="other", price=24)


async def test_a_counted_event_costs_one_read(page: Page) -> None:
    await page.store(VIEW, ADD)
    await page.push(VIEW, ADD)
    shown = await page.shown(f"after={ADD.event.id}")
    assert page.reads == ["row"]
    assert shown == {
        "retailer": "demo",
        "tree": "grocery_basket",
        "tree_version": TREE.version,
        "node": "building",
        "decision": ADD.event.id,
        "parameters_version": "2026-11-20",
        "after": {"event": ADD.event.id, "counted": True},
        "experiences": [
            {
                "kind": "recommendation",
                "slot": "main",
                "products": [f"usual{n}" for n in range(1, 11)],
                "text": "Il vous manque peut-être",
            }
        ],
        "default": False,
        "reason": None,
    }


@pytest.mark.parametrize("pushed_so_far", [0, 1, 2])
async def test_an_event_not_pushed_yet_is_counted_by_the_same_fold(page: Page, pushed_so_far: int) -> None:
    records = (VIEW, ADD, MORE)
    if pushed_so_far:
        await page.store(*records[:pushed_so_far])
        await page.push(*records[:pushed_so_far])
    await page.store(*records)
    shown = await page.shown(f"after={MORE.event.id}")
    assert page.reads == ["row", "events"]
    assert shown["after"]["counted"] and shown["node"] == "favourite_offer"
    assert [one["kind"] for one in shown["experiences"]] == ["promotion", "tension"]
    assert shown["experiences"][1] == {
        "kind": "tension",
        "slot": "main",
        "threshold": 50.0,
        "missing": 16.0,
        "progress": 0.68,
        "text": "Plus que 16,00\u202f€",
    }
    await page.push(*records)
    logged = {d.event_id: d for d in page.published()}[MORE.event.id]
    answered = [{k: v for k, v in one.items() if k != "text"} for one in shown["experiences"]]
    assert json.loads(logged.shown) == answered and logged.event_id == shown["decision"]


async def test_a_late_event_is_counted_too(page: Page) -> None:
    await page.store(VIEW, MORE)
    await page.push(VIEW, MORE)
    await page.store(ADD)
    shown = await page.shown(f"after={ADD.event.id}")
    assert shown["after"]["counted"] and shown["node"] == "favourite_offer"


async def test_an_event_that_is_not_stored_is_said_not_to_count(page: Page) -> None:
    await page.store(ADD)
    await page.push(ADD)
    shown = await page.shown("after=never-sent-1")
    assert shown["after"] == {"event": "never-sent-1", "counted": False} and shown["node"] == "building"


async def test_a_new_tree_is_shown_at_once_from_the_events(page: Page) -> None:
    await page.store(ADD)
    await page.push(ADD)
    state = (await page.rows.read("demo", SHOPPER)).state
    assert state
    old = state.replace(TREE.version.encode(), b"0123456789ab").replace(b'"building"', b'"gone_now"')
    assert await page.rows.swap_state("demo", SHOPPER, state, old) and decode_state(old).node == "gone_now"
    shown = await page.shown(f"after={ADD.event.id}")
    assert shown["node"] == "building" and page.reads == ["row", "events"]


async def test_a_shopper_nobody_knows_gets_the_tree(page: Page) -> None:
    stranger = {"gondola-shopper": "555"}
    first = await page.shown(headers=stranger)
    assert (first["node"], first["decision"], first["parameters_version"]) == ("arrival", None, "")
    add = seen("AddedToBasket", 1, shopper=RING.current("555"), price=15)
    await page.store(add)
    shown = await page.shown(f"after={add.event.id}", headers=stranger)
    assert shown["node"] == "newcomer" and shown["experiences"][0]["missing"] == 25.0 and not shown["default"]


async def test_hours_later_or_in_a_new_session_after_the_order_the_page_starts_anew(page: Page) -> None:
    paid = seen("OrderPaid", 3)
    await page.store(ADD, paid)
    await page.push(ADD, paid)
    soon = NOW - timedelta(hours=2)
    assert (await page.shown(now=soon))["node"] == "order_paid"
    assert (await page.shown("session=visit-1", now=soon))["node"] == "order_paid"
    assert (await page.shown("session=visit-2", now=soon))["node"] == "arrival"
    assert (await page.shown(now=NOW + timedelta(hours=9)))["node"] == "arrival"
    # An answer to an event counts that event, however long ago the sender's clock says it was.
    assert (await page.shown(f"after={paid.event.id}", now=NOW + timedelta(hours=9)))["node"] == "order_paid"


async def test_without_consent_the_default_is_shown(page: Page) -> None:
    refusal = seen("ConsentChanged", 5, purposes={"personalisation": False})
    await page.store(ADD, refusal)
    await page.push(ADD)
    shown = await page.shown(f"after={refusal.event.id}")
    assert (shown["default"], shown["reason"], shown["parameters_version"]) == (True, "consent", "")
    assert shown["experiences"] == [
        {
            "kind": "default",
            "default": True,
            "slot": "main",
            "products": [],
            "text": "Les produits frais de la semaine, choisis par nos magasins",
        }
    ]
    await page.push(refusal)
    assert (await page.shown(f"after={ADD.event.id}"))["reason"] == "consent"
    assert (await page.shown(key="read-key-of-strict"))["reason"] == "consent"


async def test_a_withdrawal_holds_on_the_next_page_though_nothing_is_decided_any_more(page: Page) -> None:
    await page.keep(ADD)
    await page.push(ADD)
    before = await page.shown()
    assert not before["default"] and before["decision"] == ADD.event.id
    await page.keep(seen("ConsentChanged", 5, purposes={"rewards": True}), seen("ConsentChanged", 2))
    page.reads.clear()
    withdrawn = await page.shown()
    assert page.reads == ["row"], "no page pays for it"
    assert (withdrawn["default"], withdrawn["reason"], withdrawn["node"]) == (True, "consent", "arrival")
    assert withdrawn["decision"] is None, "what was decided before is not what is shown"
    await page.keep(seen("ConsentChanged", 6))
    assert not (await page.shown())["default"]


async def test_a_consent_that_cannot_be_read_is_looked_for_among_the_events(page: Page) -> None:
    refusal = seen("ConsentChanged", -9999, channel="server", purposes={})
    await page.keep(refusal, *(seen("PageViewed", minutes, id=f"seen-{minutes:05d}") for minutes in range(70)), ADD)
    await page.rows.write_consent("demo", SHOPPER, key_of(refusal)[0], b"damaged")
    assert (await page.shown())["reason"] == "consent"
    assert (await page.shown(f"after={ADD.event.id}"))["reason"] == "consent"


@pytest.mark.parametrize("broken", ["rows", "hot", "trees", "slow"])
async def test_a_failing_store_shows_the_default(page: Page, broken: str, capsys: pytest.CaptureFixture[str]) -> None:
    await page.store(ADD)
    if broken == "trees":
        await page.documents.put(LIVE_TREES, "demo", {"tree": "grocery_basket", "version": "gone"})
    elif broken == "slow":
        page.patience_s, page.hangs = 0.01, True
    else:
        getattr(page, broken).down = True
    shown = await page.shown(f"after={ADD.event.id}")
    assert (shown["default"], shown["reason"]) == (True, "unavailable")
    assert shown["after"] == {"event": ADD.event.id, "counted": False}
    assert [one["kind"] for one in shown["experiences"]] == ([] if broken == "trees" else ["default"])
    assert "the default experience is shown" in capsys.readouterr().out


async def test_a_tree_read_before_outlives_its_store(page: Page) -> None:
    await page.shown()
    await page.documents.put(LIVE_TREES, "demo", {"tree": "grocery_basket", "version": "gone"})
    page.clock = 3600
    assert (await page.shown())["tree_version"] == TREE.version


async def test_a_tree_that_is_off_shows_its_default_to_everybody(page: Page) -> None:
    await page.store(ADD)
    await change(page.documents, "demo", lambda programme: stop(programme, datetime.now(UTC), "tester"))
    page.clock += FRESH_S
    shown = await page.shown(f"after={ADD.event.id}")
    assert (shown["default"], shown["reason"], shown["tree_version"]) == (True, "off", TREE.version)
    assert [one["kind"] for one in shown["experiences"]] == ["default"]


async def test_a_store_that_hangs_costs_a_tenth_of_a_second_and_the_default_is_the_trees(page: Page) -> None:
    await page.shown()
    page.patience_s, page.hangs = PATIENCE_S, True
    assert PATIENCE_S <= 0.1
    shown = await page.shown()
    assert (shown["reason"], shown["tree_version"]) == ("unavailable", TREE.version)
    assert [one["kind"] for one in shown["experiences"]] == ["default"]


async def test_without_a_tree_nothing_is_shown() -> None:
    shown = await Page().shown()
    assert (shown["default"], shown["reason"], shown["experiences"]) == (True, "no_tree", [])


@pytest.mark.parametrize(
    ("status", "kind", "given"),
    [
        (404, "no-such-path", {"path": "/v1/other"}),
        (401, "unknown-key", {"key": "nobody"}),
        (403, "origin-not-allowed", {"headers": {"origin": "https://evil.example", "gondola-shopper": CUSTOMER}}),
        (405, "method-not-allowed", {"method": "POST"}),
        (400, "no-shopper", {"headers": {}}),
        (400, "no-shopper", {"headers": {"gondola-shopper": "some one@example.com"}}),
        (400, "invalid-after", {"query": "after=%3Cscript%3E"}),
        (400, "invalid-session", {"query": "session=%00"}),
    ],
)
async def test_a_question_that_cannot_be_answered_says_why(
    page: Page, status: int, kind: str, given: dict[str, Any]
) -> None:
    response = await page.get(**given)
    problem = json.loads(bytes(response.body))
    assert (response.status_code, problem["type"].rsplit("/", 1)[-1]) == (status, kind)
    assert response.media_type == "application/problem+json" and "no-store" in response.headers["cache-control"]
    assert "example.com" not in bytes(response.body).decode() and "script" not in bytes(response.body).decode()


async def test_a_page_of_the_retailers_origin_may_read(page: Page) -> None:
    preflight = await page.get(headers={"origin": ORIGIN}, method="OPTIONS")
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert preflight.headers["access-control-allow-headers"] == "gondola-shopper"
    read = await page.get(headers={"origin": ORIGIN, "gondola-shopper": CUSTOMER})
    assert read.status_code == 200 and read.headers["access-control-allow-origin"] == ORIGIN
    refused = await page.get(headers={"origin": ORIGIN})
    assert refused.status_code == 400 and refused.headers["access-control-allow-origin"] == ORIGIN


async def test_nothing_is_logged_of_who_asks(page: Page, capsys: pytest.CaptureFixture[str]) -> None:
    await page.store(ADD)
    await page.shown(f"after={ADD.event.id}")
    page.rows.down = True
    await page.shown(f"after={ADD.event.id}")
    said = capsys.readouterr().out
    assert CUSTOMER not in said and SHOPPER not in said


async def test_an_erased_shopper_is_shown_nothing_that_was_made_before(page: Page) -> None:
    await page.store(VIEW, ADD)
    await page.push(VIEW, ADD)
    assert (await page.shown())["parameters_version"] != ""
    page.suppressions.suppress("demo", SHOPPER, ADD.event.at)
    shown = await page.shown(f"after={ADD.event.id}")
    assert shown["after"] == {"event": ADD.event.id, "counted": False}
    assert (shown["decision"], shown["parameters_version"]) == (None, "")
    assert "usual1" not in json.dumps(shown)
    await page.store(MORE)
    shown = await page.shown(f"after={MORE.event.id}")
    assert (shown["decision"], shown["after"]["counted"]) == (MORE.event.id, True)
    assert "usual1" not in json.dumps(shown)


async def test_before_it_is_known_who_is_erased_everybody_is_shown_the_default(page: Page) -> None:
    await page.store(ADD)
    page.suppressions.down = True
    shown = await page.shown(f"after={ADD.event.id}")
    assert (shown["default"], shown["reason"]) == (True, "unavailable")


class Guarded(Page):
    """A shop whose pages prove whose they are."""

    required = True


async def test_a_token_of_the_shops_server_opens_and_a_bare_customer_id_does_not() -> None:
    page = Guarded()
    await page.open()
    await page.store(ADD)
    proved = {"gondola-shopper": issue(SIGNING, CUSTOMER, NOW.timestamp())}
    shown = await page.shown(f"after={ADD.event.id}", headers=proved)
    assert (shown["default"], shown["node"]) == (False, "building")
    for said in (CUSTOMER, issue(b"another shop's key", CUSTOMER, NOW.timestamp()), proved["gondola-shopper"][:-3]):
        refused = await page.get(headers={"gondola-shopper": said})
        assert refused.status_code == 401
        assert json.loads(bytes(refused.body))["type"].endswith("shopper-token")
        assert CUSTOMER.encode() not in bytes(refused.body), "nothing personal is echoed"
    tomorrow = await page.get(headers=proved, now=NOW + timedelta(days=1))
    assert tomorrow.status_code == 401


async def test_a_token_of_another_customer_shows_that_customers_page(page: Page) -> None:
    await page.store(ADD)
    stranger = {"gondola-shopper": issue(SIGNING, "555", NOW.timestamp())}
    assert (await page.shown(headers=stranger))["node"] == "arrival"


async def test_a_page_asks_for_its_own_places_in_its_own_language(page: Page) -> None:
    await page.store(VIEW, ADD, MORE)
    all_slots = {one["slot"] for one in (await page.shown(f"after={MORE.event.id}"))["experiences"]}
    assert len(all_slots) > 1
    some = await page.shown(f"after={MORE.event.id}&slot=main&locale=en-GB")
    assert {one["slot"] for one in some["experiences"]} == {"main"}
    assert some["experiences"][0]["text"] == "€16.00 to go"
    none = await page.shown(f"after={MORE.event.id}&slot=footer")
    assert (none["experiences"], none["default"]) == ([], False)
    for part in ("slot=Main", "slot=a,,b", "locale=english"):
        refused = await page.get(part)
        assert refused.status_code == 400 and b"cannot be read" in bytes(refused.body)
