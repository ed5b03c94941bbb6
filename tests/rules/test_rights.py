"""What a package of a shopper's data must say, and what an objection is, without any store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.consent_erasure import rules as erasure
from functions.consent_erasure.objections import event_id, refusing
from functions.consent_erasure.telling import (
    LOGIC,
    PARAMETERS,
    STATE,
    NoReader,
    columns_told,
    decision_told,
    facts_sql,
    head,
    in_words,
    kept_until,
    stores,
)
from functions.scoring import rules as scoring
from layers.events.envelope import EventReader
from layers.events.meaning import ENVELOPE, EVENT
from layers.events.model import EVENT_TYPES, ConsentChanged, Purposes
from layers.events.record import Record
from layers.facts import EVERYWHERE, Column, ColumnType, Table, moment_sql
from layers.privacy.suppression import digest_sql
from layers.retailers import AbsentConsent, Retailer, RetentionClass
from layers.stores.collections import COLLECTIONS, Collection
from layers.stores.tables import HotTableSpec, hot_tables
from layers.tree.parameters import ShopperParameters
from layers.tree.state import State
from layers.tree.walk import Rule

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DEMO = Retailer(id="demo", name="Demo", write_key="w" * 16, read_key="r" * 16, origins=())
DECLARED = (hot_tables([DEMO]), EVERYWHERE, COLLECTIONS)


def names(struct: type[msgspec.Struct], prefix: str = "") -> Iterator[str]:
    """Of all fields, those within fields too."""
    for field in msgspec.structs.fields(struct):
        yield prefix + field.encode_name
        for part in nested(field.type):
            yield from names(part, f"{prefix}{field.encode_name}.")


def nested(of: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(of, type) and issubclass(of, msgspec.Struct):
        yield of
    for part in get_args(of):
        yield from nested(part)


class TestStores:
    def test_every_declared_store_that_may_hold_a_shopper_is_read_as_it_is_erased(self) -> None:
        told = [one.store for one in stores(*DECLARED)]
        erased = {step.store for step in erasure.steps(*DECLARED)}
        # Of dead letters the package says that they are not read for it.
        assert sorted(told) == sorted(erased - {erasure.DEAD_LETTERS})

    def test_each_says_what_it_holds_why_and_whence(self) -> None:
        for one in stores(*DECLARED):
            assert one.meaning and one.purpose and one.source, one.store
            assert all(one.fields.values()), one.store
            assert "kept_until" in one.fields or one.ends, one.store
            assert (bool(one.hot), one.table is not None, one.collection is not None).count(True) == 1, one.store

    def test_a_new_store_without_a_reader_is_an_error(self) -> None:
        hot, tables, collections = DECLARED
        with pytest.raises(NoReader, match="Bigtable table carts"):
            stores((*hot, HotTableSpec("carts", "retailer#pseudonym", ())), tables, collections)
        contacts = Collection("receipts", "", "", holds_shoppers=True, database="rewards")
        with pytest.raises(NoReader, match="receipts of rewards"):
            stores(hot, tables, (*collections, contacts))

    def test_a_new_fact_table_is_told_without_a_word_more(self) -> None:
        hot, tables, collections = DECLARED
        columns = (Column("shopper", ColumnType.STRING, "pseudonym"), Column("colour", ColumnType.STRING, "of the bag"))
        bags = Table("bags", "A bag.", columns, None, cooled=False)
        told = stores(hot, (*tables, bags), collections)
        found = next(one for one in told if one.store == "bigquery:bags")
        assert found.fields == {"colour": "of the bag"}
        assert (
            facts_sql("p.d", bags)
            == f"SELECT `colour` FROM `p.d.bags` WHERE {digest_sql('shopper')} = @shopper ORDER BY 1"
        )

    def test_facts_are_read_through_the_view_that_counts_each_row_once(self) -> None:
        for table in EVERYWHERE:
            if table.holds_shoppers:
                sql = facts_sql("p.d", table)
                theirs = f"{digest_sql('shopper')} = @shopper AND {moment_sql(table)} > @after"
                assert f"FROM `p.d.{table.name}` WHERE {theirs}" in sql
                if not table.derived:
                    assert "AND `at` > @after" in sql and sql.endswith("ORDER BY `at`, `event_id`, `position`")
                assert "shopper" not in columns_told(table)


class TestMeanings:
    def test_every_field_of_every_event_has_one_and_no_other(self) -> None:
        assert set(EVENT) == {"type"} | {name for event in EVENT_TYPES for name in names(event)}
        assert set(ENVELOPE) == set(Record.__struct_fields__) - {"shopper"}

    def test_every_field_of_estimates_and_state_has_one(self) -> None:
        assert set(PARAMETERS) == set(names(ShopperParameters))
        assert set(STATE) == {"format", *State.__struct_fields__}

    def test_the_logic_names_the_numbers_that_scoring_counts_with(self) -> None:
        assert f"({scoring.HALF_LIFE_TRIPS:g})" in LOGIC["probability"]
        assert f"({scoring.PRIOR_TRIPS:g})" in LOGIC["probability"]
        assert f"{scoring.WINDOW_DAYS} days" in LOGIC["probability"]
        assert f"({scoring.SHARE_OF_LIFT:.0%})" in LOGIC["generosity"]
        assert f"({scoring.DISCOUNT_SEEKING:.0%})" in LOGIC["generosity"]

    def test_the_head_says_when_each_class_goes(self) -> None:
        told = {one["class"]: one for one in head(DEMO, "A-1", ["01" + "a" * 32], NOW)["retention"]}
        assert set(told) == {retention.value for retention in RetentionClass}
        browsing = told["browsing"]
        assert (browsing["days"], browsing["done_today_is_removed_by"]) == (395, "2027-12-22T12:00:00.000Z")
        assert browsing["removed_if_older_than"] == "2025-10-23T12:00:00.000Z"
        assert all(one["purpose"] and one["legal_basis"] for one in told.values())


class TestWords:
    @pytest.mark.parametrize("rule", get_args(Rule))
    def test_every_rule_of_the_tree_has_its_own_words(self, rule: str) -> None:
        (said,) = in_words(msgspec.json.encode([{"node": "ready", "rule": rule}]))
        assert not said.startswith("Decided at") and said.endswith(".")

    def test_a_reason_says_the_condition_and_what_was_known(self) -> None:
        reason = {"node": "ready", "rule": "when", "condition": "basket.total > 10", "values": {"basket.total": 12.5}}
        assert in_words(msgspec.json.encode([reason])) == [
            "Moved to «ready», because this held: basket.total > 10. There, basket.total (value of the basket now) "
            "was 12.5."
        ]

    @given(st.one_of(st.text(), st.binary(), st.builds(msgspec.json.encode, st.lists(st.dictionaries(
        st.sampled_from(["node", "rule", "condition", "values"]),
        st.one_of(st.text(), st.none(), st.dictionaries(st.text(), st.lists(st.floats(allow_nan=False)))),
    )))))  # fmt: skip
    def test_any_text_is_read_or_left(self, text: str | bytes) -> None:
        assert all(isinstance(said, str) for said in in_words(text))
        told = decision_told({"reason": text, "shown": text})
        assert set(told) == {"reason", "shown", "why"}

    @given(st.sampled_from(list(RetentionClass)), st.integers(0, 10_000))
    def test_what_is_kept_until_is_the_contract(self, retention: RetentionClass, hours: int) -> None:
        at = NOW - timedelta(hours=hours)
        until = datetime.fromisoformat(kept_until(DEMO, retention, at))
        assert until - at == timedelta(days=DEMO.contract.days(retention))


_purposes = st.builds(Purposes, st.booleans(), st.booleans(), st.booleans(), st.booleans())


class TestObjection:
    @given(_purposes | st.none(), st.sampled_from(AbsentConsent))
    def test_it_refuses_profiling_and_leaves_the_rest(self, before: Purposes | None, absent: AbsentConsent) -> None:
        held = None if before is None else ConsentChanged(id="consent-1", at=NOW, purposes=before)
        made = refusing("objection-1", NOW, held, absent)
        assert not made.purposes.personalisation and not made.purposes.advertising
        granted = absent is AbsentConsent.GRANTED
        expected = (before.measurement, before.rewards) if before else (granted, granted)
        assert (made.purposes.measurement, made.purposes.rewards) == expected

    @given(st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"), st.integers(1, 9), st.booleans())
    def test_its_id_is_the_reference_and_the_shopper_and_every_reader_takes_it(
        self, reference: str, number: int, granted: bool
    ) -> None:
        shopper = f"01{number:032x}"
        id = event_id("demo", reference, shopper)
        assert id == event_id("demo", reference, shopper)
        assert len({id, event_id("other", reference, shopper), event_id("demo", reference + "x", shopper)}) == 3
        assert id != event_id("demo", reference, f"01{number + 1:032x}")
        made = refusing(id, NOW, None, AbsentConsent.GRANTED if granted else AbsentConsent.REFUSED)
        reader = EventReader(DEMO.contract)
        assert reader.read(msgspec.json.encode(made), NOW, reader.limits(NOW))[0] == made
