"""A game from its announcement to an erased winner, on fakes: every entrance, and what nobody can get out of it."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
import msgspec
import pytest
from starlette.responses import Response

from functions.claims import handler as claims
from functions.claims.room import Room as ClaimsRoom
from functions.rewards import handler as rewards
from functions.rewards.games import CLOSED
from functions.rewards.room import Room
from functions.rewards.rules import CLAIM_DAYS, GameKey, audited
from functions.tickets import handler as tickets
from functions.tickets.room import Room as TicketsRoom
from layers.calling import PrivateService, Refused, Unreachable, laptop_token
from layers.declarations import settings
from layers.events.model import ConsentChanged, Event, OrderLine, OrderPaid, OrderStatusUpdated, Purposes
from layers.events.record import encode_record, milliseconds
from layers.game.beacon import LaptopValues, NotOut
from layers.game.chance import entry_of
from layers.game.model import Beacon
from layers.game.reading import read_rules
from layers.game.verify import verify
from layers.privacy.keyring import KeyRing
from layers.privacy.shopper_token import issue
from layers.privacy.suppression import digest
from layers.retailers import Registry, Retailer
from layers.shell.push import encode_push
from layers.signing.fake import FakeSigner
from layers.stores.apart import ApartDocuments, CalledApart
from layers.stores.bigtable.fake import FakeShopperRows
from layers.stores.bigtable.port import ConsentLine
from layers.stores.collections import CONTACTS, GAMES, PLAYERS, PRIZES, REFUNDS, TICKETS, Collection
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.firestore.port import Document
from layers.stores.suppressions import FakeSuppressions
from tests.handlers.asking import ask

PROJECT = "p"
OFFICER = "officer@demo.example"
DEMO = Retailer(
    id="demo",
    name="Démo",
    write_key="w" * 16,
    read_key="r" * 16,
    origins=("https://shop.example",),
    compliance=(OFFICER,),
)
OTHER = Retailer(
    id="other", name="Other", write_key="x" * 16, read_key="y" * 16, origins=(), compliance=("them@other.example",)
)
REGISTRY = Registry([DEMO, OTHER])
KEY = base64.b64encode(bytes(range(32))).decode()
OPENS = datetime(2026, 12, 1, tzinfo=UTC)
CLOSES = OPENS + timedelta(days=1)
DOOR = bytes(range(32, 64))
EMAIL = "anne.martin@example.com"


def rules(kind: str, prizes: int = 2, game: str = "basket_back") -> str:
    odds = "\n    odds: {wins: 1, of: 2}" if kind == "instant" else ""
    return f"""
game: {game}
kind: {kind}
opens: "{OPENS.isoformat()}"
closes: "{CLOSES.isoformat()}"
tiers:
  - tier: all
    from_cents: 2000
    prizes: {prizes}{odds}
prize_cap_cents: 5000
tickets_per_shopper: 3
beacon: {{source: laptop test, genesis: 1600000000, period_s: 30}}
terms: {{en: words, fr: des mots}}
"""


class Beacons(LaptopValues):
    """A beacon by the world's clock."""

    def __init__(self) -> None:
        self.now = OPENS - timedelta(days=1)
        self.down = False

    async def value(self, beacon: Beacon, number: int) -> bytes:
        if self.down or self.now.timestamp() < beacon.genesis + (number - 1) * beacon.period_s:
            raise NotOut("not out")
        return sha256(f"{number}".encode()).digest()


class Interleaved(FakeDocuments):
    """Others have their turn before each operation, so requests of the same moment meet in the midst of each other."""

    async def get(self, collection: Collection, id: str) -> Document | None:
        await asyncio.sleep(0)
        return await super().get(collection, id)

    async def create(self, collection: Collection, id: str, data: Mapping[str, Any]) -> bool:
        await asyncio.sleep(0)
        return await super().create(collection, id, data)

    async def replace(self, collection: Collection, known: Document, data: Mapping[str, Any]) -> bool:
        await asyncio.sleep(0)
        return await super().replace(collection, known, data)


