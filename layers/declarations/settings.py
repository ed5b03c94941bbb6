"""The names of environment values, said once: infra writes them, a function's composition root reads them.

Does not own what the values mean to a client; a value is a resource's full name or address, as its API spells it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from layers.declarations.function import SecretKind

PROJECT = "GONDOLA_PROJECT"
"""The Google Cloud project that holds the stores."""

STACK = "GONDOLA_STACK"
"""The Pulumi stack's name, for logs."""

RETAILER_PREFIX = "GONDOLA_RETAILER_"
"""One value a retailer: its registry entry as JSON (`layers.retailers`). Cloud Run allows 1 000 values, so about 300
retailers a stack; more retailers are more stacks."""

RETIRED_DELAYS = "GONDOLA_RETIRED_DELAYS"
"""Days of former contracts by retention class, as JSON: whoever writes events must know where older ones still lie."""

DEAD_LETTERS = "GONDOLA_DEAD_LETTERS"
"""Every subscription that keeps what could not be delivered, with its own topic, as JSON: both by their full names."""

LONGEST_REQUEST = "GONDOLA_LONGEST_REQUEST_S"
"""Set on the laptop only: how many seconds the longest request of an entrance takes there, for whoever waits for it."""

PATIENCE = "GONDOLA_PATIENCE_S"
"""Set on the laptop only: how many seconds a page waits for the stores there before the default experience is shown."""

BEACON_RELAYS = "GONDOLA_BEACON_RELAYS"
"""Addresses of a public beacon's relays, by blanks: asked one after the other."""

OWN_BEACON = "GONDOLA_OWN_BEACON_KEY"
"""Set on the laptop only: the key of this machine's own beacon, base64; what it signs is no public randomness."""

EMULATOR_HOSTS = {
    "bigtable": "BIGTABLE_EMULATOR_HOST",
    "pubsub": "PUBSUB_EMULATOR_HOST",
    "firestore": "FIRESTORE_EMULATOR_HOST",
    "bigquery": "BIGQUERY_EMULATOR_HOST",
    "bigquery_storage": "BIGQUERY_STORAGE_EMULATOR_HOST",
    "s3": "AWS_ENDPOINT_URL_S3",
}
"""Set on the laptop only, as `host:port` (S3: a URL). The first three are the official clients' own names."""


LOCAL = "_LOCAL"
"""What the laptop adds to the name of a signing key's value."""


class MissingSetting(LookupError):
    """An environment value that the declaration promises is not there."""


def _upper(name: str) -> str:
    return name.upper().replace("-", "_").replace("(", "").replace(")", "")


def hot_table(name: str) -> str:
    """`projects/P/instances/I/tables/T`."""
    return f"GONDOLA_TABLE_{_upper(name)}"


def topic(name: str) -> str:
    """`projects/P/topics/T`."""
    return f"GONDOLA_TOPIC_{_upper(name)}"


def documents(database: str) -> str:
    """`projects/P/databases/D`."""
    return f"GONDOLA_DATABASE_{_upper(database)}"


def url(function: str) -> str:
    """The address of another function, without a trailing slash."""
    return f"GONDOLA_URL_{_upper(function)}"


def account(function: str, project: str) -> str:
    """The e-mail of the service account that a function runs as; whoever is called knows its caller by it."""
    return f"run-{function.replace('_', '-')}@{project}.iam.gserviceaccount.com"


def retailer(retailer_id: str) -> str:
    return f"{RETAILER_PREFIX}{_upper(retailer_id)}"


def secret(kind: SecretKind, retailer_id: str, version: int = 1) -> str:
    """A later version of a key has a name of its own, since both are in use at a time."""
    later = f"_{version}" if version > 1 else ""
    return f"GONDOLA_SECRET_{_upper(kind.value)}_{_upper(retailer_id)}{later}"


def signing_key(name: str) -> str:
    """`projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/N`."""
    return f"GONDOLA_SIGNING_KEY_{_upper(name)}"


def sealing_key(name: str) -> str:
    """`projects/P/locations/L/keyRings/R/cryptoKeys/K`: KMS seals with its newest version and opens with any."""
    return f"GONDOLA_SEALING_KEY_{_upper(name)}"


def local_signing_key(name: str) -> str:
    """The private key itself, base64; set on the laptop only, where there is no Cloud KMS."""
    return f"{signing_key(name)}{LOCAL}"


@dataclass(frozen=True, slots=True)
class Settings:
    """Reads environment values and says what is missing in words that help.

    The mapping is given, never looked up here, so that a test passes a dict.
    """

    values: Mapping[str, str]

    @classmethod
    def of_process(cls) -> Settings:
        return cls(dict(os.environ))

    def __getitem__(self, name: str) -> str:
        value = self.values.get(name, "")
        if not value:
            raise MissingSetting(
                f"the environment value {name} is missing, so this function cannot reach what it needs; "
                "declare the need in its function.py and deploy again (locally: `make up`)"
            )
        return value

    def optional(self, name: str) -> str | None:
        return self.values.get(name) or None

    def emulator(self, service: str) -> str | None:
        """`host:port` of a local emulator, None in the cloud."""
        return self.optional(EMULATOR_HOSTS[service])
