"""A line set aside is one document, however often and by whomever it is met."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from layers.stores.quarantine import quarantined

NOW = datetime(2026, 11, 22, tzinfo=UTC)
places = st.tuples(st.sampled_from(["feeds", "cooling"]), st.text(max_size=9), st.integers(0, 9), st.sampled_from("ab"))


@given(places, places)
def test_the_same_place_gives_the_same_document_and_another_one_another(
    one: tuple[str, str, int, str], two: tuple[str, str, int, str]
) -> None:
    ids = [quarantined(source, "demo", {"file": file}, line, why, NOW)[0] for source, file, line, why in (one, two)]
    assert (ids[0] == ids[1]) == (one == two)
    assert all("/" not in id for id in ids), "Firestore takes a slash for a path"


def test_a_document_says_where_and_why_and_when() -> None:
    _, data = quarantined("feeds", "demo", {"file": "orders/1", "version": "e"}, 7, "not valid JSON", NOW)
    assert data == {
        "source": "feeds",
        "retailer": "demo",
        "file": "orders/1",
        "version": "e",
        "line": 7,
        "reason": "not valid JSON",
        "at": NOW,
    }
