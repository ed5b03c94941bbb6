"""Public keys, and whether a signature is by one of them. Pure."""

from __future__ import annotations

from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key


class InvalidKey(ValueError):
    """No public key on the curve P-256."""


class PublicKey:
    """Args:
        pem: SubjectPublicKeyInfo.

    Raises:
        InvalidKey: see there.
    """

    def __init__(self, pem: str | bytes) -> None:
        try:
            key = load_pem_public_key(pem.encode() if isinstance(pem, str) else pem)
        except (ValueError, UnsupportedAlgorithm):
            raise InvalidKey("this is no public key in PEM (`-----BEGIN PUBLIC KEY-----`)") from None
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
            raise InvalidKey("this is a public key, but not on the curve P-256, which signs receipts")
        self._key = key

    @property
    def fingerprint(self) -> str:
        """Short enough to be read out over the telephone: SHA-256 of the key's DER form."""
        der = self._key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"sha256:{sha256(der).hexdigest()}"

    def verifies(self, signature: bytes, message: bytes) -> bool:
        try:
            self._key.verify(signature, message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True
