"""Shards: ranges of pseudonyms. Pure.

A pseudonym is a keyed code, so its hexadecimal digits are spread evenly already and nothing need be hashed. A shard is
what lies between two triples of digits, under any key version. That is a range of Bigtable's row keys, which one scan
reads, and a range of the column that BigQuery's tables are clustered by, so that a shard's statement reads its own
blocks and not the whole table. And no function of ours must be the same in SQL and in Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from layers.privacy.pseudonym import LENGTH

DIGITS = 3
MOST = 16**DIGITS
"""Shards of one run: 12 200 shoppers each with 50 million."""

CROWD = 16
"""Shoppers, on average, who share the digits that a part of a shard begins or ends with: one of whom nobody shares them
would be named by them. That one of sixteen expected is alone has odds of one in ten million."""

_VERSION = 2
"""Digits before the code: its key's version (`layers.privacy.pseudonym`)."""

_CODES = 16 ** (LENGTH - _VERSION)

EVERY_VERSION = tuple(f"{version:02d}" for version in range(1, 100))


class InvalidShard(ValueError):
    """No such shard: its number and how many there are do not fit together."""


def count(shoppers: int, each: int) -> int:
    """How many shards: a power of two, so that their borders are whole digits and a larger run only splits them.

    Args:
        each: shoppers that a shard should hold at most, on average.
    """
    shards = 1
    while shards * each < shoppers and shards < MOST:
        shards *= 2
    return shards


@dataclass(frozen=True, slots=True)
class Shard:
    """`number` from 0, of `of`.

    Raises:
        InvalidShard
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.of <= MOST or MOST % self.of or not 0 <= self.number < self.of:
            raise InvalidShard(
                f"shard {self.number} of {self.of} is none: there are 1 to {MOST}, a power of two, counted from 0"
            )

    @property
    def low(self) -> str:
        """The first three digits that belong to it."""
        return _digits(self.number * MOST // self.of)

    @property
    def high(self) -> str:
        """The first that do no longer."""
        return _digits((self.number + 1) * MOST // self.of)

    def holds(self, pseudonym: str) -> bool:
        return self.low <= pseudonym[_VERSION : _VERSION + DIGITS] < self.high

    def ranges(self, versions: Iterable[str] = EVERY_VERSION) -> list[tuple[str, str]]:
        """From, and up to but not including; one for each key version, in their order."""
        return [(version + self.low, version + self.high) for version in sorted(versions)]

    def around(self, first: str, last: str, many: int) -> tuple[str, str]:
        """From, and up to but not including: the part of it that holds `first` to `last`, in digits that one to two
        times `CROWD` shoppers share; about as many others are in it. The whole of it, where it holds fewer.

        Args:
            first, last: pseudonyms that it holds, under one key version, in their order. many: shoppers that it holds
                under that version, from its beginning to `last`: how close to each other they are.
        """
        begins, ends = (int(pseudonym[_VERSION:], 16) for pseudonym in (first, last))
        width = _CODES // self.of
        if many >= CROWD:
            width = 1 << (CROWD * (ends % width) // many).bit_length()
        version = first[:_VERSION]
        return version + _shortest(begins // width * width), version + _shortest((ends // width + 1) * width)

    def condition(self, column: str, versions: Iterable[str]) -> str:
        """The same as a condition in SQL. Literals, digits and nothing else: the warehouse's own log of jobs then tells
        one shard's statement from another's.

        Raises:
            InvalidShard: a version that is not two digits.
        """
        ranges = self.ranges(versions)
        if not ranges or not all(low[:_VERSION].isdigit() for low, _ in ranges):
            raise InvalidShard("a key version is two digits, and there is at least one")
        return "(" + " OR ".join(f"({column} >= '{low}' AND {column} < '{high}')" for low, high in ranges) + ")"


def _digits(place: int) -> str:
    # What stands after every digit: no pseudonym's code begins with it.
    return f"{place:0{DIGITS}x}" if place < MOST else "g"


def _shortest(code: int) -> str:
    # Noughts behind would change nothing: whatever begins with the digits is no less than they are.
    return f"{code:x}".rjust(LENGTH - _VERSION, "0").rstrip("0") if code < _CODES else "g"


def shard_of(pseudonym: str, of: int) -> Shard:
    """The one that holds it."""
    return Shard(int(pseudonym[_VERSION : _VERSION + DIGITS], 16) * of // MOST, of)
