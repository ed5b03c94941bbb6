"""What each class of data is kept for, and by which right. Data only; the register of processing is made of it.

Does not own how long: that is each retailer's contract.
"""

from __future__ import annotations

from dataclasses import dataclass

from layers.declarations.lawfulness import LegalBasis
from layers.retailers.registry import RetentionClass


@dataclass(frozen=True, slots=True)
class Reason:
    purpose: str
    basis: LegalBasis


REASONS = {
    RetentionClass.BROWSING: Reason("to see what a shopper looks for, and suit the shop to it", LegalBasis.CONSENT),
    RetentionClass.TRANSACTIONS: Reason(
        "to learn from past orders what a shopper is likely to need, and measure what an experience changed",
        LegalBasis.INTEREST,
    ),
    RetentionClass.DECISIONS: Reason(
        "to explain and replay why an experience was shown, and learn from it", LegalBasis.CONSENT
    ),
    RetentionClass.CONSENT: Reason("to prove who agreed to what and when, as article 7(1) asks", LegalBasis.OBLIGATION),
    RetentionClass.REWARDS: Reason("to hand out what a shopper has won or earned", LegalBasis.CONTRACT),
}
"""Every class has one: `infra.register` fails without."""
