"""Decides a shopper's logged decisions again, from what is stored, and says of each whether it is the same. Pure.

A decision names its tree's and its parameters' version, and a stretch of events (those since the last pause of over
six hours) is folded by itself: so each is compared with the fold of its stretch under just those versions, whatever was
live when it was made. What cannot be compared any more, or rightly differs, is excused by a named rule; everything else
is a difference. Does not own where decisions, events and versions are read (functions/replay).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from layers.events.record import Record, milliseconds
from layers.tree.decision import Decision
from layers.tree.folding import PAUSE_MS, consent_of, key_of
from layers.tree.journey import Standing, advance, in_order, stretch_start
from layers.tree.parameters import ShopperParameters
from layers.tree.state import Consent, Key
from layers.tree.tree import Tree
from layers.tree.withholding import read_version, without

COMPARED = (
    "revision", "tree", "tree_version", "parameters_version", "node_before", "node_after", "reason", "shown",
    "propensity", "control", "offers",
)  # fmt: skip
"""All that a decision decides. The rest is its event's, whose newest copy may have come in another session."""

MOST_LATE = 50
"""Late events, or consents, that are taken away one by one before a difference is called one."""


class Excuse(StrEnum):
    """Why a decision is not compared, or may differ.

    Attributes:
        ERASED: the shopper is, and nothing up to then may be read again.
        BEYOND_CONTRACT: events that it counted are, or may be, older than the contract and gone.
        PARAMETERS_GONE: three versions are kept, none after a withdrawal; it names another.
        TOO_LONG: more events without a pause than are ever read.
        LATE_EVENT: it is the same without events that came so lately that its newer revision is still under way.
        LATE_CONSENT: it is the same without consents that came after its event: delivered as history, which corrects
            nothing; or so lately that the correction is still under way.
    """

    ERASED = "erased"
    BEYOND_CONTRACT = "beyond_contract"
    PARAMETERS_GONE = "parameters_gone"
    TOO_LONG = "too_long"
    LATE_EVENT = "late_event"
    LATE_CONSENT = "late_consent"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one decision; the same where there is neither an excuse nor a difference.

    Attributes:
        differs: what does: names of `COMPARED`; or `event` or `tree`, which the decision names and nobody has; or
            `late_event`, `late_consent`: one that came long ago was never counted.
    """

    decision: Decision
    excuse: Excuse | None = None
    differs: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        return self.excuse is None and not self.differs


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every shopper of a retailer.

    Attributes:
        trees: by id and version. granted_by_default: as in `Standing`.
        kept_since: every event from then on is within its contract.
        settled: what was received before then has been decided.
    """

    trees: Mapping[tuple[str, str], Tree]
    granted_by_default: bool
    kept_since: datetime
    settled: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """What is stored about a shopper.

    Attributes:
        records: the newest events, nothing that is erased. whole: no older event exists. consents: those among older
            events. consent: of the shopper's row. parameters: by version. erased: the last moment of which everything
            is.
    """

    records: Sequence[Record]
    whole: bool
    consents: Sequence[Record] = ()
    consent: Consent | None = None
    parameters: Mapping[str, ShopperParameters] = field(default_factory=dict)
    erased: datetime | None = None


def differences(logged: Decision, found: Decision) -> tuple[str, ...]:
    return tuple(name for name in COMPARED if getattr(logged, name) != getattr(found, name))


def replay(logged: Iterable[Decision], kept: Kept, rules: Rules) -> list[Verdict]:
    """Args:
    logged: of one shopper, each event's newest revision.
    """
    logged = list(logged)
    shopper = _Shopper(kept, rules, {decision.parameters_version for decision in logged} - {""})
    return [shopper.judge(decision) for decision in logged]


