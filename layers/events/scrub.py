"""Takes out of an event what may identify a person: numbers and addresses in searches, query strings in pages.

Owns the order of it, and which fields are free text. What is looked for stands in `emails`, `numbers` and `postal`.
Does not own the closed schema (model) nor pseudonyms (`layers.privacy`).

Measured on lines that were written before these rules, and drawn by lot into a half for which they were written and one
that was only looked at afterwards (tests/examples/personal_text_halves.yaml, 2026-11-22): of that one's 45 lines with
something personal 37 lose it (82 %; 25 by the rules before), and of the 40 lines that are changed three are groceries
(6 of 31 before). Whoever wrote the rules wrote the lines too: people will type what neither has. Known to be missed: an
e-mail address with a comma for its dot, numbers grouped by underscores, seven digits without a word beside them,
American streets in the middle of a text, and every name.

A text without a digit or an at sign costs 0.5 us, as does a page's path of plain words and short numbers; one with a
product's number 11 us. Libraries on the lines of tests/examples/personal_text.yaml: `phonenumbers` (its usual leniency,
three countries) found 9 of 20 phones at 85 us a line and 39 ms of import; one check of an IBAN by `python-stdnum` took
17 us, and 25 ms of import. Neither knows loyalty numbers or addresses. Presidio was not tried: it stands on spaCy and a
language model, and ingest must start within a third of a second of CPU.
"""

from __future__ import annotations

import re

import msgspec

from layers.events.emails import may_spell, without_emails
from layers.events.model import CATEGORY_LENGTH, PAGE_LENGTH, QUERY_LENGTH, LinkClicked, PageViewed, Searched
from layers.events.numbers import without_numbers
from layers.events.postal import without_addresses

_PATH = re.compile(r"[^?#;]*")
_PLAIN_PATH = re.compile(r"(?:/[a-z]++(?:-[a-z]++)*+(?:-[0-9]{1,5}+)?+)*+/?+(?![^?#;])")
"""A path of plain words, with at most a short number at the end of each step: what nearly every page has, and nothing
in it can be found by any rule. To see that costs 0.4 us, to try every rule 2.4."""

_DIGIT = re.compile(r"\d")
_SUSPECT = re.compile(r"[\d@＠]")


def scrub_text(text: str) -> str:
    """`text` with e-mail addresses, long numbers, account numbers and postal addresses replaced by what they were.

    What hides one thing may uncover another (a number may reach over a slash: what was two words is then one, and may
    be an address), so it is done until nothing changes. Each round takes digits or an at sign away.
    """
    if _SUSPECT.search(text) is None and not may_spell(text):
        # Most searches and pages: a look at each letter is all that they cost.
        return text
    while True:
        clean = _scrubbed(text)
        if clean == text:
            return text
        text = clean


def _scrubbed(text: str) -> str:
    text = without_emails(text)
    digits = len(_DIGIT.findall(text))
    return text if digits == 0 else without_numbers(without_addresses(text), digits)


def scrub_url(address: str) -> str:
    """A page address without query string and fragment, and without personal text in its path."""
    plain = _PLAIN_PATH.match(address)
    if plain is not None:
        return plain[0] or "/"
    if "?" in address or "#" in address or ";" in address:
        address = _PATH.match(address)[0]  # type: ignore[index] # it matches every text
    return scrub_text(address) or "/"


def scrub(event: Searched | PageViewed | LinkClicked) -> Searched | PageViewed | LinkClicked:
    """The event with its free text made safe to keep.

    Cut to the schema's lengths again: `[email]` is longer than `a@b.c`, and an event that had grown beyond them was
    acknowledged, stored, and could never be read.
    """
    if isinstance(event, Searched):
        return msgspec.structs.replace(event, query=scrub_text(event.query)[:QUERY_LENGTH])
    if isinstance(event, PageViewed):
        category = scrub_text(event.category)[:CATEGORY_LENGTH] if event.category else event.category
        return msgspec.structs.replace(event, page=scrub_url(event.page)[:PAGE_LENGTH], category=category)
    page, target = scrub_url(event.page)[:PAGE_LENGTH], scrub_url(event.target)[:PAGE_LENGTH]
    return msgspec.structs.replace(event, page=page, target=target)
