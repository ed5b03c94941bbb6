"""Everything that is held about one shopper, read store by store and written out as it is read.

The package is one JSON document, a record a line. A document and not lines of JSON, because one that was cut off has
no end, and no reader takes it for all there is. Memory holds a page of each store at most; nothing is stored, and
nothing of the shopper is logged. Does not own what anything means (telling.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from functions.consent_erasure.room import Room
from functions.consent_erasure.rules import Fingerprints, text_of
from functions.consent_erasure.telling import (
    NoReader,
    Told,
    days_kept,
    decision_told,
    description,
    facts_sql,
    head,
    journal_until,
    kept_until,
    row_kept_until,
    stores,
)
from layers.events.record import CorruptRecord, decode_record, read_row_key
from layers.facts import DECISIONS, EVERYWHERE, Table
from layers.privacy.suppression import digest, digest_prefix, last_erased, latest, suppression_id
from layers.promises.model import promises_id
from layers.promises.model import read as read_promises
from layers.retailers import Retailer
from layers.shell.log import failure
from layers.stores.apart import DATABASE
from layers.stores.bigquery.port import Parameter
from layers.stores.collections import COLLECTIONS, PROMISES, SUPPRESSIONS, Collection
from layers.stores.firestore.port import Document
from layers.stores.tables import ARRIVALS, EVENTS, SHOPPERS, hot_tables

Record = Mapping[str, Any]

_PAGE_ROWS = 500
_ORDERED = {"erasures": "requested", "receipts": "finished"}
"""By which time the proofs of a collection are read; every document has it."""

_PAGE_DOCUMENTS = 20
"""A receipt of a thousand customers is 50 kB."""

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_encoder = msgspec.json.Encoder(decimal_format="number")


class CutOff(Exception):
    """A store failed after the answer had begun: the connection is cut, so that nobody takes the rest for all."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose data, under one pseudonym.

    Attributes:
        erased: the last moment of which everything is erased; nothing up to then is answered, though it may lie in a
            store still. proofs: whether what stands under a customer's fingerprint is told here, once for all
            pseudonyms.
    """

    retailer: Retailer
    customer: str
    shopper: str
    suppression: Document | None
    erased: datetime | None
    now: datetime
    proofs: bool = True

    def holds(self, at: datetime) -> bool:
        """Whether something of that moment is this shopper's."""
        return self.erased is None or at > self.erased


async def package(
    room: Room, retailer: Retailer, reference: str, customer: str, shoppers: Sequence[str], now: datetime
) -> AsyncIterator[bytes]:
    """The package in pieces. When it returns, every store has answered once: one that is down is known before the
    answer begins.

    Args:
        shoppers: the customer's pseudonyms, the one that is written under first.

    Raises:
        NoReader: a declared store has none. Whatever a store raises.
    """
    told = stores(hot_tables(room.registry), EVERYWHERE, COLLECTIONS)
    ids = [suppression_id(retailer.id, shopper) for shopper in shoppers]
    held = await asyncio.gather(*(room.documents.get(SUPPRESSIONS, id) for id in ids))
    erased = latest(last_erased(each.data["since"]) for each in held if each is not None)
    subjects = [
        Subject(retailer, customer, shopper, suppression, erased, now, proofs=number == 0)
        for number, (shopper, suppression) in enumerate(zip(shoppers, held, strict=True))
    ]
    opened = await asyncio.gather(*(_opened(_of_each(room, one, subjects)) for one in told))
    first = head(retailer, reference, shoppers, now)
    return _written(first, [(description(one, retailer), records) for one, records in zip(told, opened, strict=True)])


def _of_each(room: Room, told: Told, subjects: Sequence[Subject]) -> AsyncIterator[list[Record]]:
    """Raises:
    NoReader: see there.
    """
    readers = [_records(room, told, subject) for subject in subjects]

    async def one_after_another() -> AsyncIterator[list[Record]]:
        for pages in readers:
            async for page in pages:
                yield page

    return one_after_another()


async def _opened(pages: AsyncIterator[list[Record]]) -> AsyncIterator[list[Record]]:
    """The same, its first page read."""
    first = await anext(pages, None)

    async def all_of() -> AsyncIterator[list[Record]]:
        if first is not None:
            yield first
            async for page in pages:
                yield page

    return all_of()


async def _written(first: Record, sections: list[tuple[Record, AsyncIterator[list[Record]]]]) -> AsyncIterator[bytes]:
    yield msgspec.json.format(_encoder.encode(first), indent=2)[:-2] + b',\n  "stores": ['
    try:
        for number, (about, pages) in enumerate(sections):
            before = b"," if number else b""
            yield before + b"\n" + _encoder.encode(about)[:-1] + b',\n"records": ['
            count = 0
            async for page in pages:
                lines = [_encoder.encode(record) for record in page]
                if lines:
                    yield (b",\n" if count else b"\n") + b",\n".join(lines)
                    count += len(lines)
            yield b'\n], "count": %d}' % count
    except Exception as error:
        failure("a package was cut off", error)
        raise CutOff from None
    yield b'\n  ],\n  "complete": true\n}\n'


