"""The live tree: published once, read seldom, kept while its store is away."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from layers.stores.collections import LIVE_TREES, TREES, WITHHELD, Collection
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.firestore.port import Document
from layers.tree.live import ABSENT_S, FRESH_S, PublishedTrees, TreeUnavailable, change, keep_version, publish
from layers.tree.programme import Programme, Refused, pause, read, resume, rollback, schedule, stop
from layers.tree.reading import read_yaml

SOURCE = (Path(__file__).parents[2] / "layers" / "tree" / "examples" / "grocery_basket.yaml").read_text()
CHANGED = SOURCE.replace("limit: 10", "limit: 9")
TREE, NEXT = read_yaml(SOURCE), read_yaml(CHANGED)


class Watched(FakeDocuments):
    """Counts reads; fails while `down`."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []
        self.down = False

    async def get(self, collection: Collection, id: str) -> Document | None:
        await asyncio.sleep(0)
        if self.down:
            raise ConnectionError("down")
        self.read.append(collection.name)
        return await super().get(collection, id)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def documents() -> Watched:
    return Watched()


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_publishing_again_changes_nothing(documents: Watched) -> None:
    assert await publish(documents, "demo", TREE, SOURCE)
    before = copy.deepcopy(documents.collections)
    assert not await publish(documents, "demo", TREE, SOURCE)
    assert documents.collections == before
    version = (await documents.find(TREES))[0]
    assert version.id == f"demo:grocery_basket:{TREE.version}" and version.data["source"] == SOURCE


async def test_an_older_version_can_be_shown_again(documents: Watched, clock: Clock) -> None:
    for tree, source in ((TREE, SOURCE), (NEXT, CHANGED), (TREE, SOURCE)):
        assert await publish(documents, "demo", tree, source)
    assert len(await documents.find(TREES)) == 2
    live = await PublishedTrees(documents, clock).of("demo")
    assert live is not None and live.tree.version == TREE.version


def said(programme: Callable[..., Programme], *more: object) -> Callable[[Programme], Programme]:
    return lambda before: programme(before, *more, datetime.now(UTC), "tester")


async def test_a_stop_is_seen_by_everybody_within_a_second_of_their_clock(documents: Watched, clock: Clock) -> None:
    await publish(documents, "demo", TREE, SOURCE)
    instances = [PublishedTrees(documents, clock) for _ in range(3)]
    for trees in instances:
        live = await trees.of("demo")
        assert live is not None and not live.off
    await change(documents, "demo", said(stop))
    assert FRESH_S <= 1.0
    clock.now += FRESH_S
    for trees in instances:
        live = await trees.of("demo")
        assert live is not None and live.off and live.tree.version == TREE.version
        assert trees.last("demo") is live
    await change(documents, "demo", said(resume))
    clock.now += FRESH_S
    live = await instances[0].of("demo")
    assert live is not None and not live.off


async def test_what_is_scheduled_goes_live_without_anybody_doing_anything(documents: Watched, clock: Clock) -> None:
    await publish(documents, "demo", TREE, SOURCE)
    await keep_version(documents, "demo", NEXT, CHANGED)
    starts = datetime.now(UTC) + timedelta(hours=1)
    await change(
        documents,
        "demo",
        lambda p: schedule(p, NEXT.id, NEXT.version, starts, starts - timedelta(minutes=50), "tester", "finish"),
    )
    wall = [starts - timedelta(seconds=1)]
    trees = PublishedTrees(documents, clock, lambda: wall[0])
    live = await trees.of("demo")
    assert live is not None and live.tree.version == TREE.version
    wall[0] = starts
    clock.now += FRESH_S
    live = await trees.of("demo")
    assert live is not None and live.finishing is not None
    assert (live.tree.version, live.finishing.version) == (NEXT.version, TREE.version)
    assert live.since_ms == int(starts.timestamp() * 1000)


async def test_two_who_change_at_once_both_count(documents: Watched) -> None:
    await publish(documents, "demo", TREE, SOURCE)
    await asyncio.gather(*(change(documents, "demo", said(each)) for each in (pause, stop, rollback_or_not)))
    stored = read("demo", (await documents.get(LIVE_TREES, "demo")).data)  # type: ignore[union-attr]
    assert stored.off
    assert [step.what for step in stored.steps] == ["publish", "pause"], "a stop of what is off says nothing new"