class _Shopper:
    def __init__(self, kept: Kept, rules: Rules, named: Iterable[str]) -> None:
        self._kept, self._rules = kept, rules
        self._parameters = dict(kept.parameters)
        for version in named:
            named_so = read_version(version)
            left = without(kept.parameters.get(named_so.scored), named_so.campaigns, named_so.own)
            if left is not None and not named_so.whole:
                self._parameters[version] = left
        self._ordered = in_order(kept.records)
        self._said = [record for record in (*kept.records, *kept.consents) if consent_of(record) is not None]
        self._keys = {key_of(record) for record in self._ordered}
        self._folded: dict[tuple[str, str, str, Key], dict[Key, Decision]] = {}

    def judge(self, logged: Decision) -> Verdict:
        erased, rules = self._kept.erased, self._rules
        if erased is not None and min(logged.at, logged.received) <= erased:
            return Verdict(logged, Excuse.ERASED)
        tree = rules.trees.get((logged.tree, logged.tree_version))
        if tree is None:
            return Verdict(logged, differs=("tree",))
        if logged.parameters_version and logged.parameters_version not in self._parameters:
            return Verdict(logged, Excuse.PARAMETERS_GONE)
        key = (milliseconds(logged.at), logged.event_id)
        if key not in self._keys:
            gone = logged.at < rules.kept_since
            long = not self._kept.whole and (not self._ordered or key < key_of(self._ordered[0]))
            excuse = Excuse.BEYOND_CONTRACT if gone else Excuse.TOO_LONG if long else None
            return Verdict(logged, excuse, () if excuse else ("event",))
        standings = [self._standing(tree, parameters) for parameters in self._candidates(logged)]
        found = [self._decision(key, standing) for standing in standings]
        differs = min((differences(logged, one) for one in found), key=len)
        if not differs:
            return Verdict(logged)
        return self._explained(logged, key, standings, differs, found[0].consent_at)

    def _candidates(self, logged: Decision) -> list[ShopperParameters | None]:
        """A decision without parameters was made without, or while the shopper refused: then only the node before it
        follows from the parameters of the events before."""
        if logged.parameters_version:
            return [self._parameters[logged.parameters_version]]
        return [None, *self._parameters.values()]

    def _standing(self, tree: Tree, parameters: ShopperParameters | None) -> Standing:
        return Standing(tree, parameters, self._rules.granted_by_default)

    def _decision(self, key: Key, standing: Standing) -> Decision:
        start = stretch_start(self._ordered, key[0])
        assert start is not None
        first = key_of(self._ordered[start])
        named = (standing.tree.id, standing.tree.version, standing.parameters_version, first)
        if named not in self._folded:
            stretch = list(_until_pause(self._ordered[start:]))
            _, decisions = advance(None, stretch, standing, self._consents())
            self._folded[named] = {key_of(r): d for r, d in zip(stretch, decisions, strict=True)}
        return self._folded[named][key]

    def _consents(self) -> list[Consent | None]:
        return [self._kept.consent, *map(consent_of, self._said)]

    def _explained(
        self,
        logged: Decision,
        key: Key,
        standings: Sequence[Standing],
        differs: tuple[str, ...],
        consent_at: datetime | None,
    ) -> Verdict:
        start = stretch_start(self._ordered, key[0])
        assert start is not None
        first_ms = key_of(self._ordered[start])[0]
        if first_ms - PAUSE_MS <= milliseconds(self._rules.kept_since):
            return Verdict(logged, Excuse.BEYOND_CONTRACT)
        if start == 0 and not self._kept.whole:
            return Verdict(logged, Excuse.TOO_LONG)
        for late in self._late_events(logged, key, start):
            without = [record for record in self._ordered if key_of(record) not in late]
            consents = [consent for consent in self._consents() if consent is None or consent.key not in late]
            if self._same_with(logged, key, standings, without, consents):
                under_way = min(late.values()) >= self._rules.settled
                return Verdict(logged, Excuse.LATE_EVENT) if under_way else Verdict(logged, differs=("late_event",))
        for consents, corrected in self._without_late_consents(logged, key):
            if self._same_with(logged, key, standings, self._ordered, consents):
                # Of two decisions of one revision and one consent nobody can tell which is the corrected one.
                if corrected and consent_at != logged.consent_at:
                    return Verdict(logged, differs=("late_consent",))
                return Verdict(logged, Excuse.LATE_CONSENT)
        return Verdict(logged, differs=differs)

    def _same_with(
        self,
        logged: Decision,
        key: Key,
        standings: Sequence[Standing],
        ordered: Sequence[Record],
        consents: Sequence[Consent | None],
    ) -> bool:
        start = stretch_start(ordered, key[0])
        stretch = [record for record in ordered[start:] if key_of(record) <= key]
        for standing in standings:
            _, decisions = advance(None, stretch, standing, consents)
            if not differences(logged, decisions[-1]):
                return True
        return False

    def _late_events(self, logged: Decision, key: Key, start: int) -> Iterator[dict[Key, datetime]]:
        """The events up to the decision's that came last, one more each time; with the moments at which they came."""
        before = [record for record in self._ordered[start:] if key_of(record) < key]
        late: dict[Key, datetime] = {}
        newest_first = sorted(before, key=lambda record: (record.received, key_of(record)), reverse=True)
        for record in newest_first[:MOST_LATE]:
            if record.received < logged.received:
                return
            late[key_of(record)] = record.received
            yield dict(late)

    def _without_late_consents(self, logged: Decision, key: Key) -> Iterator[tuple[list[Consent | None], bool]]:
        """What was known without the consents that came last, more of them each time; and whether one of these must
        have corrected the decision by now, as one that comes live does."""
        said, settled = self._said, self._rules.settled
        late = sorted({r.received for r in said if r.received >= logged.received}, reverse=True)
        for moment in late[:MOST_LATE]:
            known = [consent_of(record) for record in said if record.received < moment]
            row = self._kept.consent
            among = row is None or any(consent_of(r) == row for r in said if r.received >= moment)
            corrected = any(
                moment <= r.received < settled and r.channel != "history" and key_of(r) <= key for r in said
            )
            yield known if among else [row, *known], corrected


def _until_pause(records: Sequence[Record]) -> Iterator[Record]:
    last: int | None = None
    for record in records:
        at_ms = key_of(record)[0]
        if last is not None and at_ms - last > PAUSE_MS:
            return
        last = at_ms
        yield record
