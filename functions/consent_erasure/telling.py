"""What a shopper is told about the data of which a copy is given: meanings, reasons in words, logic, delays. Pure.

GDPR article 15(1) asks for the purposes, the recipients, the delays, the source, the rights, and for the logic of
profiling. Purposes and delays come from the declarations. Does not own the reading of stores (access.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import msgspec

from functions.consent_erasure.rules import text_of
from layers.events.meaning import ENVELOPE, EVENT
from layers.facts import DECISIONS, ColumnType, Table, moment_sql
from layers.privacy.suppression import digest_sql
from layers.retailers import Retailer, RetentionClass
from layers.retailers.reasons import REASONS
from layers.stores.apart import DATABASE
from layers.stores.collections import Collection
from layers.stores.tables import ARRIVALS, EVENTS, JOURNAL_DAYS, SHOPPERS, HotTableSpec
from layers.stores.topics import DEAD_LETTER_DAYS, KEPT_DAYS
from layers.tree.variables import VARIABLES

FORMAT = "gondola-access/1"

RECIPIENTS = (
    "{retailer}, the shop: it decides why and how these data are used.",
    "Google Cloud, which keeps and processes them on its behalf (Bigtable, BigQuery, Firestore, Pub/Sub, Cloud Run).",
    "Nobody else. Brands whose products are promoted get numbers about many shoppers together, never these records.",
)

RIGHTS = (
    "To have data corrected or erased, to restrict their use, to object to profiling, to take them elsewhere, and to "
    "withdraw a consent at any time: ask {retailer}.",
    "To complain to a data protection authority; in France the CNIL.",
)

LOGIC = {
    "what": (
        "Each night it is estimated, from past orders alone, which products and categories this shopper will probably "
        "buy next, and what an order usually comes to. While the shop is visited, a published tree of conditions "
        "decides by these numbers and the visit's own events which experience is shown."
    ),
    "probability": (
        "The share of this shopper's trips that held the product. A trip counts half as much as one twelve trips later "
        "(12). The whole clientele's trips of the last 28 days count beside it with the weight of eight trips (8)."
    ),
    "usual_basket": "The middle value of the totals of this shopper's orders.",
    "threshold": "A round amount just above the total that four of ten of this shopper's orders exceed.",
    "generosity": (
        "A tenth (10%) of what that amount adds to the usual basket, in whole halves of the currency and at least one "
        "half; nothing for a shopper of whose purchases less than a tenth (10%) came off in discounts."
    ),
    "consequences": (
        "Which promotion, game, recommendation or text is shown, and how large a promotion is. Prices, delivery and "
        "what may be bought are the same for everybody. Who refuses personalisation is shown the shop's default."
    ),
    "not_used": "Name, age, address, health, or anything bought elsewhere: none of it is known here.",
}
"""Article 15(1)(h). The numbers are those of functions/scoring/rules.py; tests compare them, and hold each sentence
here and above by what would make it false (tests/rules/test_told_truly.py)."""

NOT_LISTED = (
    f"Messages on their way between parts of the system hold copies of the events and decisions listed here for up to "
    f"{KEPT_DAYS} days, and of those that could not be delivered for up to {DEAD_LETTER_DAYS}. They are "
    "searched when a shopper is erased, not for this copy.",
    "Statistics about many shoppers together hold no record of one.",
    "Data that the retailer keeps in its own systems.",
)


class NoReader(LookupError):
    """A declared store may hold a shopper, and nothing here reads it."""


@dataclass(frozen=True, slots=True)
class Told:
    """One store as the package describes it.

    Attributes:
        store: as erasure names it. fields: by name, what each means. source: where it comes from. ends: when a record
            goes, where no `kept_until` says it. hot, table, collection: what is read, one of the three.
    """

    store: str
    meaning: str
    fields: Mapping[str, str]
    purpose: str
    source: str
    ends: str = ""
    retention: RetentionClass | None = None
    hot: str = ""
    table: Table | None = None
    collection: Collection | None = None


_KEPT = {"kept_until": "When it is removed at the latest."}
_COMPUTED = "Computed each night from the orders."
_SENT = "The shop's pages and app, its tills and servers, or the files that the retailer delivered."

STATE: Mapping[str, str] = {
    "format": "Version of this record's form.",
    "tree_version": "Version of the tree of experiences that was used.",
    "parameters_version": "Version of the estimates that were used.",
    "started_ms": "When the visit began, in milliseconds since 1970.",
    "stretch_ms": "When the first visit began after the last pause of over six hours.",
    "last_ms": "When the event counted last happened.",
    "last_id": "The number of that event.",
    "events": "How many events the visit has.",
    "revision": "How many events were counted since that pause.",
    "counted": "Time and short code of the newest events, so that none counts twice.",
    "sessions": "Short codes of the visits' numbers.",
    "node": "The place in the tree of experiences where the shopper stands.",
    "basket": "What the basket holds: quantity and price of one unit by product number.",
    "validated": "Whether the basket was taken to checkout.",
    "page_kind": "The sort of page seen last.",
    "page_category": "Its category.",
    "store": "The store whose shop the pages showed.",
    "search": "Words searched for last.",
    "event_type": "What was done last.",
    "event_product": "With which product.",
    "event_status": "What became of an order, if that was the last event.",
    "path": "What sorts of things were done on this visit, in order.",
    "shown": "What was shown since that pause, and at which place in the tree.",
    "order": "The last order of this visit: whether it is paid or cancelled, its total, its products, a short code of "
    "its number.",
    "consent": "What the newest consent says.",
    "consent_before": "What it said when that pause ended.",
}

_PRODUCT = {
    "id": "The retailer's product number.",
    "probability": "How likely it is in the next basket, from 0 to 1.",
    "price": "What this shopper usually pays for one unit.",
    "category": "Its category.",
    "brand": "Its brand.",
    "why": "What made that product likely, in words.",
}

PARAMETERS: Mapping[str, str] = {
    "version": "The night's run that computed it first; later ones that found the same left it.",
    "computed_at": "When that was.",
    "products": "Products that this shopper will probably buy next, likeliest first.",
    **{f"products.{name}": meaning for name, meaning in _PRODUCT.items()},
    "categories": "How likely the next basket holds something of each category, from 0 to 1.",
    "usual_basket": "What an order of this shopper usually comes to.",
    "threshold": "The basket's total that a promotion asks of this shopper.",
    "generosity": "What a promotion gives at that total; 0: none is needed.",
    "trips": "How many orders were counted.",
    "offers": "Offers of the campaigns that reach this shopper, best first, and what could have been drawn instead.",
    "offers.campaign": "What the retailer and a brand agreed.",
    "offers.offer": "Which level of it.",
    "offers.kind": "A promotion, a game or a tension.",
    "offers.product": "The product that it is off.",
    "offers.generosity": "What it gives; of a game, the prize.",
    "offers.threshold": "The basket's total that it asks for.",
    "offers.probability": "How likely the next basket holds the product, or reaches that total, without the offer.",
    "offers.uplift": "What the offer is expected to add to that.",
    "offers.expected_margin": "What the offer is expected to bring the shop, its cost taken off.",
    "offers.expected_cost": "What it is expected to give away.",
    "offers.propensity": "How likely it was to be drawn for this shopper.",
    "offers.drawn": "Whether it was.",
    "offers.why": "Why, in words.",
    "offers.stores": "The stores where it holds.",
    "offers.until": "When it is over.",
    "offers.purposes": "What its shopper must have agreed to beside personalisation.",
    "control": "Whether this shopper is in the group that is shown no promotion and no game, to compare with.",
    "group_propensity": "How large a part of all shoppers this shopper's group is.",
    "discoveries": "Products never bought before that this shopper may like, likeliest first.",
    **{f"discoveries.{name}": meaning for name, meaning in _PRODUCT.items()},
    "churn": "How likely it is that nothing is bought in the next 28 days, from 0 to 1.",
    "segment": "Which group of shoppers this one is counted in, by how lately, how often and for how much they buy.",
    "why": "What all this rests on, in words with figures.",
}

_HOT = {
    EVENTS: Told(
        f"bigtable:{EVENTS}",
        "Everything this shopper did in the shop, newest first.",
        {**ENVELOPE, **{f"event.{name}": meaning for name, meaning in EVENT.items()}, **_KEPT},
        "Of each class of data, as `retention` says.",
        _SENT,
        hot=EVENTS,
    ),
    SHOPPERS: Told(
        f"bigtable:{SHOPPERS}",
        "What is estimated about this shopper, where the shopper stands in the tree of experiences, and the consent "
        "that holds.",
        {
            "part": "parameters (estimates), state (where the shopper stands) or consent (the newest one).",
            **{f"parameters.{name}": meaning for name, meaning in PARAMETERS.items()},
            **{f"state.{name}": meaning for name, meaning in STATE.items()},
            **{f"consent.{name}": meaning for name, meaning in ENVELOPE.items()},
        },
        "To suit the shop to this shopper, as the consent allows.",
        "Computed from the events and orders; the section `logic` says how.",
        "Written anew with each event and each night; removed with the last event, or at once when personalisation is "
        "refused or objected to.",
        hot=SHOPPERS,
    ),
    ARRIVALS: Told(
        f"bigtable:{ARRIVALS}",
        "Which of these events arrived in which minute, to find what got lost on the way.",
        {"minute": "When it arrived.", "at": "When it was done.", "id": "The event's number.", **_KEPT},
        "To lose nothing that was sent.",
        "Noted at the door.",
        hot=ARRIVALS,
    ),
}

_PROOF = {
    "requested": "When it was asked for.",
    "finished": "When it was complete.",
    "fingerprint": "The code that stands for this shopper in it.",
    **_KEPT,
}

_DOCUMENTS = {
    "suppressions": Told(
        "firestore:suppressions",
        "That an erasure was asked for and since when, under a code from which nobody can be found.",
        {"since": "Whatever was done up to then is erased.", **_KEPT},
        "To keep what was erased from coming back.",
        "The erasure request.",
    ),
    "erasures": Told(
        "firestore:erasures",
        "Erasure requests in which a fingerprint of this shopper stands. A request for several shoppers has one of all "
        "together, and cannot be found by one of them.",
        {"reference": "The retailer's own name of the request.", **_PROOF},
        "To do the erasure.",
        "The erasure request.",
    ),
    "receipts": Told(
        "firestore:receipts",
        "Receipts of erasures in which this shopper's fingerprint stands.",
        {"number": "Its place in the chain of the retailer's receipts.", **_PROOF},
        "To prove that the erasure was done.",
        "The erasure.",
    ),
    "promises": Told(
        "firestore:promises",
        "Offers that were shown to this shopper and are paid from a campaign's budget, and what became of them.",
        {
            "campaign": "Whose offer it is.",
            "offer": "The level of generosity.",
            "product": "The product it is off; none for one off the basket.",
            "cents": "What it gives at most, in hundredths of the currency.",
            "threshold": "The basket total that it asks for, in hundredths; 0 for none.",
            "percent": "Of the product's price that it gives; none for an amount.",
            "substitutes": "Products that count where they are delivered in the place of that product.",
            "at": "When it was shown first.",
            "until": "Until when an order could use it.",
            "fate": "What became of it: open, ordered, earned, not_earned, returned or lapsed.",
            "order": "The order that used it.",
            "earned": "What was given in the end, in hundredths.",
            "unbudgeted": "Of that, what no budget of the campaign could pay any more.",
            "store": "The store that it holds in; none where it holds in all.",
            **_KEPT,
        },
        "To keep what an offer promises, and to give it by what was delivered.",
        "The decisions that showed the offers, and the orders.",
    ),
}
"""By name, of the default database."""

_APART = {
    "players": Told(
        "firestore:players",
        "The orders with which this shopper plays games for the value of the basket.",
        {
            "game": "Which game.",
            "at": "When the newest of these orders was paid.",
            "orders": "The orders' numbers, by the code under which each ticket is published.",
            "payments": "How each of them was paid, by the same code.",
            "households": "With which household each of them counts, by the same code: the retailer's own code of it.",
            **_KEPT,
        },
        "To let this shopper play, as often as the rules allow.",
        "The paid orders.",
        retention=RetentionClass.REWARDS,
    ),
    "households": Told(
        "firestore:households",
        "This shopper's orders that count with those of a household; nothing of the others' is told.",
        {
            "game": "Which game.",
            "household": "The household, by a code that the retailer made of its number.",
            "at": "When the newest of this shopper's orders was paid.",
            "entries": "The codes under which the tickets of this shopper's orders are published.",
            **_KEPT,
        },
        "To let a household play as often as the rules allow.",
        "The paid orders.",
        retention=RetentionClass.REWARDS,
    ),
    "contacts": Told(
        "firestore:contacts",
        "The address that this shopper left to receive a prize.",
        {
            "game": "Which game.",
            "entry": "The code under which the ticket is published.",
            "order": "The order that won.",
            "email": "The address.",
            "given": "When it was left.",
            **_KEPT,
        },
        "To send the prize.",
        "This shopper, on the page that the prize's link leads to.",
        retention=RetentionClass.REWARDS,
    ),
}
"""By name, of the database that is kept apart."""


def stores(hot: Iterable[HotTableSpec], tables: Iterable[Table], collections: Iterable[Collection]) -> list[Told]:
    """One for each declared store that may hold a shopper.

    Raises:
        NoReader: a store without one; a package without it would pass for everything that is held.
    """
    found = [_of(_HOT, spec.name, f"Bigtable table {spec.name}") for spec in hot if spec.holds_shoppers]
    found += [_facts(table) for table in tables if table.holds_shoppers]
    for one in collections:
        if one.holds_shoppers:
            known = _DOCUMENTS if one.database == "(default)" else _APART if one.database == DATABASE else {}
            what = f"Firestore collection {one.name} of {one.database}"
            found.append(replace(_of(known, one.name, what), collection=one))
    return found


def _of(known: Mapping[str, Told], store: str, what: str) -> Told:
    if store not in known:
        raise NoReader(
            f"{what} may hold a shopper and nothing reads it, so a package would be incomplete; none is given. Add its "
            "meaning in functions/consent_erasure/telling.py and its reader in access.py."
        )
    return known[store]


_FACTS_ORDER = ("at", "event_id", "position")
_DERIVED_ORDER = ("as_of", "day", "category", "product")


def columns_told(table: Table) -> list[str]:
    """The columns of a record; the pseudonym is the same everywhere and stands in the package's head."""
    return [column.name for column in table.columns if column.name != "shopper"]


