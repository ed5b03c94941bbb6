"""Whether receipts are what the holder of a key signed, all of them, in their order. Pure, offline, and of no trust in
whoever made them.

Says plainly what follows from that and what does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from functions.consent_erasure.chain import NoReceipt, Sealed, opened
from layers.signing.keys import PublicKey

NOT_PROVEN = (
    "that the stores were read truly: the signer says so, and the receipt's job ids can be looked up in BigQuery's own "
    "audit log, which the signer does not write",
    "that the key is Gondola's: compare its fingerprint with one that you got another way",
    "that no later receipt exists: ask for the last one, or keep all that you are given",
    "that the times are right: they are those of the signer's clock",
    "what stands under `residual`, `kept` and `not_ours` in each receipt: it is not erased yet, or not by Gondola",
    "that the stores under `without_shoppers` hold none: they have no place for one, and were not searched",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Attributes:
    faults: (file, what is wrong). sound: the receipts that stand, in the order given.
    """

    faults: tuple[tuple[str, str], ...]
    sound: tuple[tuple[str, Sealed], ...]

    @property
    def holds(self) -> bool:
        return bool(self.sound) and not self.faults

    def lines(self) -> list[str]:
        """For people."""
        if not self.holds:
            return [*(f"WRONG  {name}: {what}" for name, what in self.faults), "Not verified; nothing is proven."]
        first, last = self.sound[0][1], self.sound[-1][1]
        said = [
            f"OK     {name}: number {each.number} of {each.retailer}, request {each.receipt.get('reference')}, "
            f"finished {each.receipt.get('finished')}, {each.receipt.get('customers')} customer(s)"
            for name, each in self.sound
        ]
        said += ["", "Proven:", f"- who holds the key {last.key} signed exactly these bytes"]
        if len(self.sound) > 1:
            said.append(
                f"- numbers {first.number} to {last.number} are all here, in the order in which they were signed"
            )
        said.append(
            "- they begin with the retailer's first receipt"
            if first.number == 1
            else f"- receipt {first.number - 1} existed before; its SHA-256 is {first.previous}"
        )
        return [*said, "", "Not proven:", *(f"- {each}" for each in NOT_PROVEN)]


def verify(receipts: Sequence[tuple[str, bytes]], keys: Sequence[PublicKey]) -> Verdict:
    """Args:
    receipts: (name, bytes as they were received), in the order of their numbers. keys: several after a rotation.
    """
    by_fingerprint = {key.fingerprint: key for key in keys}
    faults: list[tuple[str, str]] = []
    sound: list[tuple[str, Sealed]] = []
    for name, data in receipts:
        try:
            each = opened(data)
        except NoReceipt as error:
            faults.append((name, f"{error}."))
            continue
        key = by_fingerprint.get(each.key)
        if key is None:
            faults.append((name, "it names another key than those given; give the one of its fingerprint."))
        elif not key.verifies(each.signature, each.signed):
            faults.append((name, "the signature is not of these bytes: the receipt was altered, or was never signed."))
        else:
            sound.append((name, each))
    for (_, before), (name, after) in pairwise(sound):
        if fault := _between(before, after):
            faults.append((name, fault))
    return Verdict(tuple(faults), tuple(sound))


def _between(before: Sealed, after: Sealed) -> str:
    """What is wrong between two neighbours; empty when nothing is."""
    if before.retailer != after.retailer:
        return "it is another retailer's; each retailer has a chain of its own, so verify them apart."
    if after.number == before.number + 1:
        if after.previous == before.link.sha256:
            return ""
        return f"it does not name the receipt {before.number} that was given: one of the two is of another chain."
    if after.number <= before.number:
        return (
            f"its number {after.number} comes after {before.number}: give each receipt once, in the order of numbers."
        )
    if after.number == before.number + 2:
        return f"receipt {before.number + 1} is missing before it."
    return f"receipts {before.number + 1} to {after.number - 1} are missing before it."
