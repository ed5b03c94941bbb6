"""The fold: a shopper's events in order, to a state and one decision an event. Pure.

A journey is what happens without a pause of over six hours, up to a session begun after its order was paid. The stretch
since the last such pause is what must be folded together: nothing before it matters, but for the consent.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from layers.events.record import Record
from layers.tree.decision import Decision, decide
from layers.tree.folding import arrival, begins_anew, consent_of, counted, key_of, newest_consent, paused
from layers.tree.parameters import ShopperParameters
from layers.tree.showing import ShownDefault, ShownExperience, default_of, filled
from layers.tree.state import Consent, Key, State
from layers.tree.treatment import is_treatment, seen, treatment_of
from layers.tree.tree import Tree
from layers.tree.variables import values_of
from layers.tree.walk import Moment, Reason, move
from layers.tree.wording import Wording


@dataclass(frozen=True, slots=True)
class Standing:
    """What a decision depends on beside the events.

    Attributes:
        granted_by_default: what holds while no `ConsentChanged` is known, by the retailer's configuration.
        finishing: the tree of journeys that began before `since_ms`; None where `tree` is that of all.
    """

    tree: Tree
    parameters: ShopperParameters | None = None
    granted_by_default: bool = False
    finishing: Tree | None = None
    since_ms: int = 0

    def tree_of(self, state: State) -> Tree:
        """Of the journey that the state is in."""
        return self.finishing if self.finishing is not None and state.started_ms < self.since_ms else self.tree

    def tree_begun(self, at_ms: int) -> Tree:
        """Of a journey that begins then."""
        return self.finishing if self.finishing is not None and at_ms < self.since_ms else self.tree

    @property
    def parameters_version(self) -> str:
        return self.parameters.version if self.parameters else ""

    @property
    def control(self) -> bool:
        return self.parameters is not None and self.parameters.control

    def granted(self, consent: Consent | None) -> bool:
        return consent.personalisation if consent else self.granted_by_default


def in_order(records: Iterable[Record]) -> list[Record]:
    """By (ms, id), each such event once, those of channel `history` left out: nobody was on the page."""
    unique = {key_of(record): record for record in records if record.channel != "history"}
    return [unique[key] for key in sorted(unique)]


def advance(
    state: State | None, records: Iterable[Record], standing: Standing, consents: Iterable[Consent | None] = ()
) -> tuple[State | None, list[Decision]]:
    """Folds events that `fits`, or a whole stretch onto None.

    Args:
        state: None to fold from the beginning.
        records: in any order; those that the state has counted are skipped.
        consents: known from elsewhere, e.g. the newest one in the shopper's row; a later one than an event does not
            bear on it.

    Returns:
        The state after the last event, and one decision for each event counted, in order.

    Raises:
        ValueError: an event is earlier than what the state has counted last.
    """
    records = list(records)
    known = [*consents, *map(consent_of, records), *((state.consent, state.consent_before) if state else ())]
    # `max` over all of them at every event would be quadratic in a long journey.
    known_in_order = sorted({c.key: c for c in known if c is not None}.values(), key=lambda consent: consent.key)
    moments: dict[str, Moment] = {}
    decisions: list[Decision] = []
    for record in in_order(records):
        if state is not None and state.has_counted(key_of(record)):
            continue
        if state is not None and key_of(record) < state.key:
            raise ValueError("a late event does not fit onto this state; fold its stretch anew (see `fits`)")
        state, decision = _step(state, record, standing, known_in_order, moments)
        decisions.append(decision)
    return state, decisions


def _as_of(consents: Sequence[Consent], key: Key) -> Consent | None:
    index = bisect_left(consents, key, key=lambda consent: consent.key)
    if index < len(consents) and consents[index].key == key:
        return consents[index]
    return consents[index - 1] if index else None


def _step(
    state: State | None, record: Record, standing: Standing, consents: Sequence[Consent], moments: dict[str, Moment]
) -> tuple[State, Decision]:
    at_ms = key_of(record)[0]
    reasons: list[Reason] = []
    if state is None or begins_anew(state, at_ms, record.session, record.channel):
        pause = state is None or paused(state.last_ms, at_ms)
        tree = standing.tree_begun(at_ms)
        state = arrival(tree.root, at_ms, None if pause else state)
        reasons.append(Reason(tree.root, "starts"))
        if pause:
            state = msgspec.structs.replace(state, consent_before=newest_consent(consents, (at_ms, "")))
    else:
        tree = standing.tree_of(state)
    if tree.version not in moments:
        moments[tree.version] = Moment(tree)
    moment = moments[tree.version]
    node_before = state.node
    state = counted(state, record, _as_of(consents, key_of(record)))
    granted = standing.granted(state.consent)
    if granted:
        moment.becomes(values_of(state, standing.parameters))
        node, moved = move(tree, node_before, moment)
        reasons += moved
    else:
        node = tree.root
        reasons.append(Reason(node, "refused"))
    version = standing.parameters_version if granted else ""
    state = msgspec.structs.replace(state, node=node, tree_version=tree.version, parameters_version=version)
    found = filled(tree, node, moment) if granted else []
    parameters = standing.parameters if granted else None
    treatment = treatment_of(
        parameters,
        [one for shown, one in found if is_treatment(shown)],
        starts=reasons[0].rule == "starts",
        state=state,
    )
    decision = decide(
        record,
        revision=state.revision,
        consent_ms=state.consent.at_ms if state.consent else None,
        tree=tree.id,
        tree_version=tree.version,
        parameters_version=version,
        node_before=node_before,
        node_after=node,
        reasons=reasons,
        shown=seen(found, standing.control) or (default_of(tree.definition),),
        treatment=treatment,
    )
    return state, decision


def fits(state: State | None, records: Iterable[Record], standing: Standing) -> bool:
    """Whether folding the new ones among these onto the state is exact: they are all later than what it counted, and
    the same tree and parameters moved the shopper so far (or a long pause makes that unimportant).

    Otherwise the stretch must be folded anew, from `stretch_start`.
    """
    if state is None:
        return False
    new = [key_of(r) for r in records if not state.has_counted(key_of(r)) and (r.channel != "history" or consent_of(r))]
    if any(key < state.key for key in new):
        return False
    return (bool(new) and paused(state.last_ms, min(new)[0])) or moved_by(state, standing)


def moved_by(state: State, standing: Standing) -> bool:
    """Whether the state is what this tree and these parameters make of its events."""
    version = standing.parameters_version if standing.granted(state.consent) else ""
    return state.tree_version == standing.tree_of(state).version and state.parameters_version == version


def stretch_start(records: Sequence[Record], target_ms: int) -> int | None:
    """Index of the first event of the stretch that holds the first event at `target_ms` or later (of the last stretch,
    where there is no such event); None without events.

    Args:
        records: by `in_order`.
    """
    if not records:
        return None
    times = [key_of(record)[0] for record in records]
    index = min(bisect_left(times, target_ms), len(times) - 1)
    while index > 0 and not paused(times[index - 1], times[index]):
        index -= 1
    return index


def page_now(
    state: State | None, standing: Standing, *, fresh: bool, consent: Consent | None, wording: Wording
) -> tuple[str, tuple[ShownExperience, ...], str]:
    """What a page shows after the last event counted.

    Args:
        state: what `moved_by` says was moved by this tree; None for a shopper without events.
        fresh: a new journey begins with this page, its first event not yet counted.
        consent: the newest known, which may be newer than the last event.

    Returns:
        The node, the experiences, and why it is the default one: `consent`, `nothing_to_show`, or empty.
    """
    tree = standing.tree if state is None or fresh else standing.tree_of(state)
    if not standing.granted(consent):
        return tree.root, (default_of(tree.definition, wording),), "consent"
    if state is None or fresh:
        state = arrival(tree.root, 0, None)
    moment = Moment(tree)
    moment.becomes(values_of(state, standing.parameters))
    found = filled(tree, state.node, moment, wording)
    shown = seen(found, standing.control) or (default_of(tree.definition, wording),)
    return state.node, shown, "nothing_to_show" if isinstance(shown[0], ShownDefault) else ""
