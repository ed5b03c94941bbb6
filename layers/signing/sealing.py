"""Who seals a secret, so that only whoever may open it can read it again.

What is sealed is bound to what it is about: opened under another name it is nothing. A sealed text may lie where
anybody reads it.
"""

from __future__ import annotations

import base64
import secrets
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class Sealer(Protocol):
    """Both raise `Unavailable` where a later call may succeed."""

    async def seal(self, secret: bytes, about: bytes) -> bytes:
        """Another text each time."""

    async def open(self, sealed: bytes, about: bytes) -> bytes:
        """Raises:
        NotSealed: it was sealed by another key, about something else, or altered.
        """


class NotSealed(ValueError):
    """This key did not seal this about that."""


class LocalSealer:
    """With a key of this machine: the laptop's, where there is no Cloud KMS.

    Args:
        text: 32 bytes in base64.
    """

    def __init__(self, text: str) -> None:
        self._key = AESGCM(base64.b64decode(text))

    async def seal(self, secret: bytes, about: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._key.encrypt(nonce, secret, about)

    async def open(self, sealed: bytes, about: bytes) -> bytes:
        try:
            return self._key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
        except (InvalidTag, ValueError):
            raise NotSealed("this was not sealed here, or about something else") from None