def _facts(table: Table) -> Told:
    meanings = {column.name: column.meaning for column in table.columns if column.name != "shopper"}
    if table == DECISIONS:
        meanings |= {
            "reason": "The conditions that held, as they were evaluated.",
            "why": "The same in words.",
            "shown": "The experiences that were chosen, with their amounts.",
        }
    reason = REASONS[table.retention] if table.retention else None
    return Told(
        f"bigquery:{table.stored_as}",
        table.meaning,
        meanings | (_KEPT if table.retention else {}),
        reason.purpose if reason else "",
        _source(table),
        retention=table.retention,
        table=table,
    )


def _source(table: Table) -> str:
    if table == DECISIONS:
        return "Decided by the tree of experiences; the section `logic` says how."
    return _COMPUTED if table.derived else _SENT


def facts_sql(dataset: str, table: Table) -> str:
    """A shopper's rows, each once, in the order of time; `@shopper` is a digest, as in erasure.

    Args:
        dataset: `project.dataset`.
    """
    names = columns_told(table)
    columns = ", ".join(f"`{name}`" for name in names)
    in_order = _DERIVED_ORDER if table.derived else _FACTS_ORDER
    order = ", ".join(f"`{name}`" for name in in_order if name in names) or "1"
    after = f" AND {moment_sql(table)} > @after" if table.timed_by in names else ""
    theirs = f"{digest_sql('shopper')} = @shopper{after}"
    return f"SELECT {columns} FROM `{dataset}.{table.name}` WHERE {theirs} ORDER BY {order}"


