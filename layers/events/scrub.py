"""Takes out of an event what may identify a person: numbers and addresses in searches, query strings in pages.

How much it finds is measured on tests/examples/personal_text.yaml, at 3 us a line there, 0.3 us for words without a
digit. Libraries on the same lines: `phonenumbers` (its usual leniency, three countries) found 9 of 20 phones at 85 us a
line and 39 ms of import; one check of an IBAN by `python-stdnum` took 17 us, and 25 ms of import. Neither knows loyalty
numbers or addresses. Presidio was not tried: it stands on spaCy and a language model, and ingest must start within a
third of a second of CPU.

Does not own the closed schema (model) nor pseudonyms (`layers.privacy`).
"""

from __future__ import annotations

import re

import msgspec

from layers.events.model import CATEGORY_LENGTH, PAGE_LENGTH, QUERY_LENGTH, LinkClicked, PageViewed, Searched

_WORD = re.compile(r"[^\s<>/]+")
_PATH = re.compile(r"[^?#;]*")
_SPACE = re.compile(r"\s")
_SHORTEST_IBAN = 15
_FEWEST_DIGITS, _FEWEST_OF_IBAN = 6, 10
"""Of a number that is looked for."""

_AT = re.compile(r"@|%40")
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"(?<![\w.])\+?\d(?:[ .\-/()]{0,2}\d){8,}(?!\w)")
"""Nine digits or more, however grouped: a phone, a card, a loyalty number. An EAN-13 typed into the search box goes
with them; losing that search is the cheaper mistake."""

_NAMED_NUMBER = re.compile(
    r"(\b(?:carte|card|fid(?:[ée]lit[ée])?|loyalty|client|customer|membre|member|t[ée]l(?:[ée]phone)?|phone|call|appel\w{0,3})"
    r"\b[^\d\n]{0,20})\d(?:[ .\-]?\d){5,}(?!\w)",
    re.IGNORECASE,
)
"""Six digits or more soon after a word that says whose they are."""

_IBAN = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}"
    r"(?:[A-Za-z0-9]{11,30}|(?: [A-Za-z0-9]{4}){2,7}(?: [A-Za-z0-9]{1,4})?)(?![A-Za-z0-9])"
)

_HOUSE_FIRST = re.compile(
    r"\d(?<![\w.,]\d)(?:\d{0,3}(?:\s?(?:bis|ter|quater|[a-d]))?,?\s+"
    r"(?:(?:rue|avenue|av\.?|boulevard|bd\.?|impasse|chemin|all[ée]e|faubourg)"
    r"|(?:place|cours|route|quai|square|passage)(?=\s+(?:de\s+la|de\s+l['’]|du|des|(?:de\s+|d['’])(?-i:[A-ZÀ-Ý]))))"
    r"(?:\s+[\w'’.-]+){1,6}"
    r"|\d{0,4}[a-z]?\s+(?:[a-z'’.-]+\s+){0,2}(?!quality\b|rocky\b)[a-z'’.-]+\s+"
    r"(?:(?:street|road|avenue|lane|drive|gardens|crescent|terrace)\b|(?-i:Ave|St|Rd|Ln|Dr)\b\.?(?=\s*(?:$|[,;]))))",
    re.IGNORECASE,
)
_HOUSE_LAST = re.compile(r"\brue\s+(?:[^\W\d][\w'’-]*\s+){1,4}\d{1,4}\b(?!\s?(?:k?g|[cm]?l|%)(?:\b|$))", re.IGNORECASE)
"""A house number with its street, in French and in English; it must begin with a digit for the search to be quick.
Quality Street and rocky road are sweets."""


def _without_iban(found: re.Match[str]) -> str:
    """A word of four letters after an account number looks like one more group of it, so the last groups may go."""
    text = found[0]
    while len(text) >= _SHORTEST_IBAN:
        plain = text.replace(" ", "")
        if int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1:
            return "[iban]" + found[0][len(text) :]
        text = text.rpartition(" ")[0]
    return found[0]


def _without_email(word: re.Match[str]) -> str:
    """A word in which something stands before an at sign, and a dot within what follows it, is an address.

    Looked for step by step: one regular expression for all of it took 24 ms of CPU for a page of `%40%40%40…`, 3 s for
    a request full of them.
    """
    text = word[0]
    at = _AT.search(text, 1)
    if at is None:
        return text
    dot = text.find(".", at.end() + 1)
    return "[email]" if 0 < dot < len(text) - 1 else text


def scrub_text(text: str) -> str:
    """`text` with e-mail addresses, long numbers, account numbers and postal addresses replaced by what they were.

    What hides one thing may uncover another (a number may reach over a slash: what was two words is then one, and may
    be an address), so it is done until nothing changes. Each round takes digits or an at sign away.
    """
    while True:
        clean = _scrubbed(text)
        if clean == text:
            return text
        text = clean


def _scrubbed(text: str) -> str:
    text = _without_emails(text)
    # Most searches hold no digit or few: what needs more is not looked for.
    digits = len(_DIGIT.findall(text))
    if digits == 0:
        return text
    if _SPACE.search(text):
        text = _HOUSE_FIRST.sub("[address]", text)
        if "rue" in text.lower():
            text = _HOUSE_LAST.sub("[address]", text)
    if digits < _FEWEST_DIGITS:
        return text
    if digits >= _FEWEST_OF_IBAN:
        text = _IBAN.sub(_without_iban, text)
    clean = _NUMBER.sub("[number]", text)
    # What was found here may be all there was; if not, the next round names the rest.
    return clean if clean != text else _NAMED_NUMBER.sub(r"\1[number]", text)


def _without_emails(text: str) -> str:
    return _WORD.sub(_without_email, text) if "@" in text or "%40" in text else text


def scrub_url(address: str) -> str:
    """A page address without query string and fragment, and without personal text in its path."""
    return scrub_text(_PATH.match(address)[0]) or "/"  # type: ignore[index] # it matches every text


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
