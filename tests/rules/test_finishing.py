"""A running shopper finishes in the tree the journey began in, whoever folds it and however its events come."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from layers.events.record import Record
from layers.tree.folding import key_of
from layers.tree.journey import Standing, advance, fits, moved_by
from layers.tree.reading import read_yaml
from tests.rules.journeys import PARAMETERS, record

SOURCE = (Path(__file__).parents[2] / "layers" / "tree" / "examples" / "grocery_basket.yaml").read_text()
OLD, NEW = read_yaml(SOURCE), read_yaml(SOURCE.replace("limit: 10", "limit: 9"))
FIRST = [record("PageViewed", 0), record("AddedToBasket", 1), record("AddedToBasket", 4, product="b")]
PAUSED = [record("PageViewed", 60 * 8), record("AddedToBasket", 60 * 8 + 1)]


def standing_since(event: Record) -> Standing:
    return Standing(NEW, PARAMETERS, granted_by_default=True, finishing=OLD, since_ms=key_of(event)[0])


def test_a_journey_under_way_ends_in_the_old_tree_and_the_next_begins_in_the_new() -> None:
    state, decisions = advance(None, [*FIRST, *PAUSED], standing_since(FIRST[1]))
    assert state is not None and state.tree_version == NEW.version
    assert [d.tree_version for d in decisions] == [OLD.version] * 3 + [NEW.version] * 2


def test_a_migration_takes_it_along() -> None:
    _, decisions = advance(None, FIRST, Standing(NEW, PARAMETERS, granted_by_default=True))
    assert {d.tree_version for d in decisions} == {NEW.version}


def test_a_state_of_the_old_tree_goes_on_without_being_folded_anew() -> None:
    state, _ = advance(None, FIRST[:2], Standing(OLD, PARAMETERS, granted_by_default=True))
    assert state is not None
    finishing, migrating = standing_since(FIRST[2]), Standing(NEW, PARAMETERS, granted_by_default=True)
    assert moved_by(state, finishing) and fits(state, FIRST[2:], finishing)
    assert not moved_by(state, migrating)


EVENTS = st.lists(
    st.builds(
        record,
        st.sampled_from(("PageViewed", "AddedToBasket", "RemovedFromBasket", "OrderPaid")),
        st.integers(0, 60 * 20),
    ),
    min_size=1,
    max_size=12,
    unique_by=key_of,
)


@settings(deadline=None)
@given(events=EVENTS, since=st.integers(0, 60 * 20), cut=st.integers(0, 12), order=st.randoms(use_true_random=False))
def test_piece_by_piece_or_at_once_shuffled_or_not(events: list[Record], since: int, cut: int, order: object) -> None:
    standing = standing_since(record("PageViewed", since))
    in_time = sorted(events, key=key_of)
    at_once, decisions = advance(None, in_time, standing)
    state, earlier = advance(None, in_time[:cut], standing)
    state, later = advance(state, in_time[cut:], standing)
    assert (state, [*earlier, *later]) == (at_once, decisions)
    order.shuffle(events)  # type: ignore[attr-defined]
    assert advance(None, events, standing) == (at_once, decisions)
