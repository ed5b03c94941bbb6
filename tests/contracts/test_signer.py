"""What a signer promises, whoever holds the key: in memory, of this machine, or in Cloud KMS behind its REST API."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from requests.adapters import BaseAdapter

from layers.declarations.settings import Settings
from layers.signing.fake import FakeSigner
from layers.signing.keys import PublicKey
from layers.signing.kms import KmsSigner, Refused, signer
from layers.signing.local import LocalSigner
from layers.signing.port import Signer, Unavailable

VERSION = "projects/p/locations/l/keyRings/gondola/cryptoKeys/receipts/cryptoKeyVersions/1"


class Kms(BaseAdapter):
    """Cloud KMS as its REST reference describes it, in the place of the network.

    Attributes:
        said: requests, as (method, path). status: what it answers instead, when not 200. lies: signs something else.
    """

    def __init__(self) -> None:
        super().__init__()
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.said: list[tuple[str, str]] = []
        self.status, self.lies, self.algorithm, self.away = 200, False, "EC_SIGN_P256_SHA256", False

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        if self.away:
            raise requests.ConnectionError
        path = str(request.url).removeprefix("https://cloudkms.googleapis.com/v1/")
        self.said.append((str(request.method), path))
        response = requests.Response()
        response.status_code = self.status
        response._content = json.dumps(self._answer(path, request.body)).encode()
        return response

    def _answer(self, path: str, body: Any) -> dict[str, Any]:
        if path == f"{VERSION}/publicKey":
            pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
            return {"pem": pem, "algorithm": self.algorithm, "name": VERSION}
        assert path == f"{VERSION}:asymmetricSign"
        digest = base64.b64decode(json.loads(body)["digest"]["sha256"])
        signature = self.key.sign(bytes(32) if self.lies else digest, ec.ECDSA(Prehashed(SHA256())))
        return {"signature": base64.b64encode(signature).decode(), "name": VERSION}

    def close(self) -> None:
        pass


def of_kms(kms: Kms) -> KmsSigner:
    session = requests.Session()
    session.mount("https://", kms)
    return KmsSigner(VERSION, session)


def of_this_machine() -> Signer:
    der = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    values = {"GONDOLA_SIGNING_KEY_RECEIPTS_LOCAL": base64.b64encode(der).decode()}
    found = signer(Settings(values), "receipts")
    assert isinstance(found, LocalSigner)
    return found


@pytest.fixture(params=[FakeSigner, of_this_machine, lambda: of_kms(Kms())], ids=["fake", "local", "kms"])
def anyone(request: pytest.FixtureRequest) -> Signer:
    make: Callable[[], Signer] = request.param
    return make()


async def test_the_public_key_alone_verifies(anyone: Signer) -> None:
    key = PublicKey(await anyone.public_key())
    first, second = await anyone.sign(b"a receipt"), await anyone.sign(b"a receipt")
    assert key.verifies(first, b"a receipt") and key.verifies(second, b"a receipt")
    assert not key.verifies(first, b"another receipt")
    assert key.fingerprint == PublicKey(await anyone.public_key()).fingerprint


async def test_only_a_digest_is_sent_and_the_public_key_is_asked_for_once() -> None:
    kms = Kms()
    held = of_kms(kms)
    await held.sign(b"one")
    await held.sign(b"two")
    assert kms.said == [
        ("GET", f"{VERSION}/publicKey"),
        ("POST", f"{VERSION}:asymmetricSign"),
        ("POST", f"{VERSION}:asymmetricSign"),
    ]


@pytest.mark.parametrize(
    ("change", "raised"),
    [
        ({"status": 503}, Unavailable),
        ({"status": 429}, Unavailable),
        ({"away": True}, Unavailable),
        ({"status": 403}, Refused),
        ({"status": 404}, Refused),
        ({"algorithm": "EC_SIGN_P384_SHA384"}, Refused),
        ({"lies": True}, Unavailable),
    ],
)
async def test_what_is_no_signature_is_never_handed_on(change: dict[str, Any], raised: type[Exception]) -> None:
    kms = Kms()
    for name, value in change.items():
        setattr(kms, name, value)
    with pytest.raises(raised):
        await of_kms(kms).sign(b"a receipt")


async def test_a_fake_that_is_down_signs_nothing() -> None:
    fake = FakeSigner()
    fake.down = True
    with pytest.raises(Unavailable):
        await fake.sign(b"")
