"""Where a beacon's rounds come from: the relays of the League of Entropy's public service, or this machine itself.

A relay is believed nothing: a round counts if the chain's key signed it, and the chain is the one whose hash the rules
name. Rounds of this machine are no public randomness, and everything that is published of them says so.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import msgspec
from msgspec import Meta

from layers.game.model import Beacon
from layers.game.rounds import Chain, Round, can_verify, is_signed, known_chains

if TYPE_CHECKING:
    import requests

DRAND = "drand"
"""A source reads `drand <name> <chain hash>`."""

LAPTOP = "laptop"
"""A source that begins so is signed by the machine that plays, and refused outside the laptop."""

RELAYS = ("https://api.drand.sh", "https://api2.drand.sh", "https://api3.drand.sh", "https://drand.cloudflare.com")
WITHIN_S = 4.0
"""Of one relay; all of them together stay within a request of `rewards`."""

NOT_PUBLIC = "not public randomness: signed by the machine that ran this game, which could have known it before"

_MOST_BYTES = 8192


class NotOut(Exception):
    """The round cannot be had now: it is not out yet, or nobody who has it answers."""


class UnknownSource(ValueError):
    """No beacon that rounds come from."""


class Beacons(Protocol):
    def check(self, beacon: Beacon) -> None:
        """Raises:
        UnknownSource: see there; a game by it could never be decided, or by rounds that were out before.
        """

    def told(self, beacon: Beacon) -> dict[str, Any]:
        """What is published of the source, so that a stranger can verify its rounds."""

    async def round(self, beacon: Beacon, number: int) -> Round:
        """Raises:
        NotOut: see there.
        """


def chain_named(beacon: Beacon) -> Chain:
    """The chain whose hash a source names.

    Raises:
        UnknownSource: the source names none, none that is known here, or rules and chain tell different times.
    """
    name, _, rest = beacon.source.partition(" ")
    hash = rest.rpartition(" ")[2]
    if name != DRAND or len(hash) != 64 or set(hash) - set("0123456789abcdef"):
        raise UnknownSource("a source is written `drand <name> <chain hash of 64 digits>`")
    chain = known_chains().get(hash)
    if chain is None:
        known = ", ".join(known_chains())
        raise UnknownSource(
            f"the key of this chain is not known here, so no round of it could be verified; use {known}"
        )
    if (beacon.genesis, beacon.period_s) != (chain.genesis_time, chain.period):
        raise UnknownSource(
            f"this chain began at {chain.genesis_time} with a round each {chain.period} s: by other numbers, the round "
            f"that decides could be one that is out already; write genesis: {chain.genesis_time}, "
            f"period_s: {chain.period}"
        )
    return chain


class _Answer(msgspec.Struct, frozen=True):
    round: int
    randomness: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    signature: Annotated[str, Meta(pattern=r"^([0-9a-f]{2}){48,96}$")]
    previous_signature: Annotated[str, Meta(pattern=r"^([0-9a-f]{2}){0,96}$")] = ""


_answers = msgspec.json.Decoder(_Answer)


def read_round(body: bytes, chain: Chain, number: int) -> Round:
    """A relay's answer.

    Raises:
        NotOut: it is not this round, its value is not the digest of its signature, or the chain did not sign it.
        CannotVerify: nobody here can verify a signature.
    """
    try:
        found = _answers.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise NotOut("the beacon's answer is no round") from None
    said = Round(found.round, bytes.fromhex(found.signature), bytes.fromhex(found.previous_signature))
    if said.number != number or said.value.hex() != found.randomness:
        raise NotOut("the beacon's answer is another round, or not what its own signature makes")
    if not is_signed(chain, said):
        raise NotOut("the beacon's key did not sign this answer")
    return said


class Drand:
    """The public service. Keeps what it was told: a round never changes.

    Args:
        relays: addresses, asked one after the other until one has the round.
    """

    def __init__(self, relays: Sequence[str] = RELAYS, within_s: float = WITHIN_S) -> None:
        self._relays, self._within_s = tuple(relays), within_s
        self._known: dict[tuple[str, int], Round] = {}

    def check(self, beacon: Beacon) -> None:
        chain_named(beacon)
        if missing := can_verify():
            raise UnknownSource(missing)

    def told(self, beacon: Beacon) -> dict[str, Any]:
        return {"kind": DRAND, **msgspec.to_builtins(chain_named(beacon))}

    async def round(self, beacon: Beacon, number: int) -> Round:
        chain = chain_named(beacon)
        if (chain.hash, number) not in self._known:
            self._known[chain.hash, number] = await asyncio.to_thread(self._fetched, chain, number)
        return self._known[chain.hash, number]

    def _fetched(self, chain: Chain, number: int) -> Round:
        import requests

        reason = "no relay of the beacon is set"
        for relay in self._relays:
            address = f"{relay.rstrip('/')}/{chain.hash}/public/{number}"
            try:
                with requests.get(address, timeout=self._within_s, stream=True, allow_redirects=False) as answer:
                    if answer.status_code != 200:
                        reason = f"the beacon's relay answers {answer.status_code}"
                        continue
                    return read_round(_beginning(answer), chain, number)
            except NotOut as error:
                reason = str(error)
            except (requests.RequestException, OSError) as error:
                reason = f"the beacon's relay cannot be reached ({type(error).__name__})"
        raise NotOut(f"nobody has round {number}: {reason}")


def _beginning(answer: requests.Response) -> bytes:
    """A round is some hundred bytes; whoever sends more is not read on."""
    found = b""
    for part in answer.iter_content(_MOST_BYTES):
        found += part
        if len(found) > _MOST_BYTES:
            break
    return found


class OwnBeacon:
    """Rounds that this machine signs with a key of its own: they show that a game works, and prove nothing.

    Args:
        key: 32 bytes in base64, of an Ed25519 key; the same as long as a game runs. clock: seconds of the epoch.
    """

    def __init__(self, key: str, clock: Callable[[], float] = time.time) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._key, self._clock = Ed25519PrivateKey.from_private_bytes(base64.b64decode(key)), clock

    def check(self, beacon: Beacon) -> None:
        if beacon.source.split(" ")[0] != LAPTOP:
            raise UnknownSource(f"a beacon of this machine begins with `{LAPTOP}`")

    def told(self, beacon: Beacon) -> dict[str, Any]:
        key = self._key.public_key().public_bytes_raw().hex()
        return {"kind": LAPTOP, "source": beacon.source, "notice": NOT_PUBLIC, "public_key": key}

    async def round(self, beacon: Beacon, number: int) -> Round:
        if self._clock() < beacon.genesis + (number - 1) * beacon.period_s:
            raise NotOut(f"round {number} is not out yet")
        return Round(number, self._key.sign(own_message(beacon.source, number)))


def own_message(source: str, number: int) -> bytes:
    """What a machine signs of its own round."""
    return f"gondola/own-beacon/1\n{source}\n{number}".encode()


class Both:
    """On a laptop: rounds of its own, and the public beacon's where there is a network."""

    def __init__(self, own: OwnBeacon, public: Beacons) -> None:
        self._own, self._public = own, public

    def _of(self, beacon: Beacon) -> Beacons:
        return self._own if beacon.source.split(" ")[0] == LAPTOP else self._public

    def check(self, beacon: Beacon) -> None:
        try:
            self._of(beacon).check(beacon)
        except UnknownSource as error:
            raise UnknownSource(f"{error}; on a laptop `{LAPTOP}` is a source, too") from None

    def told(self, beacon: Beacon) -> dict[str, Any]:
        return self._of(beacon).told(beacon)

    async def round(self, beacon: Beacon, number: int) -> Round:
        return await self._of(beacon).round(beacon, number)
