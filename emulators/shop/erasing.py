"""Step 6: one shopper erased through the compliance officer's endpoint, and every store searched afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from emulators.shop.cold import Cold
from emulators.shop.documents import every_document, holds
from emulators.shop.hot import TABLES, rows_with
from emulators.shop.people import PATIENCE_S, compliance
from emulators.shop.stage import DemoFailed, Stage
from layers.privacy.suppression import digest
from layers.stores.collections import SUPPRESSIONS


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


def erase(stage: Stage, customer: str, pseudonym: str, reference: str, email: str) -> Erased:
    """Asks for it, waits for its end, and reads every store again.

    Args:
        email: which the shopper may have left for a prize; nobody else did.

    Raises:
        DemoFailed: refused, unfinished, or something is left.
    """
    before = search(stage, customer, pseudonym, email)
    officer = compliance(stage, "consent_erasure")
    body = {"retailer": stage.retailer.id, "reference": reference, "customers": [customer]}
    begun = time.monotonic()
    asked = officer.asks("POST", "/v1/erasures", body, (200, 202))
    while (status := officer.asks("GET", asked["status_url"]))["status"] == "running":
        if time.monotonic() - begun > PATIENCE_S:
            raise DemoFailed(f"the erasure has not ended after {PATIENCE_S:.0f} s; see the log of consent_erasure")
        time.sleep(0.5)
    if status["status"] != "complete":
        raise DemoFailed(
            f"the erasure ended as {status['status']!r}: some store still holds the shopper; see its status"
        )
    text = officer.fetches("GET", asked["receipt_url"])
    receipt = json.loads(text)
    seconds = time.monotonic() - begun
    verdict = verified(stage, text, officer.fetches("GET", "/v1/erasures/key"))
    residue = search(stage, customer, pseudonym, email)
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


def search(stage: Stage, customer: str, pseudonym: str, email: str) -> dict[str, int]:
    """Every store as it lies there: the pseudonym or the address anywhere in a text, the customer id as a whole text,
    and the pseudonym's digest, under which promises and games know the shopper.

    The retailer's own bucket is not among them: it is not Gondola's, and holds what the retailer put there. Nor is the
    suppression, which is that digest, and all that is kept so that nothing of the shopper comes back.
    """
    found = {f"bigtable:{table}": rows_with(stage.values, table, pseudonym.encode()) for table in TABLES}
    found |= {f"bigquery:{name}": n for name, n in Cold(stage.values, stage.retailer).rows_with(pseudonym).items()}
    parts = (pseudonym, email, digest(stage.retailer.id, pseudonym))
    for place, content in every_document(stage.values):
        collection = place.rsplit("/", 1)[0]
        wanted = parts[:2] if collection.endswith(f"/{SUPPRESSIONS.name}") else parts
        if any(part in place or holds(content, part, customer) for part in wanted):
            name = f"firestore:{collection}"
            found[name] = found.get(name, 0) + 1
    for name in stage.addresses:
        log = stage.logs / f"{name}.log"
        if log.is_file() and any(part in log.read_text(errors="replace") for part in parts):
            found[f"log:{name}"] = 1
    return {store: number for store, number in found.items() if number}
