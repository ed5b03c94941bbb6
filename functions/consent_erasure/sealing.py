"""Puts a receipt at the end of its retailer's chain: once, whoever else does so at the same moment, wherever it is
killed.

Each place of the chain is a document that only one can create, so there is no fork and no gap. The head is a shortcut
to the end: it may be behind (a kill between the two writes), never ahead. Two runs of one erasure end with one place:
the places up to the head can be found by erasure, and those beyond it are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from functions.consent_erasure.chain import Link, following, sealed
from layers.signing.keys import PublicKey
from layers.signing.port import Signer
from layers.stores.collections import RECEIPT_HEADS, RECEIPTS
from layers.stores.firestore.port import Document, Documents

_ATTEMPTS = 50


class Contended(Exception):
    """Other receipts of the retailer took every place that was tried; send the request again."""


def place(retailer_id: str, number: int) -> str:
    """The id of a receipt's document."""
    return f"{retailer_id}:{number:010d}"


async def append(
    documents: Documents, signer: Signer, retailer_id: str, erasure_id: str, receipt: Mapping[str, Any]
) -> Document:
    """The erasure's place in the chain: the one it has, or a new one at the end with this receipt.

    Raises:
        Contended: see there. Whatever the stores and the signer raise; calling again goes on.
    """
    head = await documents.get(RECEIPT_HEADS, retailer_id)
    last = Link(head.data["number"], head.data["sha256"]) if head else Link()
    # After the head was read, so that what another run of this erasure has put before it is seen.
    known = await documents.find(RECEIPTS, retailer=retailer_id, erasure=erasure_id)
    if known:
        return known[0]
    for _ in range(_ATTEMPTS):
        id = place(retailer_id, last.number + 1)
        taken = await documents.get(RECEIPTS, id)
        if taken is None:
            taken = await _created(documents, signer, id, erasure_id, receipt, last)
        last = Link(taken.data["number"], taken.data["sha256"])
        if taken.data["erasure"] == erasure_id:
            await _lead(documents, retailer_id, last)
            return taken
    raise Contended


async def _created(
    documents: Documents, signer: Signer, id: str, erasure_id: str, receipt: Mapping[str, Any], last: Link
) -> Document:
    """What stands at this place: this receipt, or that of whoever was faster."""
    signed = following(receipt, last)
    key = PublicKey(await signer.public_key()).fingerprint
    text = sealed(signed, await signer.sign(signed), key).decode()
    data = {
        "retailer": receipt["retailer"],
        "erasure": erasure_id,
        "number": last.number + 1,
        "sha256": sha256(signed).hexdigest(),
        # A time, as the purge reads it: a receipt goes when the proof's delay has passed, the head never.
        "finished": datetime.fromisoformat(receipt["finished"]),
        "text": text,
    }
    await documents.create(RECEIPTS, id, data)
    found = await documents.get(RECEIPTS, id)
    if found is None:
        raise LookupError(
            "a receipt is gone that was created a moment ago; no receipt is ever deleted by this function"
        )
    return found


async def _lead(documents: Documents, retailer_id: str, last: Link) -> None:
    """Moves the head on. Left undone, it costs the next receipt a longer walk."""
    data = {"number": last.number, "sha256": last.sha256}
    for _ in range(_ATTEMPTS):
        head = await documents.get(RECEIPT_HEADS, retailer_id)
        if head is None:
            if await documents.create(RECEIPT_HEADS, retailer_id, data):
                return
        elif head.data["number"] >= last.number or await documents.replace(RECEIPT_HEADS, head, data):
            return
