"""Secrets: random bytes of this machine, in a file that only its owner can read.

Limit that shaped it: Secret Manager has no emulator, so a service gets the value itself as its environment value, as
Cloud Run would give it. The same value as long as the stack is up: another pseudonym key would part every shopper from
their past.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from emulators.graph import InvalidGraph, Resource

VERSION = "gcp:secretmanager/secretVersion:SecretVersion"
BYTES = 32
"""As the program's RandomBytes; the functions refuse a shorter key."""


def wanted(resources: Iterable[Resource]) -> list[str]:
    """The ids of the secrets that have a version. Pure.

    Raises:
        InvalidGraph: a version's value stands in the graph, where it would be in everybody's hands.
    """
    found = []
    for resource in resources:
        if resource.type != VERSION:
            continue
        if not isinstance(resource.get("secretData"), Mapping):
            raise InvalidGraph(
                f"the value of secret {resource.name!r} stands in the graph: it is known to all who read the program. "
                "Let the program draw it with RandomBytes."
            )
        found.append(resource.text("secret").rpartition("/")[2])
    return sorted(set(found))


def apply(resources: Iterable[Resource], file: Path) -> dict[str, str]:
    """Draws those that are not in the file yet.

    Returns:
        Base64 values by secret id.
    """
    known: dict[str, str] = json.loads(file.read_text()) if file.is_file() else {}
    missing = [name for name in wanted(resources) if name not in known]
    if missing:
        known |= {name: base64.b64encode(secrets.token_bytes(BYTES)).decode() for name in missing}
        partial = file.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            json.dump(known, opened)
        partial.rename(file)
    return known
