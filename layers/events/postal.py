"""Postal addresses in free text, French and English: a house number with its street, a British postcode, a box.

A town, with or without its five digits, is left: it leads to nobody alone. Names of products that look like streets
(Quality Street, rocky road, a drive-through) are told apart where it is cheap.
"""

from __future__ import annotations

import re

_OF = r"(?=[\s-]+(?:de[\s-]+la|de[\s-]+l['’]|du|des|(?:de[\s-]+|d['’])(?-i:[A-ZÀ-Ý])))"
_STREET = (
    r"(?:rue|avenue|av\.?|boulevard|blvd|bld|bd\.?|impasse|chemin|all[ée]e|faubourg|fbg|esplanade|sentier|ruelle"
    r"|rond[\s-]point|r\.|r(?=[\s-]+[^\W\d]{4})"
    rf"|(?:place|pl\.?|cours|route|rte\.?|quai|square|sq\.?|passage|villa|cit[ée]|hameau|ch\.?|imp\.?|all\.?|voie){_OF})"
)
_HOUSE_FIRST = re.compile(
    r"\d(?<![\w.,]\d)(?:"
    rf"\d{{0,3}}(?:\s?(?:bis|ter|quater|[a-d]))?,?[\s-]+{_STREET}(?:[\s-]+[\w'’.]+){{1,8}}"
    r"|\d{0,4}[a-z]?\s+(?:[a-z'’.-]+\s+){0,2}(?!quality\b|rocky\b)[a-z'’.-]+\s+"
    r"(?:(?:street|road|avenue|lane|drive(?!\s+thr)|gardens|crescent|terrace|rd|blvd)\b"
    r"|(?-i:Ave|St|Ln|Dr)\b\.?(?=\s*(?:$|[,;])))"
    r"|\d{0,4}[a-z]?\s+(?:the\s+)?[a-z'’-]+\s+(?:close|court|mews|grove)(?=\s*(?:$|[,;]))"
    r"|\d{0,4}[a-z]?\s+(?-i:[A-Z][a-z'’-]+\s+)(?-i:Green|View|Hill|Way|Walk|Rise|Row|Place|Park)(?=\s*(?:$|[,;])))",
    re.IGNORECASE,
)
"""It must begin with a digit for the search to be quick."""

_SPACE = re.compile(r"\s")
_HOUSE_LAST = re.compile(
    r"\brue\s+(?:[^\W\d][\w'’-]*\s+){1,4}(?:n[°o]\s?)?\d{1,4}\b(?!\s?(?:k?g|[cm]?l|%)(?:\b|$))", re.IGNORECASE
)
_STREET_IN_PATH = re.compile(rf"\d[a-d]?(?:-(?:bis|ter|quater))?-{_STREET}-", re.IGNORECASE)
"""Where words have no space between them, as in the path of a page."""

_INWARD = re.compile(r"\d(?!xl|gb|tb|lb|lt|ft|pt|pk)[abd-hjlnp-uw-z]{2}(?![^\W_])", re.IGNORECASE)
_OUTWARD = re.compile(r"(?<![^\W_])(?:[a-pr-uwyz][a-hk-y]|[beglmnsw])(?:\d{1,2}|\d[a-hjkpstuw])\s?$", re.IGNORECASE)
"""The halves of a British postcode, which some fifteen homes share, by the letters that Royal Mail uses."""

_BOX = re.compile(r"\bp\.?\s?o\.?\s?box\s?\d{1,6}\b", re.IGNORECASE)


def without_addresses(text: str) -> str:
    """Args:
    text: with a digit in it.
    """
    if _SPACE.search(text) or _STREET_IN_PATH.search(text):
        text = _HOUSE_FIRST.sub("[address]", text)
        low = text.lower()
        if "rue" in low:
            text = _HOUSE_LAST.sub("[address]", text)
        if "box" in low:
            text = _BOX.sub("[address]", text)
    return _without_postcodes(text) if _INWARD.search(text) else text


def _without_postcodes(text: str) -> str:
    kept, end = [], 0
    for inward in _INWARD.finditer(text):
        outward = _OUTWARD.search(text[max(end, inward.start() - 6) : inward.start()])
        if outward is not None:
            kept += [text[end : inward.start() - len(outward[0])], "[address]"]
            end = inward.end()
    return "".join([*kept, text[end:]])
