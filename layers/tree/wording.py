"""Texts: by language, with the experience's own values in them, amounts as the language writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

PLACEHOLDERS: Mapping[str, frozenset[str]] = {
    "promotion": frozenset({"generosity", "threshold", "missing"}),
    "game": frozenset({"prize"}),
    "recommendation": frozenset(),
    "tension": frozenset({"threshold", "missing"}),
    "default": frozenset(),
}
"""By kind. All are amounts: product ids mean nothing to a shopper, the shop has the product's name."""

_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£"}
_AMOUNT_FIRST = frozenset({"fr", "de", "es", "it", "pt", "nl"})
"""Languages that write «3,50 €»; the others write «€3.50»."""


@dataclass(frozen=True, slots=True)
class Wording:
    """In which words: of the retailer's locale (`fr-FR`) and currency (`EUR`)."""

    locale: str
    currency: str

    @property
    def language(self) -> str:
        return self.locale[:2].lower()

    def amount(self, value: float) -> str:
        symbol = _SYMBOLS.get(self.currency, self.currency)
        if self.language in _AMOUNT_FIRST:
            # A narrow no-break space, as French typography asks: the amount never breaks before its sign.
            return f"{value:.2f}".replace(".", ",") + f"\u202f{symbol}"
        return f"{symbol}{value:.2f}" if len(symbol) == 1 else f"{symbol} {value:.2f}"

    def __call__(self, text: Mapping[str, str], languages: Sequence[str], amounts: Mapping[str, float]) -> str:
        """The text in this language, or in the tree's first one, with its amounts filled in."""
        words = text.get(self.language, text[languages[0]])
        return _PLACEHOLDER.sub(lambda found: self.amount(amounts[found[1]]), words)


def problems_of_text(text: Mapping[str, str], kind: str, languages: Sequence[str]) -> list[str]:
    """What is wrong with a text, for people."""
    problems = [
        f"has no {language!r}, but the tree's languages say it has" for language in languages if language not in text
    ]
    problems += [
        f"has {language!r}, which is not among the tree's languages" for language in text if language not in languages
    ]
    for language, words in text.items():
        for name in _PLACEHOLDER.findall(words):
            if name not in PLACEHOLDERS[kind]:
                known = ", ".join(f"{{{n}}}" for n in sorted(PLACEHOLDERS[kind])) or "no value"
                problems.append(f"{language!r} has {{{name}}}, but the text of a {kind} can name {known}")
        if "{" in _PLACEHOLDER.sub("", words) or "}" in _PLACEHOLDER.sub("", words):
            problems.append(f"{language!r} has a brace that is not closed")
    return problems