def _records(room: Room, told: Told, subject: Subject) -> AsyncIterator[list[Record]]:
    """Raises:
    NoReader: see there.
    """
    if told.table is not None:
        return _facts(room, told.table, subject)
    if told.hot in _HOT:
        return _HOT[told.hot](room, subject)
    if told.collection == SUPPRESSIONS:
        return _suppression(subject)
    if told.collection == PROMISES:
        return _promises(room, subject)
    if told.collection is not None and told.collection.database == DATABASE:
        return _apart(room, told, subject)
    if told.collection is not None:
        return _proofs(room, told.collection, subject)
    raise NoReader(
        f"{told.store} has a meaning and nothing reads it; no package is given. Add its reader in access.py."
    )


class _Line(msgspec.Struct):
    session: str
    channel: str
    received: datetime
    event: msgspec.Raw


_lines = msgspec.json.Decoder(_Line)


def event_told(line: bytes) -> dict[str, Any]:
    """A record line without the pseudonym, the event's bytes as they were sent.

    Raises:
        msgspec.MsgspecError: not a record line.
    """
    read = _lines.decode(line)
    return {"received": read.received, "channel": read.channel, "session": read.session, "event": read.event}


async def _events(room: Room, subject: Subject) -> AsyncIterator[list[Record]]:
    retailer = subject.retailer
    async for page in room.hot_events.history(retailer, subject.shopper, now=subject.now):
        told: list[Record] = []
        for line in page:
            try:
                event = decode_record(line).event
            except CorruptRecord:
                # Nobody can read it, and it is held.
                told.append({"unreadable": line.decode(errors="replace")})
                continue
            if subject.holds(event.at):
                told.append({**event_told(line), "kept_until": kept_until(retailer, event.retention, event.at)})
        yield told


class _StateTime(msgspec.Struct):
    last_ms: int


class _ParametersTime(msgspec.Struct):
    computed_at: datetime


def _in_time(data: bytes, kind: type[_StateTime] | type[_ParametersTime], subject: Subject) -> bool:
    """Also where its time cannot be read: it is held."""
    try:
        read = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return True
    at = read.computed_at if isinstance(read, _ParametersTime) else datetime.fromtimestamp(read.last_ms / 1000, UTC)
    return subject.holds(at)


def _opened_json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {"unreadable": data.decode(errors="replace")}


async def _shopper_row(room: Room, subject: Subject) -> AsyncIterator[list[Record]]:
    retailer = subject.retailer
    row = await room.shopper_rows.read(retailer.id, subject.shopper)
    former = await room.shopper_rows.former_parameters(retailer.id, subject.shopper)
    parameters = [data for data in (row.parameters, *former) if data is not None]
    told: list[Record] = [
        {"part": "parameters", "parameters": _opened_json(data)}
        for data in parameters
        if _in_time(data, _ParametersTime, subject)
    ]
    if row.state is not None and _in_time(row.state, _StateTime, subject):
        told.append({"part": "state", "state": _opened_json(row.state)})
    if row.consent is not None:
        try:
            if subject.holds(decode_record(row.consent).event.at):
                told.append({"part": "consent", "consent": event_told(row.consent)})
        except CorruptRecord:
            told.append({"part": "consent", "consent": {"unreadable": row.consent.decode(errors="replace")}})
    yield told


async def _arrivals(room: Room, subject: Subject) -> AsyncIterator[list[Record]]:
    async for minute, keys in room.arrivals.of_shopper(subject.retailer.id, subject.shopper):
        named = [(read_row_key(key)[1], key.decode().split("#", 3)[3]) for key in keys]
        yield [
            {"minute": text_of(minute), "at": text_of(at), "id": id, "kept_until": journal_until(minute)}
            for at, id in sorted(named)
            if subject.holds(at)
        ]


_HOT: Mapping[str, Callable[[Room, Subject], AsyncIterator[list[Record]]]] = {
    EVENTS: _events,
    SHOPPERS: _shopper_row,
    ARRIVALS: _arrivals,
}


