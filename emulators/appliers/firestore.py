"""Databases: nothing to make, a database of the emulator exists by being used, and each is isolated from the others.

Limits that shaped it: TTL policies and indexes do nothing in the emulator, so a graph that relies on one would be a lie
here: TTL policies are marked as not emulated, and the nightly purge does their work in both places.
"""

from __future__ import annotations

from collections.abc import Iterable

from emulators.appliers.rest import call
from emulators.graph import Resource


def apply(resources: Iterable[Resource], host: str) -> None:
    """Checks that each database answers.

    Raises:
        Refused: one does not.
    """
    for resource in resources:
        database = f"projects/{resource.text('project')}/databases/{resource.text('name')}"
        call("GET", f"http://{host}/v1/{database}/documents/ready/check", accept=(404,))
