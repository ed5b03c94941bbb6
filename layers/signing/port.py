"""Who signs."""

from __future__ import annotations

from typing import Protocol

ALGORITHM = "ECDSA-P256-SHA256"
"""The one algorithm: Cloud KMS's EC_SIGN_P256_SHA256. Every TLS library and `openssl dgst` verify it."""


class Signer(Protocol):
    """Holds a private key that it never gives out. Both raise `Unavailable` where a later call may succeed."""

    async def sign(self, message: bytes) -> bytes:
        """A signature in DER; another one each time, since ECDSA draws a number for each."""

    async def public_key(self) -> str:
        """The other half, as PEM (SubjectPublicKeyInfo)."""


class Unavailable(Exception):
    """Nobody can sign now. Nothing of what was to be signed stands in the message."""
