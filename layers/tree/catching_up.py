"""Brings a shopper's state up to the stored events: the one place where decisions and answers read hot data.

An event is stored before it is dispatched, so only stored events count: one that is delivered but no longer stored was
erased, or is beyond its contract, and must not come back through a state. Does not write anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from layers.events.record import CorruptRecord, Record, decode_record, milliseconds
from layers.retailers import AbsentConsent, Retailer
from layers.stores.bigtable.port import HotEvents, ShopperRow
from layers.tree.decision import Decision
from layers.tree.folding import PAUSE_MS, consent_of, key_of, newest_consent, paused
from layers.tree.journey import Standing, advance, fits, in_order, moved_by, stretch_start
from layers.tree.live import Live
from layers.tree.parameters import InvalidParameters, ShopperParameters, decode_parameters
from layers.tree.state import Consent, Key, State, UnreadableState, decode_state
from layers.tree.withholding import Own, still_own, without

_RESUMED = 2000
"""Events that a resumed fold reads at most; where there are more, the stretch is read from its start."""

_READS = (64, 1000, 20_000)
"""Events read newest first until the stretch's start is among them. A stretch longer than the last (nobody's, but a
script's) is folded from its newest 20 000 events."""


@dataclass(frozen=True, slots=True)
class Shopper:
    """A shopper's row, read: what could be read of it.

    Attributes:
        raw_state: the bytes that compare-and-set must find.
        damaged: the families whose bytes could not be read; they are as if absent.
    """

    state: State | None
    raw_state: bytes | None
    parameters: ShopperParameters | None
    consent: Consent | None
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Attributes:
    state: after the newest stored event; None where nothing is stored.
    decisions: of the events that the row's state had not counted, and of those after a late one.
    consents: records of `ConsentChanged` among what was read: not all, but the newest where the row's is damaged.
    """

    state: State | None
    decisions: Sequence[Decision] = ()
    consents: Sequence[Record] = ()


def read_row(row: ShopperRow, erased: datetime | None = None) -> Shopper:
    """Never raises: a damaged cell costs what it held, not the shopper's answer.

    Args:
        erased: the last moment of which everything is erased; whatever was made of an event up to then is as if absent.
    """
    damaged: list[str] = []
    state = parameters = consent = None
    if row.state is not None:
        try:
            state = decode_state(row.state)
        except UnreadableState:
            damaged.append("state")
    if row.parameters is not None:
        try:
            parameters = decode_parameters(row.parameters)
        except InvalidParameters:
            damaged.append("parameters")
    if row.consent is not None:
        try:
            consent = consent_of(decode_record(row.consent))
        except CorruptRecord:
            damaged.append("consent")
    if erased is not None:
        until_ms = milliseconds(erased)
        if state is not None and state.oldest_ms <= until_ms:
            state = None
        if parameters is not None and parameters.computed_at <= erased:
            parameters = None
        if consent is not None and consent.at_ms <= until_ms:
            consent = None
    return Shopper(state, row.state, parameters, consent, tuple(damaged))


def standing_of(retailer: Retailer, shopper: Shopper, live: Live, now: datetime, own: Own | None = None) -> Standing:
    """Args:
    now: by which what is withheld from this shopper alone has ended or not.
    own: what is withheld beside that which the state tells.
    """
    granted = retailer.absent_consent is AbsentConsent.GRANTED
    known = still_own(shopper.state.parameters_version, now) if shopper.state is not None else {}
    parameters = without(shopper.parameters, live.withheld, {**known, **(own or {})})
    return Standing(live.tree, parameters, granted, live.finishing, live.since_ms)


def newest_known(shopper: Shopper, caught_up: CaughtUp) -> Consent | None:
    """The newest consent of all that were read."""
    state = caught_up.state
    known = [shopper.consent, state.consent if state else None, *map(consent_of, caught_up.consents)]
    return newest_consent(known, (2**63, ""))


async def catch_up(
    hot: HotEvents,
    retailer: Retailer,
    pseudonym: str,
    shopper: Shopper,
    standing: Standing,
    now: datetime,
    *,
    delivered: Collection[Key] = (),
    sought: str | None = None,
    erased: datetime | None = None,
) -> CaughtUp:
    """Counts every stored event that the state has not counted.

    One read where the new events follow the counted ones, two where one is late.

    Args:
        now: from which the contract's days are counted.
        delivered: events known to be there; one that the state cannot have counted makes the fold begin before it.
        sought: the id of an event that the answer must count, if it is stored.
        erased: the last moment of which everything is erased: what is still stored of it counts for nothing.
    """
    state = shopper.state
    late = [key for key in delivered if state is None or (key < state.key and not state.has_counted(key))]
    # A resumed fold could not be exact where another tree or other parameters moved the shopper so far.
    resumes = state is not None and (
        moved_by(state, standing) or (bool(delivered) and paused(state.last_ms, min(delivered)[0]))
    )
    if state is not None and resumes and not late:
        not_before = datetime.fromtimestamp(state.last_ms / 1000, UTC)
        found_rows = await hot.newest_first(retailer, pseudonym, now=now, not_before=not_before, limit=_RESUMED)
        records = _not_erased(found_rows, erased)
        found = sought is None or any(r.event.id == sought for r in records) or state.has_counted_id(sought)
        if len(found_rows) < _RESUMED and found and fits(state, records, standing):
            first = min((key_of(r) for r in records if not state.has_counted(key_of(r))), default=None)
            replaced = await _replaced(hot, retailer, pseudonym, shopper, now, erased, first)
            after, decisions = advance(state, records, standing, [shopper.consent, *map(consent_of, replaced)])
            return CaughtUp(after, decisions, [*_consents(records), *replaced])
        late = [key_of(r) for r in records if key_of(r) < state.key and not state.has_counted(key_of(r))]
    oldest = min([*late, *delivered], default=None)
    target_ms = state.stretch_ms if state is not None else None
    if oldest is not None:
        target_ms = oldest[0] if target_ms is None else min(oldest[0], target_ms)
    return await _anew(hot, retailer, pseudonym, shopper, standing, now, target_ms, frozenset(delivered), erased)


async def _anew(
    hot: HotEvents,
    retailer: Retailer,
    pseudonym: str,
    shopper: Shopper,
    standing: Standing,
    now: datetime,
    target_ms: int | None,
    delivered: frozenset[Key],
    erased: datetime | None,
) -> CaughtUp:
    """Folds whole stretches, from that of `target_ms` (None: the newest) to the newest event."""
    records: list[Record] = []
    ordered: list[Record] = []
    start = None
    for limit in _READS:
        records = _not_erased(await hot.newest_first(retailer, pseudonym, now=now, limit=limit), erased)
        ordered = in_order(records)
        start = stretch_start(ordered, target_ms if target_ms is not None else 2**63)
        if len(records) < limit:
            break
        oldest_ms = key_of(records[-1])[0]
        if start is not None and oldest_ms < key_of(ordered[start])[0] - PAUSE_MS:
            break
    first = key_of(ordered[start]) if start is not None else None
    records += await _replaced(hot, retailer, pseudonym, shopper, now, erased, first)
    if start is None:
        return CaughtUp(None, (), _consents(records))
    old = shopper.state
    consents = [shopper.consent, *map(consent_of, records), *((old.consent, old.consent_before) if old else ())]
    after, decisions = advance(None, ordered[start:], standing, consents)
    since = _first_new(old, [key_of(record) for record in ordered[start:]], delivered)
    new = [d for d, record in zip(decisions, ordered[start:], strict=True) if since is None or key_of(record) >= since]
    return CaughtUp(after, new, _consents(records))


def _first_new(old: State | None, keys: Sequence[Key], delivered: frozenset[Key]) -> Key | None:
    """The first event whose decision is new, or may differ from the one published; None for all of them."""
    if old is None or (keys and keys[0][0] < old.stretch_ms):
        # Before the state's own stretch nothing is known of what was decided: the same decision twice does no harm.
        return None
    remembered = old.counted[0][0] if old.counted else 0
    new = [k for k in keys if not old.has_counted(k) and (k > old.key or k in delivered or k[0] >= remembered)]
    # Of events before those that the state remembers one by one, only their number is known.
    if sum(1 for k in keys if k <= old.key and k not in new) != old.revision:
        return None
    return min(new, default=(2**63, ""))


async def _replaced(
    hot: HotEvents,
    retailer: Retailer,
    pseudonym: str,
    shopper: Shopper,
    now: datetime,
    erased: datetime | None,
    first: Key | None,
) -> list[Record]:
    """Every consent, where the row's is newer than the first event to be counted: it is there as soon as it is
    acknowledged, and what it took the place of may be what held at that event. Also where the row's cannot be read.
    """
    consent = shopper.consent
    if "consent" in shopper.damaged or (consent is not None and first is not None and consent.key > first):
        return _not_erased(await hot.consents(retailer, pseudonym, now=now), erased)
    return []


def _not_erased(records: list[Record], erased: datetime | None) -> list[Record]:
    return records if erased is None else [record for record in records if record.event.at > erased]


def _consents(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if consent_of(record) is not None]
