"""The keyed pseudonym: HMAC-SHA256 of the customer id, under a secret of the retailer, with the key's version.

Keyed, because a hash of a 13-digit customer id is undone by trying all of them; per retailer, so that two retailers'
data can never be joined. 128 bits of the code are kept: with 100 million shoppers a collision has odds of 1.5e-23.
"""

from __future__ import annotations

import base64
import hmac
import re
from hashlib import sha256

LENGTH = 34
"""Two digits of key version and 32 hexadecimal digits. Fixed, so that no pseudonym is a prefix of another."""

PATTERN = re.compile(r"^\d{2}[0-9a-f]{32}$")


class InvalidKey(ValueError):
    """A pseudonym key that is no base64 of at least 32 bytes. The message never holds the key."""


class Pseudonymiser:
    """Turns customer ids of one retailer into pseudonyms.

    Args:
        key: base64 of at least 32 random bytes. version: 1 to 99, of that key.
    """

    __slots__ = ("_mac", "_version")

    def __init__(self, key: str, version: int = 1) -> None:
        try:
            secret = base64.b64decode(key, validate=True)
        except ValueError:
            secret = b""
        if len(secret) < 32 or not 1 <= version <= 99:
            raise InvalidKey(
                "the pseudonym key is not base64 of at least 32 bytes, so no customer id can be protected; "
                "let the Pulumi program create it instead of setting it by hand"
            )
        # Copying a keyed state is 3 times cheaper than keying anew, and there is one pseudonym a request.
        self._mac = hmac.new(secret, digestmod=sha256)
        self._version = f"{version:02d}"

    def __call__(self, customer_id: str) -> str:
        mac = self._mac.copy()
        mac.update(customer_id.encode())
        return self._version + mac.hexdigest()[:32]
