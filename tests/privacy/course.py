"""The course of a run: a crowd, erasures in the middle of it, kills, and then every emulator turned inside out."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import grpc
import httpx

from tests.privacy.cast import Cast, Script, Shopper, now
from tests.privacy.crowd import Crowd
from tests.privacy.form import Form, Report
from tests.privacy.kills import Kills
from tests.privacy.officer import Officer
from tests.privacy.place import DEAD, Place, eventually
from tests.privacy.scoring import Scoring
from tests.privacy.search import Verdict, judge

SPARE_GROUPS = 120
"""In the long form: as many requests as may be needed to strike every deed, those that are struck alone included."""


def run(folder: Path, seed: int, form: Form, out: Callable[[str], None]) -> Report:
    began = time.monotonic()

    def say(line: str) -> None:
        out(f"[{time.monotonic() - began:6.1f} s] {line}")

    report = Report(seed)
    with Place(folder, say) as place:
        try:
            _Run(place, seed, form, report, say).all()
        except (AssertionError, OSError, httpx.HTTPError, LookupError, grpc.RpcError) as error:
            traceback.print_exc()
            report.faults.append(f"the run did not end: {type(error).__name__}: {error}")
    report.tells("took", f"{time.monotonic() - began:.0f} s")
    return report


class _Run:
    def __init__(self, place: Place, seed: int, form: Form, report: Report, say: Callable[[str], None]) -> None:
        self.place, self.seed, self.form, self.report, self.say = place, seed, form, report, say
        self.chance = random.Random(seed)
        mark = "q" + "".join(self.chance.choices("ghijklmnoprstuvwxyz", k=7))
        self.cast = Cast(mark, seed, place.pseudonym, now)
        self.crowd = self.cast.join(form.crowd)
        spare = form.points + 1 if form.points is not None else SPARE_GROUPS
        self.spare = [self.cast.join(form.group) for _ in range(spare)]
        self.script = Script(self.cast, [*self.crowd, *(each for group in self.spare for each in group)], seed)
        self.delivered: list[str] = []
        self.officer = Officer(place, self.cast, report, say)
        self.scoring = Scoring(place, self.cast, report, say)

    def all(self) -> None:
        begun = time.monotonic()
        with Crowd(
            self.cast, self.script, self.place.ingest, self.place.experiences, self.place.token, self.form.pause_s
        ) as crowd:
            self.load = crowd
            with self.dead_letters():
                crowd.until("everybody was there once", lambda: self.script.opened)
            self.scoring.runs()
            self.deliver("orders/before.ndjson.gz", self.crowd[:50], timedelta(days=3))
            self.erase_in_batches()
        seconds = time.monotonic() - begun
        answers = crowd.answers
        self.report.faults += answers.complaints[:5]
        self.report.tells("shoppers active", len(self.cast.shoppers))
        self.report.tells("events acknowledged", f"{len(answers.taken)} in {seconds:.0f} s, {answers.pages} pages")
        self.report.tells("requests by kind", ", ".join(f"{n} {kind}" for kind, n in sorted(self.script.drawn.items())))
        for reason, number in Counter(answers.refused.values()).items():
            self.report.tells("events refused", f"{number}: {reason}")
        gone = {id for shopper in self.cast.shoppers for id in shopper.gone()}
        self.report.check(answers.refused.keys() <= gone, f"{len(answers.refused.keys() - gone)} refused without cause")
        self.report.check(bool(answers.refused), "nothing late was refused, so it proves nothing")
        self.settle()
        if self.form.points != 0:
            self.given_up()
            Kills(
                place=self.place,
                cast=self.cast,
                officer=self.officer,
                groups=self.spare,
                form=self.form,
                chance=self.chance,
                report=self.report,
                say=self.say,
            ).all()
        self.dead_letters_clean("after the erasures")
        if self.form.long:
            self.look("before the sweep", strict=False)
        self.sweep()
        self.dead_letters_clean("after the nightly run")
        self.replay()
        self.late_again()
        self.look("at the end", strict=True)

    # -- what happens while they act

    @contextlib.contextmanager
    def dead_letters(self) -> Iterator[None]:
        """Some of what is sent in the block is given up. In the long form decisioning is gone for a while."""
        if not self.form.long:
            with self.place.gives_up(messages=20):
                yield
            return
        self.place.stack.kill("decisioning")
        eventually("without dead letters", lambda: not self.place.waiting(dead=True))
        self.place.stack.restart("decisioning")
        yield

    def erase_in_batches(self) -> None:
        form = self.form
        chosen = self.chance.sample(self.crowd, form.erased)
        size = form.erased // form.batches
        seconds = []
        for number in range(form.batches):
            batch = chosen[number * size : (number + 1) * size]
            self.officer.silence(batch)
            begun = time.monotonic()
            with self.scoring.in_flight(batch) if number == form.batches - 1 else contextlib.nullcontext():
                self.officer.erase(f"R-{self.cast.mark}-{number}", batch)
            seconds.append(time.monotonic() - begun)
            self.say(f"{len(batch)} erased in {seconds[-1]:.1f} s while {len(self.load.answers.taken)} events came")
            for shopper in self.chance.sample(batch, form.returning // form.batches):
                self.comes_back(shopper)
            self.deliver(f"orders/late-{number}.ndjson.gz", batch[:10], timedelta(hours=1))
            goal = self.load.answers.statuses.total() + form.more
            self.load.until("more events came", lambda goal=goal: self.load.answers.statuses.total() >= goal)  # type: ignore[misc]
        self.report.tells(
            "erased under load", f"{len(chosen)} in {form.batches} requests, {sum(seconds):.1f} s together"
        )
        self.report.tells("came back", form.returning // form.batches * form.batches)
        self.report.check(len(self.load.answers.taken) > form.crowd, "there was hardly any load")

    def comes_back(self, shopper: Shopper) -> None:
        with self.cast.lock:
            shopper.returned = True
            types = ("ConsentChanged", "PageViewed", "AddedToBasket", "OrderPaid")
            self.load.also([self.cast.afterwards(shopper, types)])

    def deliver(self, key: str, shoppers: Sequence[Shopper], ago: timedelta) -> None:
        """A file of orders by the retailer, which feeds takes at once; for the erased they are late ones."""
        lines = []
        for shopper in shoppers:
            at = (shopper.erased or now()) - ago
            event = self.cast.acts(shopper, "OrderPaid", at)
            order = {"order": event["id"], "customer": shopper.customer, "paid_at": event["at"]}
            lines.append({**order, "lines": [{"product": "p1", "quantity": 1, "paid": 2.5}]})
        self.place.deliver(key, gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines)))
        self.delivered.append(key)
        status, body = self.place.fire("feeds")
        self.report.check(status == 200, f"feeds answered {status}: {body[:200]}")

    # -- afterwards

    def settle(self) -> None:
        """Until nothing is on its way any more."""
        self.say("the load is over; waiting until everything has arrived")
        wanted = self.lasting()
        eventually("events cooled", lambda: wanted - self.place.cold_ids())
        eventually("messages delivered", lambda: self.place.waiting(dead=False))

    def lasting(self) -> set[str]:
        """Acknowledged and not erased: what must still stand."""
        taken = self.load.answers.taken
        return {id for shopper in self.cast.shoppers for id in shopper.lasting() if id in taken}

    def replay(self) -> None:
        taken, refused = self.place.replays_dead_letters()
        self.report.tells("dead letters delivered again", f"{taken} taken, {refused} refused")
        self.report.check(taken > 0, "there was no dead letter, so their replay proves nothing")
        self.report.check(refused == 0, f"{refused} dead letters are refused and stay")
        eventually("messages delivered", lambda: self.place.waiting(dead=False))

    def late_again(self) -> None:
        """At every entrance once more. Nothing sweeps behind it, so what one of them lets in is found."""
        erased = [shopper for shopper in self.cast.shoppers if shopper.erased is not None]
        for shopper in self.chance.sample(erased, 20):
            for batch in (shopper.batches[0], self.cast.late(shopper, ("AddedToBasket", "OrderPaid"))):
                answer = self.place.posts(batch.body())
                self.report.check(answer.status_code == 400, f"a late request is answered {answer.status_code}")
        self.deliver("orders/late-again.ndjson.gz", erased[:20], timedelta(minutes=1))
        self.scoring.runs()
        eventually("messages delivered", lambda: self.place.waiting(dead=False))

    def sweep(self) -> None:
        status, body = self.place.fire("retention_purge")
        self.report.check(status == 200, f"the nightly run answered {status}: {body[:300]}")

    def dead_letters_clean(self, when: str) -> None:
        """They still hold everybody else, and nobody erased."""
        verdict = judge(self.cast, self.place.dump().pubsub(lambda name: name.endswith(DEAD)))
        self.report.tells(f"dead letters {when}", f"{verdict.pieces.total()} lines, {len(verdict.residue)} of residue")
        self.report.check(verdict.pieces.total() > 0, f"there are no dead letters {when}, so it proves nothing")
        self.report.faults += [f"{when}: {fault}" for fault in verdict.faults()]

    def look(self, when: str, strict: bool) -> Verdict:
        begun = time.monotonic()
        dump = self.place.dump()
        dump.delivered.update(self.delivered)
        verdict = judge(self.cast, (*self.officer.answers, *dump.everything()))
        seconds, size = time.monotonic() - begun, verdict.size / 1e6
        pieces = f"{verdict.pieces.total()} pieces, {size:.1f} MB, {seconds:.1f} s"
        residue = sum(verdict.residue.values())
        self.report.tells(f"dump {when}", f"{pieces}: {residue} hold residue" if residue else f"{pieces}: clean")
        self.say(f"dump {when}: {residue} residue")
        for line in verdict.faults():
            self.say(f"  {line}")
        if strict:
            self.report.faults += verdict.faults()
            self.nobody_else_suffered(verdict)
        return verdict

    def nobody_else_suffered(self, verdict: Verdict) -> None:
        stored = verdict.lasting.get("bigtable:events", set())
        cold = {id for place, ids in verdict.lasting.items() if place.startswith("bigquery:cooled_") for id in ids}
        wanted = self.lasting()
        self.report.check(wanted <= stored, f"{len(wanted - stored)} events that must stay are not stored")
        self.report.check(wanted <= cold, f"{len(wanted - cold)} events that must stay are not in BigQuery")
        back = {id for shopper in self.crowd if shopper.returned for id in shopper.lasting()}
        refused = back - self.load.answers.taken
        self.report.check(not refused, f"{len(refused)} events of those who came back were not taken")
        self.report.tells("events that stay", f"{len(wanted)}, of those who came back {len(back)}")
        for name in ("bigtable:events", "bigtable:arrivals", "bigtable:shoppers", "bigquery:cooled_orders"):
            self.report.check(verdict.seen[name] > 0, f"the dump saw nobody in {name}, so it proves nothing there")

    def given_up(self) -> None:
        """Each shopper of the groups stands in the dead letters too, in messages with others."""
        batches = [self.cast.visit(each, ("AddedToBasket", "PageViewed")) for group in self.spare for each in group]
        with self.place.gives_up(messages=10_000), ThreadPoolExecutor(6) as pool:
            for batch, answer in zip(batches, pool.map(lambda b: self.place.posts(b.body()), batches), strict=True):
                self.load.answers.hears(batch, answer.status_code, answer.content)
        self.settle()
