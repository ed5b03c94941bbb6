"""JSON over HTTP to an emulator: what the REST appliers share. An official client would cost 1 to 3 s of CPU to
import."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 30.0


class Refused(RuntimeError):
    """An emulator did not take a resource. The message holds its answer."""


def call(method: str, url: str, body: Any = None, accept: tuple[int, ...] = ()) -> tuple[int, Any]:
    """Sends a request.

    Args:
        accept: error statuses that are an answer here (409: it is there already).

    Returns:
        The status and the answer's JSON.

    Raises:
        Refused: any other error status.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        if error.code not in accept:
            raise Refused(f"{method} {url}: {error.code} {text[:500]}") from None
        return error.code, None
