"""The saga: each step done and recorded, so that a run killed anywhere is resumed by asking again.

Owns the order of count, record, delete, record, and the request's document. Two runs of one request at a time are
harmless: every deletion may be repeated, and every record is a change of the newest document.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from functions.consent_erasure.erasers import Erasure, eraser
from functions.consent_erasure.receipt import receipt
from functions.consent_erasure.room import Room, declared_others
from functions.consent_erasure.rules import (
    COMPLETE,
    INCOMPLETE,
    ROUNDS,
    RUNNING,
    ErasureRequest,
    Fingerprints,
    Kind,
    Progress,
    Step,
    erasure_id,
    progress_of,
    with_progress,
)
from functions.consent_erasure.sealing import append
from layers.privacy.deadline import due
from layers.shell.log import log
from layers.stores.collections import ERASURES, SUPPRESSIONS
from layers.stores.firestore.port import Document

Change = Callable[[dict[str, Any]], dict[str, Any]]
_ATTEMPTS = 20


class OtherCustomers(Exception):
    """The reference was used before, for other customers."""


class Contended(Exception):
    """The request's document was written by others again and again; repeat the request."""


async def open_request(room: Room, request: ErasureRequest, now: datetime) -> Document:
    """The request's document, made if it is new.

    Raises:
        OtherCustomers: see there.
    """
    id = erasure_id(request.retailer, request.reference)
    # Any of them: a request that is resumed may have been opened under the key before.
    fingerprints = [Fingerprints(key, id).of_request(request.customers) for key in room.keys[request.retailer].secrets]
    new: dict[str, Any] = {
        "retailer": request.retailer,
        "reference": request.reference,
        "request": fingerprints[0],
        "customers": len(request.customers),
        "status": RUNNING,
        "requested": now,
        "due": due(now),
        "stores": {},
    }
    await room.documents.create(ERASURES, id, new)
    document = await _newest(room, id)
    if document.data["request"] not in fingerprints:
        raise OtherCustomers
    return document


async def run(room: Room, document: Document, customers: Sequence[str], clock: Callable[[], datetime]) -> Document:
    """Goes on where the document says, to a receipt, or to `incomplete` with what is left.

    Raises:
        whatever a store raises: the work done so far is recorded, and running again goes on.
    """
    if document.data["status"] == COMPLETE:
        return document
    retailer = room.registry.by_id[document.data["retailer"]]
    shoppers = tuple(each for customer in customers for each in room.keys[retailer.id].every(customer))
    erasure = Erasure(document.id, retailer, shoppers, document.data["requested"])
    rounds = overtaken = 0
    while rounds < ROUNDS and overtaken < _ATTEMPTS:
        for step in room.steps:
            if progress_of(document.data, step.store).to_do:
                document = await _erase(room, step, erasure, clock)
        await _until_settled(room, document, clock)
        for step in room.steps:
            document = await _verify(room, step, erasure, clock)
        done = [progress_of(document.data, step.store) for step in room.steps]
        if all(progress.clean for progress in done):
            return await _complete(room, erasure, customers, clock())
        if any(progress.remaining for progress in done):
            rounds += 1
        else:
            # Another run of the same request recorded a deletion after we had read that store: it is read once more.
            overtaken += 1
    log("ERROR", "erasure incomplete", erasure=erasure.id, retailer=retailer.id, rounds=ROUNDS)
    # That other run may have come to its end meanwhile.
    return await _change(
        room, erasure.id, lambda data: data if data["status"] == COMPLETE else {**data, "status": INCOMPLETE}
    )


async def _erase(room: Room, step: Step, erasure: Erasure, clock: Callable[[], datetime]) -> Document:
    store = eraser(step, room, erasure)
    found, _ = await store.count()
    await _record(room, erasure.id, step, lambda progress: progress.counted(found, clock()))
    deleted, job = await store.erase()
    document = await _record(room, erasure.id, step, lambda progress: progress.removed(deleted, clock(), job))
    log("INFO", "erasure step done", erasure=erasure.id, store=step.store, found=found, deleted=deleted)
    return document


async def _until_settled(room: Room, document: Document, clock: Callable[[], datetime]) -> None:
    """Every store is read a second time only once every entrance knows the suppressions and has ended what it let in
    before: that is then found, and nothing more comes. The moment from which it counts stands in the document, so a run
    that is resumed waits as long, and no longer.
    """
    for step in room.steps:
        written = progress_of(document.data, step.store).finished
        if step.kind is Kind.SUPPRESS and written is not None:
            left = room.settled_s - (clock() - datetime.fromisoformat(written)).total_seconds()
            if left > 0:
                await room.pause(left)


async def _verify(room: Room, step: Step, erasure: Erasure, clock: Callable[[], datetime]) -> Document:
    remaining, job = await eraser(step, room, erasure).count()
    if remaining:
        log("WARNING", "erasure found more", erasure=erasure.id, store=step.store, remaining=remaining)
    return await _record(room, erasure.id, step, lambda progress: progress.read_again(remaining, clock(), job))


async def _complete(room: Room, erasure: Erasure, customers: Sequence[str], finished: datetime) -> Document:
    fingerprints = Fingerprints(room.keys[erasure.retailer.id].secrets[0], erasure.id)
    codes = [fingerprints.of_customer(customer) for customer in customers]
    kept_until = erasure.since + timedelta(days=SUPPRESSIONS.delay_days(erasure.retailer))

    newest = await _newest(room, erasure.id)
    if newest.data["status"] == COMPLETE:
        return newest
    rest = declared_others(room.registry)
    made = receipt(erasure.id, newest.data, room.steps, codes, kept_until, finished, rest)
    place = await append(room.documents, room.signer, erasure.retailer.id, erasure.id, made)

    def closed(data: dict[str, Any]) -> dict[str, Any]:
        if data["status"] == COMPLETE:
            return data
        return {**data, "status": COMPLETE, "finished": place.data["finished"], "receipt": place.id}

    document = await _change(room, erasure.id, closed)
    log("INFO", "erasure complete", erasure=erasure.id, retailer=erasure.retailer.id, customers=len(customers))
    return document


async def _record(room: Room, id: str, step: Step, change: Callable[[Progress], Progress]) -> Document:
    def changed(data: dict[str, Any]) -> dict[str, Any]:
        if data["status"] == COMPLETE:
            return data
        return with_progress(data, step.store, change(progress_of(data, step.store)))

    return await _change(room, id, changed)


async def _change(room: Room, id: str, change: Change) -> Document:
    for _ in range(_ATTEMPTS):
        document = await _newest(room, id)
        data = change(document.data)
        if data == document.data or await room.documents.replace(ERASURES, document, data):
            return Document(id, data, document.stamp)
    raise Contended


async def _newest(room: Room, id: str) -> Document:
    document = await room.documents.get(ERASURES, id)
    if document is None:
        raise LookupError("the request's document is gone while the request runs; nothing more is recorded")
    return document
