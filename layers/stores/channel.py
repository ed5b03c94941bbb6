"""A gRPC channel to a Google service, or to its emulator.

Raw `grpc.aio` stubs over it are several times cheaper per call than the high-level clients, which is why the stores on
the path of every event use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio

_OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
    # A connection that a network device dropped silently is noticed in 40 s instead of never.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


def open_channel(host: str, emulator: str | None) -> grpc.aio.Channel:
    """Opens a channel that belongs to the running loop.

    Args:
        host: of the service, e.g. `bigtable.googleapis.com`. emulator: `host:port`, or None in the cloud, where the
            service account's credentials are used.
    """
    if emulator is not None:
        return grpc.aio.insecure_channel(emulator, options=_OPTIONS)
    import google.auth
    from google.auth.transport.grpc import AuthMetadataPlugin
    from google.auth.transport.requests import Request

    credentials, _ = google.auth.default(scopes=_SCOPES)
    call = grpc.metadata_call_credentials(AuthMetadataPlugin(credentials, Request()))
    secure = grpc.composite_channel_credentials(grpc.ssl_channel_credentials(), call)
    return grpc.aio.secure_channel(f"{host}:443", secure, options=_OPTIONS)
