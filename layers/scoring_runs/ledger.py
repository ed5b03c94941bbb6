"""What is remembered of scoring runs: whose turn it is, what was planned, which shards are done.

Every step may be repeated, and a process may be killed between any two: the next one that comes by finds what is left
to do. No document is written by all shards of a run: 64 share one, and each full one is told to the run's own once, so
that 4 096 shards in twenty minutes stay far below what one document takes.

Does not own when a run is late (functions/scoring_watch), nor what a shard does (functions/scoring).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from layers.scoring_runs.messages import name_of
from layers.scoring_runs.shards import Shard
from layers.stores.collections import SCORING_HEADS, SCORING_RUNS, SCORING_SHARDS, Collection
from layers.stores.firestore.port import Document, Documents

GROUP = 64
"""Shards whose states one document holds."""

TRIES = 30
PAUSE_S = 0.05
"""Between two tries to write a document that others write too: 30 of them wait 2 s or so."""


class Contended(Exception):
    """Others kept writing the same document; the caller may repeat."""


class Superseded(Exception):
    """A newer run of this retailer has begun: this one must not write any more."""


class Status(StrEnum):
    RUNNING = "running"
    DONE = "done"


class Counts(msgspec.Struct, frozen=True):
    """Of shoppers, in a shard or in several.

    Attributes:
        computed: who have parameters now. written, unchanged: of these, whose changed, and whose did not.
        removed: who had some before, and have no claim to any more. refused: whose parameters break their contract, so
            that they keep what they had. seconds: of work, all shards together. learned: of the computed, who were
            predicted by trained models, not by how often they buy. offered: of the computed, who were drawn an offer.
            control: who are in the control group, which is shown none. promised: by campaign, what its offers are
            expected to give away in a week, in the retailer's currency.
    """

    computed: int = 0
    written: int = 0
    unchanged: int = 0
    removed: int = 0
    refused: int = 0
    seconds: float = 0.0
    learned: int = 0
    offered: int = 0
    control: int = 0
    promised: dict[str, float] = {}

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.computed + other.computed,
            self.written + other.written,
            self.unchanged + other.unchanged,
            self.removed + other.removed,
            self.refused + other.refused,
            round(self.seconds + other.seconds, 3),
            self.learned + other.learned,
            self.offered + other.offered,
            self.control + other.control,
            {
                name: round(self.promised.get(name, 0.0) + other.promised.get(name, 0.0), 4)
                for name in sorted({*self.promised, *other.promised})
            },
        )


@dataclass(frozen=True, slots=True)
class Head:
    """The newest run of a retailer.

    Attributes:
        settled: every shard of it is done, so nobody writes for it any more.
        careful: the run before was not settled when this one began, so this one writes what is unchanged too: what the
            older one may still write must not be what stays.
    """

    run: datetime
    settled: bool
    careful: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Attributes:
    version: of what it computes; stands in every parameter that it writes. key_versions: of the pseudonyms there are.
        models: the version of the trained models that predict, the same for every shard; empty where none do. setting:
        names what offers are worked out from (`settings`); empty in a run that was planned before there were any.
    """

    version: str
    shoppers: int
    shards: int
    key_versions: tuple[str, ...]
    models: str = ""
    setting: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    plan: Plan
    status: Status
    planned: datetime
    finished: datetime | None
    groups: Mapping[int, Counts]

    @property
    def counts(self) -> Counts:
        return sum(self.groups.values(), Counts())


