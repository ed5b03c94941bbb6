"""One function calls another that is private: as itself, with an identity token, until it answers.

Does not own who may call whom (the needs: `Calls`), nor how the called one knows its caller (`layers.shell.caller`).
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from typing import Any

import msgspec

from layers.declarations import settings
from layers.declarations.settings import Settings

WITHIN_S = 60.0
_PASSING = (408, 429, 500, 502, 503, 504)


class Unreachable(Exception):
    """No answer now; the same call may succeed later."""


class Refused(Exception):
    """The other function says no, and would again. Attributes: status, kind (of its problem document)."""

    def __init__(self, path: str, status: int, kind: str = "") -> None:
        super().__init__(f"{path} was refused ({status} {kind}); look at the other function's log and at its callers")
        self.status, self.kind = status, kind


Send = Callable[[str, bytes, str], tuple[int, bytes]]
"""(path, body, token) to (status, body). Blocking."""


class PrivateService:
    """Args:
    send: to the other function. token: of this one, made out for the other.
    """

    def __init__(self, send: Send, token: Callable[[], str]) -> None:
        self._send, self._token = send, token

    @classmethod
    def of(cls, values: Settings, function: str, caller: str) -> PrivateService:
        """Args:
        caller: this function's name.
        """
        import requests

        url, session = values[settings.url(function)], requests.Session()

        def send(path: str, body: bytes, token: str) -> tuple[int, bytes]:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            try:
                answer = session.post(url + path, data=body, headers=headers, timeout=WITHIN_S)
            except requests.RequestException as error:
                raise Unreachable(f"{function} does not answer ({type(error).__name__})") from error
            return answer.status_code, answer.content

        local = values.emulator("firestore") is not None
        email = settings.account(caller, values[settings.PROJECT])
        return cls(send, (lambda: laptop_token(email, url)) if local else (lambda: _google_token(url)))

    async def call(self, path: str, body: object) -> Any:
        """`POST`s JSON and reads the answer's.

        Raises:
            Unreachable, Refused: see there.
        """
        status, answer = await asyncio.to_thread(self._called, path, msgspec.json.encode(body))
        if status in _PASSING:
            raise Unreachable(f"{path} cannot be answered now ({status})")
        if status >= 300:
            raise Refused(path, status, _kind(answer))
        return msgspec.json.decode(answer)

    def _called(self, path: str, body: bytes) -> tuple[int, bytes]:
        return self._send(path, body, self._token())


def _kind(answer: bytes) -> str:
    try:
        return str(msgspec.json.decode(answer)["type"]).rpartition("/")[2]
    except (msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError):
        return ""


def _google_token(audience: str) -> str:
    """Of the account that this process runs under; google-auth asks the metadata server."""
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request
    from google.oauth2.id_token import fetch_id_token

    try:
        return str(fetch_id_token(Request(), audience))  # type: ignore[no-untyped-call]
    except GoogleAuthError as error:
        raise Unreachable(f"no identity token now ({type(error).__name__})") from error


def laptop_token(email: str, audience: str) -> str:
    """As Cloud Run hands a token on: nobody checks one on a laptop, whose stack listens on 127.0.0.1 only."""
    claims = {"aud": audience, "email": email, "email_verified": True, "exp": int(time.time()) + 3600}
    parts = [base64.urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=").decode() for part in ({}, claims)]
    return ".".join([*parts, "SIGNATURE_REMOVED_BY_GOOGLE"])
