"""Both doors, started once a session: the one that takes the express way where it can, and the ordinary one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.door import Door, open_door


@pytest.fixture(scope="session")
def express_door(
    bigtable_emulator: str, pubsub_emulator: str, firestore_emulator: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("door")
    with open_door("express", bigtable_emulator, pubsub_emulator, firestore_emulator, folder, True) as door:
        yield door


@pytest.fixture(scope="session")
def ordinary_door(
    bigtable_emulator: str, pubsub_emulator: str, firestore_emulator: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("door")
    with open_door("ordinary", bigtable_emulator, pubsub_emulator, firestore_emulator, folder, False) as door:
        yield door


@pytest.fixture(params=["express_door", "ordinary_door"])
def door(request: pytest.FixtureRequest) -> Door:
    found: Door = request.getfixturevalue(request.param)
    return found
