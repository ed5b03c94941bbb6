"""A decision made again is the same, whatever the stores were told in which order; and what is not, is found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.replay.rules import MOST, Counts, Status, sample, span
from layers.events.record import Record
from layers.retailers import Retailer
from layers.tree.decision import Decision
from layers.tree.folding import PAUSE_MS, consent_of, key_of
from layers.tree.journey import Standing, advance, in_order
from layers.tree.parameters import ShopperParameters
from layers.tree.reading import read_yaml
from layers.tree.replaying import COMPARED, Excuse, Kept, Rules, Verdict, replay
from layers.tree.withholding import without
from tests.rules.journeys import PARAMETERS, START, record

TREE = read_yaml((Path(__file__).parents[2] / "layers/tree/examples/grocery_basket.yaml").read_text())
OTHER = msgspec.structs.replace(PARAMETERS, version="2026-11-19", threshold=80.0)
VERSIONS = {each.version: each for each in (PARAMETERS, OTHER)}
RULES = Rules({(TREE.id, TREE.version): TREE}, True, START - timedelta(days=30), START + timedelta(days=9))

VISIT = [
    record("PageViewed", 0),
    record("AddedToBasket", 1, product="usual0", price=10),
    record("AddedToBasket", 2, product="other", price=24),
    record("BasketValidated", 3),
]


def decided(records: Sequence[Record], parameters: ShopperParameters | None = PARAMETERS) -> list[Decision]:
    """As decisioning decides in the end: each stretch by itself, all consents known."""
    ordered = in_order(records)
    found: list[Decision] = []
    stretch: list[Record] = []
    for each in [*ordered, None]:
        if stretch and (each is None or key_of(each)[0] - key_of(stretch[-1])[0] > PAUSE_MS):
            found += advance(None, stretch, Standing(TREE, parameters, True), map(consent_of, records))[1]
            stretch = []
        if each is not None:
            stretch.append(each)
    return found


def came(one: Record, minutes: float) -> Record:
    return msgspec.structs.replace(one, received=START + timedelta(minutes=minutes))


EVENTS = st.lists(
    st.builds(
        record,
        st.sampled_from(
            ["PageViewed", "AddedToBasket", "RemovedFromBasket", "Searched", "OrderPaid", "BasketValidated"]
        ),
        st.integers(0, 3000),
        session=st.sampled_from(["visit-1", "visit-2"]),
    )
    | st.builds(
        lambda minutes, yes, channel: record(
            "ConsentChanged", minutes, channel=channel, purposes={"personalisation": yes}
        ),
        st.integers(0, 3000),
        st.booleans(),
        st.sampled_from(["web", "history"]),
    ),
    max_size=25,
    unique_by=lambda each: each.event.id,
)


@given(EVENTS, st.sampled_from([None, PARAMETERS, OTHER]), st.randoms())
@settings(max_examples=150, deadline=None)
def test_what_was_decided_from_all_that_is_stored_is_decided_again(
    records: list[Record], parameters: ShopperParameters | None, chance: Any
) -> None:
    logged = decided(records, parameters)
    chance.shuffle(records)
    verdicts = replay(logged, Kept(records, True, parameters=VERSIONS), RULES)
    assert [each.decision for each in verdicts] == logged and all(each.same for each in verdicts)


CHANGED: dict[str, Any] = {
    "revision": 99, "node_before": "arrival2", "node_after": "elsewhere", "reason": "[]", "shown": "[]",
    "propensity": 0.123, "control": True, "offers": "[1]",
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGED)
def test_a_decision_in_which_anything_else_stands_is_a_difference(name: str) -> None:
    logged = decided(VISIT)
    wrong = msgspec.structs.replace(logged[2], **{name: CHANGED[name]})
    [verdict] = replay([wrong], Kept(VISIT, True, parameters=VERSIONS), RULES)
    assert verdict == Verdict(wrong, differs=(name,)) and not verdict.same
    assert set(CHANGED) | {"tree", "tree_version", "parameters_version"} == set(COMPARED)


def judged(logged: Decision, records: Sequence[Record] = VISIT, rules: Rules = RULES, **kept: Any) -> Verdict:
    [verdict] = replay([logged], Kept(records, kept.pop("whole", True), **({"parameters": VERSIONS} | kept)), rules)
    return verdict


def test_what_it_names_must_be_there() -> None:
    logged = decided(VISIT)[2]
    assert judged(msgspec.structs.replace(logged, tree_version="gone")).differs == ("tree",)
    assert judged(logged, VISIT[:2]).differs == ("event",)
    assert judged(logged, VISIT[3:], whole=False).excuse is Excuse.TOO_LONG
    assert judged(logged, parameters={}).excuse is Excuse.PARAMETERS_GONE
    assert judged(logged, erased=logged.at).excuse is Excuse.ERASED


def test_beyond_the_contract_nothing_can_be_told_and_within_it_something_is() -> None:
    logged = decided(VISIT)[3]
    rules = Rules(RULES.trees, True, START + timedelta(hours=1), RULES.settled)
    assert judged(logged, VISIT[1:], rules).excuse is Excuse.BEYOND_CONTRACT
    assert judged(logged, VISIT[:2], rules).excuse is Excuse.BEYOND_CONTRACT
    assert judged(logged, VISIT, rules).same, "what can still be compared is"
    assert "revision" in judged(logged, VISIT[1:]).differs


@pytest.mark.parametrize(("settled_minutes", "excused"), [(60, True), (120, False)])
def test_a_late_event_is_an_excuse_while_its_revision_is_under_way_and_no_longer(
    settled_minutes: int, excused: bool
) -> None:
    late = came(VISIT[1], 90)
    logged = decided([VISIT[0], *VISIT[2:]])[-1]
    rules = Rules(RULES.trees, True, RULES.kept_since, START + timedelta(minutes=settled_minutes))
    verdict = judged(logged, [VISIT[0], late, *VISIT[2:]], rules)
    assert (verdict.excuse, verdict.differs) == ((Excuse.LATE_EVENT, ()) if excused else (None, ("late_event",)))


def test_no_late_event_excuses_what_it_does_not_explain() -> None:
    logged = msgspec.structs.replace(decided([VISIT[0], *VISIT[2:]])[-1], shown="[]")
    rules = Rules(RULES.trees, True, RULES.kept_since, START)
    verdict = judged(logged, [VISIT[0], came(VISIT[1], 90), *VISIT[2:]], rules)
    assert verdict.excuse is None and "shown" in verdict.differs


@pytest.mark.parametrize(
    ("channel", "settled_minutes", "excused"),
    [("history", 60, True), ("history", 120, True), ("web", 60, True), ("web", 120, False)],
)
def test_a_consent_that_came_after_the_decision_excuses_it_while_its_correction_is_under_way(
    channel: str, settled_minutes: int, excused: bool
) -> None:
    refusal = came(record("ConsentChanged", -600, channel=channel, purposes={"personalisation": False}), 90)
    logged = decided(VISIT)[-1]
    rules = Rules(RULES.trees, True, RULES.kept_since, START + timedelta(minutes=settled_minutes))
    verdict = judged(logged, [refusal, *VISIT], rules)
    expected = (Excuse.LATE_CONSENT, ()) if excused else (None, ("late_consent",))
    assert (verdict.excuse, verdict.differs) == expected
    assert judged(decided([refusal, *VISIT])[-1], [refusal, *VISIT]).same, "decided again, knowing it"
    known = msgspec.structs.replace(refusal, received=START - timedelta(hours=9))
    assert judged(logged, [known, *VISIT]).excuse is None


def test_of_two_decisions_with_one_consent_nobody_can_tell_which_is_corrected() -> None:
    agreed = came(record("ConsentChanged", 2.5, purposes={"personalisation": True}), 2.6)
    refusal = came(record("ConsentChanged", -600, purposes={"personalisation": False}), 90)
    logged, whole = decided([*VISIT, agreed])[-2], decided([refusal, *VISIT, agreed])[-2]
    assert logged.node_before != whole.node_before and logged.consent_at == whole.consent_at is not None
    assert judged(logged, [refusal, *VISIT, agreed]).excuse is Excuse.LATE_CONSENT
    assert judged(whole, [refusal, *VISIT, agreed]).same


def test_the_corrected_decision_is_of_the_same_revision_and_a_later_consent() -> None:
    former = record("ConsentChanged", -900, purposes={"personalisation": True})
    refusal = came(record("ConsentChanged", -600, purposes={"personalisation": False}), 90)
    for known in ([], [former]):
        before, after = decided([*known, *VISIT])[-1], decided([refusal, *known, *VISIT])[-1]
        assert before.revision == after.revision
        assert (
            after.consent_at == refusal.event.at and (before.consent_at or START - timedelta(days=9)) < refusal.event.at
        )


def test_under_whatever_parameters_the_node_before_a_refusal_is_the_same() -> None:
    refusal = record("ConsentChanged", 2.5, purposes={"personalisation": False})
    records = [*VISIT, refusal]
    for parameters in VERSIONS.values():
        logged = decided(records, parameters)
        assert logged[3].parameters_version == ""
        assert all(each.same for each in replay(logged, Kept(records, True, parameters=VERSIONS), RULES))


def test_what_was_withheld_when_it_was_decided_is_taken_away_again() -> None:
    shown = [record("PageViewed", 0), record("AddedToBasket", 1, product="other", price=44)]
    left = without(PARAMETERS, {"favourites"})
    assert left is not None and left.version == "2026-11-20~favourites"
    refusal = record("ConsentChanged", 3, purposes={"personalisation": False})
    logged = [*decided(shown), *decided([*shown, refusal], left)[1:]]
    assert logged[1].parameters_version != logged[2].parameters_version and logged[3].parameters_version == ""
    verdicts = replay(logged, Kept([*shown, refusal], True, parameters=VERSIONS), RULES)
    assert all(each.same for each in verdicts)
    claimed = msgspec.structs.replace(logged[1], parameters_version="2026-11-20~another")
    assert "parameters_version" in judged(claimed, shown).differs
    assert judged(logged[2], shown, parameters={}).excuse is Excuse.PARAMETERS_GONE


DEMO = Retailer(id="demo", name="demo", write_key="w" * 16, read_key="r" * 16, origins=())


@given(st.dates(), st.integers(0, 10**9))
def test_a_sample_is_of_about_as_many_as_are_wanted_and_the_same_when_asked_again(day: Any, decisions: int) -> None:
    chosen = sample(decisions, day)
    assert chosen == sample(decisions, day) and chosen.place >= 3 and chosen.place + 4 <= 35
    assert (chosen.share == 1) == (decisions <= MOST)
    assert decisions * chosen.share <= MOST or chosen.below == "0001"
    assert (chosen.below > "ffff") == (chosen.share == 1)


def test_a_day_is_the_retailers_own_also_when_the_clocks_change() -> None:
    start, end = span(DEMO, datetime(2026, 10, 25, tzinfo=UTC).date())
    assert (start, end - start) == (datetime(2026, 10, 24, 22, tzinfo=UTC), timedelta(hours=25))


def test_a_day_that_is_mostly_excused_proves_nothing_and_one_difference_is_enough() -> None:
    logged = decided(VISIT)
    same, excused, differs = Verdict(logged[0]), Verdict(logged[0], Excuse.ERASED), Verdict(logged[0], differs=("x",))
    for verdicts, status in (
        ([], Status.EMPTY),
        ([same, excused], Status.SAME),
        ([same, excused, excused], Status.UNPROVED),
        ([same] * 50 + [differs], Status.DIFFERENT),
    ):
        found = Counts()
        found.take(verdicts)
        assert found.status() is status
    many = Counts()
    assert len(many.take([differs] * 30)) == 20 and many.different == 30 and many.take([differs]) == []
