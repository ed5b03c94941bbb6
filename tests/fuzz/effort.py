"""How much is tried: the short form is for every run of the suite, the long form for `python -m tests.fuzz`.

What is drawn is drawn anew at every run; Hypothesis prints how to repeat what failed.
"""

from __future__ import annotations

import os

LONG_FORM = "GONDOLA_FUZZ"
"""`long` in the environment asks for the long form."""

LONG = os.environ.get(LONG_FORM) == "long"


def effort(short: int, long: int) -> int:
    return long if LONG else short
