"""Signs with a key of this machine: the laptop's. Does not own the file that the key is kept in."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key


class LocalSigner:
    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    @classmethod
    def of(cls, text: str) -> LocalSigner:
        """Args:
            text: the private key, PKCS 8 in base64.

        Raises:
            ValueError: it is another kind of key.
        """
        key = load_der_private_key(base64.b64decode(text), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise ValueError(
                "the local signing key is not on the curve P-256; `make down` forgets it, `make up` draws it"
            )
        return cls(key)

    async def sign(self, message: bytes) -> bytes:
        return self._key.sign(message, ec.ECDSA(SHA256()))

    async def public_key(self) -> str:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
