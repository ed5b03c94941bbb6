"""The short form of the ledger's proof, on the Firestore emulator."""

from __future__ import annotations

import uuid

import pytest

from tests.ledger.proof import Course, environment_of, prove
from tests.ledger.shoppers import COUNT, MONEY

pytestmark = pytest.mark.emulators


async def test_never_one_too_many(firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty want twenty, from two processes killed twice each; with cancels, refunds and repeats in between."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    course = Course(shoppers=60, count=20, money=6000, processes=2, kills=4)
    found = await prove(course, environment_of(firestore_emulator, f"d{uuid.uuid4().hex[:12]}"), print)
    assert found.balances[COUNT].spent == 20
    assert found.balances[MONEY].spent <= 6000
