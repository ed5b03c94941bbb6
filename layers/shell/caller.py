"""Who calls: the claims of an identity token that Cloud Run has verified. Pure; `caller_of` says it in HTTP's words.

Owns the reading of the token. Does not own what an identity may do: each retailer's entry lists whom it lets in, for
what. Does not verify a signature: Cloud Run has, and hands the token on with its signature removed, so there is nothing
left to verify.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence

import msgspec
from starlette.datastructures import Headers

from layers.shell.answers import Problem

AUTHORIZATION = "authorization"

SERVERLESS = "x-serverless-authorization"
"""Cloud Run checks this header *instead of* `Authorization` when both are sent. Reading the other one would let an
identity of one retailer pass its own valid token here and a forged one there."""


class NotIdentified(ValueError):
    """No token, or none that names somebody. The message holds nothing of the token."""


class _Claims(msgspec.Struct, frozen=True):
    email: str
    email_verified: bool = True


_claims = msgspec.json.Decoder(_Claims)


def caller(authorization: Sequence[str], serverless: Sequence[str]) -> str:
    """The e-mail of the identity that Cloud Run let in.

    Args:
        authorization, serverless: every value of the two headers.

    Raises:
        NotIdentified: with the reason.
    """
    values = serverless or authorization
    if len(values) != 1:
        raise NotIdentified("one bearer token is needed, in the header Authorization")
    scheme, _, token = values[0].strip().partition(" ")
    parts = token.strip().split(".")
    if scheme.lower() != "bearer" or len(parts) != 3:
        raise NotIdentified("the header Authorization holds no `Bearer <identity token>`")
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = _claims.decode(payload)
    except (binascii.Error, ValueError):
        raise NotIdentified("the identity token cannot be read, or has no e-mail among its claims") from None
    if not claims.email or not claims.email_verified:
        raise NotIdentified("the identity token names no verified e-mail")
    return claims.email.casefold()


def caller_of(headers: Headers) -> str:
    """Raises:
    Problem: 401.
    """
    try:
        return caller(headers.getlist(AUTHORIZATION), headers.getlist(SERVERLESS))
    except NotIdentified as error:
        raise Problem(401, "not-identified", "The caller is not known", f"{error}. Nothing was done.") from None


def is_listed(email: str, addresses: Iterable[str]) -> bool:
    return email in {address.casefold() for address in addresses}
