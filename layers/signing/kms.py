"""Signs and seals with keys that never leave Cloud KMS.

A few calls of its REST API through the credentials that every client here uses: the official client costs another
second of start for them. What KMS answers is verified with the public key, or opened again, before anybody sees it,
which is more than the checksums that its API offers against a transport that lies.
"""

from __future__ import annotations

import asyncio
import base64
from hashlib import sha256
from typing import Any

import requests
from google.auth.exceptions import GoogleAuthError
from requests.exceptions import RequestException

from layers.declarations.settings import LOCAL, Settings, local_signing_key, sealing_key, signing_key
from layers.signing.keys import PublicKey
from layers.signing.local import LocalSigner
from layers.signing.port import Signer, Unavailable
from layers.signing.sealing import LocalSealer, NotSealed, Sealer

ADDRESS = "https://cloudkms.googleapis.com/v1/"
SCOPE = "https://www.googleapis.com/auth/cloudkms"
KMS_ALGORITHM = "EC_SIGN_P256_SHA256"
WITHIN_S = 10.0
_PASSING = (408, 429, 500, 502, 503, 504)


class Refused(Exception):
    """KMS will not do it: the grant, the key's state or its algorithm is wrong. No retry mends it."""


class KmsSigner:
    """Args:
    version: `projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/N`. session: authorized.
    """

    def __init__(self, version: str, session: requests.Session) -> None:
        self._version, self._session = version, session
        self._pem = ""

    async def sign(self, message: bytes) -> bytes:
        key = PublicKey(await self.public_key())
        digest = {"digest": {"sha256": base64.b64encode(sha256(message).digest()).decode()}}
        answer = await asyncio.to_thread(self._call, "POST", f"{self._version}:asymmetricSign", digest)
        signature = base64.b64decode(answer["signature"])
        if not key.verifies(signature, message):
            raise Unavailable("what Cloud KMS answered is no signature of what was sent; it is not used")
        return signature

    async def public_key(self) -> str:
        if not self._pem:
            answer = await asyncio.to_thread(self._call, "GET", f"{self._version}/publicKey", None)
            if answer["algorithm"] != KMS_ALGORITHM:
                raise Refused(f"the key's algorithm is {answer['algorithm']}, not {KMS_ALGORITHM}; correct it in infra")
            self._pem = answer["pem"]
        return self._pem

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        return _called(self._session, method, path, body)


class KmsSealer:
    """Args:
    key: `projects/P/locations/L/keyRings/R/cryptoKeys/K`. session: authorized.
    """

    def __init__(self, key: str, session: requests.Session) -> None:
        self._key, self._session = key, session

    async def seal(self, secret: bytes, about: bytes) -> bytes:
        said = {"plaintext": _text(secret), "additionalAuthenticatedData": _text(about)}
        sealed = base64.b64decode((await self._asked("encrypt", said))["ciphertext"])
        if await self.open(sealed, about) != secret:
            raise Unavailable("what Cloud KMS sealed does not open to what was sent; it is not used")
        return sealed

    async def open(self, sealed: bytes, about: bytes) -> bytes:
        said = {"ciphertext": _text(sealed), "additionalAuthenticatedData": _text(about)}
        try:
            return base64.b64decode((await self._asked("decrypt", said))["plaintext"])
        except _Invalid:
            raise NotSealed("Cloud KMS did not seal this, or about something else") from None

    async def _asked(self, act: str, said: dict[str, str]) -> dict[str, Any]:
        return await asyncio.to_thread(_called, self._session, "POST", f"{self._key}:{act}", said)


class _Invalid(Refused):
    """The request itself is wrong (400)."""


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _called(session: requests.Session, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    try:
        answer = session.request(method, ADDRESS + path, json=body, timeout=WITHIN_S)
    except (RequestException, GoogleAuthError) as error:
        raise Unavailable(f"Cloud KMS cannot be reached now ({type(error).__name__})") from error
    if answer.status_code in _PASSING:
        raise Unavailable(f"Cloud KMS cannot answer now ({answer.status_code})")
    if answer.status_code != 200:
        kind = _Invalid if answer.status_code == 400 else Refused
        raise kind(
            f"Cloud KMS refuses ({answer.status_code}), so nothing is signed or opened; look at the key's state and at "
            "the grant on it"
        )
    found: dict[str, Any] = answer.json()
    return found


def signer(values: Settings, name: str) -> Signer:
    """Whoever signs with this key here: the laptop's file, or Cloud KMS."""
    local = values.optional(local_signing_key(name))
    if local is not None:
        return LocalSigner.of(local)
    return KmsSigner(values[signing_key(name)], _authorized())


def sealer(values: Settings, name: str) -> Sealer:
    """Whoever seals with this key here: the laptop's file, or Cloud KMS."""
    local = values.optional(f"{sealing_key(name)}{LOCAL}")
    return LocalSealer(local) if local is not None else KmsSealer(values[sealing_key(name)], _authorized())


def _authorized() -> requests.Session:
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, _ = google.auth.default(scopes=[SCOPE])
    made: requests.Session = AuthorizedSession(credentials)
    return made
