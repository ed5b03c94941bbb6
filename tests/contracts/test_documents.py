"""What a document database promises, whoever keeps it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import GoogleAPICallError, RetryError

from emulators.processes.ports import free_ports, give_back
from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.privacy.suppression import last_erased, suppression_id
from layers.stores.collections import ERASURES, SUPPRESSIONS, TREES, Collection
from layers.stores.firestore.documents import FirestoreDocuments
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.firestore.port import Document, Documents, Later, OtherDatabase
from layers.stores.suppressions import FRESH_S, NOTED, LiveSuppressions

WHOLE = {
    "text": "é",
    "number": 3,
    "share": 0.5,
    "yes": True,
    "nothing": None,
    "when": datetime(2026, 11, 22, 10, 15, 0, 123000, tzinfo=UTC),
    "list": ["a", "b"],
    "map": {"bigtable:events": {"found": 2}},
}


@pytest.fixture(params=["fake", pytest.param("firestore", marks=pytest.mark.emulators)])
async def documents(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Documents]:
    """A database of its own for each test."""
    if request.param == "fake":
        yield FakeDocuments()
        return
    from layers.stores.firestore.documents import FirestoreDocuments

    # The official client reads its emulator's address from the process's environment and from nowhere else.
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", request.getfixturevalue("firestore_emulator"))
    name = f"d{uuid.uuid4().hex[:12]}"
    yield FirestoreDocuments.of(Settings({"GONDOLA_DATABASE_DEFAULT": f"projects/contract/databases/{name}"}))


async def test_a_collection_of_another_database_is_refused_and_not_taken_for_empty(documents: Documents) -> None:
    contacts = Collection("contacts", "", "", database="rewards", dated="at")
    for asked in (
        documents.get(contacts, "one"),
        documents.put(contacts, "one", {}),
        documents.create(contacts, "one", {}),
        documents.delete(contacts, "one"),
        documents.find(contacts),
        documents.later(contacts, "at", datetime(2026, 1, 1, tzinfo=UTC), 1),
        documents.replace(contacts, Document("one", {}, None), {}),
        documents.remove(contacts, Document("one", {}, None)),
    ):
        with pytest.raises(OtherDatabase, match="'rewards'"):
            await asked


async def test_what_is_put_is_read_back(documents: Documents) -> None:
    assert await documents.get(TREES, "one") is None
    await documents.put(TREES, "one", WHOLE)
    document = await documents.get(TREES, "one")
    assert document is not None
    assert (document.id, document.data) == ("one", WHOLE)
    nested = {"when": [{"at": WHOLE["when"]}]}
    await documents.put(TREES, "nested", nested)
    found = await documents.get(TREES, "nested")
    assert found is not None and found.data == nested
    # A subclass of datetime is equal to one, and msgspec takes it for none.
    assert [type(document.data["when"]), type(found.data["when"][0]["at"])] == [datetime, datetime]
    assert [type(each.data["when"]) for each in await documents.find(TREES, text="é")] == [datetime]
    assert await documents.get(ERASURES, "one") is None, "another collection is another place"


async def test_put_writes_the_document_whole(documents: Documents) -> None:
    await documents.put(TREES, "one", WHOLE)
    await documents.put(TREES, "one", {"text": "new"})
    document = await documents.get(TREES, "one")
    assert document is not None and document.data == {"text": "new"}


async def test_only_one_can_create(documents: Documents) -> None:
    assert await documents.create(TREES, "one", {"by": "first"})
    assert not await documents.create(TREES, "one", {"by": "second"})
    document = await documents.get(TREES, "one")
    assert document is not None and document.data == {"by": "first"}


async def test_replace_writes_only_over_what_was_read(documents: Documents) -> None:
    await documents.put(TREES, "one", {"n": 1, "gone": True})
    known = await documents.get(TREES, "one")
    assert known is not None
    assert await documents.replace(TREES, known, {"n": 2})
    assert not await documents.replace(TREES, known, {"n": 3}), "somebody wrote since"
    document = await documents.get(TREES, "one")
    assert document is not None and document.data == {"n": 2}
    await documents.delete(TREES, "one")
    assert not await documents.replace(TREES, document, {"n": 4}), "what was deleted stays deleted"
    assert await documents.get(TREES, "one") is None


async def test_replace_keeps_names_that_hold_dots_and_colons(documents: Documents) -> None:
    """Firestore's `update` reads a dot in a top-level name as a path: nested maps must not be touched by that."""
    await documents.put(TREES, "one", {"stores": {"bigquery:a.b": {"found": 1}}})
    known = await documents.get(TREES, "one")
    assert known is not None
    assert await documents.replace(TREES, known, {"stores": {"bigquery:a.b": {"found": 2}, "x": {}}})
    document = await documents.get(TREES, "one")
    assert document is not None and document.data == {"stores": {"bigquery:a.b": {"found": 2}, "x": {}}}


