"""Rounds of a public beacon and the chains they are of: what is signed, by which key, and whether it is.

A chain is pinned by its hash, which stands in the rules that a commitment binds: key, first moment and period follow
from it, so whoever answers for the beacon can be anybody. Owns the reading of a chain and of a signature; not where a
round is had from (`beacon`). The curve is blst's, by its binding pyblst, imported where a signature is verified: 0.9 ms
each on the machine that this was written on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

_TAG_G1 = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
_TAG_G2 = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_"
"""Domain separation of RFC 9380's hash to the curve, by the group that signatures are in."""

_G1 = bytes.fromhex("97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb")
_G2 = bytes.fromhex(
    "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
    "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
)
"""The groups' generators, compressed."""

_INFINITY = 0x40

CHAINED, UNCHAINED, SHORT = "pedersen-bls-chained", "pedersen-bls-unchained", "bls-unchained-g1-rfc9380"
"""The schemes of the League of Entropy's public chains; `SHORT` has signatures in G1, of 48 bytes."""


class CannotVerify(RuntimeError):
    """Signatures cannot be verified here at all; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Round:
    """Attributes:
    signature: by the beacon's key. previous: the signature before it, of a chain that links them; else empty.
    """

    number: int
    signature: bytes
    previous: bytes = b""

    @property
    def value(self) -> bytes:
        """32 bytes that nobody knew before the round was signed."""
        return sha256(self.signature).digest()


class Chain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the beacon's own `/info` says. Hexadecimal text, seconds."""

    public_key: str
    period: int
    genesis_time: int
    group_hash: str
    scheme: str
    beacon_id: str

    @property
    def hash(self) -> str:
        """As drand computes it: of period, first moment, key, group, and of the name unless it is `default`."""
        said = self.period.to_bytes(4, "big") + self.genesis_time.to_bytes(8, "big")
        said += bytes.fromhex(self.public_key) + bytes.fromhex(self.group_hash)
        return sha256(said + (self.beacon_id.encode() if self.beacon_id not in ("", "default") else b"")).hexdigest()

    def signed(self, round: Round) -> bytes:
        """What the beacon signs of a round."""
        return sha256((round.previous if self.scheme == CHAINED else b"") + round.number.to_bytes(8, "big")).digest()


def chain_of(said: Mapping[str, Any]) -> Chain:
    """Raises ValueError where a field is missing, unknown, or of another form."""
    return msgspec.convert(dict(said), Chain)


@cache
def known_chains() -> Mapping[str, Chain]:
    """Those whose key stands in `chains.json`, by hash."""
    read = json.loads((Path(__file__).parent / "chains.json").read_text())
    return {each["hash"]: chain_of({k: v for k, v in each.items() if k not in ("name", "hash")}) for each in read}


def can_verify() -> str:
    """Empty if signatures can be verified here; else what is missing."""
    try:
        import pyblst  # noqa: F401
    except ImportError:
        return "pyblst is not installed, so a beacon's signature cannot be verified; `pip install pyblst`"
    return ""


def is_signed(chain: Chain, round: Round) -> bool:
    """Whether the chain's key signed this round.

    Raises:
        CannotVerify: see there, or nobody here knows the scheme.
    """
    missing = can_verify()
    if missing:
        raise CannotVerify(missing)
    import pyblst

    if chain.scheme not in (CHAINED, UNCHAINED, SHORT):
        raise CannotVerify(f"nobody here can verify signatures of the scheme {chain.scheme!r}")
    key, message = bytes.fromhex(chain.public_key), chain.signed(round)
    if any(not text or text[0] & _INFINITY for text in (key, round.signature)):
        # The point at infinity is of every subgroup and signs nothing.
        return False
    try:
        if chain.scheme == SHORT:
            signature, public = pyblst.BlstP1Element.uncompress(round.signature), pyblst.BlstP2Element.uncompress(key)
            hashed = pyblst.BlstP1Element.hash_to_group(message, _TAG_G1)
            left = pyblst.miller_loop(signature, pyblst.BlstP2Element.uncompress(_G2))
            return bool(pyblst.final_verify(left, pyblst.miller_loop(hashed, public)))
        signature, public = pyblst.BlstP2Element.uncompress(round.signature), pyblst.BlstP1Element.uncompress(key)
        hashed = pyblst.BlstP2Element.hash_to_group(message, _TAG_G2)
        left = pyblst.miller_loop(pyblst.BlstP1Element.uncompress(_G1), signature)
        return bool(pyblst.final_verify(left, pyblst.miller_loop(public, hashed)))
    except ValueError:
        # No point of the curve, or none of its subgroup, which blst checks.
        return False
