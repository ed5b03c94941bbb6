"""What a shopper keeps when the retailer's pseudonym key is rotated: the newest consent and the parameters.

They are brought along when the shopper comes back, before anything new of hers is taken, because only here both
pseudonyms and the customer stand together. The consent is brought as the event that it is, so that everybody who knows
a shopper by the new pseudonym has it, and its proof. History stays under the former pseudonym until its contract ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from functions.ingest.commit import GroupCommit
from functions.ingest.rules import Door, copied
from layers.events.envelope import Envelope
from layers.events.model import ConsentChanged
from layers.events.record import CorruptRecord, decode_record, milliseconds
from layers.privacy.suppression import latest
from layers.stores.bigtable.port import HotEvent, ShopperRows

AGAIN_AFTER_S = 600.0
"""Scoring writes the former pseudonym's parameters anew every night, and removes those that were brought along."""

MOST = 50_000
"""Shoppers remembered at a time, about 10 MB; beyond it all are forgotten, and looked up again."""


class NotBrought(Exception):
    """A store did not take a consent, so nothing new of the shopper may be taken; asking again is harmless."""


class _Consent(NamedTuple):
    order: tuple[int, str]
    personalisation: bool
    line: bytes


def _consent(line: bytes | None, erased: datetime | None) -> _Consent | None:
    """None also for one that cannot be read: whoever is not known to agree does not."""
    try:
        event = decode_record(line).event if line is not None else None
    except CorruptRecord:
        return None
    if line is None or not isinstance(event, ConsentChanged) or (erased is not None and event.at <= erased):
        return None
    return _Consent((milliseconds(event.at), event.id), event.purposes.personalisation, line)


class _Parameters(msgspec.Struct):
    """What must be known of them here; `layers.tree`, which reads the rest, takes a second to import."""

    computed_at: datetime


def _made_at(parameters: bytes) -> datetime | None:
    try:
        return msgspec.json.decode(parameters, type=_Parameters).computed_at
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


class Bringing:
    """Args:
    clock: monotonic seconds.
    """

    def __init__(self, rows: ShopperRows, commit: GroupCommit, clock: Callable[[], float]) -> None:
        self._rows, self._commit, self._clock = rows, commit, clock
        self._until: dict[tuple[str, str], float] = {}

    def done(self, door: Door, envelopes: Sequence[Envelope]) -> bool:
        """Whether there is nothing to bring for any of these shoppers, for now."""
        if door.former is None:
            return True
        now, id = self._clock(), door.retailer.id
        return all(self._until.get((id, door.pseudonymise(each.shopper)), 0.0) > now for each in envelopes)

    async def bring(self, door: Door, envelopes: Sequence[Envelope], now: datetime) -> None:
        """Raises:
        NotBrought, Overloaded, Unavailable: asking again is harmless.
        """
        customers = {each.shopper for each in envelopes}
        await asyncio.gather(*(self._bring(door, customer, now) for customer in customers))

    async def _bring(self, door: Door, customer: str, now: datetime) -> None:
        if door.former is None:
            return
        id, shopper, former = door.retailer.id, door.pseudonymise(customer), door.former(customer)
        row, before = await asyncio.gather(self._rows.read(id, shopper), self._rows.read(id, former))
        erased = latest([door.erased_at(shopper), door.erased_at(former)])
        has, had = _consent(row.consent, erased), _consent(before.consent, erased)
        if had is not None and (has is None or had.order > has.order):
            at_ms, event_id = had.order
            line = HotEvent(b"", door.families[ConsentChanged], at_ms, had.line)
            kept = copied(line, id, shopper, event_id)
            oldest = now - timedelta(days=door.retailer.contract.days(ConsentChanged.retention))
            if at_ms >= milliseconds(oldest) and not await self._commit.commit(id, [kept], len(kept.line), now):
                raise NotBrought
            has = had
        # Without a consent nothing is brought: a rotation needs `absent_consent` to be refused.
        if has is not None and has.personalisation and row.parameters is None and before.parameters is not None:
            at = _made_at(before.parameters)
            if at is not None and (erased is None or at > erased):
                await self._rows.write_parameters(id, [(shopper, before.parameters)], milliseconds(at))
        if len(self._until) >= MOST:
            self._until.clear()
        self._until[id, shopper] = self._clock() + AGAIN_AFTER_S