class Ledger:
    def __init__(self, documents: Documents, pause_s: float = PAUSE_S) -> None:
        self._documents, self._pause_s = documents, pause_s

    async def head(self, retailer_id: str) -> Head | None:
        found = await self._documents.get(SCORING_HEADS, retailer_id)
        return None if found is None else _head(found)

    async def begin(self, retailer_id: str, run: datetime) -> Head:
        """Makes `run` the newest; again for one that is.

        Raises:
            Superseded, Contended
        """

        def next_head(known: Mapping[str, Any] | None) -> dict[str, Any] | None:
            if known is not None and known["run"] > run:
                raise Superseded
            if known is not None and known["run"] == run:
                return None
            careful = known is not None and not known["settled"]
            return {"retailer": retailer_id, "run": run, "settled": False, "careful": careful}

        await self._change(SCORING_HEADS, retailer_id, next_head)
        head = await self.head(retailer_id)
        if head is None or head.run != run:
            raise Superseded
        return head

    async def check(self, retailer_id: str, run: datetime) -> None:
        """Raises:
        Superseded: `run` is not the newest.
        """
        head = await self.head(retailer_id)
        if head is not None and head.run > run:
            raise Superseded

    async def plan(self, retailer_id: str, run: datetime, plan: Plan, now: datetime) -> None:
        """Remembers it; the first plan of a run stays."""
        await self._documents.create(
            SCORING_RUNS,
            _run_id(retailer_id, run),
            {
                "retailer": retailer_id,
                "run": run,
                "planned": now,
                "version": plan.version,
                "shoppers": plan.shoppers,
                "shards": plan.shards,
                "key_versions": list(plan.key_versions),
                "models": plan.models,
                "setting": plan.setting,
                "status": Status.RUNNING.value,
                "finished": None,
                "groups": {},
            },
        )

    async def run(self, retailer_id: str, run: datetime) -> Run | None:
        found = await self._documents.get(SCORING_RUNS, _run_id(retailer_id, run))
        return None if found is None else _run(found)

    async def done(self, retailer_id: str, run: datetime, of: int) -> dict[int, Counts]:
        """The shards that are done, by number."""
        groups = await asyncio.gather(*(self._group(retailer_id, run, group) for group in range(-(-of // GROUP))))
        return {number: counts for group in groups for number, counts in group.items()}

    async def is_done(self, retailer_id: str, run: datetime, shard: Shard) -> bool:
        return shard.number in await self._group(retailer_id, run, shard.number // GROUP)

    async def finish(self, retailer_id: str, run: datetime, shard: Shard, counts: Counts, now: datetime) -> Run | None:
        """Remembers that a shard is done; the run, when this was its last, to one caller. What an earlier call left
        half done, a repeated one completes: the counts of the first stay.

        Raises:
            Contended
        """
        group = shard.number // GROUP
        size = min(GROUP, shard.of - group * GROUP)

        def with_shard(known: Mapping[str, Any] | None) -> dict[str, Any] | None:
            shards = dict(known["shards"]) if known is not None else {}
            if str(shard.number) in shards:
                return None
            shards[str(shard.number)] = msgspec.to_builtins(counts)
            return {"retailer": retailer_id, "run": run, "planned": now, "group": group, "shards": shards}

        await self._change(SCORING_SHARDS, f"{_run_id(retailer_id, run)}:{group}", with_shard)
        done = await self._group(retailer_id, run, group)
        if len(done) < size:
            return None
        total = sum(done.values(), Counts())
        groups = -(-shard.of // GROUP)

        def with_group(known: Mapping[str, Any] | None) -> dict[str, Any] | None:
            if known is None or str(group) in known["groups"]:
                return None
            all_groups = {**known["groups"], str(group): msgspec.to_builtins(total)}
            closed = len(all_groups) == groups
            return {
                **known,
                "groups": all_groups,
                "status": (Status.DONE if closed else Status.RUNNING).value,
                "finished": now if closed else None,
            }

        await self._change(SCORING_RUNS, _run_id(retailer_id, run), with_group)
        found = await self.run(retailer_id, run)
        if found is None or found.status is not Status.DONE:
            return None
        return found if await self._settle(retailer_id, run) else None

    async def _settle(self, retailer_id: str, run: datetime) -> bool:
        def settled(known: Mapping[str, Any] | None) -> dict[str, Any] | None:
            if known is None or known["run"] != run or known["settled"]:
                return None
            return {**known, "settled": True}

        return await self._change(SCORING_HEADS, retailer_id, settled)

    async def _group(self, retailer_id: str, run: datetime, group: int) -> dict[int, Counts]:
        found = await self._documents.get(SCORING_SHARDS, f"{_run_id(retailer_id, run)}:{group}")
        if found is None:
            return {}
        return {int(number): msgspec.convert(counts, Counts) for number, counts in found.data["shards"].items()}

    async def _change(
        self,
        collection: Collection,
        id: str,
        changed: Callable[[Mapping[str, Any] | None], dict[str, Any] | None],
    ) -> bool:
        """Writes what `changed` makes of what is there, on the condition that it still is; False and nothing written
        where it makes None.

        Raises:
            Contended
        """
        for _ in range(TRIES):
            known = await self._documents.get(collection, id)
            data = changed(None if known is None else known.data)
            if data is None:
                return False
            if known is None:
                written = await self._documents.create(collection, id, data)
            else:
                written = await self._documents.replace(collection, known, data)
            if written:
                return True
            await asyncio.sleep(self._pause_s)
        raise Contended(f"{collection.name} is written by many at once")


def _run_id(retailer_id: str, run: datetime) -> str:
    return f"{retailer_id}:{name_of(run)}"


def _head(found: Document) -> Head:
    return Head(found.data["run"], bool(found.data["settled"]), bool(found.data["careful"]))


def _run(found: Document) -> Run:
    data = found.data
    return Run(
        Plan(
            data["version"],
            data["shoppers"],
            data["shards"],
            tuple(data["key_versions"]),
            data.get("models", ""),
            data.get("setting", ""),
        ),
        Status(data["status"]),
        data["planned"],
        data["finished"],
        {int(group): msgspec.convert(counts, Counts) for group, counts in data["groups"].items()},
    )
