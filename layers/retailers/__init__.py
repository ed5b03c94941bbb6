"""A retailer as the functions see it: keys, origins, where its rows go, how long they stay.

Owns the registry entry, its rules and its errors. Stack configuration is checked with the same rules by infra, which
writes one environment value per retailer. Does not own secrets: they come from Secret Manager, beside the entry.
"""

from layers.retailers.registry import (
    AbsentConsent,
    Contract,
    Feed,
    InvalidRetailer,
    Learning,
    PseudonymKey,
    Registry,
    Retailer,
    RetentionClass,
    ShopperTokens,
    family,
)

__all__ = [
    "AbsentConsent",
    "Contract",
    "Feed",
    "InvalidRetailer",
    "Learning",
    "PseudonymKey",
    "Registry",
    "Retailer",
    "RetentionClass",
    "ShopperTokens",
    "family",
]
