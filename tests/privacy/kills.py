"""The erasure is killed at each of its deeds, on other instances, and sent again to the stack's own."""

from __future__ import annotations

import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import httpx

from tests.privacy.cast import Cast, Shopper
from tests.privacy.form import Form, Report
from tests.privacy.gate import label, store_of
from tests.privacy.lane import Lane
from tests.privacy.officer import Officer
from tests.privacy.place import DEAD, ERASING, Place
from tests.privacy.search import Search

DEAD_LETTERS = "pubsub:dead-letters"
"""What a receipt calls all of them."""

WAITED_OUT = "pubsub Publish"
"""Whoever is killed here has put messages back, or is about to, and forgot none: what it holds stays held until the
leases end, as in the cloud. After all other kills time is helped along."""


PER_REQUEST = 3
"""Kills of one request in a row, far apart in its course: what goes on after one is killed again later. Most of what a
request costs is the same however often it is killed."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where a request is killed: before or after the deed that is the `number`th of this name."""

    name: str
    number: int
    after: bool

    def __str__(self) -> str:
        return f"killed {'after' if self.after else 'before'} {self.name} ({self.number})"


Request = Sequence[Point]
"""Of one request, in the order in which it comes to them."""


class Kills:
    """Args:
    groups: shoppers of one request each; the first is of one that is not killed.
    """

    def __init__(
        self,
        place: Place,
        cast: Cast,
        officer: Officer,
        groups: Sequence[list[Shopper]],
        form: Form,
        chance: random.Random,
        report: Report,
        say: Callable[[str], None],
    ) -> None:
        self.place, self.cast, self.officer, self.spare = place, cast, officer, deque(groups)
        self.form, self.chance, self.report, self.say = form, chance, report, say
        self.helped = 0

    def all(self) -> None:
        """Each request is killed at deeds of its own. Each shopper must stand in the dead letters, too."""
        before = self.counted()
        known = threading.Event()
        todo: deque[Request] = deque()
        struck: list[str] = []
        with ThreadPoolExecutor(self.form.lanes) as pool, self.place.lane(ERASING, 0) as lane:

            def beside(number: int) -> list[Point]:
                with self.place.lane(ERASING, number) as lane:
                    known.wait()
                    return self.strikes(lane, todo, before, struck)

            others = [pool.submit(beside, number) for number in range(1, self.form.lanes)]
            try:
                labels = self.undisturbed(lane, self.spare.popleft(), before)
                todo += self.requests(labels)
            finally:
                known.set()
            missed = self.strikes(lane, todo, before, struck)
            for each in others:
                missed += each.result()
            self.again(lane, [point for point in missed if point.name not in struck], before, struck)
        stores = {store_of(text) for text in struck}
        self.report.tells("saga killed", f"{len(struck)} times at {len(labels)} deeds, in {len(stores)} stores")
        self.report.tells("killed holding dead letters", f"{self.helped} times, and not waited for")
        if self.form.points is None:
            never = set(labels) - set(struck)
            self.report.check(not never, f"never killed at {sorted(never)}")

    def requests(self, labels: Sequence[str]) -> list[Request]:
        """After one deed is before the next, for the stores; both are struck where two run at the same time."""
        seen: Counter[str] = Counter()
        deeds: list[tuple[str, int]] = []
        for each in labels:
            seen[each] += 1
            deeds.append((each, seen[each]))
        last = len(deeds) - 1
        places = [(place, False) for place in range(len(deeds))] + [(last, True)]
        places += [(place, True) for place in self.chance.sample(range(last), min(9, last))]
        if self.form.points is not None:
            places = self.chance.sample(places, self.form.points)
        points = [Point(*deeds[place], after) for place, after in sorted(places)]
        many = -(-len(points) // PER_REQUEST)
        self.report.check(many <= len(self.spare), f"{many} requests, and too few groups of shoppers")
        # In any order: who is killed while it sweeps dead letters keeps all others from it, and they have other deeds
        # to do meanwhile.
        return self.chance.sample([points[start::many] for start in range(many)], many)

    def undisturbed(self, lane: Lane, group: Sequence[Shopper], before: dict[int, Counter[str]]) -> list[str]:
        """The label of each deed."""
        self.officer.silence(group)
        lane.trap.lay()
        receipt = self.officer.erase(f"K-{self.cast.mark}-0", group, lane.address)
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
        todo: deque[Request],
        before: dict[int, Counter[str]],
        struck: list[str],
    ) -> list[Point]:
        """What was not struck: a deed that was repeated in the undisturbed run need not be so again, nor one that an
        earlier kill of the same request came after; and who finds that another holds all dead letters has none to put
        back."""
        missed: list[Point] = []
        while True:
            try:
                request = todo.popleft()
            except IndexError:
                return missed
            fell = self.killed_at(lane, request, before)
            struck += [point.name for point in request[:fell]]
            missed += request[fell:]
            for number, point in enumerate(request):
                self.say(f"{point if number < fell else f'never {point}'}; {len(todo)} requests to do")

    def again(self, lane: Lane, missed: Sequence[Point], before: dict[int, Counter[str]], struck: list[str]) -> None:
        """What the others kept from happening happens when nobody is beside; on shoppers that are still there."""
        first = {point.name: replace(point, number=1) for point in missed}
        for point in list(first.values())[: len(self.spare)]:
            self.strikes(lane, deque([[point]]), before, struck)

    def killed_at(self, lane: Lane, request: Request, before: dict[int, Counter[str]]) -> int:
        """How many of the kills fell, one after the other; what is asked then is asked once more, and must be right."""
        group = self.spare.popleft()
        reference = f"K-{self.cast.mark}-{group[0].number}"
        self.officer.silence(group)
        fell = 0
        for point in request:
            lane.wait()
            falls = self.falls(lane, point, reference, [shopper.customer for shopper in group])
            lane.trap.lay()
            lane.begin()
            if not falls:
                break  # It came to its end, so it comes to no other deed.
            fell += 1
        where = " and ".join(map(str, request[:fell])) or f"never {request[0]}"
        self.right(self.officer.erase(reference, group), group, before, where)
        lane.wait()
        return fell

    def falls(self, lane: Lane, point: Point, reference: str, customers: Sequence[str]) -> bool:
        """Asks the lane, and kills it when it comes there or has answered."""
        lane.trap.lay(point.number, point.after, point.name)
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
        lane.kill()
        asking.join(30)
        if point.name != WAITED_OUT and self.place.lets_go(lane.grip):
            self.helped += 1
        return fell

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
