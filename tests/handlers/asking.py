"""A request as a server would hand it to a handler, without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.requests import Request


def ask(
    method: str,
    path: str,
    body: bytes | Sequence[bytes] = b"",
    headers: Mapping[str, str] | None = None,
    query: str = "",
) -> Request:
    """`body` may come in pieces; header names are lower-cased as a server does."""
    pieces = [body] if isinstance(body, bytes) else list(body)
    messages = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, start=1)
    ]
    coming = iter(messages)

    async def receive() -> dict[str, object]:
        return next(coming)

    return Request(
        {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in (headers or {}).items()],
            "scheme": "https",
            "server": ("gondola.test", 443),
        },
        receive,
    )
