"""The compliance officer's side of access and objection: asks about one customer, and writes down what is told.

A package is written beside its place and put there once it is whole, so that no half of one is ever taken for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.consent_erasure.officer import connected, refusal
from layers.calling.asking import NoAnswer, answering, read_json
from layers.calling.identity import CannotAsk

_CHUNK = 64 * 1024
END = b'"complete": true\n}\n'
"""How a whole package ends; access.py writes it."""


@dataclass(frozen=True, slots=True)
class ShopperDesk:
    """Args:
    url: of the service consent_erasure.
    """

    url: str
    token: str

    def access(self, retailer: str, reference: str, customer: str, to: Path) -> int:
        """Writes the package; how many bytes it has.

        Raises:
            CannotAsk: refused, cut off, or `to` cannot be written; there is no file then.
        """
        part = to.with_name(to.name + ".part")
        size, end = 0, b""
        try:
            part.touch(0o600)
            with part.open("wb") as file:
                for piece in self._post("/v1/access", retailer, reference, customer):
                    file.write(piece)
                    size, end = size + len(piece), (end + piece)[-len(END) :]
            if end != END:
                raise CannotAsk("the package was cut off before its end, so nothing is kept of it; ask again")
            part.rename(to)
        except OSError as error:
            raise CannotAsk(f"{to} cannot be written ({error.strerror}), so nothing is kept; ask again") from None
        finally:
            part.unlink(missing_ok=True)
        return size

    def object(self, retailer: str, reference: str, customer: str, since: str | None) -> dict[str, Any]:
        """What was recorded.

        Raises:
            CannotAsk: refused, or not known to be recorded: asking again is harmless.
        """
        more = {"since": since} if since else {}
        return read_json(b"".join(self._post("/v1/objections", retailer, reference, customer, more)))

    def _post(
        self, path: str, retailer: str, reference: str, customer: str, more: dict[str, str] | None = None
    ) -> Iterator[bytes]:
        body = {"retailer": retailer, "reference": reference, "customer": customer, **(more or {})}
        connection, base = connected(self.url)
        try:
            with answering(connection, "POST", base + path, self.token, body) as answer:
                if answer.status not in (200, 202):
                    raise CannotAsk(refusal(answer.status, read_json(answer.read())))
                while piece := answer.read(_CHUNK):
                    yield piece
        except NoAnswer as error:
            raise CannotAsk(
                f"the service broke off ({error.reason}); send the same command again, doing so is harmless"
            ) from None
