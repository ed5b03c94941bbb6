"""Contact details of winners: only the identity of a function that serves them may read their database, and that one
may read no other store. Each rule is broken here on purpose, so that it is known to hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from functions.rewards.function import TICK_S
from infra.declared import InvalidDeclaration, check
from layers.declarations import (
    Access,
    Calls,
    Dataset,
    Documents,
    Function,
    HotTable,
    Http,
    LegalBasis,
    Need,
    RetailerSecret,
    Schedule,
    SealingKey,
    SecretKind,
)
from layers.retailers import RetentionClass
from layers.stores.collections import COLLECTIONS, Collection
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
    assert breaches([*_found(looked), own], {"rewards", looked.member("run-rewards")}) == []
    assert breaches([*_found(looked), own, more], {"rewards", looked.member("run-rewards")}) == [says]


def test_a_retailers_secret_is_refused_and_a_key_that_nobody_reads_is_not() -> None:
    def job(*needs: Need) -> Function:
        return Function("prizes", "", Schedule("0 0 * * *"), (REWARDS, *needs))

    assert check([job(SealingKey("seeds"))], ())
    for kind in SecretKind:
        with pytest.raises(InvalidDeclaration, match="and another store"):
            check([job(RetailerSecret(kind))], ())


def test_nobody_but_rewards_opens_a_seed(looked: Any) -> None:
    seals = {f.name for f in looked.functions if any(isinstance(need, SealingKey) for need in f.needs)}
    assert seals == {"rewards"}
    keys = {key["name"]: key for key in looked.inputs("cryptoKey:CryptoKey")}
    assert keys["seeds"]["purpose"] == "ENCRYPT_DECRYPT" and keys["seeds"]["rotationPeriod"]
    openers = [g for g in looked.inputs("cryptoKeyIAMMember:CryptoKeyIAMMember") if "Decrypter" in g["role"]]
    assert [(g["cryptoKeyId"].rpartition("/")[2], g["member"]) for g in openers] == [
        ("seeds", looked.member("run-rewards"))
    ]


def test_the_contacts_have_one_reader_who_is_not_public(looked: Any) -> None:
    own = [f for f in looked.functions if any(isinstance(n, Documents) and n.database == DATABASE for n in f.needs)]
    assert [function.name for function in own] == ["rewards"]
    assert isinstance(own[0].trigger, Http) and not own[0].trigger.public
    callers = {f.name for f in looked.functions if Calls("rewards") in f.needs}
    assert callers == {"claims", "draws", "tickets", "consent_erasure", "retention_purge"}


def test_games_are_looked_at_as_often_as_their_announcement_counts_on(looked: Any) -> None:
    draws = next(function for function in looked.functions if function.name == "draws")
    assert isinstance(draws.trigger, Schedule) and draws.trigger.cron == "* * * * *" and TICK_S == 60


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


NOBODY = {"games", "tickets", "prizes", "refunds"}
"""Collections of that database that hold nobody: tests/handlers/test_rewards.py reads each after it was used."""

ERASES, PURGES = "consent_erasure", "retention_purge"


def unreached(functions: Iterable[Function], collections: Iterable[Collection]) -> list[str]:
    """What erasure or retention could not reach, of every declared collection.

    No account but its own reads the contacts, so the erasure has to call a function that erases them, and they are
    purged by a function of that account.
    """
    named = {function.name: function for function in functions}

    def calls(caller: str) -> set[str]:
        return {need.function for need in named[caller].needs if isinstance(need, Calls)}

    wrong: list[str] = []
    for each in collections:
        own = {f.name for f in named.values() if Documents(Access.WRITE, each.database) in f.needs}
        if each.database == DATABASE and each.name not in NOBODY and not (each.holds_shoppers and each.basis):
            wrong.append(f"{each.name} holds contact details, and does not say so or why it may")
        if each.database == DATABASE and not (each.dated and (each.days or each.contract)):
            wrong.append(f"{each.name} holds contact details, and keeps them for ever")
        if each.holds_shoppers and ERASES not in own and not own & calls(ERASES):
            wrong.append(f"{each.name}: {ERASES} may not erase it, and calls nobody who may")
        if each.dated and PURGES not in own and not own & (calls(PURGES) | _scheduled(named)):
            wrong.append(f"{each.name}: {PURGES} may not purge it, and nobody who may is called or has a schedule")
    return wrong


def _scheduled(named: dict[str, Function]) -> set[str]:
    return {name for name, function in named.items() if isinstance(function.trigger, Schedule)}


def test_every_collection_is_within_reach_of_erasure_and_of_retention(looked: Any) -> None:
    assert unreached(looked.functions, COLLECTIONS) == []


CONTACTS = Collection(
    "contacts",
    "",
    "",
    holds_shoppers=True,
    database=DATABASE,
    dated="won",
    contract=(RetentionClass.REWARDS,),
    basis=LegalBasis.CONSENT,
)
PRIZES = Function("prizes", "", Http(False, ("/v1/contacts",), "compliance"), (REWARDS,))
CLEANER = Function("cleaner", "", Schedule("0 0 * * *"), (REWARDS,))


@pytest.mark.parametrize(
    ("contacts", "more", "calls", "says"),
    [
        (CONTACTS, (PRIZES, CLEANER), "prizes", []),
        (CONTACTS, (), "", ["may not erase it", "may not purge it"]),
        (CONTACTS, (PRIZES,), "prizes", ["may not purge it"]),
        (CONTACTS, (PRIZES, CLEANER), "", ["may not erase it"]),
        (replace(CONTACTS, holds_shoppers=False), (PRIZES, CLEANER), "prizes", ["does not say so"]),
        (replace(CONTACTS, basis=None), (PRIZES, CLEANER), "prizes", ["does not say so"]),
        (replace(CONTACTS, contract=()), (PRIZES, CLEANER), "prizes", ["for ever"]),
        (replace(CONTACTS, dated=""), (PRIZES, CLEANER), "prizes", ["for ever"]),
    ],
)
def test_a_contact_that_nobody_would_erase_or_purge_is_seen(
    contacts: Collection, more: tuple[Function, ...], calls: str, says: list[str], dev: Any
) -> None:
    functions = {function.name: function for function in (*dev.functions, *more) if function.name != "rewards"}
    elsewhere = [each for each in COLLECTIONS if each.database != DATABASE]
    if calls:
        eraser = functions[ERASES]
        functions[ERASES] = replace(eraser, needs=(*eraser.needs, Calls(calls)))
    found = unreached(functions.values(), (*elsewhere, contacts))
    assert len(found) == len(says) and all(said in one for said, one in zip(says, found, strict=True))
