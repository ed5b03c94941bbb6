"""A retailer's games on fakes: the four functions that play, calling each other as in the cloud but for the wire."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from functions.claims import handler as claims
from functions.claims.room import Room as ClaimsRoom
from functions.draws import handler as draws
from functions.draws.room import Room as DrawsRoom
from functions.rewards import handler as rewards
from functions.rewards.room import Room
from functions.rewards.seeds import Seeds
from functions.tickets import handler as tickets
from functions.tickets.room import Room as TicketsRoom
from layers.calling import PrivateService, laptop_token
from layers.declarations import settings
from layers.events.model import ConsentChanged, Event, OrderLine, OrderPaid, OrderStatusUpdated, Payment, Purposes
from layers.events.record import encode_record, milliseconds
from layers.game.beacon import NotOut, OwnBeacon
from layers.game.model import Beacon
from layers.game.rounds import Round
from layers.privacy.keyring import KeyRing
from layers.privacy.shopper_token import issue
from layers.retailers import Registry, Retailer
from layers.shell.push import encode_push
from layers.signing.fake import FakeSigner
from layers.signing.port import Unavailable
from layers.signing.sealing import LocalSealer
from layers.stores.apart import ApartDocuments
from layers.stores.bigtable.fake import FakeShopperRows
from layers.stores.bigtable.port import ConsentLine
from layers.stores.collections import Collection
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


class WorldsBeacon(OwnBeacon):
    """A beacon by the world's clock."""

    def __init__(self) -> None:
        super().__init__(KEY, lambda: self.now.timestamp())
        self.now = OPENS - timedelta(days=1)
        self.down = False

    async def round(self, beacon: Beacon, number: int) -> Round:
        if self.down:
            raise NotOut("down")
        return await super().round(beacon, number)


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

    async def remove(self, collection: Collection, known: Document) -> bool:
        await asyncio.sleep(0)
        return await super().remove(collection, known)


class World:
    """The four functions on fakes; they call each other as they do in the cloud, but for the wire."""

    def __init__(self) -> None:
        self.kept, self.loop = Interleaved("rewards"), asyncio.get_running_loop()
        self.beacons, self.rows, self.suppressions = WorldsBeacon(), FakeShopperRows(), FakeSuppressions()
        apart = ApartDocuments(self.kept, REGISTRY.by_id)
        seeds = Seeds(LocalSealer(KEY), lambda: bytes(range(32)))
        self.room = Room(PROJECT, REGISTRY, seeds, self.kept, apart, self.beacons, FakeSigner())
        self.ring = KeyRing({1: KEY})
        self.claims = ClaimsRoom(
            REGISTRY, {"demo": self.ring, "other": self.ring}, {"demo": DOOR, "other": b""}, self.service("claims")
        )
        self.tickets = TicketsRoom(REGISTRY, self.rows, self.suppressions, self.service("tickets"))
        self.count = self.writes = 0

    @property
    def now(self) -> datetime:
        return self.beacons.now

    def at(self, moment: datetime) -> None:
        self.beacons.now = moment

    def falls_at(self, killed: int) -> None:
        """The write of this number fails, counted from here on: an odd one before it is done, an even one after."""
        put = self.kept.put

        async def falls(collection: Collection, id: str, data: Mapping[str, Any]) -> None:
            self.writes += 1
            if self.writes == killed and killed % 2:
                raise ConnectionError
            await put(collection, id, data)
            if self.writes == killed:
                raise ConnectionError

        self.kept.put = falls  # type: ignore[method-assign]

    def service(self, name: str) -> PrivateService:
        email = settings.account(name, PROJECT)

        def send(path: str, body: bytes, token: str) -> tuple[int, bytes]:
            request = ask("POST", path, body, {"authorization": f"Bearer {token}"})
            try:
                answering = rewards.answer(request, self.room, self.now)
                answer = asyncio.run_coroutine_threadsafe(answering, self.loop).result()
            except (NotOut, Unavailable):
                # As the handler's outermost lines answer.
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

    def paid(
        self,
        order: str,
        total: float = 60.0,
        payment: Payment | UnsetType = UNSET,
        household: str | UnsetType = UNSET,
    ) -> OrderPaid:
        self.count += 1
        line, id = OrderLine(product="p1", paid=total), f"paid-{self.count:05}"
        return OrderPaid(
            id=id,
            at=self.now,
            order=order,
            total=total,
            lines=(line,),
            payment=payment,
            household=household,
        )

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

    async def tick(self) -> list[dict[str, Any]]:
        """The schedule's run: of each game that was due, what is said of it."""
        answer = await draws.answer(DrawsRoom(self.service("draws")))
        assert answer.status_code == 200, answer.body
        found: list[dict[str, Any]] = json.loads(bytes(answer.body))["games"]
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