class World:
    """The three functions on fakes; they call each other as they do in the cloud, but for the wire."""

    def __init__(self) -> None:
        self.kept, self.loop = Interleaved("rewards"), asyncio.get_running_loop()
        self.beacons, self.rows, self.suppressions = Beacons(), FakeShopperRows(), FakeSuppressions()
        apart = ApartDocuments(self.kept, REGISTRY.by_id)
        keys = {"demo": GameKey(KEY), "other": GameKey(base64.b64encode(bytes(32)).decode())}
        self.room = Room(PROJECT, REGISTRY, keys, self.kept, apart, self.beacons, FakeSigner())
        self.ring = KeyRing({1: KEY})
        self.claims = ClaimsRoom(
            REGISTRY, {"demo": self.ring, "other": self.ring}, {"demo": DOOR, "other": b""}, self.service("claims")
        )
        self.tickets = TicketsRoom(REGISTRY, self.rows, self.suppressions, self.service("tickets"))
        self.count = 0

    @property
    def now(self) -> datetime:
        return self.beacons.now

    def at(self, moment: datetime) -> None:
        self.beacons.now = moment

    def service(self, name: str) -> PrivateService:
        email = settings.account(name, PROJECT)

        def send(path: str, body: bytes, token: str) -> tuple[int, bytes]:
            request = ask("POST", path, body, {"authorization": f"Bearer {token}"})
            try:
                answering = rewards.answer(request, self.room, self.now)
                answer = asyncio.run_coroutine_threadsafe(answering, self.loop).result()
            except NotOut:
                return 503, b""
            return answer.status_code, bytes(answer.body)

        return PrivateService(send, lambda: laptop_token(email, "rewards"))

    async def officer(self, method: str, path: str, body: Any = None, email: str = OFFICER) -> Response:
        headers = {"authorization": f"Bearer {laptop_token(email, 'rewards')}"}
        return await rewards.answer(ask(method, path, json.dumps(body).encode(), headers), self.room, self.now)

    async def announce(self, text: str) -> dict[str, Any]:
        answer = await self.officer("POST", "/v1/games", {"retailer": "demo", "rules": text})
        assert answer.status_code == 200, answer.body
        found: dict[str, Any] = json.loads(bytes(answer.body))
        return found

    async def agrees(self, customer: str, to_rewards: bool = True) -> None:
        shopper = self.ring.current(customer)
        event = ConsentChanged(id=f"consent-{customer}", at=OPENS, purposes=Purposes(rewards=to_rewards))
        line = encode_record(shopper, "s", "web", OPENS, msgspec.json.encode(event))
        await self.rows.write_consents([ConsentLine("demo", shopper, milliseconds(OPENS), line)])

    async def sends(self, customer: str, *events: Event, channel: str = "web") -> int:
        shopper = self.ring.current(customer)
        lines = [encode_record(shopper, "s", channel, event.at, msgspec.json.encode(event)) for event in events]
        body = encode_push(b"\n".join(lines), {"retailer": "demo"}, "m1", self.now, "tickets--shopper-events")
        answer = await tickets.answer(ask("POST", "/", body), self.tickets)
        return answer.status_code

    def paid(self, order: str, total: float = 60.0) -> OrderPaid:
        self.count += 1
        line = OrderLine(product="p1", paid=total)
        return OrderPaid(id=f"paid-{self.count:05}", at=self.now, order=order, total=total, lines=(line,))

    def ended(self, order: str) -> OrderStatusUpdated:
        self.count += 1
        return OrderStatusUpdated(id=f"ended-{self.count:05}", at=self.now, order=order, status="cancelled")

    async def asks(self, customer: str, order: str) -> list[dict[str, Any]]:
        token = issue(DOOR, customer, self.now.timestamp())
        request = ask("GET", "/v1/tickets", b"", {"gondola-shopper": token}, f"key={'r' * 16}&order={order}")
        answer = await claims.answer(request, self.claims, self.now)
        assert answer.status_code == 200, answer.body
        found: list[dict[str, Any]] = json.loads(bytes(answer.body))["tickets"]
        return found

    async def opens(self, link: str) -> Response:
        path, _, query = link.partition("?")
        return await claims.answer(ask("GET", path, b"", {"accept-language": "fr"}, query), self.claims, self.now)

    async def leaves(self, link: str, email: str) -> Response:
        body = str(httpx.QueryParams({"token": link.partition("token=")[2], "email": email})).encode()
        return await claims.answer(ask("POST", "/claim", body, {"accept-language": "en"}), self.claims, self.now)

    async def refunds(self, reference: str) -> bytes:
        answer = await self.officer("POST", "/v1/refunds", {"retailer": "demo", "reference": reference})
        assert answer.status_code == 200, answer.body
        return bytes(answer.body)

    def documents(self, collection: Any) -> list[dict[str, Any]]:
        return [each.data for each in self.kept.collections.get(collection.name, {}).values()]

    async def close(self, game: str = "basket_back") -> dict[str, Any]:
        answer = await self.officer("POST", f"/v1/games/demo/{game}/close", {})
        assert answer.status_code == 200, answer.body
        found: dict[str, Any] = json.loads(bytes(answer.body))
        return found

    async def transcript(self, game: str = "basket_back") -> dict[str, Any]:
        answer = await self.officer("GET", f"/v1/games/demo/{game}/transcript")
        assert answer.status_code == 200, answer.body
        found: dict[str, Any] = json.loads(bytes(answer.body))
        return found


