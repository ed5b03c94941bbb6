"""The chain of receipts on the fake and on Firestore: one chain, whoever appends at once, wherever one is killed."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from functions.consent_erasure.chain import FORMAT
from functions.consent_erasure.sealing import append, place
from functions.consent_erasure.verification import verify
from layers.declarations.settings import Settings
from layers.signing.fake import FakeSigner
from layers.signing.keys import PublicKey
from layers.stores.collections import RECEIPT_HEADS, RECEIPTS
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.firestore.port import Documents

SIGNER = FakeSigner()


@pytest.fixture(params=["fake", pytest.param("firestore", marks=pytest.mark.emulators)])
async def documents(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Documents]:
    if request.param == "fake":
        yield FakeDocuments()
        return
    from layers.stores.firestore.documents import FirestoreDocuments

    # The official client reads its emulator's address from the process's environment and from nowhere else.
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", request.getfixturevalue("firestore_emulator"))
    name = f"d{uuid.uuid4().hex[:12]}"
    yield FirestoreDocuments.of(Settings({"GONDOLA_DATABASE_DEFAULT": f"projects/contract/databases/{name}"}))


def receipt(erasure: str) -> dict[str, Any]:
    return {"format": FORMAT, "retailer": "demo", "id": erasure, "finished": "2026-11-22T12:00:00.000Z"}


async def put(documents: Documents, erasure: str) -> int:
    number: int = (await append(documents, SIGNER, "demo", erasure, receipt(erasure))).data["number"]
    return number


async def whole(documents: Documents, count: int) -> bool:
    """Whether the chain has exactly these many receipts, and a stranger would believe it."""
    held = await documents.find(RECEIPTS, retailer="demo")
    texts = [(each.id, each.data["text"].encode()) for each in held]
    key = PublicKey(await SIGNER.public_key())
    ids = [place("demo", number + 1) for number in range(count)]
    erasures = {each.data["erasure"] for each in held}
    return [each.id for each in held] == ids and len(erasures) == count and verify(texts, [key]).holds


async def test_one_after_the_other(documents: Documents) -> None:
    assert [await put(documents, id) for id in ("a", "b", "a", "c", "b")] == [1, 2, 1, 3, 2]
    assert await whole(documents, 3)
    head = await documents.get(RECEIPT_HEADS, "demo")
    assert head is not None and head.data["number"] == 3


@pytest.mark.parametrize("seed", range(5))
async def test_all_at_once_and_each_twice(documents: Documents, seed: int) -> None:
    erasures = [f"e{n}" for n in range(10)]
    # The fake never lets another run in between; a real store does.
    yielding = Dying(documents, 10**9, after=False, seed=seed)
    numbers = await asyncio.gather(*(put(yielding, id) for id in erasures * 2))
    assert numbers[:10] == numbers[10:] and sorted(numbers[:10]) == list(range(1, 11))
    assert await whole(documents, 10)


async def test_a_retailer_has_a_chain_of_its_own(documents: Documents) -> None:
    await put(documents, "a")
    other = await append(documents, SIGNER, "other", "b", {**receipt("b"), "retailer": "other"})
    assert (other.data["number"], other.id) == (1, place("other", 1))


class Killed(BaseException):
    """No handler catches it: the process is gone."""


class Dying:
    """Lets others run at each call, in an order that `seed` draws, and ends the process at the nth, before or after it
    is done."""

    def __init__(self, documents: Documents, left: int, after: bool, seed: int = 0) -> None:
        self._documents, self.left, self._after, self._random = documents, left, after, Random(seed)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._documents, name)

        async def mortal(*arguments: Any, **named: Any) -> Any:
            for _ in range(self._random.randrange(1, 5)):
                await asyncio.sleep(0)
            self.left -= 1
            if self.left == 0 and not self._after:
                raise Killed
            answered = await call(*arguments, **named)
            if self.left == 0:
                raise Killed
            return answered

        return mortal


@pytest.mark.parametrize("after", [False, True])
async def test_a_kill_anywhere_leaves_no_gap_and_no_second_receipt(after: bool) -> None:
    reached = 0
    for calls in range(1, 50):
        documents = FakeDocuments()
        await put(documents, "before")
        dying = Dying(documents, calls, after)
        try:
            await append(dying, SIGNER, "demo", "mine", receipt("mine"))
        except Killed:
            reached += 1
        else:
            break
        # Another erasure ends before the killed one is asked for again.
        assert await put(documents, "after") in (2, 3)
        assert await put(documents, "mine") in (2, 3)
        assert await whole(documents, 3), f"killed at call {calls}"
    assert reached >= 6


async def test_a_head_that_stayed_behind_is_walked_from() -> None:
    documents = FakeDocuments()
    for erasure in "abcde":
        await put(documents, erasure)
    head = await documents.get(RECEIPT_HEADS, "demo")
    first = await documents.get(RECEIPTS, place("demo", 1))
    assert head is not None and first is not None
    await documents.put(RECEIPT_HEADS, "demo", {"number": 1, "sha256": first.data["sha256"]})
    assert await put(documents, "c") == 3
    assert await put(documents, "f") == 6 and await whole(documents, 6)
