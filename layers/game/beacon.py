"""Where a beacon's values come from: the League of Entropy's public service, or, on a laptop, nowhere public.

Does not verify the beacon's signature (BLS12-381): whoever recomputes a game compares each value with the beacon's own
page. That the value is the digest of the signature which came with it is checked.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from layers.game.model import Beacon

DRAND = "drand"
"""A source reads `drand <name> <chain hash>`."""

LAPTOP = "laptop"
"""A source that begins so is computed by anybody at any time, and refused outside the laptop."""

HOSTS = ("https://api.drand.sh", "https://drand.cloudflare.com")
WITHIN_S = 5.0


class NotOut(Exception):
    """The round's value cannot be had now: it is not out yet, or nobody who has it answers."""


class UnknownSource(ValueError):
    """No beacon that these values come from."""


class BeaconValues(Protocol):
    def check(self, beacon: Beacon) -> None:
        """Raises:
        UnknownSource: see there; a game by it could never be decided, or by numbers that are not public.
        """

    async def value(self, beacon: Beacon, number: int) -> bytes:
        """Raises:
        NotOut: see there.
        """


class LaptopValues:
    """Numbers that are not public randomness: they show that a game works, and prove nothing to a player."""

    def check(self, beacon: Beacon) -> None:
        if not beacon.source.startswith(LAPTOP):
            raise UnknownSource(f"on a laptop, which reaches no beacon, a source begins with `{LAPTOP}`")

    async def value(self, beacon: Beacon, number: int) -> bytes:
        out = beacon.genesis + (number - 1) * beacon.period_s
        if datetime.now(UTC).timestamp() < out:
            raise NotOut(f"round {number} is not out yet")
        return sha256(f"laptop, not public\0{beacon.source}\0{number}".encode()).digest()


class _Round(msgspec.Struct, frozen=True):
    round: int
    randomness: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    signature: Annotated[str, Meta(pattern=r"^([0-9a-f]{2}){48,96}$")]


_rounds = msgspec.json.Decoder(_Round)


def read_round(body: bytes, number: int) -> bytes:
    """Raises:
    NotOut: the answer is not this round, or its value is not the digest of its signature.
    """
    try:
        found = _rounds.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise NotOut("the beacon's answer is no round") from None
    value = bytes.fromhex(found.randomness)
    if found.round != number or sha256(bytes.fromhex(found.signature)).digest() != value:
        raise NotOut("the beacon's answer is another round, or not what its own signature makes")
    return value


class DrandValues:
    """Keeps what it was told: a round never changes."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], bytes] = {}

    def check(self, beacon: Beacon) -> None:
        name, _, rest = beacon.source.partition(" ")
        chain = rest.rpartition(" ")[2]
        if name != DRAND or len(chain) != 64 or set(chain) - set("0123456789abcdef"):
            raise UnknownSource("a source is written `drand <name> <chain hash of 64 digits>`")

    async def value(self, beacon: Beacon, number: int) -> bytes:
        chain = beacon.source.rpartition(" ")[2]
        if (chain, number) not in self._known:
            self._known[chain, number] = await asyncio.to_thread(self._fetched, chain, number)
        return self._known[chain, number]

    def _fetched(self, chain: str, number: int) -> bytes:
        import requests

        for host in HOSTS:
            try:
                answer = requests.get(f"{host}/{chain}/public/{number}", timeout=WITHIN_S)
            except requests.RequestException:
                continue
            if answer.status_code == 200:
                return read_round(answer.content, number)
        raise NotOut(f"nobody who has it answers with round {number}")
