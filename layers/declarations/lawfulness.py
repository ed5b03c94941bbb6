"""Why personal data may be processed at all: the words for it, and what each retention class is kept for.

The register of processing (`infra.register`) is made of it. The retailer is the controller and answers for the choice;
what is written here is the basis that the design enforces, and another one needs another design.
"""

from __future__ import annotations

from enum import StrEnum


class LegalBasis(StrEnum):
    """Of article 6(1) of the GDPR, those in use."""

    CONSENT = "consent, (a)"
    CONTRACT = "contract with the shopper, (b)"
    OBLIGATION = "legal obligation, (c)"
    INTEREST = "legitimate interest, (f)"
