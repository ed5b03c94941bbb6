"""Scoring runs while shoppers are erased: one in flight has read what is about to be deleted."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from tests.privacy.cast import Cast, Shopper, now
from tests.privacy.form import Report
from tests.privacy.place import Place
from tests.privacy.search import Search

HELD_S = 4.0
"""How long a write is held at most."""


class Scoring:
    def __init__(self, place: Place, cast: Cast, report: Report, say: Callable[[str], None]) -> None:
        self.place, self.cast, self.report, self.say = place, cast, report, say

    def runs(self) -> None:
        """Runs scoring until somebody's orders have come so far."""
        number, told = 0, ""
        for _ in range(30):
            told = self.place.scores("run")
            number = int(found[1]) if (found := re.search(r"(\d+) computed", told)) else 0
            if number:
                break
            # A run is named by its second.
            time.sleep(1.0)
        self.say(f"{number} shoppers scored")
        self.report.check(number > 0, f"nobody is ever scored, so it proves nothing: {told[:200]}")

    @contextlib.contextmanager
    def in_flight(self, erased: Sequence[Shopper]) -> Iterator[None]:
        """A shard that has read the orders of those whom the block erases, and writes what it made of them when their
        rows are deleted already."""
        told: list[tuple[int, str]] = []
        # The stack's own instance would take the shard from the topic, and nothing would be left to write.
        self.place.stack.kill("scoring")
        with contextlib.ExitStack() as exits, self.place.lane("scoring", 0) as lane:
            exits.callback(self.place.stack.restart, "scoring")
            # Of two runs the second writes everybody, also whom it finds unchanged: the first is not settled.
            for moment in (now(), now() + timedelta(seconds=1)):
                run = {"retailer": "demo", "run": f"{moment:%Y%m%dT%H%M%SZ}"}
                planned = self.place.pushes("models-built", run, lane.address)
            of = re.search(r"0 of (\d+) shards", self.place.scores("status"))
            self.report.check(planned[0] == 204 and of is not None, f"scoring was not planned: {planned}")
            shard = {**run, "shard": "0", "of": of[1] if of else "1"}
            lane.trap.lay(1)

            def fires() -> None:
                told.append(self.place.pushes("scoring-shards", shard, lane.address))

            def lets_go() -> None:
                # Whoever writes waits for five seconds, then gives up.
                end, deleted = time.monotonic() + HELD_S, self.place.rows_deleted()
                while self.place.rows_deleted() == deleted and time.monotonic() < end:
                    time.sleep(0.05)
                late.append(self.place.rows_deleted() > deleted)
                lane.trap.lay()

            late: list[bool] = []
            threads = [threading.Thread(target=each, daemon=True) for each in (fires, lets_go)]
            threads[0].start()
            fell = lane.trap.shut.wait(60)
            self.report.check(fell, f"scoring never came to write: {told}")
            threads[1].start()
            search = Search(self.cast)
            first = {each.number for deed in lane.trap.deeds for each in search.finds(deed.request).pseudonyms}
            yield
            for each in threads:
                each.join(60)
            written = {each.number for deed in lane.trap.deeds for each in search.finds(deed.request).pseudonyms}
        whose = len((first | written) & {each.number for each in erased})
        self.report.check(whose > 0, "scoring in flight wrote nobody who was erased, so it proves nothing")
        self.report.check(bool(told), "scoring in flight did not end")
        when = "after" if late == [True] else "before"
        self.report.tells("scoring in flight", f"wrote {whose} of those erased, begun {when} their rows were deleted")
