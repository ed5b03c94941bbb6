"""A game closes by itself: at the times of its own rules, once, after whatever was in the way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.rewards.rules import accepts_until, seals_until
from functions.rewards.seeds import Seeds
from functions.rewards.stages import (
    CLOSED,
    GRACE,
    MISSED,
    OPEN,
    UNFINISHED,
    Verdict,
    due_at,
    judged,
    seals_from,
    shortest_seal,
)
from layers.calling import PrivateService, Refused, Unreachable, laptop_token
from layers.declarations import settings
from layers.game.reading import read_rules
from layers.game.verify import verify
from layers.signing.port import Unavailable
from layers.signing.sealing import LocalSealer
from layers.stores.collections import GAMES, TICKETS
from tests.handlers.game_world import CLOSES, KEY, OPENS, PROJECT, World, played, rules

MINUTE = timedelta(minutes=1)


async def ticked(world: World, until: datetime) -> dict[str, list[str]]:
    """The schedule's every minute: the verdicts of each game, each that differs from the one before."""
    found: dict[str, list[str]] = {}
    while world.now < until:
        for seen in await world.tick():
            verdicts = found.setdefault(seen["game"], [])
            if not verdicts or verdicts[-1] != seen["verdict"]:
                verdicts.append(seen["verdict"])
        world.at(world.now + MINUTE)
    return found


@pytest.mark.parametrize("kind", ["instant", "draw"])
async def test_a_game_closes_by_itself_and_once(kind: str) -> None:
    world = World()
    announced = await played(world, kind)
    assert await world.tick() == [], "it is not over"
    world.at(CLOSES)
    verdicts = await ticked(world, CLOSES + timedelta(minutes=20))
    assert verdicts["basket_back"] == ["waiting", "closed"] and await world.tick() == []
    verdict = verify(await world.transcript())
    assert verdict.problems == [] and len(verdict.winners) == 2
    assert verdict.commitment_sha256 == announced["commitment_sha256"]


async def test_a_silent_beacon_is_asked_again_and_somebody_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    await played(world, "draw")
    world.at(CLOSES)
    world.beacons.down = True
    assert (await ticked(world, CLOSES + timedelta(minutes=40)))["basket_back"] == ["waiting", "late"]
    said = capsys.readouterr().out
    assert '"severity":"ERROR","message":"game watched"' in said and '"reason":"no-beacon"' in said
    world.beacons.down = False
    assert [each["verdict"] for each in await world.tick()] == ["closed"]
    assert verify(await world.transcript()).problems == []


class Gone(LocalSealer):
    """A key that cannot be asked now, while `gone`."""

    gone = False

    async def open(self, sealed: bytes, about: bytes) -> bytes:
        if self.gone:
            raise Unavailable("gone")
        return await super().open(sealed, about)


async def test_a_seed_that_cannot_be_opened_now_is_opened_by_the_next_look() -> None:
    world, key = World(), Gone(KEY)
    world.room = replace(world.room, seeds=Seeds(key))
    await played(world, "draw")
    world.at(CLOSES + timedelta(minutes=6))
    await world.tick()
    key.gone = True
    world.at(CLOSES + timedelta(minutes=11))
    assert [(each["verdict"], each["reason"]) for each in await world.tick()] == [("failed", "unreachable")]
    key.gone = False
    assert [each["verdict"] for each in await world.tick()] == ["closed"]
    assert verify(await world.transcript()).problems == []


async def test_a_schedule_that_slept_misses_the_draw_and_says_so() -> None:
    world = World()
    await played(world, "draw")
    world.at(CLOSES + timedelta(minutes=10))
    assert [each["verdict"] for each in await world.tick()] == ["missed"] and await world.tick() == []
    assert {each["status"] for each in world.documents(GAMES)} == {MISSED}


