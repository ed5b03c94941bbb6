"""What a function says about itself: its trigger, its needs, its scale, what is measured of it and who is told.

Owns the vocabulary of `functions/<name>/function.py`. It is data: nothing here opens a connection or imports an SDK, so
that infra, the emulators and the tests can read a declaration without the function's own dependencies. From one need
come three things: the environment value (`settings`), the IAM grant (infra) and the typed client (the function's
composition root).
"""

from layers.declarations.function import (
    Access,
    Alarm,
    Calls,
    Dataset,
    DeadLetters,
    Documents,
    Function,
    HotTable,
    Http,
    Measure,
    Need,
    PublicRandomness,
    Push,
    RetailerBucket,
    RetailerSecret,
    Scale,
    Schedule,
    SealingKey,
    SecretKind,
    Severity,
    SigningKey,
    Topic,
    Trigger,
)
from layers.declarations.lawfulness import LegalBasis

__all__ = [
    "Access",
    "Alarm",
    "Calls",
    "Dataset",
    "DeadLetters",
    "Documents",
    "Function",
    "HotTable",
    "Http",
    "LegalBasis",
    "Measure",
    "Need",
    "PublicRandomness",
    "Push",
    "RetailerBucket",
    "RetailerSecret",
    "Scale",
    "Schedule",
    "SealingKey",
    "SecretKind",
    "Severity",
    "SigningKey",
    "Topic",
    "Trigger",
]
