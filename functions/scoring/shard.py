"""One shard of a run: its shoppers' parameters are computed, compared with what their rows hold, written where they
changed, and removed from who has no claim to any more.

A shard may run twice, at once with itself, and long after a newer run began. Its own repetition computes the same
values and writes the same cells. An older run stops at the next page, and takes back the page that it was just writing;
what it wrote before that stands under its own earlier time, which a newer run's cells hide. That a newer run skips what
is unchanged is safe only while no older one may still write, so a run that begins beside an unsettled one writes
everything (`Head.careful`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from functions.scoring.offering import Scored, scored
from functions.scoring.pages import pages
from functions.scoring.room import Room
from functions.scoring.rules import Computed, Refused
from layers.events.record import milliseconds
from layers.offers.model import Setting
from layers.offers.written import read_setting
from layers.retailers import Retailer
from layers.scoring_runs import settings
from layers.scoring_runs.ledger import Counts, Head, Run, Superseded
from layers.scoring_runs.messages import name_of
from layers.scoring_runs.shards import Shard
from layers.shell.log import log
from layers.tree.likeness import is_felt


class NotPlanned(Exception):
    """A shard of a run that nobody planned, or whose plan is gone."""


async def score(room: Room, retailer: Retailer, run: datetime, shard: Shard, now: datetime) -> None:
    """Raises:
    Superseded: a newer run has begun; nothing of this one is left to do.
    NotPlanned, Contended, Unavailable: of any store; the message must come again.
    """
    head = await room.ledger.head(retailer.id)
    if head is not None and head.run > run:
        raise Superseded
    known = await room.ledger.run(retailer.id, run)
    if head is None or known is None:
        raise NotPlanned(f"run {name_of(run)}")
    started, counts = time.monotonic(), Counts()
    if not await room.ledger.is_done(retailer.id, run, shard):
        counts = await _Work(room, retailer, run, shard, head, known).done()
        counts = msgspec.structs.replace(counts, seconds=round(time.monotonic() - started, 3))
        log(
            "INFO",
            "shard scored",
            retailer=retailer.id,
            run=name_of(run),
            shard=shard.number,
            of=shard.of,
            outcome="refused" if counts.refused else "scored",
            predictor="learned" if counts.learned else "recency",
            **msgspec.structs.asdict(counts),
        )
    closed = await room.ledger.finish(retailer.id, run, shard, counts, now)
    if closed is not None:
        fields = msgspec.structs.asdict(closed.counts)
        log(
            "INFO",
            "scored",
            retailer=retailer.id,
            run=name_of(run),
            shards=shard.of,
            predictor=_predictor(closed),
            **fields,
        )


def _predictor(run: Run) -> str:
    """Of all shards together: `mixed` where some found the tables changed meanwhile."""
    counts = run.counts
    return "recency" if not counts.learned else "learned" if counts.learned >= counts.computed else "mixed"


class _Work:
    def __init__(self, room: Room, retailer: Retailer, run: datetime, shard: Shard, head: Head, known: Run) -> None:
        self._room, self._retailer, self._run, self._shard = room, retailer, run, shard
        self._careful, self._plan = head.careful, known.plan
        self._at_ms = milliseconds(run)
        self._written = self._unchanged = self._refused = 0
        self._learned = self._offered = self._control = 0
        self._promised: dict[str, float] = {}
        self._held: dict[str, tuple[int, bytes]] = {}

    async def done(self) -> Counts:
        rows = self._room.shopper_rows
        self._held = {
            shopper: (at_ms, held)
            async for shopper, at_ms, held in rows.parameter_digests(self._retailer.id, self._shard.ranges())
        }
        seen: set[str] = set()
        setting = await self._setting()
        computing = self._computed(setting)
        while (page := await asyncio.to_thread(next, computing, None)) is not None:
            by_models, computed = page
            # An erasure that ended since the features were read must not be undone.
            await self._room.suppressions.fresh()
            left = [one for one in computed if not self._is_erased(one.result.shopper)]
            seen.update(one.result.shopper for one in left)
            await self._write([one.result for one in left])
            kept = [one for one in left if isinstance(one.result, Computed)]
            self._learned += by_models * len(kept)
            self._offered += sum(one.offered for one in kept)
            self._control += sum(one.control for one in kept)
            for one in kept:
                for campaign, money in one.promised.items():
                    self._promised[campaign] = self._promised.get(campaign, 0.0) + money
        # Last, when all that may stay is written: who is not among them withdrew, or has no order within the contract.
        gone = sorted(self._held.keys() - seen)
        await self._room.ledger.check(self._retailer.id, self._run)
        await rows.delete_parameters(self._retailer.id, gone, 0, self._at_ms)
        return Counts(
            computed=self._written + self._unchanged,
            written=self._written,
            unchanged=self._unchanged,
            removed=len(gone),
            refused=self._refused,
            learned=self._learned,
            offered=self._offered,
            control=self._control,
            promised={name: round(money, 4) for name, money in sorted(self._promised.items())},
        )

    async def _setting(self) -> Setting | None:
        name = self._plan.setting
        if not name:
            return None
        text = await settings.read(self._room.documents, self._retailer.id, self._run, name)
        if text is None:
            raise NotPlanned(f"setting {name} of run {name_of(self._run)}")
        return read_setting(text)

    def _computed(self, setting: Setting | None) -> Iterator[tuple[bool, list[Scored]]]:
        """Pages, and whether trained models predicted them. Blocking."""
        promoted = setting.prices.keys() if setting is not None else ()
        for page in pages(self._room, self._retailer, self._run, self._shard, self._plan, promoted):
            yield page.by_models, [scored(one, setting) for one in page.shoppers]

    def _is_erased(self, shopper: str) -> bool:
        erased = self._room.suppressions.erased_at(self._retailer.id, shopper)
        return erased is not None and self._run <= erased

    async def _write(self, page: Sequence[Computed | Refused]) -> None:
        changed: list[Computed] = []
        for one in page:
            if isinstance(one, Refused):
                self._refused += 1
                log("ERROR", "parameters refused", retailer=self._retailer.id, reason=one.reason)
                continue
            at_ms, held = self._held.get(one.shopper, (0, b""))
            if not is_felt(held, one.sketch) and not self._careful:
                # By an earlier attempt at this very shard, or by an earlier night.
                self._written += at_ms == self._at_ms
                self._unchanged += at_ms != self._at_ms
            else:
                self._written += 1
                changed.append(one)
        if not changed:
            return
        retailer_id, rows = self._retailer.id, self._room.shopper_rows
        await self._room.ledger.check(retailer_id, self._run)
        await rows.write_parameters(
            retailer_id, [(one.shopper, one.data) for one in changed], self._at_ms, [one.sketch for one in changed]
        )
        try:
            await self._room.ledger.check(retailer_id, self._run)
        except Superseded:
            # The newer run may have removed a shopper whom this page brought back.
            await rows.delete_parameters(retailer_id, [one.shopper for one in changed], self._at_ms, self._at_ms + 1)
            raise
