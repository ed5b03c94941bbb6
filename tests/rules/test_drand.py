"""Public randomness: real rounds, served by relays of this machine, some of which lie.

The rounds are recorded (tests/examples/drand); each is verified with the curve that its signature is on.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.game.beacon import Drand, NotOut, UnknownSource, read_round
from layers.game.chance import commitment, drawn, entry_of, round_of, sealed_sha256, transcript
from layers.game.checking import otherwise, unsigned
from layers.game.model import Beacon, GameRules, Ticket, Tier
from layers.game.rounds import Chain, Round, is_signed, known_chains
from layers.game.verify import verify
from layers.signing.canonical import canonical

FOLDER = Path("tests/examples/drand")
QUICKNET = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
DEFAULT = "8990e7a9aaed2ffed73dbd7092123d6f289930540d7651336225dc172e51b2ce"
HASHES = {"quicknet": QUICKNET, "default": DEFAULT}
RECORDED = {
    (HASHES[path.stem.split("_")[0]], int(path.stem.split("_")[1])): path.read_bytes() for path in FOLDER.glob("*.json")
}


def beacon_of(hash: str) -> Beacon:
    chain = known_chains()[hash]
    return Beacon(f"drand {chain.beacon_id} {hash}", chain.genesis_time, chain.period)


Answers = Callable[[str], tuple[int, bytes]]


def recorded(path: str) -> tuple[int, bytes]:
    """As a relay has them; 425 for a round that is not out yet."""
    _, hash, _, number = path.split("/")
    body = RECORDED.get((hash, int(number)))
    return (200, body) if body else (425, b"{}")


@contextmanager
def relay(answers: Answers = recorded) -> Iterator[tuple[str, list[str]]]:
    """The address of a relay, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, body = answers(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("hash", HASHES.values())
def test_a_chain_is_what_its_hash_says(hash: str) -> None:
    chain = known_chains()[hash]
    assert chain.hash == hash
    assert msgspec.structs.replace(chain, genesis_time=chain.genesis_time + 1).hash != hash
    assert msgspec.structs.replace(chain, public_key="00" + chain.public_key[2:]).hash != hash


@pytest.mark.parametrize("hash,number", RECORDED)
def test_a_recorded_round_is_signed_and_no_other_is(hash: str, number: int) -> None:
    chain = known_chains()[hash]
    round = read_round(RECORDED[hash, number], chain, number)
    assert round.value.hex() == json.loads(RECORDED[hash, number])["randomness"]
    assert not is_signed(chain, Round(number + 1, round.signature, round.previous))
    other = next(each for key, each in known_chains().items() if key != hash)
    assert not is_signed(other, round)
    if hash == DEFAULT:
        assert not is_signed(chain, Round(number, round.signature, b"another"))


@given(st.data())
def test_no_altered_signature_is_taken(data: st.DataObject) -> None:
    (hash, number), body = data.draw(st.sampled_from(sorted(RECORDED.items())))
    chain = known_chains()[hash]
    round = read_round(body, chain, number)
    bit = data.draw(st.integers(0, len(round.signature) * 8 - 1))
    altered = bytearray(round.signature)
    altered[bit // 8] ^= 1 << bit % 8
    assert not is_signed(chain, Round(number, bytes(altered), round.previous))


@pytest.mark.parametrize("signature", [b"", bytes(48), b"\xc0" + bytes(47), b"\xc0" + bytes(95), b"\xff" * 96])
def test_no_point_is_no_signature(signature: bytes) -> None:
    for chain in known_chains().values():
        assert not is_signed(chain, Round(1000, signature))


async def test_the_first_relay_that_has_it_answers_and_is_asked_once() -> None:
    with relay(lambda _: (500, b"")) as (broken, _), relay() as (whole, asked):
        drand = Drand(["http://127.0.0.1:1", broken, whole], within_s=2)
        rounds = [await drand.round(beacon_of(QUICKNET), 1000) for _ in range(3)]
        assert len(asked) == 1 and asked[0] == f"/{QUICKNET}/public/1000"
        assert {each.value.hex()[:8] for each in rounds} == {"fe290bec"}
        assert (await drand.round(beacon_of(DEFAULT), 1)).value.hex()[:8] == "101297f1"


def _forged(_: str) -> tuple[int, bytes]:
    """Whole in itself: the value is the signature's digest, but nobody of the chain signed it."""
    return 200, RECORDED[QUICKNET, 657413].replace(b"657413", b"1000")


@pytest.mark.parametrize(
    "lies",
    [
        _forged,
        lambda _: (200, RECORDED[QUICKNET, 657413]),
        lambda _: (200, RECORDED[QUICKNET, 1000].replace(b"fe290", b"fe291")),
        lambda _: (200, b"{}"),
        lambda _: (200, b"\xff" * 100_000),
        lambda _: (302, b""),
        lambda _: (404, b"{}"),
    ],
)
async def test_a_relay_that_lies_is_passed_over(lies: Answers) -> None:
    with relay(lies) as (liar, asked), relay() as (whole, _):
        assert (await Drand([liar, whole]).round(beacon_of(QUICKNET), 1000)).number == 1000
        with pytest.raises(NotOut):
            await Drand([liar]).round(beacon_of(QUICKNET), 1000)
        assert len(asked) == 2


async def test_a_round_that_is_not_out_is_asked_again() -> None:
    with relay() as (address, asked):
        drand = Drand([address])
        for _ in range(2):
            with pytest.raises(NotOut, match="425"):
                await drand.round(beacon_of(QUICKNET), 99_999_999)
        assert len(asked) == 2


def test_a_source_that_would_count_rounds_otherwise_is_refused() -> None:
    right = beacon_of(QUICKNET)
    Drand([]).check(right)
    for wrong, said in (
        (msgspec.structs.replace(right, genesis=right.genesis - 3600), "out already"),
        (msgspec.structs.replace(right, period_s=30), "out already"),
        (msgspec.structs.replace(right, source="drand quicknet " + "a" * 64), "not known here"),
        (msgspec.structs.replace(right, source="laptop"), "chain hash"),
    ):
        with pytest.raises(UnknownSource, match=said):
            Drand([]).check(wrong)


def _played() -> dict[str, Any]:
    """A draw that quicknet's round 1000 decided, as it is published."""
    beacon = beacon_of(QUICKNET)
    out = datetime.fromtimestamp(beacon.genesis + 999 * beacon.period_s, UTC)
    rules = GameRules(
        game="past_draw",
        kind="draw",
        opens=out - timedelta(minutes=50),
        closes=out - timedelta(minutes=10),
        tiers=(Tier("all", 0, 2),),
        prize_cap_cents=5000,
        tickets_per_shopper=5,
        beacon=beacon,
        terms={"en": "words"},
    )
    assert round_of(rules, rules.opens) == 1000
    seed, moment = bytes(32), rules.opens
    entries = [entry_of(rules.game, f"o{n}") for n in range(9)]
    waiting = [
        Ticket(entry=entry, tier="all", basket_cents=1, at=moment, issued=moment, outcome="waiting")
        for entry in entries
    ]
    chain: Chain = known_chains()[QUICKNET]
    decides = read_round(RECORDED[QUICKNET, 1000], chain, 1000)
    tickets = drawn(rules, seed, decides.value, waiting)
    source = Drand([]).told(beacon)
    made = transcript(commitment(rules, seed), seed, source, [decides], tickets, sealed_sha256(waiting))
    read: dict[str, Any] = json.loads(canonical(made))
    return read


def test_a_draw_by_a_real_round_is_recomputed_by_a_stranger() -> None:
    found = _played()
    verdict = verify(found)
    assert (verdict.problems, verdict.doubts, len(verdict.winners)) == ([], [], 2)
    assert unsigned(found) == []
    with relay() as (address, asked):
        assert asyncio.run(otherwise(found, [address])) == [] and len(asked) == 1


def test_an_operator_who_makes_up_key_or_round_is_found_out() -> None:
    found = _played()
    found["beacon"]["public_key"] = known_chains()[DEFAULT].public_key
    assert any("not of the chain" in each for each in verify(found).problems)
    found = _played()
    body = json.loads(RECORDED[QUICKNET, 657413])
    found["rounds"] = [{"round": 1000, "value": body["randomness"], "signature": body["signature"], "previous": ""}]
    assert unsigned(found) == [1000]
    with relay() as (address, _):
        assert asyncio.run(otherwise(found, [address])) == [1000]


def test_verify_draw_says_who_signed(tmp_path: Path) -> None:
    path = tmp_path / "transcript.json"
    path.write_text(json.dumps(_played()))
    with relay() as (address, _):
        command = [sys.executable, "-m", "layers.game", "verify-draw", str(path), "--online", address]
        right = subprocess.run(command, capture_output=True, text=True, check=False)
    assert right.returncode == 0 and right.stderr == ""
    assert "1 rounds compared" in right.stdout and "each round was signed by the beacon's key" in right.stdout
    without = "import sys; sys.modules['pyblst'] = None; from layers.game.__main__ import main; "
    without += f"sys.exit(main({command[3:-2]}))"
    doubted = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True, check=False)
    assert doubted.returncode == 0 and "the rounds were not verified" in doubted.stdout
    assert "NOT verified: pyblst is not installed" in doubted.stderr
    forged = _played()
    forged["rounds"][0] |= {"signature": "00" * 48}
    path.write_text(json.dumps(forged))
    wrong = subprocess.run(command[:-2], capture_output=True, text=True, check=False)
    assert wrong.returncode == 1 and "was not signed" in wrong.stderr