async def _facts(room: Room, table: Table, subject: Subject) -> AsyncIterator[list[Record]]:
    retailer = subject.retailer
    if table.derived and table.stored_as not in await asyncio.to_thread(room.warehouse.names, retailer.dataset):
        return
    after = _FIRST
    if table.retention is not None:
        after = subject.now - timedelta(days=days_kept(retailer, table, table.retention), microseconds=1)
    if subject.erased is not None:
        after = max(after, subject.erased)
    sql = facts_sql(room.warehouse.full_name(retailer.dataset), table)
    parameters: dict[str, Parameter] = {
        "prefix": digest_prefix(retailer.id),
        "shopper": digest(retailer.id, subject.shopper),
    }
    if "@after" in sql:
        parameters["after"] = after
    pages = await asyncio.to_thread(room.warehouse.pages, sql, parameters, _PAGE_ROWS)
    while (page := await asyncio.to_thread(lambda: next(pages, None))) is not None:
        yield [_row_told(row, table, retailer) for row in page]


def _row_told(row: Mapping[str, Any], table: Table, retailer: Retailer) -> Record:
    told = decision_told(row) if table == DECISIONS else dict(row)
    told["kept_until"] = row_kept_until(retailer, table, row)
    return {name: value for name, value in told.items() if value is not None}


async def _apart(room: Room, told: Told, subject: Subject) -> AsyncIterator[list[Record]]:
    """Through the function that may read it."""
    collection, retailer = told.collection, subject.retailer
    assert collection is not None
    whose = digest(retailer.id, subject.shopper)
    records: list[Record] = []
    for data in await room.apart.told(collection, retailer.id, whose):
        at: datetime = data[collection.dated]
        if subject.holds(at):
            record = {name: data[name] for name in told.fields if name in data}
            until = at + timedelta(days=collection.delay_days(retailer))
            records.append({**record, collection.dated: text_of(at), "kept_until": text_of(until)})
    yield records


async def _suppression(subject: Subject) -> AsyncIterator[list[Record]]:
    if subject.suppression is not None:
        since: datetime = subject.suppression.data["since"]
        until = since + timedelta(days=SUPPRESSIONS.delay_days(subject.retailer))
        yield [{"since": text_of(since), "kept_until": text_of(until)}]


async def _promises(room: Room, subject: Subject) -> AsyncIterator[list[Record]]:
    """A promise of up to the last erasure has no place in it; its document went then."""
    held = await room.documents.get(PROMISES, promises_id(subject.retailer.id, subject.shopper))
    if held is None:
        return
    promises = read_promises(held.data)
    until = text_of(promises.at + timedelta(days=PROMISES.delay_days(subject.retailer)))
    yield [
        {"campaign": one.campaign, "offer": one.offer, "product": one.product or None, "cents": one.cents,
         "threshold": one.threshold, "at": text_of(one.at), "until": text_of(one.until), "fate": one.fate.value,
         "percent": one.percent or None, "substitutes": list(one.substitutes), "order": one.order or None,
         "earned": one.earned, "unbudgeted": one.unbudgeted, "store": one.store or None, "kept_until": until}
        for one in promises.promises
        if subject.holds(one.at)
    ]  # fmt: skip


async def _proofs(room: Room, collection: Collection, subject: Subject) -> AsyncIterator[list[Record]]:
    """Every document of the stack passes by, a few at a time: a fingerprint is another one in each receipt."""
    if not subject.proofs:
        return
    dated = _ORDERED[collection.name]
    since, seen, limit = _FIRST, set[str](), _PAGE_DOCUMENTS
    while True:
        page = await room.documents.later(collection, dated, since, limit)
        new = [document for document in page if document.id not in seen]
        found = [_proof_told(document, collection, room.keys[subject.retailer.id].secrets, subject) for document in new]
        yield [told for told in found if told is not None]
        if len(page) < limit:
            return
        # The next page begins with what has the time of this one's last, so only these are remembered. More of one
        # time than a page holds need a larger one.
        limit = _PAGE_DOCUMENTS if new else 2 * limit
        since = page[-1].data[dated]
        seen = {document.id for document in page if document.data[dated] == since}


def _proof_told(document: Document, collection: Collection, keys: Sequence[str], subject: Subject) -> Record | None:
    """None where it holds no fingerprint of this customer."""
    data = document.data
    if data["retailer"] != subject.retailer.id:
        return None
    text, held = repr(data), list[str]()
    for key in keys:
        codes = Fingerprints(key, data.get("erasure", document.id))
        alone, among = codes.of_request([subject.customer]), codes.of_customer(subject.customer)
        held += [code for code in (alone, among) if code in text]
    if not held:
        return None
    finished: datetime | None = data.get("finished")
    told = {
        "reference": data.get("reference"),
        "number": data.get("number"),
        "requested": text_of(data["requested"]) if "requested" in data else None,
        "finished": text_of(finished) if finished else None,
        "fingerprint": held[0],
        "kept_until": text_of(finished + timedelta(days=collection.days)) if finished else None,
    }
    return {name: value for name, value in told.items() if value is not None}
