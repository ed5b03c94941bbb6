"""A handler that does nothing on stock functions_framework.aio: what the framework itself costs.

It stands on uvloop and httptools because they are installed; `stock_noop` is the same without both.
"""

from __future__ import annotations

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response


@functions_framework.aio.http  # type: ignore[untyped-decorator]
async def noop(_request: Request) -> Response:
    return Response(status_code=204)
