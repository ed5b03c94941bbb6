"""Contact details of winners: only the identity of a function that serves them may read their database, and that one
may read no other store. Nothing uses the database yet; each rule is broken here on purpose, so that it is known to
hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from infra.declared import InvalidDeclaration, check
from layers.declarations import Access, Dataset, Documents, Function, HotTable, Need, Schedule
from tests.infra.test_grants import Grant, _found

DATABASE = "rewards"
STORES = ("roles/bigtable.", "roles/bigquery.", "roles/datastore.", "roles/pubsub.", "roles/storage.", "roles/firebase")
BASIC = ("roles/owner", "roles/editor", "roles/viewer")
REWARDS = Documents(Access.WRITE, DATABASE)


def _reads(grant: Grant) -> bool:
    """Whether a grant opens the database: a role on the project, without a condition or with this database's."""
    kind, _, role, _, condition = grant
    opens = role.startswith(("roles/datastore.", "roles/firebase")) or role in BASIC or "admin" in role.lower()
    return kind == "project" and opens and (not condition or f"/databases/{DATABASE}" in condition)


def breaches(grants: Iterable[Grant], allowed: set[str]) -> list[str]:
    """Args:
    allowed: the identities of functions that declare the database.
    """
    found = list(grants)
    readers = {grant[3] for grant in found if _reads(grant)}
    wrong = [f"{member} reads the contacts" for member in sorted(readers - allowed)]
    for grant in found:
        if grant[3] in readers and not _reads(grant) and grant[2].startswith((*STORES, *BASIC)):
            wrong.append(f"{grant[3]} also has {grant[2]} on {grant[1]}")
    return wrong


def test_nobody_else_reads_the_contacts_and_who_does_reads_nothing_else(looked: Any) -> None:
    allowed = {
        looked.member(f"run-{function.service}")
        for function in looked.functions
        if any(isinstance(need, Documents) and need.database == DATABASE for need in function.needs)
    }
    assert breaches(_found(looked), allowed) == []
    assert {d["name"] for d in looked.inputs("database:Database")} >= {DATABASE}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("project", "p", "roles/datastore.viewer", "stranger", ""), "stranger reads the contacts"),
        (
            ("project", "p", "roles/datastore.user", "stranger", 'resource.name == "projects/p/databases/rewards"'),
            "stranger reads the contacts",
        ),
        (("project", "p", "roles/editor", "stranger", ""), "stranger reads the contacts"),
        (
            ("table", "events", "roles/bigtable.reader", "rewards", ""),
            "rewards also has roles/bigtable.reader on events",
        ),
        (
            ("project", "p", "roles/datastore.viewer", "rewards", 'resource.name == "projects/p/databases/(default)"'),
            "rewards also has roles/datastore.viewer on p",
        ),
    ],
)
def test_each_breach_is_seen(looked: Any, more: Grant, says: str) -> None:
    own = ("project", "p", "roles/datastore.user", "rewards", 'resource.name == "projects/p/databases/rewards"')
    assert breaches([*_found(looked), own], {"rewards"}) == []
    assert breaches([*_found(looked), own, more], {"rewards"}) == [says]


@pytest.mark.parametrize(
    "other",
    [HotTable("events", Access.READ), Dataset(Access.READ), Documents(Access.READ)],
    ids=lambda need: type(need).__name__,
)
def test_a_function_that_declares_both_is_refused(other: Need) -> None:
    def job(*needs: Need) -> Function:
        return Function("prizes", "", Schedule("0 0 * * *"), needs)

    assert check([job(REWARDS)], ("events",))
    with pytest.raises(InvalidDeclaration, match=r"prizes needs the database 'rewards' and another store"):
        check([job(REWARDS, other)], ("events",))
