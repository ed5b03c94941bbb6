"""A command asks a service over HTTP, as whoever uses it; for a computer of one's own, not for a function.

Owns the connection, the token's place in a request, and that a refused token is had anew once. Does not own the token
(`layers.calling.identity`), when a request is sent again, nor what is said of any of it: each command has its words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, InvalidURL
from typing import Any
from urllib.parse import urlsplit

from layers.calling.identity import Identity

Answered = tuple[int, bytes]
"""Status and body."""

Opened = tuple[HTTPConnection, str]
"""A connection to a service, and what its paths begin with."""


class NoAddress(Exception):
    """Nothing that could be asked over HTTP."""


class NoAnswer(Exception):
    """It broke off: nobody knows what was done of it. Attributes: reason (the name of what went wrong)."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no answer ({reason})")
        self.reason = reason


def opened(url: str, within_s: float) -> Opened:
    """Nothing is sent yet.

    Args:
        within_s: seconds that the service may be silent for.

    Raises:
        NoAddress
    """
    try:
        to = urlsplit(url)
        if to.scheme not in ("http", "https") or not to.hostname or not to.path.isascii():
            raise NoAddress
        to.hostname.encode("idna")  # a name that cannot be looked up is found out here, not on the way
        kind = HTTPSConnection if to.scheme == "https" else HTTPConnection
        return kind(to.hostname, to.port, timeout=within_s), to.path.rstrip("/")
    except (ValueError, InvalidURL):
        raise NoAddress from None


@contextmanager
def answering(
    connection: HTTPConnection, method: str, path: str, token: str, body: object = None
) -> Iterator[HTTPResponse]:
    """The answer to one request, to be read within; the connection is closed afterwards.

    Args:
        path: the whole, with what paths begin with. body: sent as JSON; none where it is None.

    Raises:
        NoAnswer: also where it breaks off while it is read.
    """
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
        yield connection.getresponse()
    except (OSError, HTTPException) as error:
        raise NoAnswer(type(error).__name__) from None
    finally:
        connection.close()


def exchanged(connection: HTTPConnection, method: str, path: str, token: str, body: object = None) -> Answered:
    """`answering`, read whole.

    Raises:
        NoAnswer
    """
    with answering(connection, method, path, token, body) as answer:
        return answer.status, answer.read()


def renewing(identity: Identity, send: Callable[[], Answered]) -> Answered:
    """Sent again, once, where the token was refused and there is another one now.

    Args:
        send: takes the identity's token by itself, so that what it asks before that is refused first.

    Raises:
        CannotAsk: there is no other token. Whatever `send` raises.
    """
    answered = send()
    return send() if answered[0] == 401 and identity.renewed() else answered


def read_json(content: bytes) -> dict[str, Any]:
    """Empty where it is no JSON object: what stands before a service answers with pages, or with nothing."""
    try:
        told = json.loads(content)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
