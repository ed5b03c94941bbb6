"""Answers over HTTP: JSON, RFC 9457 problem documents, and CORS headers for a retailer's page."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

PROBLEM = "application/problem+json"
ABOUT = "https://gondola.invalid/problems/"
"""What every problem's `type` begins with."""


class Problem(Exception):
    """An error that the caller can act on. Raise it anywhere below a handler; `answer` turns it into a response.

    Args:
        status: HTTP status. kind: short kebab-case name, the end of the document's `type`.
        detail: the fact, its consequence and the remedy, with nothing of the request's content in it.
        retry_after_s: sent as Retry-After. allow: the methods that this path knows, sent as Allow.
        more: extension members of the document, e.g. `rejected`.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        retry_after_s: int | None = None,
        allow: str = "",
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{status} {kind}")
        self.status, self.kind, self.title, self.detail = status, kind, title, detail
        self.retry_after_s, self.allow, self.more = retry_after_s, allow, dict(more or {})

    def answer(self, headers: Mapping[str, str] | None = None) -> Response:
        body: dict[str, object] = {
            "type": ABOUT + self.kind,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        body.update(self.more)
        extra = dict(headers or {})
        if self.retry_after_s is not None:
            extra["Retry-After"] = str(self.retry_after_s)
        if self.allow:
            extra["Allow"] = self.allow
        return Response(msgspec.json.encode(body), self.status, extra, media_type=PROBLEM)


def json_answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`body` is anything msgspec encodes: a struct, a dict, a list."""
    return Response(msgspec.json.encode(body), status, dict(headers or {}), media_type="application/json")


def cors(origin: str | None, methods: str, allowed_headers: str) -> dict[str, str]:
    """Headers that let a page of `origin` read the answer; none for a caller that is no browser."""
    if origin is None:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": allowed_headers,
        # Two hours is the longest that Chromium keeps a preflight.
        "Access-Control-Max-Age": "7200",
        "Vary": "Origin",
    }


def head_of(response: Response) -> bytes:
    """Status line and headers as they stand in HTTP/1.1, without the empty line after them."""
    status = HTTPStatus(response.status_code)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()]
    return b"".join(lines + [b"%b: %b\r\n" % header for header in response.raw_headers])


async def read_body(request: Request, limit: int) -> bytes:
    """The body, refused as soon as it is known to be too long.

    Raises:
        Problem: 413; 400 when the sender went away before its end, which then reads no answer and needs no log.
    """
    too_long = Problem(
        413,
        "body-too-large",
        "The body is too large",
        f"A request holds at most {limit} bytes; nothing of it was taken. Send the events in several requests.",
    )
    declared = request.headers.get("content-length")
    if declared is not None and declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise too_long
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise too_long
            chunks.append(chunk)
    except ClientDisconnect:
        raise Problem(400, "body-incomplete", "The body is not whole", "It ended early; nothing was taken.") from None
    return b"".join(chunks)
