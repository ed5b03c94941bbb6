"""A list of customers that is longer than one request may be: its parts, and how far they have come.

Each part is a request of its own, with a receipt of its own. What is written down on the way holds references and
numbers, no customer id. Does not own the asking (officer.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.consent_erasure.rules import COMPLETE, MAX_CUSTOMERS, MAX_REFERENCE
from layers.calling.identity import CannotAsk


@dataclass(frozen=True, slots=True)
class Part:
    reference: str
    customers: tuple[str, ...]


def customers(lines: Iterable[str]) -> list[str]:
    """One customer id a line, each once; empty lines do not count.

    Raises:
        CannotAsk: there is none.
    """
    found = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not found:
        raise CannotAsk("no customer id was given, so nothing was asked; give one a line.")
    return found


def parts(reference: str, ids: list[str]) -> list[Part]:
    """One part under the reference itself, or several under `<reference>.1`, `<reference>.2` …, always cut in the same
    places: the same list given again is the same requests.

    Raises:
        CannotAsk: the reference is too long to be numbered.
    """
    if len(ids) <= MAX_CUSTOMERS:
        return [Part(reference, tuple(ids))]
    cut = [tuple(ids[start : start + MAX_CUSTOMERS]) for start in range(0, len(ids), MAX_CUSTOMERS)]
    made = [Part(numbered(reference, number), each) for number, each in enumerate(cut, 1)]
    if len(made[-1].reference) > MAX_REFERENCE:
        raise CannotAsk(
            f"{len(ids)} customers are {len(made)} requests, and the reference leaves no room for their numbers; "
            f"nothing was asked. Use one of at most {MAX_REFERENCE - 1 - len(str(len(made)))} characters."
        )
    return made


def numbered(reference: str, number: int) -> str:
    return f"{reference}.{number}"


class Progress:
    """The file in which a long erasure is resumed: what became of each part.

    Without it nothing is lost, since the service knows every request: the same list is sent again, and what is complete
    is answered at once.
    """

    def __init__(self, path: Path | None, retailer: str, reference: str, count: int) -> None:
        """Raises:
        CannotAsk: the file is another erasure's, or cannot be read.
        """
        self._path = path
        self._about = {"retailer": retailer, "reference": reference, "customers": count}
        self._done: dict[str, dict[str, Any]] = {}
        if path is not None and path.exists():
            self._done = self._read(path)

    def _read(self, path: Path) -> dict[str, dict[str, Any]]:
        try:
            held = json.loads(path.read_text())
            requests = {str(each["reference"]): dict(each) for each in held["requests"]}
        except (OSError, ValueError, KeyError, TypeError):
            raise CannotAsk(
                f"{path} is no record of an erasure, so nothing was asked. Move it away; the same list sent again goes "
                "on where the service knows it to be."
            ) from None
        told = {name: held.get(name) for name in self._about}
        if told != self._about:
            raise CannotAsk(
                f"{path} is the record of another erasure "
                f"({told['customers']} customers of {told['retailer']}, "
                f"reference {told['reference']}), so nothing was asked. Give the same list and reference to go "
                "on with it, or another file with --progress."
            )
        return requests

    def complete(self, part: Part) -> bool:
        known = self._done.get(part.reference, {})
        return known.get("status") == COMPLETE and known.get("customers") == len(part.customers)

    def note(self, part: Part, status: Mapping[str, Any]) -> None:
        """Raises:
        CannotAsk: it cannot be written.
        """
        kept = {name: status[name] for name in ("id", "status", "due", "finished")}
        self._done[part.reference] = {"reference": part.reference, "customers": len(part.customers), **kept}
        if self._path is None:
            return
        text = json.dumps({**self._about, "requests": list(self._done.values())}, indent=1) + "\n"
        beside = self._path.with_name(self._path.name + ".part")
        try:
            beside.write_text(text)
            beside.replace(self._path)
        except OSError as error:
            raise CannotAsk(
                f"{self._path} cannot be written ({error.strerror}); request {part.reference} is {status['status']}. "
                "Send the same command again, with another file as --progress."
            ) from None