async def played(world: World, kind: str = "instant", players: int = 6, prizes: int = 2) -> dict[str, Any]:
    """Announced, opened, an order of each player."""
    announced = await world.announce(rules(kind, prizes))
    world.at(OPENS + timedelta(hours=2, minutes=1))
    for number in range(players):
        await world.agrees(f"c{number}")
        assert await world.sends(f"c{number}", world.paid(f"o{number}")) == 204
    return announced


async def won(world: World, players: int = 6) -> dict[str, tuple[str, dict[str, Any]]]:
    found = {}
    for number in range(players):
        for ticket in await world.asks(f"c{number}", f"o{number}"):
            if ticket["outcome"] == "won":
                found[f"c{number}"] = (f"o{number}", ticket)
    return found


async def test_from_the_announcement_to_an_erased_winner() -> None:
    world = World()
    announced = await played(world)
    winners = await won(world)
    assert 0 < len(winners) <= 2
    customer, (order, ticket) = next(iter(winners.items()))
    assert ticket["prize_cents"] == 5000 and not ticket["claimed"]

    page = await world.opens(ticket["claim"])
    assert page.status_code == 200 and "50,00 €" in bytes(page.body).decode()
    assert (await world.leaves(ticket["claim"], "no address")).status_code == 422
    assert (await world.leaves(ticket["claim"], EMAIL)).status_code == 200
    assert (await world.leaves(ticket["claim"], "mallory@example.com")).status_code == 410, "a link serves once"
    assert [each["email"] for each in world.documents(CONTACTS)] == [EMAIL]
    assert (await world.asks(customer, order))[0]["claimed"] is True

    first = await world.refunds("r-1")
    assert EMAIL.encode() in first and await world.refunds("r-1") == first
    second = await world.refunds("r-2")
    assert audited([first, second]) == [] and len(second.splitlines()) == 1, "each prize in one list"

    world.at(CLOSES + timedelta(minutes=11))
    assert (await world.close())["status"] == CLOSED
    verdict = verify(await world.transcript())
    assert verdict.problems == [] and verdict.commitment_sha256 == announced["commitment_sha256"]
    assert len(verdict.winners) == len(winners) and verdict.tickets == 6

    apart = CalledApart(world.service("consent_erasure"))
    whose = [digest("demo", world.ring.current(customer))]
    assert (await apart.told(CONTACTS, "demo", whose[0]))[0]["email"] == EMAIL
    for collection in (PLAYERS, CONTACTS):
        assert await apart.count(collection, "demo", whose) == 1
        assert await apart.erase(collection, "demo", whose) == 1
        assert await apart.count(collection, "demo", whose) == 0
    held = repr(world.kept.collections)
    assert EMAIL not in held and whose[0] not in held and f"'{order}'" not in held
    assert await world.asks(customer, order) == []
    assert (await world.opens(ticket["claim"])).status_code == 404
    assert (await world.leaves(ticket["claim"], EMAIL)).status_code == 404, "whoever is erased leaves no address"
    assert EMAIL.encode() not in await world.refunds("r-1") and audited([await world.refunds("r-1"), second]) == []
    assert verify(await world.transcript()).problems == [], "a transcript outlives its players"


