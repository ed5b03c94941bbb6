"""Finds the shoppers in a heap of bytes, and says which finds are residue. Pure; knows no store.

What it looks for: customer ids and event ids (by the run's mark), and the 32 hexadecimal digits of pseudonyms, also
as their 16 bytes, also inside what is base64 or compressed. What may lawfully stay (digests of pseudonyms in the
suppressions, fingerprints in receipts) is none of these, so there is no list of exceptions.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.privacy.cast import Cast, Shopper

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")
_CODE = re.compile(rb"(?=([0-9a-f]{32}))", re.IGNORECASE)
_DEPTH = 3
_GZIP, _ZLIB = b"\x1f\x8b", b"\x78"


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that a store gives: a row, a document, a message, a file.

    Attributes:
        place: `bigtable:events`, `log:ingest`: what a fault names. data: all of it, its key included.
        mixed: holds many shoppers' traces, so nothing in it belongs to its neighbour.
    """

    place: str
    data: bytes
    mixed: bool = False


def unwrapped(data: bytes, depth: int = _DEPTH) -> Iterator[bytes]:
    """The bytes, and what they wrap."""
    yield data
    if depth == 0:
        return
    for run in _BASE64.findall(data):
        plain = run.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
        try:
            inner = base64.b64decode(
                plain[: len(plain) // 4 * 4 + (len(plain) % 4 if len(plain) % 4 != 1 else 0)] + b"=="
            )
        except binascii.Error:
            continue
        yield from unwrapped(inner, depth - 1)
    if data.startswith((_GZIP, _ZLIB)):
        try:
            yield from unwrapped(zlib.decompressobj(47).decompress(data), depth - 1)
        except zlib.error:
            return


@dataclass(frozen=True, slots=True)
class Finds:
    """Who stands in some bytes."""

    customers: tuple[Shopper, ...]
    pseudonyms: tuple[Shopper, ...]
    events: tuple[str, ...]


class Search:
    """Args:
    cast: whose ids are looked for; as it is when the search is made.
    """

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._marked = re.compile(re.escape(cast.mark).encode() + rb"[ce]\d{8}", re.IGNORECASE)
        self._raw = {bytes.fromhex(code): shopper for code, shopper in cast.by_code.items()}

    def finds(self, data: bytes) -> Finds:
        cast = self._cast
        customers: dict[str, Shopper] = {}
        pseudonyms: dict[str, Shopper] = {}
        events: dict[str, None] = {}
        for layer in unwrapped(data):
            for token in set(self._marked.findall(layer)):
                word = token.decode().lower()
                if word in cast.by_customer:
                    customers[word] = cast.by_customer[word]
                elif word in cast.by_event:
                    events[word] = None
            for code in set(_CODE.findall(layer)):
                word = code.decode().lower()
                if word in cast.by_code:
                    pseudonyms[word] = cast.by_code[word]
            if not layer.isascii():
                # Every sixteen bytes looked up, rather than every shopper looked for: most layers are short.
                for start in range(len(layer) - 15):
                    if (shopper := self._raw.get(layer[start : start + 16])) is not None:
                        pseudonyms[shopper.pseudonym[2:]] = shopper
        return Finds(tuple(customers.values()), tuple(pseudonyms.values()), tuple(events))


@dataclass(slots=True)
class Verdict:
    """Attributes:
    pieces: how many were read, by place. seen: how many of them hold somebody who may stand there: a dump that sees
        nobody proves nothing. residue: by (place, what), and `examples` of it.
    """

    pieces: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    size: int = 0
    residue: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)
    lasting: dict[str, set[str]] = field(default_factory=dict)

    def finds(self, place: str, what: str, example: str) -> None:
        self.residue[place, what] += 1
        self.examples.setdefault((place, what), example)

    @property
    def clean(self) -> bool:
        return not self.residue

    def faults(self) -> list[str]:
        return [
            f"{place}: {what} in {number} pieces, e.g. {self.examples[place, what]}"
            for (place, what), number in sorted(self.residue.items())
        ]


CUSTOMER, PSEUDONYM, EVENT, BEFORE = (
    "a customer id",
    "the pseudonym of somebody erased",
    "an event from before the erasure",
    "the pseudonym of somebody who came back, without an event from after it",
)
LOGGED = "a pseudonym in a log"


def judge(cast: Cast, pieces: Iterable[Piece]) -> Verdict:
    """Reads every piece. `lasting` of the verdict is what was found of events that may stay, by place."""
    verdict, search = Verdict(), Search(cast)
    for piece in pieces:
        verdict.pieces[piece.place] += 1
        verdict.size += len(piece.data)
        _one(verdict, search.finds(piece.data), piece, cast)
    return verdict


def _one(verdict: Verdict, found: Finds, piece: Piece, cast: Cast) -> None:
    logs = piece.place.startswith("file:")
    for shopper in found.customers:
        # Not even of those who were never erased: a customer id stops at the door.
        verdict.finds(piece.place, CUSTOMER, f"shopper {shopper.number}")
    stays = {cast.by_event[id].number for id in found.events if id in cast.by_event[id].lasting()}
    for id in found.events:
        shopper = cast.by_event[id]
        at = shopper.events[id]
        if shopper.erased is not None and at <= shopper.erased:
            ahead = (shopper.erased - at).total_seconds()
            verdict.finds(piece.place, EVENT, f"{id} of shopper {shopper.number}, {ahead:.3f} s before its erasure")
        else:
            verdict.lasting.setdefault(piece.place, set()).add(id)
    for shopper in found.pseudonyms:
        if shopper.erased is not None and not shopper.returned:
            verdict.finds(piece.place, PSEUDONYM, f"shopper {shopper.number}")
        elif logs:
            verdict.finds(piece.place, LOGGED, f"shopper {shopper.number}")
        elif shopper.returned and piece.place != "bigtable:shoppers" and shopper.number not in stays:
            verdict.finds(piece.place, BEFORE, f"shopper {shopper.number}")
        else:
            verdict.seen[piece.place] += 1
