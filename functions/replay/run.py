"""One run: each retailer's day before, shopper by shopper. Reads only; a page and a few shoppers are in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from functions.replay.room import Room
from functions.replay.rules import (
    SETTLES,
    Counts,
    Line,
    Status,
    binding,
    count_sql,
    day_before,
    decisions_sql,
    kept_since,
    line,
    logged,
    sample,
    span,
)
from layers.events.record import Record, milliseconds
from layers.retailers import AbsentConsent, Retailer
from layers.shell.log import failure, log
from layers.stores.bigquery.port import Parameter
from layers.stores.collections import TREES
from layers.tree.catching_up import read_row
from layers.tree.decision import Decision
from layers.tree.folding import PAUSE_MS, key_of
from layers.tree.journey import in_order, stretch_start
from layers.tree.parameters import InvalidParameters, ShopperParameters, decode_parameters
from layers.tree.reading import read_json
from layers.tree.replaying import Kept, Rules, Verdict, replay
from layers.tree.tree import Tree

AT_ONCE = 16
"""Shoppers read at the same time: their rows travel together."""

_READS = (64, 1000, 20_000)
"""Events read newest first until the oldest decision's stretch is whole: as far as a decision ever reads."""

_TOLD_EVERY = 1000
"""Shoppers between two lines about progress."""


async def run(room: Room, scheduled: datetime, really: datetime) -> tuple[list[Line], list[str]]:
    """Args:
        scheduled: the run's clock, which says which day. really: the real one.

    Returns:
        A line for each retailer, and the retailers that broke off; one's trouble does not keep the others.
    """
    lines: list[Line] = []
    broken: list[str] = []
    for retailer in room.registry:
        try:
            lines.append(await _Day(room, retailer, scheduled, really).done())
        except Exception as error:
            failure("a retailer's day could not be replayed", error)
            broken.append(retailer.id)
    return lines, broken


class _Day:
    def __init__(self, room: Room, retailer: Retailer, scheduled: datetime, really: datetime) -> None:
        self._room, self._retailer, self._now = room, retailer, scheduled
        self._day, self._found = day_before(retailer, scheduled), Counts()
        self._trees: dict[tuple[str, str], Tree] = {}
        self._rules = Rules(
            self._trees,
            retailer.absent_consent is AbsentConsent.GRANTED,
            kept_since(retailer, scheduled),
            really - SETTLES,
        )

    async def done(self) -> Line:
        dataset = self._room.warehouse.full_name(self._retailer.dataset)
        start, end = span(self._retailer, self._day)
        query = self._room.warehouse.query
        [row] = await asyncio.to_thread(query, count_sql(dataset), binding(start, end))
        decisions = int(row["found"])
        chosen = sample(decisions, self._day, self._room.most)
        batch: list[list[Decision]] = []
        async for of_shopper in self._shoppers(decisions_sql(dataset), binding(start, end, chosen)):
            batch.append(of_shopper)
            if len(batch) == AT_ONCE:
                await self._judge(batch)
                batch = []
        await self._judge(batch)
        said = line(self._retailer, self._day, decisions, chosen, self._found)
        self._tell(said)
        return said

    async def _shoppers(self, sql: str, bound: Mapping[str, Parameter]) -> AsyncIterator[list[Decision]]:
        pages = iter(self._room.warehouse.pages(sql, bound))
        of_shopper: list[Decision] = []
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            for row in page:
                decision = logged(row)
                if of_shopper and of_shopper[0].shopper != decision.shopper:
                    yield of_shopper
                    of_shopper = []
                of_shopper.append(decision)
        if of_shopper:
            yield of_shopper

    async def _judge(self, batch: Sequence[Sequence[Decision]]) -> None:
        for verdicts in await asyncio.gather(*map(self._verdicts, batch)):
            for each in self._found.take(verdicts):
                log(
                    "ERROR",
                    "a decision differs",
                    retailer=self._retailer.id,
                    tree=each.tree,
                    tree_version=each.tree_version,
                    node=each.node,
                    differs=", ".join(each.differs),
                )
            if self._found.shoppers % _TOLD_EVERY == 0:
                log("INFO", "replaying", retailer=self._retailer.id, compared=self._found.compared)

    async def _verdicts(self, decisions: Sequence[Decision]) -> list[Verdict]:
        for decision in decisions:
            await self._read_tree(decision)
        oldest_ms = min(milliseconds(decision.at) for decision in decisions)
        return replay(decisions, await self._kept(decisions[0].shopper, oldest_ms), self._rules)

    async def _read_tree(self, decision: Decision) -> None:
        name = (decision.tree, decision.tree_version)
        if name not in self._trees:
            document = await self._room.documents.get(TREES, f"{self._retailer.id}:{name[0]}:{name[1]}")
            if document is not None:
                self._trees[name] = read_json(str(document.data["definition"]))

    async def _kept(self, pseudonym: str, oldest_ms: int) -> Kept:
        room, retailer = self._room, self._retailer
        row, former = await asyncio.gather(
            room.rows.read(retailer.id, pseudonym), room.rows.former_parameters(retailer.id, pseudonym)
        )
        records, whole = await self._records(pseudonym, oldest_ms)
        consents = [] if whole else await room.hot.consents(retailer, pseudonym, now=self._now)
        # After the events: an erasure is noted before its first row goes.
        await room.suppressions.fresh()
        erased = room.suppressions.erased_at(retailer.id, pseudonym)
        shopper = read_row(row, erased)
        parameters = _by_version([each for each in (row.parameters, *former) if each is not None])
        if erased is not None:
            records, consents = ([r for r in each if r.event.at > erased] for each in (records, consents))
        return Kept(records, whole, consents, shopper.consent, parameters, erased)

    async def _records(self, pseudonym: str, oldest_ms: int) -> tuple[list[Record], bool]:
        hot, retailer = self._room.hot, self._retailer
        records: list[Record] = []
        for limit in _READS:
            records = await hot.newest_first(retailer, pseudonym, now=self._now, limit=limit)
            if len(records) < limit:
                return records, True
            ordered = in_order(records)
            start = stretch_start(ordered, oldest_ms)
            if start is not None and key_of(records[-1])[0] < min(key_of(ordered[start])[0], oldest_ms) - PAUSE_MS:
                break
        return records, False

    def _tell(self, said: Line) -> None:
        for rule, number in said.excused.items():
            log("INFO", "excused", retailer=said.retailer, rule=rule, decisions=number)
        log(
            "ERROR" if said.status is Status.DIFFERENT else "INFO",
            "replayed",
            retailer=said.retailer,
            day=said.day,
            status=said.status.value,
            decisions=said.decisions,
            share=said.share,
            compared=said.compared,
            same=said.same,
            different=said.different,
        )


def _by_version(found: Sequence[bytes]) -> dict[str, ShopperParameters]:
    parameters: dict[str, ShopperParameters] = {}
    for each in found:
        try:
            read = decode_parameters(each)
        except InvalidParameters:
            continue  # Decisions did not use it either.
        parameters.setdefault(read.version, read)
    return parameters