_MEANING = {variable.name: variable.meaning for variable in VARIABLES}

_RULES = {
    "when": "Moved to «{node}», because this held",
    "leave": "Left «{node}», because this held",
    "stays": "Stayed at «{node}», because no condition for a move held",
    "starts": "A new visit began at «{node}»",
    "refused": "Personalisation was refused, so nothing was evaluated and the shop's default was shown",
    "failed": "A condition of «{node}» could not be evaluated, which counts as not holding",
}
"""By the rules of `layers.tree.walk`."""


class _Reason(msgspec.Struct, frozen=True):
    node: str = ""
    rule: str = ""
    condition: str = ""
    values: dict[str, Any] = {}


_reasons = msgspec.json.Decoder(list[_Reason])


def in_words(reason: str | bytes) -> list[str]:
    """The reasons of a decision, a sentence each. None where they are not readable: they stand beside it anyway."""
    try:
        reasons = _reasons.decode(reason)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return []
    return [_sentence(one) for one in reasons]


def _sentence(reason: _Reason) -> str:
    said = _RULES.get(reason.rule, "Decided at «{node}»").replace("{node}", reason.node)
    if reason.condition:
        said += f": {reason.condition}"
    values = "; ".join(
        f"{name} ({_MEANING.get(name, 'no longer in use')}) was {msgspec.json.encode(value).decode()}"
        for name, value in sorted(reason.values.items())
    )
    return f"{said}. There, {values}." if values else f"{said}."


