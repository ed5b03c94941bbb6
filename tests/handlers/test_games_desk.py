"""Whoever runs games by command: what is said, what is written, and that it is the endpoint's own word."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.rewards import handler as rewards
from functions.rewards.__main__ import run
from functions.rewards.arguments import arguments
from functions.rewards.desk import Desk
from layers.calling.identity import CannotAsk, OnLaptop
from layers.shell.caller import caller
from tests.handlers.asking import ask
from tests.handlers.game_world import CLOSES, EMAIL, OFFICER, World, played, rules, won

URL = "http://127.0.0.1:1"


class WorldsDesk(Desk):
    """Asks the world's own rewards, past the wire; its clock is the world's, and waiting passes the time there."""

    world: World

    def _sent(self, method: str, path: str, body: object) -> tuple[int, bytes]:
        headers = {"authorization": f"Bearer {self.identity.token()}"}
        request = ask(method, path, b"" if body is None else json.dumps(body).encode(), headers)
        answering = rewards.answer(request, self.world.room, self.world.now)
        answer = asyncio.run_coroutine_threadsafe(answering, self.world.loop).result()
        return answer.status_code, bytes(answer.body)


class Operator:
    def __init__(self, world: World, email: str = OFFICER) -> None:
        self.world, self.said, self.waited = world, list[str](), list[float]()
        self.desk = WorldsDesk(URL, "demo", OnLaptop(URL, email), self.said.append, self._pause, lambda: world.now)
        object.__setattr__(self.desk, "world", world)

    def _pause(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.world.at(self.world.now + timedelta(seconds=seconds))

    async def __call__(self, *words: str) -> int:
        command, *more = words
        asked = arguments().parse_args([command, "--url", URL, "--retailer", "demo", *more])
        return await asyncio.to_thread(run, asked, self.desk)


@pytest.mark.parametrize("kind", ["instant", "draw"])
async def test_a_game_run_by_its_commands(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    operator = Operator(world)
    file, commitment = tmp_path / "game.yaml", tmp_path / "commitment.json"
    file.write_text(rules(kind))
    assert await operator("open", str(file), "--out", str(commitment)) == 0
    published = capsys.readouterr().out.splitlines()[-1]
    assert len(published) == 64
    assert json.loads(commitment.read_text())["rules"]["game"] == "basket_back"
    await played(world, kind)
    assert await operator("status") == 0 and await operator("status", "basket_back") == 0
    said = capsys.readouterr().out
    assert f"basket_back: {kind}, open" in said and "tickets: " in said and "prizes won" in said
    assert await operator("close", "basket_back") == 1, "it is not over"
    assert "The game is not over" in operator.said[-1]
    world.at(CLOSES - timedelta(seconds=90))
    assert await operator("close", "basket_back", "--wait") == 0
    assert max(operator.waited) <= 60 and world.now < CLOSES + timedelta(minutes=11)
    assert await operator("verify", "basket_back", "--commitment", published) == 0
    assert await operator("transcript", "basket_back", "--out", str(tmp_path / "transcript.json")) == 0
    winners = await won(world)
    for _, ticket in winners.values():
        await world.leaves(ticket["claim"], EMAIL)
    capsys.readouterr()
    assert await operator("winners", "basket_back") == 0
    listed = capsys.readouterr().out
    assert listed.count(" claimed") == len(winners) == 2 and "@" not in listed
    refunds = tmp_path / "refunds.ndjson"
    for _ in range(2):
        assert await operator("refunds", "--reference", "r-1", "--out", str(refunds)) == 0
    assert refunds.read_text().count(EMAIL) == 2 and "@" not in capsys.readouterr().out
    assert await operator("winners", "basket_back") == 0
    assert capsys.readouterr().out.count("in list 1") == 2


async def test_a_draw_that_was_missed_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    await played(world, "draw")
    world.at(CLOSES + timedelta(hours=1))
    operator = Operator(world)
    with pytest.raises(CannotAsk, match="can no longer be proven"):
        await operator("close", "basket_back", "--wait")
    assert await operator("status", "basket_back") == 1 and "missed" in capsys.readouterr().out


async def test_what_is_refused_is_said_in_the_endpoints_words(tmp_path: Path) -> None:
    world = World()
    operator = Operator(world)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(rules("instant").replace("prizes: 2", "prizes: none"))
    with pytest.raises(CannotAsk, match="The rules make no game"):
        await operator("open", str(wrong))
    with pytest.raises(CannotAsk, match="cannot be read"):
        await operator("open", str(tmp_path / "absent.yaml"))
    for words in (["status", "no_game"], ["close", "no_game"], ["winners", "no_game"], ["verify", "no_game"]):
        with pytest.raises(CannotAsk, match="There is no such game"):
            await operator(*words)
    assert await operator("status") == 0
    stranger = Operator(world, "them@other.example")
    for words in (["status"], ["winners", "basket_back"]):
        with pytest.raises(CannotAsk, match="may not ask this"):
            await stranger(*words)


def test_a_laptops_identity_is_of_no_use_elsewhere() -> None:
    assert caller([f"Bearer {OnLaptop('http://127.0.0.1:8080', OFFICER).token()}"], []) == OFFICER
    with pytest.raises(CannotAsk, match="not on this machine"):
        OnLaptop("https://rewards.example", OFFICER).token()


@pytest.mark.parametrize("url", ["rewards.example", "http://rewards:example", "http://127.0.0.1:1"])
def test_an_address_where_nobody_answers_is_said(url: str) -> None:
    given: Any = Desk(url, "demo", OnLaptop("http://127.0.0.1:1", OFFICER), print)
    with pytest.raises(CannotAsk, match=r"no address|does not answer"):
        given.games()
    with pytest.raises(CannotAsk, match=r"no address|does not answer"):
        given.standing("œufs/2")
