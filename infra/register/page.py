"""The page: Markdown from entries and activities. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from infra.configuration import Stack, warnings
from infra.register.activities import Activity, activities
from infra.register.data_map import Entry, entries
from layers.declarations import Function
from layers.retailers import RetentionClass
from layers.retailers.reasons import REASONS

_HEAD = """# Register of processing, and data map

Made by `make register` from the declarations; a test fails while it is not current. Change the declaration, never this
page.

Each retailer is the controller of its shoppers' data (article 30(1) of the GDPR); whoever runs this stack is its
processor (article 30(2)). Legal bases are those that the design enforces; the retailer answers for the choice.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ") or "-"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(map(_cell, row)) + " |" for row in rows)])


def _names(found: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in found)


def _tables(stores: Iterable[str]) -> list[str]:
    """Stores of which all parts are granted together, once: a dataset, a Bigtable table, a database."""
    return list(dict.fromkeys("bigquery" if s.startswith("bigquery:") else s.split("/")[0] for s in stores))


def _controllers(stack: Stack) -> str:
    rows = [
        [
            r.name,
            r.id,
            ", ".join(r.compliance),
            *(str(r.contract.days(c)) for c in RetentionClass),
            r.absent_consent.value,
        ]
        for r in stack.retailers
    ]
    classes = [c.value for c in RetentionClass]
    return _table(
        ["controller", "id", "contact for compliance", *(f"{c}, days" for c in classes), "no consent known"], rows
    )


def _reasons() -> str:
    rows = [[c.value, REASONS[c].purpose, REASONS[c].basis.value] for c in RetentionClass]
    return _table(["class", "purpose", "legal basis, article 6(1)"], rows)


def _activities(found: Iterable[Activity]) -> str:
    rows = [
        [f"`{a.name}`", a.purpose, "; ".join(b.value for b in a.bases), _names(_tables(a.stores)), a.recipients]
        for a in found
    ]
    return _table(["activity", "purpose", "legal basis", "stores with personal data", "recipients"], rows)


def _map(found: Iterable[Entry]) -> str:
    parts = []
    for entry in found:
        about = "a shopper may stand in it" if entry.personal else "about no shopper"
        facts = [
            f"{entry.meaning} ({about})",
            *([f"Purpose: {entry.purpose}. Basis: {entry.basis or 'none needed'}."] if entry.purpose else []),
            *([f"Kept: {entry.kept}."] if entry.kept else []),
            f"Read by: {_names(entry.readers) or 'nobody'}. Written and read by: {_names(entry.writers) or 'nobody'}.",
        ]
        text = f"### `{entry.store}`\n\n" + "\n".join(f"- {fact}" for fact in facts)
        if entry.fields:
            rows = [[f"`{name}`" if " " not in name else name, meaning] for name, meaning in entry.fields]
            plain = all(not meaning for _, meaning in entry.fields)
            listed = f"Fields: {_names(name for name, _ in entry.fields)}." if plain else ""
            text += f"\n- {listed}" if plain else "\n\n" + _table(["field", "meaning"], rows)
        parts.append(text)
    return "\n\n".join(parts)


def page(stack: Stack, functions: Sequence[Function]) -> str:
    """The whole register of one stack, ending in a newline.

    Raises:
        Undeclared: a declaration is missing.
    """
    stores = entries(stack, functions)
    told = warnings(stack)
    return "\n".join(
        [
            _HEAD,
            f"Stack `{stack.name}`, project `{stack.project}`. Data lie in `{stack.zone}` (Bigtable),",
            f"`{stack.analytics_location}` (BigQuery), `{stack.documents_location}` (Firestore), `{stack.region}`",
            "(all else); the program transfers none elsewhere. Categories of persons: the retailers' shoppers.",
            "",
            "## Controllers and their contracts",
            "",
            _controllers(stack),
            "",
            *([*(f"- {warning}" for warning in told), ""] if told else []),
            "## What each class of data is kept for",
            "",
            _reasons(),
            "",
            "## Activities",
            "",
            "Each function is one activity and runs under an account of its own, `run-<name>`, which may use the",
            "stores of its row and no others (`tests/infra/test_grants.py`).",
            "",
            _activities(activities(functions, stores)),
            "",
            "## Measures of security (article 32)",
            "",
            "- A customer id becomes a pseudonym at the door, under a secret of its retailer; no store holds an id.",
            "- Schemas are closed: an undeclared field refuses its event; free text is scrubbed before it is kept.",
            f"- Stores refuse deletion by a deployment: {'yes' if stack.protected else 'no, on this stack'}.",
            "- Google encrypts every store at rest, and all transport is TLS. The program grants no person any store.",
            "- An erasure visits every store below that may hold a shopper, and reads it again.",
            "- A nightly run removes what is past its contract, and reads what is left. It warns of erasures that are",
            "  nearly due or overdue, and an alarm fires when it was not heard of for 25 hours.",
            "- No statement names a pseudonym, since BigQuery keeps parameters for 180 days; Cloud Run's own lines",
            "  about requests of shoppers' browsers, with their network addresses, are not kept.",
            "",
            "## Data map",
            "",
            "By role: a function reads and writes as its line says; `builds`, push and schedule accounts read no data;",
            "a retailer's compliance officer reads through `consent_erasure` only; an administrator of the project can",
            "grant themselves anything.",
            "",
            _map(stores),
            "",
        ]
    )
