"""Signatures of a retailer's server, as the Standard Webhooks specification defines them.

HMAC-SHA256 over `{id}.{timestamp}.{body}`, base64, in `webhook-signature: v1,<base64>` (several, space-separated, while
a key is being changed), beside `webhook-id` and `webhook-timestamp` (Unix seconds).
Source: https://www.standardwebhooks.com. A replay within the tolerance is harmless: an event's row key is its own.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from hashlib import sha256

TOLERANCE_S = 300
_SECONDS = re.compile("[0-9]{1,12}")
"""Longer numbers are refused before they are read: `int` and `float` raise at some hundred digits."""

HEADER_ID = "webhook-id"
HEADER_TIMESTAMP = "webhook-timestamp"
HEADER_SIGNATURE = "webhook-signature"


class InvalidSignature(ValueError):
    """Says which check failed; holds nothing of the request."""


def _code(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(key, signed, sha256)).decode()


def decode_key(secret: str) -> bytes:
    """The bytes of a signing key given as base64, with or without the usual `whsec_` before it."""
    return base64.b64decode(secret.removeprefix("whsec_"))


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers."""
    return {
        HEADER_ID: message_id,
        HEADER_TIMESTAMP: str(timestamp),
        HEADER_SIGNATURE: "v1," + _code(key, message_id, str(timestamp), body),
    }


def is_signed(headers: Mapping[str, str]) -> bool:
    return HEADER_SIGNATURE in headers


def verify(key: bytes, headers: Mapping[str, str], body: bytes, now: float) -> None:
    """Args:
        headers: with lower-case names. now: Unix seconds.

    Raises:
        InvalidSignature: a header is missing, the time is off by more than 5 minutes, or no signature fits.
    """
    message_id = headers.get(HEADER_ID, "")
    timestamp = headers.get(HEADER_TIMESTAMP, "")
    offered = headers.get(HEADER_SIGNATURE, "")
    if not message_id or not timestamp or not offered:
        raise InvalidSignature(f"{HEADER_ID}, {HEADER_TIMESTAMP} and {HEADER_SIGNATURE} are all needed")
    if not _SECONDS.fullmatch(timestamp) or abs(now - int(timestamp)) > TOLERANCE_S:
        raise InvalidSignature(f"{HEADER_TIMESTAMP} is not within {TOLERANCE_S} seconds of now: set the clock")
    expected = ("v1," + _code(key, message_id, timestamp, body)).encode()
    if not any(hmac.compare_digest(expected, candidate.encode()) for candidate in offered.split(" ")):
        raise InvalidSignature("no signature fits: sign the body byte for byte with the signing key of this retailer")
