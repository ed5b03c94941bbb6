"""More than memory should hold."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

from emulators.shop.connection import TIMEOUT_S
from tests.chaos.faults import Refused, Silent
from tests.chaos.scenario import Run, scenario

CLIENTS = 1400
EVENT_BYTES = 55_000
"""Nearly a whole request of 64 KiB: together more than ingest may hold for stores that do not answer."""


def _peak(run: Run) -> int:
    """The most bytes that ingest's processes ever held, pages that they share counted for each."""
    total = 0
    for pid in run.site.pids("ingest"):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/status").read_text().split("VmHWM:")
            total += int(fields[1].split()[0]) * 1024
    return total


def _without_room(run: Run) -> int:
    return sum(count for reason, count in run.ledger.reasons.items() if "More events are waiting" in reason)


@scenario("memory", short=False)
def memory(run: Run) -> None:
    """Bigtable, then Pub/Sub, stops answering while 1 400 clients send 55 kB each and come again. Above its limit
    ingest answers 503 with Retry-After, its memory stays below what the graph gives an instance, it does not crash,
    and when the store answers again everything is taken."""
    limit = run.site.memory_limit("ingest")
    for store, method in (("bigtable", "MutateRows"), ("pubsub", "Publish"))[: run.of(2, 1)]:
        proxy = run.proxy(store)
        crowd = run.load(lambda: run.wares.heavy(EVENT_BYTES), CLIENTS, batches=1, retry_s=1.0, attempts=run.of(0, 3))
        before = _without_room(run)
        with run.unharmed("ingest"), proxy.struck(Silent(method=method)), crowd:
            # Not those that the store's deadline ends: only what is refused because too much is waiting already.
            run.until("refused for want of room", partial(_without_room, run), (before + 100).__le__)
            run.say(f"{run.ledger.statuses[503]} requests refused, ingest has held {_peak(run) >> 20} MiB")
            # The store is back, and all are repeated until they are taken. In the short form it says that it is down,
            # and most give up: 700 000 order lines keep cooling busy for long.
            proxy.strike(*(() if run.long else (Refused(method=method),)))
        with run.load():
            run.more(60)
        run.say(f"{store} answers again; ingest has held {_peak(run) >> 20} MiB")
    peak = _peak(run)
    run.told.append(f"at most {peak >> 20} MiB of {limit >> 20}")
    run.check(peak < limit, f"ingest held {peak >> 20} MiB, and an instance has {limit >> 20}")


@scenario("standstill", short=False)
def standstill(run: Run) -> None:
    """A store stops answering for good while as many requests wait as the graph lets into one instance: every one of
    them is answered 503 with Retry-After before the graph's own timeout cuts it off. Nothing waits behind a queue that
    nobody listens to any more."""
    crowd = run.site.concurrency("ingest")
    for store, method in (("bigtable", "MutateRows"), ("pubsub", "Publish")):
        with run.proxy(store).struck(Silent(method=method)):
            statuses = run.at_once([run.wares.heavy(EVENT_BYTES) for _ in range(crowd)])
        late = statuses.count(0)
        run.check(set(statuses) <= {0, 503}, f"{store} hangs and not all were refused: {sorted(set(statuses))}")
        run.check(not late, f"{store} hangs and {late} of {crowd} requests were not answered within {TIMEOUT_S:.0f} s")
        run.say(f"{store} answers again; {late} of {crowd} were not answered in time")
    with run.load():
        run.more(60)
    # Nobody comes again here, and what was stored before Pub/Sub hung was not published.
    run.told.append(f"{run.reconcile()} dispatched again")