@pytest.mark.parametrize("kind", ["instant", "draw"])
@pytest.mark.parametrize("killed", range(1, 6))
async def test_killed_at_any_write_the_next_look_ends_the_same(kind: str, killed: int) -> None:
    whole, broken = World(), World()
    for world in (whole, broken):
        await played(world, kind)
        world.at(CLOSES)
    broken.falls_at(killed)
    for world in (whole, broken):
        while world.now < CLOSES + timedelta(minutes=15):
            try:
                await world.tick()
            except ConnectionError:
                continue
            world.at(world.now + MINUTE)
    assert broken.documents(TICKETS) == whole.documents(TICKETS)
    assert await broken.transcript() == await whole.transcript()


async def test_two_looks_at_once_close_one_game() -> None:
    world = World()
    await played(world, "draw", 8, prizes=3)
    for minutes in (6, 11):
        world.at(CLOSES + timedelta(minutes=minutes))
        await asyncio.gather(*(world.tick() for _ in range(4)))
    assert [each["status"] for each in world.documents(GAMES)] == [CLOSED]
    verdict = verify(await world.transcript())
    assert verdict.problems == [] and len(verdict.winners) == 3


async def test_one_game_that_cannot_be_gone_on_with_hides_no_other() -> None:
    world = World()
    await played(world, "draw")
    world.at(OPENS - MINUTE)
    await world.announce(rules("draw", game="another"))
    world.at(CLOSES + timedelta(minutes=6))
    refusing = world.service("draws")
    call = refusing.call

    async def fails(path: str, body: Any) -> Any:
        if body.get("game") == "another":
            raise Refused(path, 400, "broken")
        return await call(path, body)

    refusing.call = fails  # type: ignore[method-assign]
    world.service = lambda name: refusing  # type: ignore[method-assign]
    seen = {each["game"]: (each["verdict"], each["reason"]) for each in await world.tick()}
    assert seen == {"another": ("failed", "broken"), "basket_back": ("waiting", "")}


async def test_without_rewards_the_run_fails_whole() -> None:
    world = World()
    email = settings.account("draws", PROJECT)
    world.service = lambda name: PrivateService(  # type: ignore[method-assign]
        lambda path, body, token: (503, b""), lambda: laptop_token(email, "rewards")
    )
    with pytest.raises(Unreachable):
        await world.tick()


async def test_nobody_but_the_schedule_goes_on_with_every_game() -> None:
    world = World()
    await played(world)
    for path in ("/v1/due", "/v1/advance"):
        for name in ("claims", "tickets"):
            with pytest.raises(Refused):
                await world.service(name).call(path, {"retailer": "demo", "game": "basket_back"})
        assert (await world.officer("POST", path, {})).status_code == 403


@given(
    kind=st.sampled_from(("instant", "draw")),
    seal_s=st.integers(1, 86_400),
    request_s=st.floats(0.5, 60),
    tick_s=st.floats(1, 120),
)
def test_a_draw_that_may_be_announced_is_looked_at_three_times_while_it_can_be_sealed(
    kind: str, seal_s: int, request_s: float, tick_s: float
) -> None:
    game = read_rules(rules(kind) + f"seal_s: {seal_s}\n")
    if seal_s < shortest_seal(game, request_s, tick_s):
        return
    opening = (seals_until(game) - seals_from(game, request_s)).total_seconds()
    assert accepts_until(game) < seals_from(game, request_s) < seals_until(game)
    assert kind == "instant" or opening >= 3 * tick_s - 1e-3


@given(status=st.sampled_from((*UNFINISHED, CLOSED, MISSED)), after=st.timedeltas(timedelta(0), timedelta(days=2)))
def test_what_is_due_and_what_is_late(status: str, after: timedelta) -> None:
    game, now = read_rules(rules("draw")), OPENS + after
    moment = due_at(game, status, 30)
    verdict = judged(game, status, now)
    assert (moment is None) == (status in (CLOSED, MISSED)) == (verdict in (Verdict.CLOSED, Verdict.MISSED))
    if moment is not None:
        assert moment >= CLOSES and (status == OPEN) == (moment < seals_until(game))
        assert (verdict is Verdict.LATE) == (now >= seals_until(game) + GRACE)
