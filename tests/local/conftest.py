"""The whole laptop stack, started once for all tests that ask for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulators.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The dev stack in a folder of its own, beside whatever else runs; it ends with the session, also by `kill -9`.

    Shared: use retailer, shopper and event ids that no other test uses, and leave every function running.
    """
    with Stack.up(tmp_path_factory.mktemp("stack")) as stack:
        yield stack