async def test_deliveries_doubled_and_out_of_order_leave_one_ticket_an_order() -> None:
    world = World()
    await world.announce(rules("instant", 20))
    await world.agrees("c1")
    world.at(OPENS + timedelta(hours=3, minutes=1))
    paid, gone, ended = world.paid("o1"), world.paid("o2"), world.ended("o2")
    assert await world.sends("c1", ended) == 204
    for _ in range(3):
        assert await world.sends("c1", paid, gone, paid) == 204
    assert [each["entry"] for each in world.documents(TICKETS) if each["outcome"]] == [entry_of("basket_back", "o1")]
    assert await world.asks("c1", "o2") == [], "cancelled before it was paid"
    taken = [each for place in world.documents(PRIZES) for each in place["won"]]
    assert len({each["entry"] for each in taken}) == len(taken)


@pytest.mark.parametrize("killed", range(1, 9))
async def test_killed_at_any_write_the_next_delivery_ends_the_same(killed: int) -> None:
    """The same orders with one write that fails, before or after it is done: tickets and prizes are the same."""
    whole, broken = World(), World()
    for world in (whole, broken):
        await world.announce(rules("instant", 1))
        for number in range(4):
            await world.agrees(f"c{number}")
        world.at(OPENS + timedelta(hours=2, minutes=1))
    put, writes = broken.kept.put, 0

    async def falls(collection: Any, id: str, data: Mapping[str, Any]) -> None:
        nonlocal writes
        writes += 1
        if writes == killed and killed % 2:
            raise ConnectionError
        await put(collection, id, data)
        if writes == killed:
            raise ConnectionError

    broken.kept.put = falls  # type: ignore[method-assign]
    for number in range(4):
        for world in (whole, broken):
            paid = world.paid(f"o{number}")
            try:
                await world.sends(f"c{number}", paid)
            except ConnectionError:
                await world.sends(f"c{number}", paid)
    for collection in (TICKETS, PRIZES, PLAYERS):
        assert broken.documents(collection) == whole.documents(collection)


async def test_prizes_never_exceed_what_a_tier_has_however_many_win_at_once() -> None:
    world = World()
    await world.announce(rules("instant", 3).replace("wins: 1, of: 2", "wins: 1, of: 1"))
    world.at(OPENS + timedelta(hours=1, minutes=1))
    for number in range(20):
        await world.agrees(f"c{number}")
    assert set(
        await asyncio.gather(*(world.sends(f"c{number}", world.paid(f"o{number}")) for number in range(20)))
    ) == {204}
    outcomes = [each["outcome"] for each in world.documents(TICKETS)]
    assert sorted(outcomes) == ["over"] * 17 + ["won"] * 3
    world.at(CLOSES + timedelta(minutes=11))
    await world.close()
    assert verify(await world.transcript()).problems == []


async def test_who_did_not_agree_is_erased_or_brings_history_does_not_play() -> None:
    world = World()
    await world.announce(rules("instant"))
    world.at(OPENS + timedelta(hours=1, minutes=1))
    await world.sends("silent", world.paid("o1"))
    await world.agrees("refuses", False)
    await world.sends("refuses", world.paid("o2"))
    for customer in ("gone", "past"):
        await world.agrees(customer)
    world.suppressions.suppress("demo", world.ring.current("gone"), world.now + timedelta(seconds=1))
    await world.sends("gone", world.paid("o3"))
    await world.sends("past", world.paid("o4"), channel="history")
    await world.agrees("small")
    await world.sends("small", world.paid("o5", 19.99))
    assert world.documents(TICKETS) == [] and world.documents(PLAYERS) == []


async def test_a_shopper_has_so_many_tickets_and_no_more() -> None:
    world = World()
    await world.announce(rules("instant", 100))
    world.at(OPENS + timedelta(hours=1, minutes=1))
    await world.agrees("c1")
    await asyncio.gather(*(world.sends("c1", world.paid(f"o{number}")) for number in range(8)))
    assert len(world.documents(TICKETS)) == 3 and len(world.documents(PLAYERS)[0]["orders"]) == 3


