"""Secrets and signing keys: drawn on this machine, in a file that only its owner can read.

Limit that shaped it: neither Secret Manager nor Cloud KMS has an emulator, so a service gets the value itself as its
environment value, as Cloud Run would give a secret's. The same value as long as the stack is up: another pseudonym key
would part every shopper from their past, and another signing key begins a chain that the former does not verify.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from emulators.graph import InvalidGraph, Resource

KEY = "gcp:kms/cryptoKey:CryptoKey"
VERSION = "gcp:secretmanager/secretVersion:SecretVersion"
OWN_BEACON = "own-beacon"
"""In the file, beside the graph's: the key by which this machine plays a public beacon, since it may reach none."""

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


def signing_keys(resources: Iterable[Resource]) -> list[str]:
    """The ids of the keys that functions sign with. Pure."""
    return _keys(resources, "ASYMMETRIC_SIGN")


def sealing_keys(resources: Iterable[Resource]) -> list[str]:
    """The ids of the keys that functions seal with. Pure."""
    return _keys(resources, "ENCRYPT_DECRYPT")


def _keys(resources: Iterable[Resource], purpose: str) -> list[str]:
    keys = [
        each for each in resources if each.type == KEY and each.get("purpose", default="ASYMMETRIC_SIGN") == purpose
    ]
    return sorted(f"{each.text('keyRing')}/cryptoKeys/{each.text('name')}" for each in keys)


def _signing_key() -> str:
    """A private key on the curve P-256, PKCS 8 in base64, as `layers.signing.local` reads it."""
    key = ec.generate_private_key(ec.SECP256R1())
    return base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def apply(resources: Iterable[Resource], file: Path) -> dict[str, str]:
    """Draws those that are not in the file yet.

    Returns:
        Base64 values by the id of secret or key.
    """
    known: dict[str, str] = json.loads(file.read_text()) if file.is_file() else {}
    resources = list(resources)
    drawn = {name: base64.b64encode(secrets.token_bytes(BYTES)).decode() for name in wanted(resources)}
    drawn |= {name: _signing_key() for name in signing_keys(resources)}
    drawn |= {name: base64.b64encode(secrets.token_bytes(BYTES)).decode() for name in sealing_keys(resources)}
    drawn[OWN_BEACON] = base64.b64encode(secrets.token_bytes(BYTES)).decode()
    if drawn.keys() - known.keys():
        known = {**drawn, **known}
        partial = file.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            json.dump(known, opened)
        partial.rename(file)
    return known
