"""Numbers in free text that lead to somebody: phones, cards, loyalty and account numbers.

A product's own number and a date are long numbers too. They are left: a search by a scanned barcode is a search for a
product, and most addresses of product pages hold one.
"""

from __future__ import annotations

import re

_FEWEST = 6
"""Digits of a number that is looked for, where a word beside it says whose it is."""

_FEWEST_BARE = 9
"""Of one that no word explains: a phone, a card, a loyalty number."""

_FEWEST_OF_IBAN, _FEWEST_OF_CARD = 10, 13
_SHORTEST_IBAN = 15

_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"\+?\d(?:(?:[\s.\-/()]{0,2}|\s[.\-/]\s)\d){5,}(?!\w)")
_GAP = re.compile(r"\D+")

_WORD = re.compile(r"[^\W\d_]+")
_NAMED_WITHIN = 32
"""Characters before a number in which such a word may stand, with no digit between."""

_OWNERS = re.compile(
    r"carte|card|fid(?:[ée]lit[ée])?|loyalty|client|customer|membre|member(?:ship)?|adh[ée]rente?|abonn[ée]e?|subscriber"
    r"|compte|account|points?|rewards?|commande|order|t[ée]l(?:[ée]phone)?|phone|call|appel\w{0,3}"
)

_CARD = re.compile(r"(?<!\d)\d(?:[ .\-]?\d){12,18}(?!\d)")
"""Wherever it stands: its check digit tells it from the number of a product."""

_DATE = re.compile(r"(?<!\d)(?:20\d\d([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2(?:20)\d\d)(?!\d)")
_EAN = re.compile(
    r"(?<!\d)(?:3[0-7]\d|4[0-4]\d|50\d|52[01]|539|54\d|5[67]\d|59[04]|64\d|7[036]\d|729|8[0-4]\d|859|86[89]|87\d|88[058])"
    r"\d{10}(?!\d)"
)
"""Thirteen digits without a gap, by the country that GS1 gave the first three to: Europe's, mostly. Not 2xx, which
shops give themselves and put on loyalty cards, nor 0xx, where `0033…` would be, nor 9xx."""

_IBAN = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}"
    r"(?:[A-Za-z0-9]{11,30}|(?:[ .\-][A-Za-z0-9]{4}){2,7}(?:[ .\-][A-Za-z0-9]{1,4})?)(?![A-Za-z0-9])"
)
_RIB = re.compile(
    r"(?<![A-Za-z0-9])(\d{5})[ .\-]?(\d{5})[ .\-]?((?=[A-Za-z0-9]*\d)[A-Za-z0-9]{11})[ .\-]?(\d{2})(?![A-Za-z0-9])"
)
_GROUPED = re.compile(r"[ .\-]")
_LETTERS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "12345678912345678923456789")
"""Of a French account number, as its key counts them."""


def without_numbers(text: str, digits: int) -> str:
    """Args:
    digits: how many there are in it.
    """
    if digits < _FEWEST:
        return text
    if digits >= _FEWEST_OF_IBAN:
        text = _RIB.sub(_without_rib, _IBAN.sub(_without_iban, text))
    text = _NUMBER.sub(_without_number, text)
    return _CARD.sub(_without_card, text) if digits >= _FEWEST_OF_CARD else text


def _without_number(found: re.Match[str]) -> str:
    """Product numbers and dates within it do not count."""
    text, start = found[0], found.start()
    before = found.string[start - 1 : start]
    plain = text if text.isdigit() else _DATE.sub(" ", text)
    digits = _count(plain)
    if digits < _FEWEST:
        return text
    if digits >= _FEWEST_BARE:
        # `R2 06 39 …`, `n.5 06 39 …`: what hangs on a letter or a dot is the end of a code, and a number may follow.
        hangs = before.isalpha() or before == "."
        gap = _GAP.search(plain) if hangs else None
        code = "" if not hangs else plain if gap is None else plain[: gap.end()]
        if _count(_EAN.sub(_without_product, plain[len(code) :])) >= _FEWEST_BARE:
            return f"{code}[number]"
    return "[number]" if _is_named(found.string, start) else text


def _count(text: str) -> int:
    return len(_DIGIT.findall(text))


def _is_named(text: str, start: int) -> bool:
    before = _DIGIT.split(text[max(0, start - _NAMED_WITHIN) : start].lower())[-1]
    return any(_OWNERS.fullmatch(word) for word in _WORD.findall(before))


def _without_product(found: re.Match[str]) -> str:
    """By the check digit of GS1."""
    text = found[0]
    return " " if (sum(map(int, text[0::2])) + 3 * sum(map(int, text[1::2]))) % 10 == 0 else text


def _without_card(found: re.Match[str]) -> str:
    """By the check digit of Luhn (ISO/IEC 7812-1)."""
    if _EAN.sub(_without_product, found[0]) == " ":
        return found[0]
    digits = [int(digit) for digit in _DIGIT.findall(found[0])]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    valid = (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
    return "[number]" if valid else found[0]


def _without_iban(found: re.Match[str]) -> str:
    """By its check digits (ISO 13616). A word of four letters after an account number looks like one more group of it,
    so the last groups may go."""
    text = found[0]
    while len(text) >= _SHORTEST_IBAN:
        plain = _GROUPED.sub("", text)
        if int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1:
            return "[iban]" + found[0][len(text) :]
        cut = max(text.rfind(sign) for sign in " .-")
        text = text[: max(cut, 0)]
    return found[0]


def _without_rib(found: re.Match[str]) -> str:
    """By its key: bank, branch and account times 89, 15 and 3, and the key, make a multiple of 97."""
    bank, branch, account, key = found.groups()
    plain = int(account.upper().translate(_LETTERS))
    return "[iban]" if (89 * int(bank) + 15 * int(branch) + 3 * plain + int(key)) % 97 == 0 else found[0]