async def test_remove_deletes_only_what_was_read(documents: Documents) -> None:
    await documents.put(TREES, "one", {"n": 1})
    known = await documents.get(TREES, "one")
    assert known is not None and await documents.replace(TREES, known, {"n": 2})
    assert not await documents.remove(TREES, known), "somebody wrote since"
    newest = await documents.get(TREES, "one")
    assert newest is not None and newest.data == {"n": 2}
    assert await documents.remove(TREES, newest)
    assert await documents.get(TREES, "one") is None
    assert not await documents.remove(TREES, newest), "it is not there any more"
    assert await documents.create(TREES, "one", {"n": 3}) and not await documents.remove(TREES, newest)


async def test_deleting_twice_is_harmless(documents: Documents) -> None:
    await documents.put(TREES, "one", {"n": 1})
    for _ in range(2):
        await documents.delete(TREES, "one")
    assert await documents.get(TREES, "one") is None


async def test_find_by_equality(documents: Documents) -> None:
    for id, retailer, open_ in (("b", "demo", True), ("a", "demo", False), ("c", "other", True)):
        await documents.put(ERASURES, id, {"retailer": retailer, "open": open_})
    assert [d.id for d in await documents.find(ERASURES)] == ["a", "b", "c"]
    assert [d.id for d in await documents.find(ERASURES, retailer="demo")] == ["a", "b"]
    assert [d.id for d in await documents.find(ERASURES, retailer="demo", open=True)] == ["b"]
    assert await documents.find(ERASURES, retailer="nobody") == []
    assert await documents.find(Collection("never_written", "", "")) == []


@pytest.fixture(params=["fake", *(pytest.param(name, marks=pytest.mark.emulators) for name in ("official", "own"))])
async def following(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Documents, Later]:
    """A database of its own, and who follows it: through the official client, and through our own messages."""
    if request.param == "fake":
        fake = FakeDocuments()
        return fake, fake
    from layers.stores.firestore.documents import FirestoreDocuments
    from layers.stores.firestore.following import FirestoreFollowing

    address = request.getfixturevalue("firestore_emulator")
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
    name = f"projects/contract/databases/d{uuid.uuid4().hex[:12]}"
    values = Settings({"GONDOLA_DATABASE_DEFAULT": name, "FIRESTORE_EMULATOR_HOST": address})
    written = FirestoreDocuments.of(values)
    return written, FirestoreFollowing.of(values) if request.param == "own" else written


async def test_later_gives_the_earliest_of_what_is_dated_since(following: tuple[Documents, Later]) -> None:
    documents, reader = following
    noon = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
    for id, minutes in (("z", 0), ("b", 2), ("a", 1), ("old", -1)):
        await documents.put(ERASURES, id, {"noted": noon + timedelta(minutes=minutes), "retailer": "é"})
    await documents.put(ERASURES, "undated", {"other": noon})
    await documents.put(TREES, "elsewhere", {"noted": noon})
    assert [d.id for d in await reader.later(ERASURES, "noted", noon, 10)] == ["z", "a", "b"]
    assert [d.id for d in await reader.later(ERASURES, "noted", noon, 2)] == ["z", "a"]
    assert await reader.later(ERASURES, "noted", noon + timedelta(hours=1), 10) == []
    assert await reader.later(Collection("never_written", "", ""), "noted", noon, 10) == []
    [first] = await reader.later(ERASURES, "noted", noon, 1)
    assert type(first.data["noted"]) is datetime and first.data == {"noted": noon, "retailer": "é"}


async def test_what_is_given_out_is_a_copy(documents: Documents) -> None:
    await documents.put(TREES, "one", {"list": [1]})
    document = await documents.get(TREES, "one")
    assert document is not None
    document.data["list"].append(2)
    again = await documents.get(TREES, "one")
    assert again is not None and again.data == {"list": [1]}


async def test_a_store_that_is_away_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own way is to try for five minutes, and whoever asked would hang; the bound here is generous."""
    (port,) = free_ports(1)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{port}")
    try:
        away = FirestoreDocuments.of(Settings({settings.documents("(default)"): "projects/p/databases/(default)"}))
        async with asyncio.timeout(60):
            with pytest.raises((GoogleAPICallError, RetryError)):
                await away.get(TREES, "nothing")
    finally:
        give_back([port])


async def test_a_suppression_is_heard_of_by_who_follows(following: tuple[Documents, Later]) -> None:
    """As ingest does, which reads nothing else of Firestore."""
    documents, reader = following
    now = datetime.now(UTC)
    seconds = 0.0
    suppressions = LiveSuppressions(reader, lambda: seconds)
    await suppressions.fresh()
    for number in range(3):
        data = {"retailer": "demo", "since": now - timedelta(days=number), NOTED: datetime.now(UTC)}
        await documents.put(SUPPRESSIONS, suppression_id("demo", f"shopper-{number}"), data)
    seconds += FRESH_S
    await suppressions.fresh()
    heard = [suppressions.erased_at("demo", f"shopper-{number}") for number in range(4)]
    assert heard == [*(last_erased(now - timedelta(days=number)) for number in range(3)), None]
