"""Cloud KMS: the keys that functions sign and seal with, which nobody can read, not even their function.

A ring and a key can never be deleted, and a version that was destroyed signs nothing more; what it signed is verified
with its public half for good, so that half is exported and published (functions/consent_erasure/README.md). What a
destroyed version sealed is lost.
"""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_gcp as gcp

from infra import apis
from infra.apis import Apis
from infra.configuration import Stack
from infra.declared import needs
from layers.declarations import Function, SealingKey, SigningKey

SIGNER = "roles/cloudkms.signerVerifier"
"""Signs, and reads the public half."""

OPENER = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
"""Seals and opens; each use is in the audit log of data access, where that is switched on."""

RING = "gondola"
VERSION = "1"
"""In use. A new version changes who verifies what: make it by hand, publish its public half, then raise this."""

_MONTH = f"{30 * 86400}s"
_QUARTER = f"{90 * 86400}s"


def signing_keys(stack: Stack, on: Apis, functions: tuple[Function, ...]) -> dict[str, Any]:
    """Every key that some function signs or seals with, by name."""
    names = sorted({need.name for function in functions for need in needs(function, SigningKey)})
    seals = sorted({need.name for function in functions for need in needs(function, SealingKey)})
    if not names and not seals:
        return {}
    ring = gcp.kms.KeyRing(
        RING, project=stack.project, name=RING, location=stack.region, opts=on.on(apis.KMS, protect=stack.protected)
    )
    signing = {
        name: gcp.kms.CryptoKey(
            name,
            name=name,
            key_ring=ring.id,
            purpose="ASYMMETRIC_SIGN",
            version_template=gcp.kms.CryptoKeyVersionTemplateArgs(
                # In hardware, whose maker attests that the private half was made there and cannot be taken out.
                algorithm="EC_SIGN_P256_SHA256",
                protection_level="HSM",
            ),
            import_only=False,
            skip_initial_version_creation=False,
            destroy_scheduled_duration=_MONTH,
            opts=on.on(apis.KMS, protect=stack.protected),
        )
        for name in names
    }
    sealing = {
        name: gcp.kms.CryptoKey(
            name,
            name=name,
            key_ring=ring.id,
            purpose="ENCRYPT_DECRYPT",
            # A new version seals, the former ones still open what they sealed.
            rotation_period=_QUARTER,
            version_template=gcp.kms.CryptoKeyVersionTemplateArgs(
                algorithm="GOOGLE_SYMMETRIC_ENCRYPTION", protection_level="HSM"
            ),
            import_only=False,
            skip_initial_version_creation=False,
            destroy_scheduled_duration=_MONTH,
            opts=on.on(apis.KMS, protect=stack.protected),
        )
        for name in seals
    }
    return signing | sealing


def used(name: str, key: Any, functions: tuple[Function, ...]) -> Any:
    """As functions are told of a key: the version that signs, or the key that seals."""
    seals = any(need.name == name for function in functions for need in needs(function, SealingKey))
    return key.id if seals else version(key)


def version(key: Any) -> pulumi.Output[str]:
    """The full name of the version that signs."""
    return pulumi.Output.concat(key.id, "/cryptoKeyVersions/", VERSION)


def grants(on: Apis, made: dict[str, Any], function: Function, member: Any) -> list[Any]:
    """One grant for each key that the function signs or seals with, on that key."""
    granted = [(need.name, SIGNER) for need in needs(function, SigningKey)]
    granted += [(need.name, OPENER) for need in needs(function, SealingKey)]
    return [
        gcp.kms.CryptoKeyIAMMember(
            f"{function.service}-{name}",
            crypto_key_id=made[name].id,
            role=role,
            member=member,
            opts=on.on(apis.KMS),
        )
        for name, role in granted
    ]