def decision_told(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `decisions` with its JSON opened and its reasons in words."""
    told = dict(row)
    for name in ("reason", "shown", "offers"):
        try:
            told[name] = msgspec.json.decode(row[name])
        except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, KeyError):
            continue
    told["why"] = in_words(row["reason"] or "")
    return told


def kept_until(retailer: Retailer, retention: RetentionClass, at: datetime) -> str:
    return text_of(at + timedelta(days=retailer.contract.days(retention)))


def row_kept_until(retailer: Retailer, table: Table, row: Mapping[str, Any]) -> str | None:
    """When a row is removed at the latest; None for a table that no delay bounds."""
    if table.retention is None:
        return None
    at = row[table.timed_by]
    if table.dated.type is ColumnType.DATE:
        at = datetime.combine(at, time(), UTC)
    return text_of(at + timedelta(days=days_kept(retailer, table, table.retention)))


def days_kept(retailer: Retailer, table: Table, retention: RetentionClass) -> int:
    contract = retailer.contract.days(retention)
    return contract if table.days is None else min(contract, table.days)


def journal_until(minute: datetime) -> str:
    return text_of(minute + timedelta(days=JOURNAL_DAYS))


OTHERS = (
    "The secret key is being changed: what was recorded under the former one, or is prepared under the next, is listed "
    "in the same way, and what the customer agreed to stands under each."
)


def head(retailer: Retailer, reference: str, shoppers: Sequence[str], now: datetime) -> dict[str, Any]:
    """All of the package that needs no store."""
    return {
        "format": FORMAT,
        "retailer": retailer.name,
        "reference": reference,
        "generated": text_of(now),
        "about": "All that is held about one shopper (GDPR, articles 15 and 20). It is whole if it ends with "
        '`"complete": true`.',
        "pseudonym": shoppers[0],
        "pseudonym_meaning": "Every record stands under this code, which is made of the customer number and a secret "
        "key. The customer number itself is not kept.",
        **({"other_pseudonyms": list(shoppers[1:]), "other_pseudonyms_meaning": OTHERS} if shoppers[1:] else {}),
        "recipients": [text.replace("{retailer}", retailer.name) for text in RECIPIENTS],
        "retention": [
            {
                "class": retention.value,
                "purpose": REASONS[retention].purpose,
                "legal_basis": REASONS[retention].basis.value,
                "days": retailer.contract.days(retention),
                "removed_if_older_than": text_of(now - timedelta(days=retailer.contract.days(retention))),
                "done_today_is_removed_by": kept_until(retailer, retention, now),
            }
            for retention in RetentionClass
        ],
        "logic": LOGIC,
        "rights": [text.replace("{retailer}", retailer.name) for text in RIGHTS],
        "not_listed": list(NOT_LISTED),
    }


def description(told: Told, retailer: Retailer) -> dict[str, Any]:
    """What stands before a store's records."""
    days = {"days": retailer.contract.days(told.retention)} if told.retention else {}
    ends = {"ends": told.ends} if told.ends else {}
    return {
        "store": told.store,
        "meaning": told.meaning,
        "purpose": told.purpose,
        "source": told.source,
        **days,
        **ends,
        "fields": told.fields,
    }
