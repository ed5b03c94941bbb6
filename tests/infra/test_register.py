"""The register of processing is what the declarations say, and refuses to be written where they say nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.register.activities import activities
from infra.register.data_map import Undeclared, entries
from infra.register.made import PAGE, made
from layers.declarations import Access, Dataset, Documents, Function, HotTable, Schedule, Topic
from layers.facts import EVERYWHERE
from layers.facts.tables import Table
from layers.retailers import RetentionClass
from layers.retailers.reasons import REASONS
from layers.stores.collections import COLLECTIONS
from layers.stores.tables import Family, HotTableSpec, hot_tables

ROOT = Path(__file__).resolve().parents[2]


def test_the_register_is_current() -> None:
    assert (ROOT / PAGE).read_text() == made(ROOT), "run `make register`, and read what changed about shoppers' data"


def test_every_store_and_every_field_is_in_the_data_map(looked: Any) -> None:
    found = {entry.store: entry for entry in entries(looked.stack, looked.functions)}
    for table in EVERYWHERE:
        entry = found[f"bigquery:{table.stored_as}"]
        assert [name for name, _ in entry.fields] == [column.name for column in table.columns]
        assert entry.personal == table.holds_shoppers
    for collection in COLLECTIONS:
        entry = found[f"firestore:{collection.database}/{collection.name}"]
        assert entry.personal == collection.holds_shoppers
    classes = {store.partition("/")[2] for store in found if store.startswith("bigtable:events/")}
    stored = {family.retention for spec in hot_tables(looked.stack.retailers) for family in spec.families}
    assert classes == {f"{retention.value}_<days>d" for retention in stored if retention}
    assert set(REASONS) == set(RetentionClass)
    for entry in found.values():
        assert not entry.personal or (entry.basis and entry.purpose and entry.kept), entry.store


def test_the_delays_are_each_retailers_own(looked: Any) -> None:
    found = {entry.store: entry for entry in entries(looked.stack, looked.functions)}
    for retailer in looked.stack.retailers:
        assert f"{retailer.contract.browsing} days" in found["bigquery:cooled_page_views"].kept


def test_who_may_read_is_who_has_a_grant(looked: Any) -> None:
    """Against the captured grants, and not the declarations that both are made of."""
    granted = {
        (each["table"], each["member"].partition("run-")[2].partition("@")[0].replace("-", "_"))
        for each in looked.inputs("tableIamMember:TableIamMember")
    }
    told = {
        (entry.store.removeprefix("bigtable:").partition("/")[0], name)
        for entry in entries(looked.stack, looked.functions)
        if entry.store.startswith("bigtable:")
        for name in (*entry.readers, *entry.writers)
    }
    assert told == granted


def _job(*needs: Any) -> Function:
    return Function("snoop", "Looks at shoppers.", Schedule("0 0 * * *"), needs)


@pytest.mark.parametrize("need", [HotTable("shoppers", Access.READ), Dataset(Access.READ), Documents(Access.WRITE)])
def test_a_function_that_reads_shoppers_and_says_not_why_is_refused(dev: Any, need: Any) -> None:
    functions = (*dev.functions, _job(need))
    with pytest.raises(Undeclared, match=r"functions/snoop/function\.py.*does not say on which legal basis"):
        activities(functions, entries(dev.stack, functions))


def test_a_topic_of_which_nobody_says_what_it_carries_is_refused(dev: Any) -> None:
    with pytest.raises(Undeclared, match="topic whispers"):
        entries(dev.stack, (*dev.functions, _job(Topic("whispers"))))


def test_a_user_of_the_rewards_database_must_declare_its_collections(dev: Any) -> None:
    if any(collection.database == "rewards" for collection in COLLECTIONS):
        pytest.skip("its collections are declared")
    with pytest.raises(Undeclared, match=r"snoop can use the Firestore database rewards"):
        entries(dev.stack, (*dev.functions, _job(Documents(Access.READ, "rewards"))))


@pytest.mark.parametrize("bare", [{"fields": ()}, {"basis": None}])
def test_a_collection_that_says_too_little_is_refused(dev: Any, bare: dict[str, Any]) -> None:
    full = next(collection for collection in COLLECTIONS if collection.holds_shoppers)
    with pytest.raises(Undeclared, match=full.name):
        entries(dev.stack, dev.functions, collections=[replace(full, **bare)])


def test_a_family_or_a_table_that_says_too_little_is_refused(dev: Any) -> None:
    wishes = HotTableSpec("wishes", "retailer#pseudonym", (Family("wished", max_versions=1),))
    with pytest.raises(Undeclared, match="family wished"):
        entries(dev.stack, dev.functions, hot=[wishes])
    with pytest.raises(Undeclared, match="table wishes"):
        entries(dev.stack, dev.functions, tables=[Table("wishes", "", EVERYWHERE[0].columns, retention=None)])
