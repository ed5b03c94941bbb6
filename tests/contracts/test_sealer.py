"""What a sealer promises, whoever holds the key: of this machine, or in Cloud KMS behind its REST API."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from layers.declarations.settings import Settings
from layers.signing.kms import KmsSealer, Refused, sealer
from layers.signing.port import Unavailable
from layers.signing.sealing import LocalSealer, NotSealed, Sealer

KEY = "projects/p/locations/l/keyRings/gondola/cryptoKeys/seeds"
TEXT = base64.b64encode(bytes(range(32))).decode()


class Kms(BaseAdapter):
    """Cloud KMS's `encrypt` and `decrypt` as its REST reference describes them, in the place of the network.

    Attributes:
        status: what it answers instead, when not 200. lies: seals something else.
    """

    def __init__(self) -> None:
        super().__init__()
        self.own = LocalSealer(TEXT)
        self.status, self.lies, self.away = 200, False, False

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        if self.away:
            raise requests.ConnectionError
        path = str(request.url).removeprefix("https://cloudkms.googleapis.com/v1/")
        body: Any = request.body
        asked = {name: base64.b64decode(each) for name, each in json.loads(body).items()}
        response = requests.Response()
        response.status_code = self.status
        answer: dict[str, str] = {}
        about = asked["additionalAuthenticatedData"]
        if path == f"{KEY}:encrypt":
            plain = b"x" if self.lies else asked["plaintext"]
            answer["ciphertext"] = self._text(self._run(self.own.seal(plain, about)))
        else:
            assert path == f"{KEY}:decrypt"
            try:
                answer["plaintext"] = self._text(self._run(self.own.open(asked["ciphertext"], about)))
            except NotSealed:
                response.status_code = 400
        response._content = json.dumps(answer).encode()
        return response

    def _run(self, waiting: Any) -> bytes:
        """Of a coroutine that waits for nothing."""
        try:
            waiting.send(None)
        except StopIteration as ended:
            return bytes(ended.value)
        raise AssertionError

    def _text(self, content: bytes) -> str:
        return base64.b64encode(content).decode()

    def close(self) -> None:
        pass


def of_kms(kms: Kms) -> KmsSealer:
    session = requests.Session()
    session.mount("https://", kms)
    return KmsSealer(KEY, session)


@pytest.mark.parametrize("made", [lambda: LocalSealer(TEXT), lambda: of_kms(Kms())], ids=["local", "kms"])
async def test_what_is_sealed_opens_as_what_it_is_about_and_as_nothing_else(made: Any) -> None:
    held: Sealer = made()
    sealed = await held.seal(b"a secret", b"about")
    assert b"a secret" not in sealed and await held.seal(b"a secret", b"about") != sealed
    assert await held.open(sealed, b"about") == b"a secret"
    for other, about in ((sealed, b"another"), (sealed[:-1] + bytes([sealed[-1] ^ 1]), b"about"), (b"", b"about")):
        with pytest.raises(NotSealed):
            await held.open(other, about)


async def test_another_key_opens_nothing() -> None:
    sealed = await LocalSealer(TEXT).seal(b"a secret", b"about")
    with pytest.raises(NotSealed):
        await LocalSealer(base64.b64encode(bytes(32)).decode()).open(sealed, b"about")


async def test_what_kms_did_not_seal_is_not_kept() -> None:
    kms = Kms()
    kms.lies = True
    with pytest.raises(Unavailable, match="does not open"):
        await of_kms(kms).seal(b"a secret", b"about")


@pytest.mark.parametrize(("status", "raised"), [(403, Refused), (404, Refused), (429, Unavailable), (503, Unavailable)])
async def test_a_refusal_is_no_outage(status: int, raised: type[Exception]) -> None:
    kms = Kms()
    sealed = await of_kms(kms).seal(b"a secret", b"about")
    kms.status = status
    with pytest.raises(raised) as caught:
        await of_kms(kms).open(sealed, b"about")
    assert not isinstance(caught.value, NotSealed) and "secret" not in str(caught.value)


async def test_kms_that_cannot_be_reached_may_be_asked_again() -> None:
    kms = Kms()
    kms.away = True
    with pytest.raises(Unavailable):
        await of_kms(kms).seal(b"a secret", b"about")


def test_a_laptop_is_handed_its_key() -> None:
    assert isinstance(sealer(Settings({"GONDOLA_SEALING_KEY_SEEDS_LOCAL": TEXT}), "seeds"), LocalSealer)
