"""The course of a run: a crowd, erasures in the middle of it, kills, and then every emulator turned inside out."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.privacy.cast import Cast, Script, Shopper, now
from tests.privacy.crowd import Crowd
from tests.privacy.gate import label, store_of
from tests.privacy.lane import Lane
from tests.privacy.place import DEAD, ERASING, Place, eventually
from tests.privacy.search import Piece, Search, Verdict, judge


@dataclass(frozen=True, slots=True)
class Form:
    """Attributes:
    crowd, erased, batches, returning: shoppers that are active, of them erased, in how many requests, of those how
        many come back.
    more: batches of events that must be acknowledged between two erasures.
    group: shoppers of each request that is killed. points: how many deeds are struck; None for every one. lanes: by
        how many instances at a time.
    long: looks once more before the nightly run, and has Pub/Sub itself give messages up.
    pause_s: of each of six clients between two batches: a steady load, less than the laptop can bear.
    """

    crowd: int
    erased: int
    batches: int
    returning: int
    more: int
    group: int
    points: int | None
    lanes: int
    pause_s: float
    long: bool = False


LONG = Form(
    crowd=2000,
    erased=500,
    batches=5,
    returning=60,
    more=300,
    group=2,
    points=None,
    lanes=6,
    pause_s=0.4,
    long=True,
)
SHORT = Form(crowd=80, erased=30, batches=2, returning=6, more=20, group=2, points=1, lanes=1, pause_s=0.5)
PARTS = {"crowd": replace(LONG, points=0), "kills": replace(SHORT, points=None, lanes=6)}
"""The long form's two halves, each for itself."""

DEAD_LETTERS = "pubsub:dead-letters"
"""What a receipt calls all of them."""

HELD_S = 4.0
"""How long a write is held at most."""

SPARE_GROUPS = 130
"""In the long form: as many requests as there may be deeds to strike."""


