"""What whoever takes dead letters may rely on, and what a sweep makes of them: in memory and on the emulator."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from layers.events.model import PageViewed
from layers.events.record import encode_record
from layers.stores.channel import open_channel
from layers.stores.collections import TURNS
from layers.stores.dead_letters import ORIGIN, DeadLetterSweep, TooMany
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.pubsub import dead_letters as real
from layers.stores.pubsub.dead_letters import PubsubDeadLetters
from layers.stores.pubsub.fake import FakeDeadLetters
from layers.stores.pubsub.port import DeadLetters, Held, Message, Unavailable
from layers.stores.topics import DEAD_LETTER_DAYS, DEAD_LETTER_LEASE_S
from layers.stores.turn import NoTurn, Turn
from tests.loopback import HTTP

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GONE, STAYS = "01" + "a" * 32, "01" + "b" * 32


@dataclass
class World:
    """Attributes:
    seconds: by which time has gone on, in a fake's world. waited: how often somebody waited for a turn.
    pace: how much of that a wait takes.
    """

    dead: Any
    documents: FakeDocuments = field(default_factory=FakeDocuments)
    seconds: float = 0.0
    waited: int = 0
    pace: float = 1.0

    @property
    def name(self) -> str:
        return str(self.dead.names[0])

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.seconds += seconds * self.pace
        self.waited += 1

    def sweep(self, dead: DeadLetters | None = None) -> DeadLetterSweep:
        return DeadLetterSweep(
            dead or self.dead, self.documents, ["demo", "other"], self.now, self.pause, lambda: self.seconds
        )

    async def all(self) -> list[Message]:
        """Everything that lies there; taken, and given back."""
        found: dict[str, Held] = {}
        while taken := await self.dead.take(self.name):
            found |= {each.id: each for each in taken}
        await self.dead.release(self.name, [each.handle for each in found.values()])
        return sorted((each.message for each in found.values()), key=lambda message: message.data)


def _fake() -> World:
    world = World(None)
    world.dead = FakeDeadLetters(["cooling--x--dead", "decisioning--x--dead"], lambda: world.seconds)
    world.dead.now = world.now()
    return world


@pytest.fixture(params=["fake", pytest.param("pubsub", marks=pytest.mark.emulators)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield _fake()
        return
    emulator, mark = request.getfixturevalue("pubsub_emulator"), uuid.uuid4().hex[:8]
    names = [f"cooling-{mark}--dead", f"decisioning-{mark}--dead"]
    for name in names:
        HTTP.put(f"http://{emulator}/v1/projects/contract/topics/{name}", json={}).raise_for_status()
        body = {"topic": f"projects/contract/topics/{name}", "ackDeadlineSeconds": DEAD_LETTER_LEASE_S}
        HTTP.put(f"http://{emulator}/v1/projects/contract/subscriptions/{name}", json=body).raise_for_status()
    topics = {f"projects/contract/subscriptions/{name}": f"projects/contract/topics/{name}" for name in names}
    yield World(_Later(emulator, topics))
    for name in names:
        HTTP.delete(f"http://{emulator}/v1/projects/contract/subscriptions/{name}").raise_for_status()


class _Later:
    """The channel belongs to the loop that runs the test."""

    def __init__(self, emulator: str, topics: dict[str, str]) -> None:
        self._emulator, self._topics = emulator, topics
        self._made: PubsubDeadLetters | None = None
        self.names = sorted(name.rpartition("/")[2] for name in topics)

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            self._made = PubsubDeadLetters(open_channel("", self._emulator), self._topics, at_once=True)
        return getattr(self._made, name)


def line(shopper: str, number: int, at: datetime = NOW) -> bytes:
    seen = PageViewed(id=f"event-{number:05d}", at=at, page="/")
    return encode_record(shopper, "s", "web", at, msgspec.json.encode(seen))


def message(*lines: bytes, **more: str) -> Message:
    return Message(b"\n".join(lines), {"retailer": "demo", "count": str(len(lines)), **more})


def erased(retailer: str, shopper: str) -> datetime | None:
    return NOW if (retailer, shopper) == ("demo", GONE) else None


def told(found: Message) -> tuple[bytes, dict[str, str]]:
    return found.data, {name: value for name, value in found.attributes.items() if name != ORIGIN}


async def test_what_is_taken_is_taken_alone_until_it_is_released_and_gone_when_it_is_forgotten(world: World) -> None:
    await world.dead.put_back(world.name, [message(line(STAYS, n), trace="t") for n in range(3)])
    taken = [*await world.dead.take(world.name)]
    while len(taken) < 3:
        taken += await world.dead.take(world.name)
    assert not await world.dead.take(world.name)
    assert sorted(each.message.data for each in taken) == [line(STAYS, n) for n in range(3)]
    assert all(each.message.attributes == {"retailer": "demo", "count": "1", "trace": "t"} for each in taken)
    assert all(abs(each.published - world.now()) < timedelta(minutes=5) for each in taken)
    await world.dead.keep(world.name, [each.handle for each in taken])
    await world.dead.forget(world.name, [taken[0].handle])
    await world.dead.release(world.name, [each.handle for each in taken[1:]])
    assert len(await world.all()) == len(await world.all()) == 2


async def test_a_sweep_takes_the_erased_out_of_every_message_and_leaves_all_others(world: World) -> None:
    after = NOW + timedelta(days=1)
    mixed = message(line(GONE, 1), line(STAYS, 2), line(GONE, 3), line(GONE, 4, after), trace="t")
    await world.dead.put_back(world.name, [mixed, message(line(GONE, 5)), message(line(STAYS, 6))])
    await world.dead.put_back(world.name, [replace(message(line(GONE, 7)), attributes={"retailer": "other"})])
    await world.dead.put_back(world.name, [replace(message(line(GONE, 8), line(STAYS, 9)), attributes={})])
    sweep = world.sweep()
    looked = await sweep.look(erased)
    assert (looked.messages, looked.found, looked.removed) == (5, 4, 0)
    assert (await sweep.remove(erased)).removed == 4
    again = await sweep.remove(erased)
    assert (again.messages, again.found, again.removed) == (4, 0, 0)
    left = [told(each) for each in await world.all()]
    assert left == sorted(
        [
            told(message(line(STAYS, 2), line(GONE, 4, after), trace="t")),
            told(message(line(STAYS, 6))),
            (line(GONE, 7), {"retailer": "other"}),
            (line(STAYS, 9), {"count": "1"}),
        ],
        key=lambda each: each[0],
    )
    origins = [each.attributes[ORIGIN] for each in await world.all() if ORIGIN in each.attributes]
    assert len(origins) == 2 and all(datetime.fromisoformat(each).tzinfo for each in origins)


async def test_an_empty_subscription_and_a_message_without_a_line(world: World) -> None:
    assert (await world.sweep().remove(erased)).messages == 0
    await world.dead.put_back(world.name, [Message(b"", {"retailer": "demo"})])
    assert (await world.sweep().remove(erased)).found == 0
    assert [each.data for each in await world.all()] == [b""]


async def test_more_messages_than_one_call_takes(world: World) -> None:
    lines = [message(line(GONE if n % 3 else STAYS, n)) for n in range(250)]
    await world.dead.put_back(world.name, lines)
    assert (await world.sweep().remove(erased)).removed == 166
    assert [each.data for each in await world.all()] == [line(STAYS, n) for n in range(0, 250, 3)]


class Killed(BaseException):
    """No handler catches it: the process is gone."""


class Dying:
    """Ends the process before or after its nth call, whatever that is."""

    def __init__(self, dead: FakeDeadLetters, call: int, after: bool) -> None:
        self._dead, self._left, self._after = dead, call, after
        self.names = dead.names

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._dead, name)

        async def mortal(*arguments: Any) -> Any:
            self._left -= 1
            # Who is dead does nothing more, not even in a `finally`.
            if self._left < 0 or (self._left == 0 and not self._after):
                raise Killed
            answered = await call(*arguments)
            if self._left == 0:
                raise Killed
            return answered

        return mortal


@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_call_it_is_finished_by_the_next_which_waits_for_its_leases(after: bool) -> None:
    calls = waits = 0
    while True:
        calls += 1
        world = _fake()
        for n in range(3):
            letters = [message(line(GONE, n), line(STAYS, n)), message(line(STAYS, 10 + n))]
            await world.dead.put_back(world.name, letters)
        try:
            await world.sweep(Dying(world.dead, calls, after)).remove(erased)
        except Killed:
            pass
        else:
            break
        assert (await world.sweep().remove(erased)).messages >= 6, f"killed at call {calls}"
        waits += world.waited
        left = [each.data for each in await world.all()]
        assert not any(GONE.encode() in data for data in left), f"killed at call {calls}"
        assert set(left) == {line(STAYS, n) for n in (0, 1, 2, 10, 11, 12)}, f"killed at call {calls}"
    assert calls > 5 and waits > calls


async def test_two_sweeps_at_once_hide_nothing_from_each_other() -> None:
    world = _fake()
    world.pace = 0.001
    await world.dead.put_back(world.name, [message(line(STAYS, n)) for n in range(5)])

    class Slow:
        names = world.dead.names

        def __getattr__(self, name: str) -> Any:
            call = getattr(world.dead, name)

            async def slow(*arguments: Any) -> Any:
                await asyncio.sleep(0)
                return await call(*arguments)

            return slow

    swept = await asyncio.gather(*(world.sweep(Slow()).look(erased) for _ in range(4)))
    assert [each.messages for each in swept] == [5] * 4 and world.waited


async def test_a_sweep_that_was_too_slow_says_that_it_knows_nothing() -> None:
    world = _fake()
    await world.dead.put_back(world.name, [message(line(GONE, 1))])

    class Stalled:
        names = world.dead.names

        async def take(self, name: str) -> Any:
            world.seconds += 60
            return await world.dead.take(name)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.dead, name)

    with pytest.raises(NoTurn):
        await world.sweep(Stalled()).look(erased)
    assert (await world.sweep().remove(erased)).removed == 1


async def test_a_slow_sweep_keeps_what_it_has_taken() -> None:
    """Each call takes three seconds, so that leases would be over in the middle of it."""
    world = _fake()
    await world.dead.put_back(world.name, [message(line(GONE if n % 2 else STAYS, n)) for n in range(500)])

    class Slow:
        names = world.dead.names

        async def take(self, name: str) -> Any:
            world.seconds += 3
            return await world.dead.take(name)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.dead, name)

    swept = await world.sweep(Slow()).remove(erased)
    assert (swept.messages, swept.removed) == (500, 250) and world.seconds > 2 * DEAD_LETTER_LEASE_S


async def test_a_message_made_anew_goes_when_its_first_ones_delay_is_over() -> None:
    world = _fake()
    old = (world.now() - timedelta(days=DEAD_LETTER_DAYS, seconds=1)).isoformat()
    young = (world.now() - timedelta(days=DEAD_LETTER_DAYS - 1)).isoformat()
    ahead = (world.now() + timedelta(days=99)).isoformat()
    for number, origin in enumerate((old, young, ahead, "nonsense", "2020-01-01T00:00:00")):
        await world.dead.put_back(world.name, [message(line(STAYS, number), origin=origin)])
    await world.dead.put_back(world.name, [message(line(GONE, 7), line(STAYS, 8), origin=old)])
    assert (await world.sweep().remove(erased)).removed == 1
    assert [each.data for each in await world.all()] == [line(STAYS, n) for n in (1, 2, 3, 4)]


async def test_more_than_it_can_hold_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    world = _fake()
    monkeypatch.setattr("layers.stores.dead_letters.MOST", 150)
    await world.dead.put_back(world.name, [message(line(STAYS, n)) for n in range(200)])
    with pytest.raises(TooMany, match="replay them"):
        await world.sweep().look(erased)
    assert len(await world.all()) == 200, "let go"


async def test_who_is_never_given_a_turn_gives_up() -> None:
    world = _fake()
    document = {"holder": "somebody", "until": world.now() + timedelta(days=1)}
    await world.documents.put(TURNS, "dead-letters", document)
    with pytest.raises(NoTurn):
        await world.sweep().look(erased)
    mine = Turn(world.documents, "dead-letters", timedelta(seconds=10), world.now, world.pause)
    with pytest.raises(NoTurn):
        await mine.keep()


@pytest.mark.emulators
async def test_a_subscription_that_is_not_there_is_unavailable(pubsub_emulator: str) -> None:
    topics = {"projects/contract/subscriptions/nowhere": "projects/contract/topics/nowhere"}
    nowhere = PubsubDeadLetters(open_channel("", pubsub_emulator), topics, at_once=True)
    calls = nowhere.take("nowhere"), nowhere.forget("nowhere", ["x"]), nowhere.put_back("nowhere", [message(b"x")])
    for call in calls:
        with pytest.raises(Unavailable):
            await call


@pytest.mark.emulators
async def test_the_patient_way_of_the_cloud_ends_with_nothing_too(
    pubsub_emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real, "WAIT_S", 0.2)
    name = f"patient-{uuid.uuid4().hex[:8]}"
    full, topic = f"projects/contract/subscriptions/{name}", f"projects/contract/topics/{name}"
    HTTP.put(f"http://{pubsub_emulator}/v1/{topic}", json={}).raise_for_status()
    HTTP.put(f"http://{pubsub_emulator}/v1/{full}", json={"topic": topic}).raise_for_status()
    dead = PubsubDeadLetters(open_channel("", pubsub_emulator), {full: topic})
    assert not await dead.take(name)
    await dead.put_back(name, [message(b"x")])
    assert len([*await dead.take(name), *await dead.take(name)]) == 1
    HTTP.delete(f"http://{pubsub_emulator}/v1/{full}").raise_for_status()


@pytest.mark.parametrize("call", ["put_back", "forget", "release"])
async def test_a_sweep_that_breaks_off_hides_nothing_from_the_next(call: str) -> None:
    world = _fake()
    await world.dead.put_back(world.name, [message(line(GONE, 1), line(STAYS, 2)), message(line(STAYS, 3))])

    class Broken:
        names = world.dead.names

        def __getattr__(self, name: str) -> Any:
            async def breaks(*arguments: Any) -> Any:
                raise Unavailable("broken")

            return breaks if name == call else getattr(world.dead, name)

    with pytest.raises(Unavailable):
        await world.sweep(Broken()).remove(erased)
    assert (await world.sweep().remove(erased)).messages >= 2
    assert {each.data for each in await world.all()} == {line(STAYS, 2), line(STAYS, 3)}