async def test_a_draw_is_sealed_then_drawn_and_recomputed_by_a_stranger() -> None:
    world = World()
    await played(world, "draw", 6)
    assert {(await world.asks(f"c{number}", f"o{number}"))[0]["outcome"] for number in range(6)} == {"waiting"}
    await world.sends("c0", world.ended("o0"))
    world.at(CLOSES + timedelta(minutes=1))
    early = await world.officer("POST", "/v1/games/demo/basket_back/close", {})
    assert early.status_code == 409 and b"too-early" in early.body
    late = world.paid("late")
    late = msgspec.structs.replace(late, at=CLOSES - timedelta(seconds=1))
    await world.agrees("late")
    await world.sends("late", late)
    world.at(CLOSES + timedelta(minutes=6))
    sealed = await world.close()
    assert sealed["status"] == "sealed" and len(sealed["sealed_sha256"]) == 64 and "next" in sealed
    assert (await world.officer("GET", "/v1/games/demo/basket_back/transcript")).status_code == 409
    await world.sends("c1", world.paid("o-after"))
    world.at(CLOSES + timedelta(minutes=11))
    assert (await world.close())["sealed_sha256"] == sealed["sealed_sha256"]
    found = await world.transcript()
    verdict = verify(found)
    assert verdict.problems == [] and len(verdict.winners) == 2 and verdict.tickets == 7
    assert entry_of("basket_back", "o0") not in verdict.winners
    winners = await won(world)
    # Cancelled after the draw: no prize any more, and the transcript stays as it was published.
    customer, (order, ticket) = next(iter(winners.items()), ("late", ("late", (await world.asks("late", "late"))[0])))
    await world.sends(customer, world.ended(order))
    assert (await world.leaves(ticket["claim"], EMAIL)).status_code == 410
    assert await world.transcript() == found


async def test_a_draw_that_was_not_sealed_in_time_is_never_drawn() -> None:
    world = World()
    await played(world, "draw")
    world.at(CLOSES + timedelta(minutes=10))
    answer = await world.officer("POST", "/v1/games/demo/basket_back/close", {})
    assert answer.status_code == 409 and b"sealed-too-late" in answer.body
    assert world.documents(GAMES)[0]["status"] == "open"


async def test_rules_and_seed_are_bound_before_anybody_plays() -> None:
    world = World()
    announced = await world.announce(rules("instant"))
    assert await world.announce(rules("instant")) == announced
    changed = await world.officer("POST", "/v1/games", {"retailer": "demo", "rules": rules("instant", 3)})
    assert changed.status_code == 409
    world.at(OPENS)
    late = await world.officer("POST", "/v1/games", {"retailer": "demo", "rules": rules("instant", game="next_game")})
    assert late.status_code == 400 and b"too-late" in late.body
    drand = rules("instant", game="third").replace("laptop test", "drand quicknet " + "a" * 64)
    assert b"laptop" in (await world.officer("POST", "/v1/games", {"retailer": "demo", "rules": drand})).body
    other = GameKey(KEY)
    first, second = read_rules(rules("instant")), read_rules(rules("instant", game="another"))
    assert len({other.seed("demo", first), other.seed("demo", second), other.seed("other", first)}) == 3


async def test_a_beacon_that_is_silent_costs_nobody_a_ticket() -> None:
    world = World()
    await world.announce(rules("instant"))
    await world.agrees("c1")
    world.at(OPENS + timedelta(hours=1, minutes=1))
    world.beacons.down = True
    with pytest.raises(Unreachable):
        await world.sends("c1", world.paid("o1"))
    world.beacons.down = False
    await world.sends("c1", world.paid("o1"))
    assert len(world.documents(TICKETS)) == 1


async def test_each_caller_asks_only_what_is_its_own() -> None:
    world = World()
    await played(world)
    for name, path in (
        ("claims", "/v1/apart"),
        ("tickets", "/v1/prizes/claim"),
        ("consent_erasure", "/v1/tickets"),
        ("decisioning", "/v1/results"),
        ("claims", "/v1/refunds"),
    ):
        with pytest.raises(Refused) as refused:
            await world.service(name).call(path, {"retailer": "demo", "reference": "r"})
        assert refused.value.status in (400, 403)
    for method, path, body in (
        ("POST", "/v1/apart", {"act": "told", "collection": "contacts"}),
        ("POST", "/v1/prizes/claim", {"token": "t", "email": EMAIL}),
    ):
        assert (await world.officer(method, path, body)).status_code == 403, "not even the officer"
    stranger = await world.officer("GET", "/v1/games/demo/basket_back", email="them@other.example")
    assert stranger.status_code == 403
    nobody = await rewards.answer(ask("POST", "/v1/refunds", b"{}"), world.room, world.now)
    assert nobody.status_code == 401


