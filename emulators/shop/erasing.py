"""Step 6: one shopper erased through the compliance officer's endpoint, and every store searched afterwards."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from emulators.shop.cold import Cold
from emulators.shop.documents import every_document, holds
from emulators.shop.hot import TABLES, rows_with
from emulators.shop.stage import DemoFailed, Stage
from emulators.tokens import handed_on_token

PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Erased:
    """`before`, `residue`: by store, how many rows or documents hold the shopper; only stores that have any."""

    receipt: dict[str, Any]
    seconds: float
    before: dict[str, int]
    residue: dict[str, int]


def erase(stage: Stage, customer: str, pseudonym: str, reference: str, now: datetime) -> Erased:
    """Asks for it, waits for its end, and reads every store again.

    Raises:
        DemoFailed: refused, unfinished, or something is left.
    """
    before = search(stage, customer, pseudonym)
    officer = stage.retailer.compliance[0]
    address = stage.addresses["consent_erasure"]
    headers = {
        "Authorization": f"Bearer {handed_on_token(officer, address, now)}",
        "Content-Type": "application/json",
    }
    body = {"retailer": stage.retailer.id, "reference": reference, "customers": [customer]}
    begun = time.monotonic()
    asked = _call(address, "POST", "/v1/erasures", headers, json.dumps(body).encode(), (200, 202))
    while (status := _call(address, "GET", asked["status_url"], headers, b"", (200,)))["status"] == "running":
        if time.monotonic() - begun > PATIENCE_S:
            raise DemoFailed(f"the erasure has not ended after {PATIENCE_S:.0f} s; see the log of consent_erasure")
        time.sleep(0.5)
    if status["status"] != "complete":
        raise DemoFailed(
            f"the erasure ended as {status['status']!r}: some store still holds the shopper; see its status"
        )
    receipt = _call(address, "GET", asked["receipt_url"], headers, b"", (200,))
    seconds = time.monotonic() - begun
    residue = search(stage, customer, pseudonym)
    if holds(receipt, pseudonym, customer):
        residue["the receipt itself"] = 1
    return Erased(receipt, seconds, before, residue)


def search(stage: Stage, customer: str, pseudonym: str) -> dict[str, int]:
    """Every store as it lies there: the pseudonym anywhere in a text, or the customer id as a whole text.

    The retailer's own bucket is not among them: it is not Gondola's, and holds what the retailer put there.
    """
    found = {f"bigtable:{table}": rows_with(stage.values, table, pseudonym.encode()) for table in TABLES}
    found |= {f"bigquery:{name}": n for name, n in Cold(stage.values, stage.retailer).rows_with(pseudonym).items()}
    for place, content in every_document(stage.values):
        if pseudonym in place or holds(content, pseudonym, customer):
            name = f"firestore:{place.rsplit('/', 1)[0]}"
            found[name] = found.get(name, 0) + 1
    for name in stage.addresses:
        log = stage.logs / f"{name}.log"
        if log.is_file() and pseudonym in log.read_text(errors="replace"):
            found[f"log:{name}"] = 1
    return {store: number for store, number in found.items() if number}


def _call(
    address: str, method: str, path: str, headers: dict[str, str], body: bytes, expected: tuple[int, ...]
) -> dict[str, Any]:
    to = urlsplit(address)
    connection = http.client.HTTPConnection(to.hostname or "", to.port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        content: dict[str, Any] = json.loads(answer.read() or b"{}")
    finally:
        connection.close()
    if answer.status not in expected:
        raise DemoFailed(
            f"{method} of an erasure answered {answer.status} ({content.get('detail', 'without a reason')}), so nobody "
            "is erased; see the log of consent_erasure"
        )
    return content
