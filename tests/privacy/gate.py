"""A gate between one function and its gRPC stores, which shuts at the n-th deed: there the function is killed.

A deed is a call that changes something. Shut before it, the store never hears of it; shut after it, it is done and the
function is never told. Both stores' gates share one count, so that every deed of a run has one number.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from google.cloud.bigtable_v2.types import bigtable
from google.cloud.firestore_v1.types import firestore

_DEEDS = {
    "Commit", "BatchWrite", "MutateRow", "MutateRows", "CheckAndMutateRow", "ReadModifyWriteRow", "Publish",
    "Acknowledge", "ModifyAckDeadline", "DropRowRange",
}  # fmt: skip
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.http2.min_ping_interval_without_data_ms", 1000),
    ("grpc.http2.max_ping_strikes", 0),
]
_DROPPED = ("user-agent", "grpc-", ":", "content-type", "te")
_HELD_S = 120.0


@dataclass(frozen=True, slots=True)
class Deed:
    store: str
    method: str
    request: bytes


class Trap:
    """Counts the deeds, and shuts at one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number, self._after = 0, False
        self._name, self._left = "", 0
        self._deeds: list[Deed] = []
        self.shut = threading.Event()
        self._open = threading.Event()
        self._open.set()
        self._calls, self._busy = threading.Condition(), 0

    def lay(self, number: int = 0, after: bool = False, name: str = "") -> None:
        """Forgets what was counted; shuts before or after the deed of this number, never at 0.

        Args:
            name: a label; the number is then counted among the deeds that bear it. Where several instances write the
                same documents, a deed that has to be repeated must not move the others.
        """
        with self._lock:
            self._deeds, self._after = [], after
            self._name, self._left, self._number = name, number, 0 if name else number
            self.shut.clear()
            self._open.clear() if number else self._open.set()

    def release(self) -> None:
        self._open.set()

    @property
    def deeds(self) -> list[Deed]:
        with self._lock:
            return list(self._deeds)

    def enter(self, deed: Deed) -> int:
        """The deed's number; waits here where the gate shuts before it. What comes later waits too, as its function is
        about to die."""
        with self._lock:
            self._deeds.append(deed)
            number = len(self._deeds)
            if self._name and not self._number and label(deed, self._deeds[:-1]) == self._name:
                self._left -= 1
                self._number = 0 if self._left else number
        if self._number and (number > self._number or (number == self._number and not self._after)):
            self._hold(number == self._number)
        return number

    def leave(self, number: int) -> None:
        """Waits here where the gate shuts after it."""
        if self._number and self._after and number >= self._number:
            self._hold(number == self._number)

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """While the store has a call and has not answered it."""
        with self._calls:
            self._busy += 1
        try:
            yield
        finally:
            with self._calls:
                self._busy -= 1
                self._calls.notify_all()

    def quiet(self, patience_s: float = 30.0) -> bool:
        """Waits until the stores have answered every call, also those of a function that is dead by now."""
        with self._calls:
            return self._calls.wait_for(lambda: not self._busy, patience_s)

    def _hold(self, it_is_the_one: bool) -> None:
        if it_is_the_one:
            self.shut.set()
        self._open.wait(_HELD_S)


class Gate(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Every method of one store, carried as bytes. `with` opens and closes its port.

    Args:
        heard: told of each deed, and of each pull, that the store has answered: method, request, answer.
    """

    def __init__(
        self, store: str, upstream: str, trap: Trap, heard: Callable[[str, bytes, bytes], None] = lambda *_: None
    ) -> None:
        self._store, self._upstream, self._trap, self._heard = store, upstream, trap, heard
        self.address = ""

    def __enter__(self) -> Gate:
        self._channel = grpc.insecure_channel(self._upstream, options=_OPTIONS)
        self._server = grpc.server(ThreadPoolExecutor(64), options=_OPTIONS)
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._trap.release()
        self._server.stop(1).wait()
        self._channel.close()

    def service(self, details: Any) -> Any:
        method = details.method
        name = method.rpartition("/")[2]

        def carry(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
            metadata = [(key, value) for key, value in context.invocation_metadata() if not key.startswith(_DROPPED)]
            call = self._channel.stream_stream(method)
            number, kept = 0, list[bytes]()
            if name in _DEEDS or name == "Pull":
                kept = list(requests)
                requests = iter(kept)
            if name in _DEEDS:
                number = self._trap.enter(Deed(self._store, name, b"".join(kept)))
                if not context.is_active():
                    return
            try:
                answers = call(requests, timeout=context.time_remaining(), metadata=metadata)
                if kept:
                    with self._trap.under_way():
                        whole = list(answers)
                        self._heard(name, b"".join(kept), b"".join(whole))
                    if number:
                        self._trap.leave(number)
                    yield from whole
                else:
                    yield from answers
            except grpc.RpcError as error:
                context.abort(error.code(), error.details() or "")

        return grpc.stream_stream_rpc_method_handler(carry)


def label(deed: Deed, before: list[Deed]) -> str:
    """What a deed does in words: the store that it empties, or the record that it writes.

    Args:
        before: the deeds before it; a record is told by what it adds to the one before.
    """
    if deed.method == "Commit":
        written = _progress(deed)
        if written is None:
            return _document(deed)
        earlier = next((found for each in reversed(before) if (found := _progress(each)) is not None), {})
        changed = [
            f"{store} {moment}"
            for store, progress in written.items()
            for moment in ("verified", "finished", "started")
            if progress.get(moment) != earlier.get(store, {}).get(moment)
        ]
        return f"record: {changed[0]}" if changed else "record: the request" if not written else "record: the end"
    if deed.method.startswith("MutateRow"):
        kind = bigtable.MutateRowRequest if deed.method == "MutateRow" else bigtable.MutateRowsRequest
        return f"bigtable:{kind.deserialize(deed.request).table_name.rpartition('/')[2]} {deed.method}"
    return f"{deed.store} {deed.method}"


def store_of(text: str) -> str:
    """The store in a label, empty where it names none."""
    return next((word for word in text.split() if ":" in word and not word.endswith(":")), "")


def _document(deed: Deed) -> str:
    writes = firestore.CommitRequest.deserialize(deed.request).writes
    path = (writes[0].update.name or writes[0].delete) if writes else ""
    return f"firestore:{path.rsplit('/', 2)[-2]} {deed.method}" if path else "firestore Commit"


def _progress(deed: Deed) -> dict[str, dict[str, str]] | None:
    """By store, the times that a record of the request holds; None for what is no such record."""
    if deed.method != "Commit":
        return None
    for write in firestore.CommitRequest.deserialize(deed.request).writes:
        if "/erasures/" in write.update.name and "stores" in write.update.fields:
            stores = write.update.fields["stores"].map_value.fields
            return {
                name: {key: each.string_value for key, each in value.map_value.fields.items() if each.string_value}
                for name, value in stores.items()
            }
    return None