async def test_a_strangers_question_or_link_finds_nothing() -> None:
    world = World()
    await played(world)
    customer, (order, ticket) = next(iter((await won(world)).items()))
    assert await world.asks("somebody-else", order) == []
    for said in ("c0", "", issue(bytes(32), customer, world.now.timestamp())):
        asked = ask("GET", "/v1/tickets", b"", {"gondola-shopper": said}, f"key={'r' * 16}&order={order}")
        assert (await claims.answer(asked, world.claims, world.now)).status_code == 401
    token = ticket["claim"].partition("token=")[2]
    said, signature = token.split(".")
    forged = base64.urlsafe_b64encode(base64.urlsafe_b64decode(said + "==").replace(b"demo", b"other")).decode()
    for bad in (f"{forged.rstrip('=')}.{signature}", said, "", "." * 5, f"{said}.AAAA", "x" * 5000):
        assert (await world.opens(f"/claim?token={bad}")).status_code == 404
    world.at(CLOSES + timedelta(days=61))
    assert (await world.leaves(ticket["claim"], EMAIL)).status_code == 410
    assert world.documents(CONTACTS) == []


async def test_two_winners_of_one_link_and_two_lists_at_once() -> None:
    world = World()
    await played(world)
    winners = await won(world)
    for _, ticket in winners.values():
        answers = await asyncio.gather(*(world.leaves(ticket["claim"], f"a{n}@example.com") for n in range(4)))
        assert sorted(each.status_code for each in answers) == [200, 410, 410, 410]
    lists = await asyncio.gather(*(world.refunds(f"r-{number}") for number in range(4)))
    lists.sort(key=lambda text: json.loads(text.splitlines()[0])["number"])
    assert audited(lists) == []
    assert sum(len(text.splitlines()) - 1 for text in lists) == len(winners) == len(world.documents(CONTACTS))
    assert [each["number"] for each in world.documents(REFUNDS)] == [1, 2, 3, 4]
    assert not re.search("@", repr(world.documents(REFUNDS)))


async def test_an_address_is_in_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    await played(world)
    _, (_, ticket) = next(iter((await won(world)).items()))
    await world.leaves(ticket["claim"], EMAIL + "<")
    await world.leaves(ticket["claim"], EMAIL)
    await world.refunds("r-1")
    assert "anne" not in capsys.readouterr().out


async def test_an_erasure_that_overtakes_a_claim_leaves_no_contact() -> None:
    world = World()
    await played(world)
    customer, (_, ticket) = next(iter((await won(world)).items()))
    create = world.kept.create

    async def overtaken(collection: Any, id: str, data: Mapping[str, Any]) -> bool:
        done = await create(collection, id, data)
        if collection == CONTACTS:
            await world.room.apart.erase(PLAYERS, "demo", [digest("demo", world.ring.current(customer))])
        return done

    world.kept.create = overtaken  # type: ignore[method-assign]
    assert (await world.leaves(ticket["claim"], EMAIL)).status_code == 404
    assert world.documents(CONTACTS) == []


def test_what_is_kept_is_what_is_declared() -> None:
    async def used() -> World:
        world = World()
        await played(world)
        for _, ticket in (await won(world)).values():
            await world.leaves(ticket["claim"], EMAIL)
        await world.refunds("r-1")
        return world

    world = asyncio.run(used())
    for collection in (GAMES, TICKETS, PRIZES, PLAYERS, CONTACTS, REFUNDS):
        found = world.documents(collection)
        assert found, collection.name
        assert all(set(each) == set(collection.fields) for each in found), collection.name
        held = repr(found)
        if not collection.holds_shoppers:
            shoppers = [digest("demo", world.ring.current(f"c{number}")) for number in range(6)]
            assert not any(each in held for each in [EMAIL, *shoppers]), collection.name


async def test_a_purge_removes_what_outlived_its_contract() -> None:
    world = World()
    await played(world)
    apart = CalledApart(world.service("retention_purge"))
    later = OPENS + timedelta(days=DEMO.contract.rewards + 2)
    assert (await apart.purge(TICKETS, OPENS + timedelta(days=9), False)).removed == 0
    for collection in (GAMES, TICKETS, PRIZES, PLAYERS):
        dry = await apart.purge(collection, later, True)
        done = await apart.purge(collection, later, False)
        assert dry.removed == done.removed > 0 and done.expired == done.undated == 0
    assert world.documents(TICKETS) == [] and DEMO.contract.rewards > CLAIM_DAYS
