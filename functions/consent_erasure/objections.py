"""An objection to profiling (article 21), recorded as the event that a withdrawal of consent is.

So there is one history of what a shopper agreed to, with one order and one proof, and it is enforced where consent is.
Owns the record, and that the profile is gone when the caller is answered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from functions.consent_erasure.room import Room
from functions.consent_erasure.rules import text_of
from layers.events.envelope import OFFICER, EventReader
from layers.events.model import ConsentChanged, Purposes
from layers.events.record import CorruptRecord, Record, decode_record, encode_record, milliseconds, record_of, row_key
from layers.privacy.suppression import last_erased, latest, suppression_id
from layers.retailers import AbsentConsent, Retailer, family
from layers.stores.bigtable.port import HotEvent
from layers.stores.collections import SUPPRESSIONS
from layers.stores.keeping import Keeping

SESSION = "objection"

_encoder = msgspec.json.Encoder()


class ErasedSince(Exception):
    """The shopper was erased at or after that moment: nothing from before may be kept again."""


class OtherMoment(Exception):
    """The reference was used before, with another `since`."""


class NotKept(Exception):
    """Not every store took it; asking again is harmless."""


class InvalidMoment(ValueError):
    """`since` breaks a rule of events; the message says which, never the value."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the shopper's events say.

    Attributes:
        recorded: this objection, if it was recorded before. newest: of all consents but this objection, by time and
            id. before: the newest of those up to the objection's moment.
    """

    recorded: tuple[Record, bytes] | None
    newest: Record | None
    before: Record | None


def event_id(retailer_id: str, reference: str, shopper: str) -> str:
    """The same reference and customer are the same objection. One letter may speak for several customers."""
    return (
        "objection-" + sha256(f"gondola/objection/1\n{retailer_id}\n{reference}\n{shopper}".encode()).hexdigest()[:32]
    )


def order(record: Record) -> tuple[int, str]:
    return milliseconds(record.event.at), record.event.id


def refusing(id: str, at: datetime, before: ConsentChanged | None, absent: AbsentConsent) -> ConsentChanged:
    """Personalisation and advertising refused; whether use may be measured and rewards handed out stays as it was.

    Args:
        before: the consent that held at that moment, None where none was known.
    """
    granted = absent is AbsentConsent.GRANTED
    held = before.purposes if before is not None else Purposes(measurement=granted, rewards=granted)
    return ConsentChanged(id=id, at=at, purposes=Purposes(measurement=held.measurement, rewards=held.rewards))


async def object_(
    room: Room, retailer: Retailer, reference: str, shoppers: Sequence[str], since: datetime | None, now: datetime
) -> dict[str, Any]:
    """Records it, deletes the profile, and says what was recorded.

    Args:
        shoppers: the customer's pseudonyms, the one that is written under first. It is recorded under each: profiles
            are made of what stands under any. since: when the shopper objected; None for now.

    Raises:
        ErasedSince, OtherMoment, InvalidMoment, NotKept: see there. Whatever a store raises: asking again is harmless.
    """
    at = (since or now).astimezone(UTC)
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    # Under whichever pseudonym it was recorded before, it has one id everywhere.
    ids = [event_id(retailer.id, reference, shopper) for shopper in shoppers]
    suppressions = [await room.documents.get(SUPPRESSIONS, suppression_id(retailer.id, each)) for each in shoppers]
    erased = latest(last_erased(each.data["since"]) for each in suppressions if each is not None)
    if erased is not None and at <= erased:
        raise ErasedSince
    known = [await _known(room, retailer, shopper, ids, at, erased, now) for shopper in shoppers]
    before, newest = _last(each.before for each in known), _last(each.newest for each in known)
    recorded = next((each.recorded for each in known if each.recorded is not None), None)
    if recorded is not None and since is not None and recorded[0].event.at != at:
        raise OtherMoment
    record, line = recorded or _made(retailer, shoppers[0], ids[0], at, before, now)
    event = record.event
    assert isinstance(event, ConsentChanged)
    # Kept again where it was recorded before: it may have been stored by a run that was killed before it published.
    lines = [
        each.recorded[1] if each.recorded is not None else record_of(line, shopper)
        for shopper, each in zip(shoppers, known, strict=True)
    ]
    hot = [
        HotEvent(
            row_key(retailer.id, shopper, event.at, event.id),
            family(event.retention, _days(retailer)),
            milliseconds(event.at),
            each,
        )
        for shopper, each in zip(shoppers, lines, strict=True)
    ]
    keeping = Keeping(room.arrivals, room.hot_events, room.shopper_rows, room.topic)
    if not all(await keeping.keep(now, [(retailer.id, hot)])):
        raise NotKept
    in_force = newest is None or order(newest) < order(record)
    if in_force:
        # The shopper's row holds the consent by now, so what is folded or scored anew meanwhile finds it.
        await room.shopper_rows.delete_profiles(retailer.id, list(shoppers))
    return _told(retailer, reference, record, event, newest, in_force)


def _last(records: Iterable[Record | None]) -> Record | None:
    return max((record for record in records if record is not None), key=order, default=None)


def _days(retailer: Retailer) -> int:
    return retailer.contract.days(ConsentChanged.retention)


def _made(
    retailer: Retailer, shopper: str, id: str, at: datetime, before: Record | None, now: datetime
) -> tuple[Record, bytes]:
    """Raises:
    InvalidMoment: see there.
    """
    held = before.event if before is not None else None
    assert held is None or isinstance(held, ConsentChanged)
    refused = _encoder.encode(refusing(id, at, held, retailer.absent_consent))
    reader = EventReader(retailer.contract)
    _, kept = reader.read(refused, now, reader.limits(now))
    if isinstance(kept, str):
        raise InvalidMoment(f"{kept} (at $.since)")
    line = encode_record(shopper, SESSION, OFFICER, now, kept)
    return decode_record(line), line


async def _known(
    room: Room,
    retailer: Retailer,
    shopper: str,
    ids: Collection[str],
    at: datetime,
    erased: datetime | None,
    now: datetime,
) -> _Known:
    recorded: tuple[Record, bytes] | None = None
    newest: Record | None = None
    before: Record | None = None
    async for page in room.hot_events.history(retailer, shopper, now=now):
        for line in page:
            if b'"ConsentChanged"' not in line and b"\\" not in line:
                # One in a hundred events is a consent, and the whole history is read.
                continue
            try:
                record = decode_record(line)
            except CorruptRecord:
                continue
            if not isinstance(record.event, ConsentChanged) or (erased is not None and record.event.at <= erased):
                continue
            if record.event.id in ids:
                # Two requests at a time may each have recorded it, at their own moments: the earlier one is told.
                recorded = (record, line)
                continue
            newest = record if newest is None else max(newest, record, key=order)
            if record.event.at <= at:
                before = record if before is None else max(before, record, key=order)
    return _Known(recorded, newest, before)


def _told(
    retailer: Retailer,
    reference: str,
    record: Record,
    event: ConsentChanged,
    newest: Record | None,
    in_force: bool,
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": event.id,
        "retailer": retailer.id,
        "reference": reference,
        "since": text_of(event.at),
        "received": text_of(record.received),
        "channel": record.channel,
        "recorded": "ConsentChanged",
        "purposes": msgspec.to_builtins(event.purposes),
        "in_force": in_force,
    }
    if not in_force:
        assert newest is not None
        told["consent_since"] = text_of(newest.event.at)
    return told