def rollback_or_not(programme: Programme, at: datetime, who: str) -> Programme:
    with pytest.raises(Refused, match="nothing else was shown before"):
        rollback(programme, at, who)
    return programme


async def test_many_at_once_read_once_and_a_change_is_seen_when_due(documents: Watched, clock: Clock) -> None:
    await publish(documents, "demo", TREE, SOURCE)
    trees = PublishedTrees(documents, clock)
    documents.read.clear()
    found = await asyncio.gather(*(trees.of("demo") for _ in range(20)))
    assert {live.tree.version for live in found if live} == {TREE.version}
    assert documents.read == [LIVE_TREES.name, WITHHELD.name, TREES.name]
    await publish(documents, "demo", NEXT, CHANGED)
    assert (await trees.of("demo")) is found[0]
    clock.now = FRESH_S
    changed = await trees.of("demo")
    assert changed is not None and changed.tree.version == NEXT.version
    clock.now = 2 * FRESH_S
    documents.read.clear()
    assert await trees.of("demo") is changed
    assert documents.read == [LIVE_TREES.name, WITHHELD.name]


async def test_an_unknown_retailer_has_none(documents: Watched, clock: Clock) -> None:
    assert await PublishedTrees(documents, clock).of("demo") is None


async def test_a_first_tree_is_waited_for_more_eagerly_than_another(documents: Watched, clock: Clock) -> None:
    trees = PublishedTrees(documents, clock)
    assert [await trees.of("demo") for _ in range(9)] == [None] * 9
    assert documents.read == [LIVE_TREES.name, WITHHELD.name]
    await publish(documents, "demo", TREE, SOURCE)
    clock.now = ABSENT_S
    first = await trees.of("demo")
    assert first is not None
    await publish(documents, "demo", NEXT, CHANGED)
    clock.now += FRESH_S - 0.1
    assert await trees.of("demo") is first


async def test_a_store_that_is_away(documents: Watched, clock: Clock) -> None:
    await publish(documents, "demo", TREE, SOURCE)
    trees = PublishedTrees(documents, clock)
    documents.down = True
    with pytest.raises(TreeUnavailable):
        await trees.of("demo")
    documents.down = False
    with pytest.raises(TreeUnavailable):
        await trees.of("demo")  # without asking: all who waited would else ask, and wait, one after the other
    clock.now += ABSENT_S
    shown = await trees.of("demo")
    documents.down = True
    clock.now = 1000
    assert await trees.of("demo") is shown is not None


async def test_a_published_tree_that_this_code_refuses_does_not_replace_the_one_before(
    documents: Watched, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    await publish(documents, "demo", TREE, SOURCE)
    trees = PublishedTrees(documents, clock)
    shown = await trees.of("demo")
    await documents.put(TREES, "demo:grocery_basket:odd", {"definition": '{"tree":"grocery_basket"}'})
    await documents.put(LIVE_TREES, "demo", {"tree": "grocery_basket", "version": "odd"})
    clock.now = 1000
    assert await trees.of("demo") is shown
    assert "InvalidTree" in capsys.readouterr().out


async def test_those_who_come_while_the_first_tree_is_read_wait_for_it(documents: Watched, clock: Clock) -> None:
    """Told «no tree» of a moment ago, three of the first four shoppers of a campaign saw the default experience."""
    trees = PublishedTrees(documents, clock)
    assert await trees.of("demo") is None
    await publish(documents, "demo", TREE, SOURCE)
    clock.now += ABSENT_S
    shown = await asyncio.gather(*(trees.of("demo") for _ in range(4)))
    assert all(tree is not None for tree in shown)


async def test_those_who_wake_an_instance_wait_for_what_is_shown_now(documents: Watched, clock: Clock) -> None:
    """What it read before it stood idle may be hours old: nobody beside the one who reads it anew gets that."""
    trees = PublishedTrees(documents, clock)
    await publish(documents, "demo", TREE, SOURCE)
    await trees.of("demo")
    await publish(documents, "demo", NEXT, CHANGED)
    clock.now += 2 * FRESH_S + 0.1
    found = await asyncio.gather(*(trees.of("demo") for _ in range(5)))
    assert {live.tree.version for live in found if live is not None} == {NEXT.version}
