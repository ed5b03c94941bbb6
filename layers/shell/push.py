"""A Pub/Sub push delivery. Decoded here because functions-framework's conversion drops the subscription and the
delivery attempt and refuses a message without data.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

import msgspec
from starlette.requests import Request

from layers.shell.answers import Problem, read_body

MAX_PUSH_BYTES = 15 * 1024 * 1024
"""A message holds at most 10 MB, a third more as base64."""


class NotAPush(ValueError):
    """The body is no push envelope: somebody else called. Holds nothing of the body."""


class PushMessage(msgspec.Struct, frozen=True, rename="camel"):
    """What Pub/Sub delivers; `data` is base64 in JSON and bytes here."""

    message_id: str
    publish_time: datetime
    data: bytes = b""
    attributes: dict[str, str] = {}


class _Push(msgspec.Struct, frozen=True, rename="camel"):
    message: PushMessage
    subscription: str
    delivery_attempt: int | None = None


class Delivery(msgspec.Struct, frozen=True):
    """Attributes:
    subscription: its short name. attempt: 1 for the first delivery; None where Pub/Sub does not say.
    """

    message: PushMessage
    subscription: str
    attempt: int | None


_decoder = msgspec.json.Decoder(_Push)


def decode_push(body: bytes) -> Delivery:
    """Raises:
    NotAPush: not the JSON that Pub/Sub posts.
    """
    try:
        push = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, binascii.Error):
        raise NotAPush("the body is not a Pub/Sub push envelope") from None
    return Delivery(push.message, push.subscription.rsplit("/", 1)[-1], push.delivery_attempt)


async def read_push(request: Request) -> Delivery:
    """Raises:
    Problem: somebody else than Pub/Sub called, or the body is too long or not whole.
    """
    try:
        return decode_push(await read_body(request, MAX_PUSH_BYTES))
    except NotAPush as error:
        raise Problem(400, "no-push", "Only Pub/Sub calls this", f"{error}; nothing was done.") from None


def encode_push(data: bytes, attributes: dict[str, str], message_id: str, published: datetime, to: str) -> bytes:
    """The body that Pub/Sub would post to subscription `to`; for replay and tests."""
    return msgspec.json.encode(
        {
            "message": {
                "data": base64.b64encode(data).decode(),
                "attributes": attributes,
                "messageId": message_id,
                "publishTime": published,
            },
            "subscription": to,
        }
    )
