"""Structured logs, one JSON object a line on stdout, as Cloud Logging reads them.

Fields are numbers, positions, names of rules: never a customer id, a pseudonym, a payload or an exception's text that
may quote one. `failure` therefore logs an exception's type and place, not its message.
"""

from __future__ import annotations

import sys
import traceback
from typing import Literal

import msgspec

Severity = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_encoder = msgspec.json.Encoder()


def log(severity: Severity, message: str, **fields: str | int | float | bool | None) -> None:
    """Writes one entry; `message` is a constant text, what varies goes into fields."""
    entry = {"severity": severity, "message": message, **fields}
    sys.stdout.write(_encoder.encode(entry).decode() + "\n")
    sys.stdout.flush()


def failure(message: str, error: BaseException, severity: Severity = "ERROR") -> None:
    """Logs where an exception came from, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    place = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames[-4:]))
    code = getattr(error, "code", None)
    status = str(code()) if callable(code) else ""
    log(severity, message, error=type(error).__name__, status=status, place=place)
