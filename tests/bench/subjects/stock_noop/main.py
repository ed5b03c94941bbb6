"""The handler that does nothing where only functions-framework is installed: asyncio's own loop, and h11."""

from __future__ import annotations

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response
from uvicorn_worker import UvicornWorker

UvicornWorker.CONFIG_KWARGS = {"loop": "asyncio", "http": "h11"}


@functions_framework.aio.http  # type: ignore[untyped-decorator]
async def noop(_request: Request) -> Response:
    return Response(status_code=204)