@dataclass(slots=True)
class Report:
    """Attributes:
    rows: what the final table says. faults: why the run failed.
    """

    seed: int
    rows: list[tuple[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def tells(self, what: str, figure: object) -> None:
        self.rows.append((what, str(figure)))

    def check(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(fault)

    def table(self) -> str:
        width = max(len(name) for name, _ in self.rows)
        lines = [f"{name:<{width}}  {figure}" for name, figure in self.rows]
        return "\n".join([*lines, *(f"FAULT: {fault}" for fault in self.faults)])


def run(folder: Path, seed: int, form: Form, out: Callable[[str], None]) -> Report:
    began = time.monotonic()

    def say(line: str) -> None:
        out(f"[{time.monotonic() - began:6.1f} s] {line}")

    report = Report(seed)
    with Place(folder, say) as place:
        try:
            _Run(place, seed, form, report, say).all()
        except (AssertionError, OSError, httpx.HTTPError, LookupError) as error:
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
        self.answers: list[Piece] = []

    def all(self) -> None:
        begun = time.monotonic()
        with Crowd(self.cast, self.script, self.place.ingest, self.place.experiences, self.form.pause_s) as crowd:
            self.load = crowd
            with self.dead_letters():
                crowd.until("everybody was there once", lambda: self.script.opened)
            self.scored()
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
            self.kills()
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
            self.silence(batch)
            begun = time.monotonic()
            with self.scoring_in_flight(batch) if number == form.batches - 1 else contextlib.nullcontext():
                self.erase(f"R-{self.cast.mark}-{number}", batch)
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

    def scored(self) -> None:
        """Runs scoring until somebody's orders have come so far."""
        for _ in range(60):
            status, body = self.place.fire("scoring")
            number = json.loads(body)["retailers"][0]["shoppers"] if status == 200 else 0
            if number:
                break
            time.sleep(0.5)
        self.say(f"{number} shoppers scored")
        self.report.check(number > 0, f"nobody is ever scored, so it proves nothing: {status} {body[:200]}")

    @contextlib.contextmanager
    def scoring_in_flight(self, erased: Sequence[Shopper]) -> Iterator[None]:
        """A run that has read the orders of those whom the block erases, and writes what it made of them when their
        rows are deleted already."""
        told: list[tuple[int, str]] = []
        with self.place.lane("scoring", 0) as lane:
            lane.trap.lay(1)

            def runs() -> None:
                told.append(self.place.fire("scoring", lane.address))

            def lets_go() -> None:
                # Whoever writes waits for five seconds, then gives up.
                end, deleted = time.monotonic() + HELD_S, self.place.rows_deleted()
                while self.place.rows_deleted() == deleted and time.monotonic() < end:
                    time.sleep(0.05)
                late.append(self.place.rows_deleted() > deleted)
                lane.trap.lay()

            late: list[bool] = []
            threads = [threading.Thread(target=each, daemon=True) for each in (runs, lets_go)]
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

    def silence(self, shoppers: Iterable[Shopper]) -> None:
        with self.cast.lock:
            moment = now()
            for shopper in shoppers:
                shopper.silent = moment
        time.sleep(0.002)

    def erase(self, reference: str, shoppers: Sequence[Shopper], at: str = "") -> dict[str, Any]:
        """Asks until it is complete, sets since when they are erased, and gives the receipt."""
        customers = [shopper.customer for shopper in shoppers]
        answer = self.hear(self.place.erases(reference, customers, at))
        for _ in range(3):
            if answer.status_code == 202 and answer.json()["status"] == "complete":
                break
            self.say(f"the erasure answered {answer.status_code} {answer.text[:200]}; asked again")
            answer = self.hear(self.place.erases(reference, customers))
        self.report.check(
            answer.status_code == 202 and answer.json()["status"] == "complete",
            f"an erasure did not complete: {answer.status_code} {answer.text[:300]}",
        )
        if answer.status_code != 202:
            return {}
        asked = answer.json()
        status = self.hear(self.place.asks("GET", asked["status_url"])).json()
        with self.cast.lock:
            for shopper in shoppers:
                shopper.erased = datetime.fromisoformat(status["requested"])
        receipt = self.hear(self.place.asks("GET", asked["receipt_url"]))
        self.report.check(receipt.status_code == 200, f"no receipt: {receipt.status_code} {receipt.text[:200]}")
        return dict(receipt.json()) if receipt.status_code == 200 else {}

    def hear(self, answer: httpx.Response) -> httpx.Response:
        """What the door says is searched at the end as well."""
        self.answers.append(Piece("answers of consent_erasure", answer.content))
        return answer

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
        self.scored()
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
        verdict = judge(self.cast, (*self.answers, *dump.everything()))
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

    # -- kills

    def kills(self) -> None:
        """Each request is killed at a deed of its own, on another instance, and sent again to the stack's."""
        self.given_up()
        before = self.counted()
        known = threading.Event()
        todo: deque[tuple[int, bool, list[Shopper]]] = deque()
        struck: list[str] = []
        with ThreadPoolExecutor(self.form.lanes) as pool, self.place.lane(ERASING, 0) as lane:

            def beside(number: int) -> None:
                with self.place.lane(ERASING, number) as lane:
                    known.wait()
                    self.strikes(lane, todo, before, struck)

            others = [pool.submit(beside, number) for number in range(1, self.form.lanes)]
            try:
                labels = self.undisturbed(lane, self.spare[0], before)
                todo += self.points(len(labels))
            finally:
                known.set()
            self.strikes(lane, todo, before, struck)
            for each in others:
                each.result()
        stores = {store_of(text) for text in struck}
        self.report.tells("saga killed", f"{len(struck)} times at {len(labels)} deeds, in {len(stores)} stores")
        if self.form.points is None:
            missed = set(labels) - set(struck)
            self.report.check(not missed, f"never killed at {sorted(missed)}")

    def given_up(self) -> None:
        """Each shopper of the groups stands in the dead letters too, in messages with others."""
        batches = [self.cast.visit(each, ("AddedToBasket", "PageViewed")) for group in self.spare for each in group]
        with self.place.gives_up(messages=10_000), ThreadPoolExecutor(6) as pool:
            for batch, answer in zip(batches, pool.map(lambda b: self.place.posts(b.body()), batches), strict=True):
                self.load.answers.hears(batch, answer.status_code, answer.content)
        self.settle()

    def points(self, deeds: int) -> list[tuple[int, bool, list[Shopper]]]:
        """After one deed is before the next, for the stores; both are struck where two run at the same time."""
        points = [(number, False) for number in range(1, deeds + 1)] + [(deeds, True)]
        points += [(number, True) for number in self.chance.sample(range(1, deeds), min(9, deeds - 1))]
        if self.form.points is not None:
            points = self.chance.sample(points, self.form.points)
        self.report.check(len(points) < len(self.spare), f"{len(points)} points, and too few groups to strike them")
        return [(number, after, group) for (number, after), group in zip(points, self.spare[1:], strict=False)]

    def undisturbed(self, lane: Lane, group: Sequence[Shopper], before: dict[int, Counter[str]]) -> list[str]:
        """The label of each deed."""
        self.silence(group)
        lane.trap.lay()
        receipt = self.erase(f"K-{self.cast.mark}-0", group, lane.address)
        self.right(receipt, group, before, "undisturbed")
        deeds = lane.trap.deeds
        labels = [label(deed, deeds[:number]) for number, deed in enumerate(deeds)]
        stores = {each["store"] for each in receipt.get("stores", ())}
        named = {store_of(text) for text in labels}
        self.report.check(stores <= named, f"no record of {sorted(stores - named)} was seen, so no kill falls there")
        self.say(f"undisturbed, an erasure is {len(deeds)} deeds")
        return labels

    def strikes(
        self,
        lane: Lane,
        todo: deque[tuple[int, bool, list[Shopper]]],
        before: dict[int, Counter[str]],
        struck: list[str],
    ) -> None:
        while True:
            try:
                number, after, group = todo.popleft()
            except IndexError:
                return
            what = self.killed_at(lane, number, after, group, before)
            if what:
                struck.append(what)
                self.say(f"killed {'after' if after else 'before'} deed {number}: {what}; {len(todo)} to do")

    def killed_at(
        self, lane: Lane, number: int, after: bool, group: Sequence[Shopper], before: dict[int, Counter[str]]
    ) -> str:
        """The deed's label, empty when the kill never fell."""
        where = f"killed {'after' if after else 'before'} deed {number}"
        reference = f"K-{self.cast.mark}-{group[0].number}"
        customers = [shopper.customer for shopper in group]
        self.silence(group)
        lane.trap.lay(number, after)
        told: list[object] = []

        def ask() -> None:
            try:
                told.append(self.place.erases(reference, customers, lane.address).status_code)
            except httpx.TransportError as error:
                told.append(error)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        while not lane.trap.shut.wait(0.02) and asking.is_alive():
            pass
        fell = lane.trap.shut.is_set()
        self.report.check(fell, f"{where}: the request ended without coming so far ({told})")
        deeds = lane.trap.deeds
        what = label(deeds[number - 1], deeds[: number - 1]) if fell else ""
        lane.kill()
        asking.join(30)
        lane.trap.lay()
        lane.begin()
        self.right(self.erase(reference, group), group, before, f"{where} ({what})")
        lane.wait()
        return what

    def counted(self) -> dict[int, Counter[str]]:
        """By shopper, in how many pieces of each place the pseudonym stands; read raw."""
        search = Search(self.cast)
        found: dict[int, Counter[str]] = {}
        dump = self.place.dump()
        for source in (dump.bigtable(), dump.bigquery(), dump.pubsub(lambda name: name.endswith(DEAD))):
            for piece in source:
                place = DEAD_LETTERS if piece.place.endswith(DEAD) else piece.place
                for shopper in search.finds(piece.data).pseudonyms:
                    found.setdefault(shopper.number, Counter())[place] += 1
        return found

    def right(
        self, receipt: dict[str, Any], group: Sequence[Shopper], before: dict[int, Counter[str]], where: str
    ) -> None:
        """What was found was deleted, nothing is left, and it is as much as the raw count said before."""
        there: Counter[str] = Counter()
        for shopper in group:
            there += before.get(shopper.number, Counter())
        for store in ("bigtable:events", DEAD_LETTERS):
            self.report.check(there[store] > 0, f"{where}: there was nothing to erase in {store}")
        told = {each["store"]: each for each in receipt.get("stores", ())}
        for store, each in told.items():
            numbers = (each["found"], each["deleted"], each["remaining"])
            expected = there[store] if store.startswith(("bigtable:", "bigquery:")) else each["found"]
            if store == DEAD_LETTERS:
                # A sweep that was killed leaves what it put back beside what it had not forgotten yet.
                expected = max(there[store], each["found"])
            if numbers != (expected, expected, 0):
                self.report.faults.append(
                    f"{where}: the receipt says found, deleted, remaining {numbers} of {store}; {expected} were there"
                )
        missing = {place for place in there if place not in told and not place.endswith("(jobs)")}
        self.report.check(not missing, f"{where}: the receipt does not name {sorted(missing)}")
