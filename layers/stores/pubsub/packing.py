"""How record lines are packed into messages, alike for whoever dispatches events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from layers.stores.pubsub.port import Message

EVENTS_A_MESSAGE = 100
"""The Pub/Sub emulator delivers two messages at a time, the cloud bills by message: both want events packed."""

MESSAGE_BYTES = 200_000


def messages(retailer_id: str, lines: Iterable[bytes], trace: str = "") -> Iterator[Message]:
    """Packs one retailer's record lines: at most 100 events and about 200 kB a message."""
    packed: list[bytes] = []
    size = 0
    for line in lines:
        if packed and (len(packed) == EVENTS_A_MESSAGE or size + len(line) > MESSAGE_BYTES):
            yield _message(retailer_id, packed, trace)
            packed, size = [], 0
        packed.append(line)
        size += len(line) + 1
    if packed:
        yield _message(retailer_id, packed, trace)


def _message(retailer_id: str, lines: list[bytes], trace: str) -> Message:
    attributes = {"retailer": retailer_id, "count": str(len(lines))}
    if trace:
        attributes["trace"] = trace
    return Message(b"\n".join(lines), attributes)
