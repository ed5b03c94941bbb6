"""A shopper's token: the retailer's server says who is on the page, so that nobody can ask in another's name. Pure.

A JSON Web Token (RFC 7519) under HS256 with the retailer's signing key, so that any server's library makes one. Read
here without such a library: of a JWT's many ways one alone is right, and a door that knows no other cannot be talked
into them (RFC 8725, section 3.1: `alg` is what we say, whatever the token says).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from hashlib import sha256

import msgspec

LONGEST_S = 86_400
"""A token that is copied is good for a day at most; a page asks its server for another one."""

LEEWAY_S = 60
"""By which clocks may differ."""

_HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()


class InvalidToken(ValueError):
    """Says which check failed and what to do; holds nothing of the token."""


class _Header(msgspec.Struct, frozen=True):
    alg: str
    typ: str = "JWT"


class _Claims(msgspec.Struct, frozen=True):
    """`sub`: the retailer's customer id. `exp`: Unix seconds. Further claims are ignored, as the RFC asks."""

    sub: str
    exp: int | float


_headers, _claims = msgspec.json.Decoder(_Header), msgspec.json.Decoder(_Claims)


def issue(key: bytes, customer: str, now: float, lifetime_s: int = 3600) -> str:
    """As the retailer's server does it.

    Args:
        key: the signing key's bytes. now: Unix seconds.
    """
    claims = msgspec.json.encode({"sub": customer, "exp": int(now) + lifetime_s})
    signed = f"{_HEADER}.{_unpadded(claims)}"
    return f"{signed}.{_unpadded(hmac.digest(key, signed.encode(), sha256))}"


def customer_of(key: bytes, token: str, now: float) -> str:
    """Whose token it is.

    Raises:
        InvalidToken: it is no token, not signed with this key, over, or good for longer than a day.
    """
    parts = token.split(".")
    if len(parts) != 3:
        raise InvalidToken("it is no JSON Web Token, which has three parts")
    try:
        header = _headers.decode(_decoded(parts[0]))
        claims = _claims.decode(_decoded(parts[1]))
        signature = _decoded(parts[2])
    except (msgspec.MsgspecError, ValueError):
        raise InvalidToken("it cannot be read: `sub` is a text and `exp` a number of seconds") from None
    if (header.alg, header.typ) != ("HS256", "JWT"):
        raise InvalidToken("it is not signed with HS256, which is the only way")
    if not hmac.compare_digest(signature, hmac.digest(key, f"{parts[0]}.{parts[1]}".encode(), sha256)):
        raise InvalidToken("its signature does not fit: sign it with this retailer's signing key, decoded from base64")
    if claims.exp < now - LEEWAY_S:
        raise InvalidToken("it is over: ask the shop's server for another one")
    if claims.exp > now + LONGEST_S + LEEWAY_S:
        raise InvalidToken("it is good for longer than a day: let `exp` be at most 86 400 seconds from now")
    return claims.sub


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    try:
        # Lengths that no data has, and other letters, raise; so does what is not ASCII.
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("no base64url") from error
