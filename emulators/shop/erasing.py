"""Step 6: one shopper erased through the compliance officer's endpoint, and every store searched afterwards."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
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
    """`before`, `residue`: by store, how many rows or documents hold the shopper; only stores that have any.

    `verdict`: what `verify` says of the receipt, with the public key and nothing else; a line each.
    """

    receipt: dict[str, Any]
    seconds: float
    before: dict[str, int]
    residue: dict[str, int]
    verdict: tuple[str, ...] = ()


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
    text = _fetch(address, "GET", asked["receipt_url"], headers, b"", (200,))
    receipt = json.loads(text)
    seconds = time.monotonic() - begun
    verdict = verified(stage, text, _fetch(address, "GET", "/v1/erasures/key", headers, b"", (200,)))
    residue = search(stage, customer, pseudonym)
    if holds(receipt, pseudonym, customer):
        residue["the receipt itself"] = 1
    return Erased(receipt, seconds, before, residue, verdict)


def verified(stage: Stage, receipt: bytes, key: bytes) -> tuple[str, ...]:
    """What a stranger finds out who has these two files: no store and no function is asked.

    Raises:
        DemoFailed: the receipt does not hold, or one that was altered does.
    """
    folder = stage.logs.parent
    files = {name: folder / name for name in ("receipt.json", "receipt-altered.json", "receipt-key.pem")}
    files["receipt.json"].write_bytes(receipt)
    files["receipt-key.pem"].write_bytes(key)
    files["receipt-altered.json"].write_bytes(receipt.replace(b'"remaining":0', b'"remaining":1', 1))
    verdicts = []
    for name in ("receipt.json", "receipt-altered.json"):
        command = [sys.executable, "-m", "functions.consent_erasure", "verify", str(files[name].resolve())]
        command += ["--key", str(files["receipt-key.pem"].resolve())]
        alone = {"PATH": os.environ.get("PATH", "")}
        verdicts.append(
            subprocess.run(command, cwd=stage.repository, env=alone, capture_output=True, text=True, check=False)
        )
    if [verdict.returncode for verdict in verdicts] != [0, 1]:
        raise DemoFailed(f"the receipt is not what `verify` should find: {verdicts[0].stdout}{verdicts[0].stderr}")
    return tuple(verdicts[0].stdout.splitlines())


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
    found: dict[str, Any] = json.loads(_fetch(address, method, path, headers, body, expected) or b"{}")
    return found


def _fetch(
    address: str, method: str, path: str, headers: dict[str, str], body: bytes, expected: tuple[int, ...]
) -> bytes:
    to = urlsplit(address)
    connection = http.client.HTTPConnection(to.hostname or "", to.port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status not in expected:
        told = json.loads(content) if content.startswith(b"{") else {}
        raise DemoFailed(
            f"{method} of an erasure answered {answer.status} ({told.get('detail', 'without a reason')}), so nobody "
            "is erased; see the log of consent_erasure"
        )
    return content
