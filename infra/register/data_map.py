"""Where a shopper's data may be: one entry for each field of each store. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from infra.configuration import Stack
from infra.declared import DATABASES, needs
from layers.declarations import Access, Dataset, DeadLetters, Documents, Function, HotTable, Push, Topic
from layers.events.model import EVENT_TYPES, type_name
from layers.events.record import Record
from layers.facts import EVERYWHERE
from layers.facts.tables import Table
from layers.retailers import Retailer, RetentionClass
from layers.retailers.reasons import REASONS
from layers.stores.collections import COLLECTIONS, Collection
from layers.stores.tables import EVENT_CLASSES, EVENTS, Family, HotTableSpec, hot_tables
from layers.stores.topics import DEAD_LETTER_DAYS, KEPT_DAYS, TOPICS

_UNTIL_INACTIVE = "as long as an event is left of which it is made; the nightly purge sees to it"


class Undeclared(ValueError):
    """Something may hold or read shoppers' data, and does not say what for. The message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One store, and what it holds.

    Attributes:
        fields: (name, meaning), meaning empty where the name says it. personal: a shopper may stand in it.
        kept: for how long. readers, writers: functions, by the accounts they run under; who writes also reads.
    """

    store: str
    meaning: str
    fields: tuple[tuple[str, str], ...]
    personal: bool
    purpose: str
    basis: str
    kept: str
    readers: tuple[str, ...]
    writers: tuple[str, ...]


def kept(stack: Stack, retention: RetentionClass) -> str:
    """The contracts of all retailers for one class: `180 days (halles), 395 (cabas)`."""
    return _by_retailer(stack, lambda retailer: retailer.contract.days(retention))


def _by_retailer(stack: Stack, of: Callable[[Retailer], int]) -> str:
    days: dict[int, list[str]] = {}
    for retailer in stack.retailers:
        days.setdefault(of(retailer), []).append(retailer.id)
    if len(days) == 1:
        return f"{next(iter(days))} days"
    return "; ".join(f"{number} days ({', '.join(ids)})" for number, ids in sorted(days.items()))


def entries(
    stack: Stack,
    functions: Iterable[Function],
    *,
    hot: Sequence[HotTableSpec] | None = None,
    tables: Sequence[Table] = EVERYWHERE,
    collections: Sequence[Collection] = COLLECTIONS,
) -> tuple[Entry, ...]:
    """Every store of the stack.

    Args:
        hot: the Bigtable tables; those of the stack's contracts unless a test has others.

    Raises:
        Undeclared: see there.
    """
    found = tuple(functions)
    specs = hot_tables(stack.retailers) if hot is None else hot
    others = [(spec, family) for spec in specs for family in spec.families if family.retention is None]
    return (
        *(_events(stack, found, retention) for retention in EVENT_CLASSES),
        *(_family(found, spec, family) for spec, family in others),
        *(_table(stack, found, table) for table in tables),
        *(_collection(stack, found, collection) for collection in collections),
        *(_empty_database(found, name) for name in DATABASES if name not in {c.database for c in collections}),
        *(_topic(found, name) for name in sorted({need.name for f in found for need in needs(f, Topic)})),
    )


def _who(functions: tuple[Function, ...], kind: type[Any], access: Access, **same: str) -> tuple[str, ...]:
    return tuple(
        function.name
        for function in functions
        for need in needs(function, kind)
        if need.access is access and all(getattr(need, name) == value for name, value in same.items())
    )


def _events(stack: Stack, functions: tuple[Function, ...], retention: RetentionClass) -> Entry:
    """Of one class; its families differ by the delay alone."""
    envelope = ", ".join(each.encode_name for each in msgspec.structs.fields(Record) if each.name != "event")
    own = [
        (type_name(kind), ", ".join(each.encode_name for each in msgspec.structs.fields(kind)))
        for kind in EVENT_TYPES
        if kind.retention is retention
    ]
    former = stack.retired_delays.get(retention, ())
    delay = kept(stack, retention)
    if former:
        delay += f"; families of former contracts, {', '.join(map(str, former))} days, empty by today's contracts"
    return Entry(
        f"bigtable:{EVENTS}/{retention.value}_<days>d",
        f"Events of the class {retention.value}, as they came.",
        (("each event", f"{envelope} (`shopper` is the pseudonym)"), *own),
        True,
        REASONS[retention].purpose,
        REASONS[retention].basis.value,
        delay,
        _who(functions, HotTable, Access.READ, name=EVENTS),
        _who(functions, HotTable, Access.WRITE, name=EVENTS),
    )


def _family(functions: tuple[Function, ...], spec: HotTableSpec, family: Family) -> Entry:
    if not family.meaning or (spec.holds_shoppers and family.basis is None):
        raise Undeclared(
            f"family {family.name} of the Bigtable table {spec.name} does not say what it holds or on which basis; "
            "give it a meaning and a basis in layers/stores/tables.py."
        )
    return Entry(
        f"bigtable:{spec.name}/{family.name}",
        family.meaning,
        ((spec.row_key, "row key"),),
        spec.holds_shoppers,
        "as it says",
        "" if family.basis is None else family.basis.value,
        f"{family.max_age_days} days" if family.max_age_days else _UNTIL_INACTIVE,
        _who(functions, HotTable, Access.READ, name=spec.name),
        _who(functions, HotTable, Access.WRITE, name=spec.name),
    )


def _table(stack: Stack, functions: tuple[Function, ...], table: Table) -> Entry:
    if table.holds_shoppers and table.retention is None:
        raise Undeclared(f"table {table.name} holds shoppers and names no retention class; add it in layers/facts.")
    reason = None if table.retention is None else REASONS[table.retention]
    return Entry(
        f"bigquery:{table.stored_as}",
        table.meaning,
        tuple((column.name, column.meaning) for column in table.columns),
        table.holds_shoppers,
        "to know the assortment" if reason is None else reason.purpose,
        "" if reason is None else reason.basis.value,
        _table_kept(stack, table),
        _who(functions, Dataset, Access.READ),
        _who(functions, Dataset, Access.WRITE),
    )


def _table_kept(stack: Stack, table: Table) -> str:
    renewed = "made anew by every night's models"
    if table.retention is None:
        return renewed if table.derived else "until the next delivery"
    return kept(stack, table.retention) if table.days is None else f"{table.days} days; {renewed}"


def _collection(stack: Stack, functions: tuple[Function, ...], collection: Collection) -> Entry:
    if not collection.fields or (collection.holds_shoppers and collection.basis is None):
        raise Undeclared(
            f"collection {collection.name} does not say which fields it holds, or on which basis; "
            "add them in layers/stores/collections.py."
        )
    if collection.contract:
        delay = _by_retailer(stack, collection.delay_days)
    else:
        delay = f"{collection.days} days from `{collection.dated}`" if collection.dated else "for good"
    return Entry(
        f"firestore:{collection.database}/{collection.name}",
        collection.meaning,
        tuple((name, "") for name in collection.fields),
        collection.holds_shoppers,
        "as it says",
        "" if collection.basis is None else collection.basis.value,
        delay,
        _who(functions, Documents, Access.READ, database=collection.database),
        _who(functions, Documents, Access.WRITE, database=collection.database),
    )


def _empty_database(functions: tuple[Function, ...], name: str) -> Entry:
    reads = _who(functions, Documents, Access.READ, database=name)
    writes = _who(functions, Documents, Access.WRITE, database=name)
    if reads or writes:
        raise Undeclared(
            f"{', '.join((*reads, *writes))} can use the Firestore database {name}, and no collection of it is "
            "declared; add each to layers/stores/collections.py."
        )
    text = "Empty: nothing is declared in it, and nobody can use it."
    return Entry(f"firestore:{name}", text, (), False, "", "", "", (), ())


def _topic(functions: tuple[Function, ...], name: str) -> Entry:
    if name not in TOPICS:
        raise Undeclared(f"topic {name} does not say what its messages hold; add it to layers/stores/topics.py.")
    called = tuple(f.name for f in functions if isinstance(f.trigger, Push) and name in f.trigger.topics)
    publishers = tuple(f.name for f in functions for need in needs(f, Topic) if need.name == name)
    sweepers = tuple(f.name for f in functions if needs(f, DeadLetters))
    return Entry(
        f"pubsub:{name}",
        TOPICS[name],
        (),
        True,
        "to carry them to the functions that read them",
        "that of what it carries",
        f"{KEPT_DAYS} days; what could not be delivered, {DEAD_LETTER_DAYS} days",
        called,
        (*publishers, *(f"{name} (what could not be delivered)" for name in sweepers)),
    )
