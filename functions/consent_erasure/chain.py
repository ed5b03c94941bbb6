"""A receipt as one text that anybody can check: signed, numbered, and naming the one before. Pure.

What is signed is the canonical text of the receipt without its member `signature`. What the next receipt names is the
SHA-256 of that same text, so that a signature made twice (ECDSA draws a number each time) changes no chain.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from layers.signing.canonical import NotCanonical, canonical, read_canonical
from layers.signing.port import ALGORITHM

FORMAT = "gondola-erasure-receipt/2"


@dataclass(frozen=True, slots=True)
class Link:
    """A place in a retailer's chain; number 0 is the place before the first."""

    number: int = 0
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """A receipt taken apart. `signed` are the bytes that the signature is of; `key` is the fingerprint it names."""

    receipt: Mapping[str, Any]
    signed: bytes
    signature: bytes
    key: str
    retailer: str
    number: int
    previous: str | None

    @property
    def link(self) -> Link:
        return Link(self.number, sha256(self.signed).hexdigest())


class NoReceipt(ValueError):
    """The bytes are no receipt of this format. Says why, and quotes nothing."""


def following(receipt: Mapping[str, Any], last: Link) -> bytes:
    """What is to be signed: the receipt in its place of the chain."""
    return canonical({**receipt, "chain": {"number": last.number + 1, "previous": last.sha256}})


def sealed(signed: bytes, signature: bytes, key: str) -> bytes:
    """The whole receipt, as the retailer gets it and as it is verified: these bytes and no others.

    Args:
        key: the fingerprint of the public key.
    """
    value = base64.b64encode(signature).decode()
    return canonical({**read_canonical(signed), "signature": {"algorithm": ALGORITHM, "key": key, "value": value}})


def opened(data: bytes) -> Sealed:
    """Raises:
    NoReceipt: see there. Nothing is verified yet.
    """
    try:
        whole = read_canonical(data)
        receipt = {name: value for name, value in whole.items() if name != "signature"}
        mark, chain = whole["signature"], whole["chain"]
        signature = base64.b64decode(mark["value"], validate=True)
        number, previous, retailer = chain["number"], chain["previous"], receipt["retailer"]
        if receipt["format"] != FORMAT or mark["algorithm"] != ALGORITHM:
            raise NoReceipt(f"it is not of the format {FORMAT}, signed by {ALGORITHM}")
    except NotCanonical as error:
        raise NoReceipt(f"{error}; give the file as it was received, byte for byte") from None
    except (KeyError, TypeError, AttributeError, binascii.Error, ValueError) as error:
        if isinstance(error, NoReceipt):
            raise
        raise NoReceipt("it is JSON, but no receipt: a member is missing or of another kind") from None
    well = (
        set(mark) == {"algorithm", "key", "value"}
        and base64.b64encode(signature).decode() == mark["value"]
        and isinstance(mark["key"], str)
        and isinstance(retailer, str)
        and set(chain) == {"number", "previous"}
        and isinstance(number, int)
        and not isinstance(number, bool)
        and number > 0
        and (previous is None if number == 1 else isinstance(previous, str))
    )
    if not well:
        raise NoReceipt("it is JSON, but no receipt: its place in the chain or its signature is not as it should be")
    return Sealed(receipt, canonical(receipt), signature, mark["key"], retailer, number, previous)
