"""Takes out of an event what may identify a person: numbers and addresses in searches, query strings in pages.

Does not own the closed schema (model) nor pseudonyms (`layers.privacy`).
"""

from __future__ import annotations

import re

import msgspec

from layers.events.model import LinkClicked, PageViewed, Searched

_EMAIL = re.compile(r"[^\s@<>/]+(?:@|%40)[^\s@<>/]+\.[^\s@<>/]+")
_NUMBER = re.compile(r"(?<![\w.])\+?\d(?:[ .\-/()]{0,2}\d){8,18}(?!\w)")
"""Nine digits or more, however grouped: a phone, a card, a loyalty number. An EAN-13 typed into the search box goes
with them; losing that search is the cheaper mistake."""


def scrub_text(text: str) -> str:
    """`text` with e-mail addresses and long numbers replaced by `[email]` and `[number]`."""
    if "@" in text or "%40" in text:
        text = _EMAIL.sub("[email]", text)
    return _NUMBER.sub("[number]", text)


def scrub_url(address: str) -> str:
    """A page address without query string and fragment, and without personal text in its path."""
    return scrub_text(re.split(r"[?#;]", address, maxsplit=1)[0]) or "/"


def scrub(event: Searched | PageViewed | LinkClicked) -> Searched | PageViewed | LinkClicked:
    """The event with its free text made safe to keep."""
    if isinstance(event, Searched):
        return msgspec.structs.replace(event, query=scrub_text(event.query))
    if isinstance(event, PageViewed):
        category = scrub_text(event.category) if event.category else event.category
        return msgspec.structs.replace(event, page=scrub_url(event.page), category=category)
    return msgspec.structs.replace(event, page=scrub_url(event.page), target=scrub_url(event.target))
