"""What `verify` leaves to a library, or to the network: whether the beacon's key signed a transcript's rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from layers.game.beacon import LAPTOP, Drand, own_message
from layers.game.model import Beacon
from layers.game.rounds import CannotVerify, Chain, Round, chain_of, is_signed


def unsigned(transcript: Mapping[str, Any]) -> list[int]:
    """The numbers of rounds that the transcript's own key did not sign; `verify` says whether the key is the beacon's.

    Raises:
        CannotVerify: nobody here can verify a signature of that kind.
        ValueError, KeyError: it is no transcript.
    """
    said = dict(transcript["beacon"])
    source = transcript["commitment"]["rules"]["beacon"]["source"]
    if said.pop("kind") == LAPTOP:
        return [r.number for r in rounds_of(transcript) if not _signed_here(said["public_key"], source, r)]
    chain: Chain = chain_of(said)
    return [each.number for each in rounds_of(transcript) if not is_signed(chain, each)]


def rounds_of(transcript: Mapping[str, Any]) -> list[Round]:
    return [
        Round(each["round"], bytes.fromhex(each["signature"]), bytes.fromhex(each["previous"]))
        for each in transcript["rounds"]
    ]


async def otherwise(transcript: Mapping[str, Any], relays: Sequence[str]) -> list[int]:
    """The numbers of rounds that are others at the beacon's relays.

    Raises:
        NotOut: no relay answers with a round. UnknownSource: the rounds are of no public chain.
    """
    beacon = msgspec.convert(transcript["commitment"]["rules"]["beacon"], Beacon)
    asked = Drand(relays)
    asked.check(beacon)
    wrong = []
    for each in rounds_of(transcript):
        if (await asked.round(beacon, each.number)).signature != each.signature:
            wrong.append(each.number)
    return wrong


def _signed_here(public_key: str, source: str, round: Round) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise CannotVerify("cryptography is not installed; `pip install cryptography`") from None
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(round.signature, own_message(source, round.number))
    except InvalidSignature:
        return False
    return True
