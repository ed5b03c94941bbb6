"""A scenario: a name, what it proves, and what it does. And what a scenario finds at hand while it runs.

Does not own the judgement (`verdict`) nor the order in which scenarios run (`course`).
"""

from __future__ import annotations

import contextlib
import inspect
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from layers.privacy.pseudonym import Pseudonymiser
from tests.chaos.dead_letters import delivered_again
from tests.chaos.ledger import Batch, Ledger
from tests.chaos.load import PATIENCE_S, RETRY_S, Load, at_once
from tests.chaos.site import UNDER_TEST, Site
from tests.chaos.steering import Steering
from tests.chaos.verdict import Evidence, Report, expected_facts, judge
from tests.chaos.wares import Wares
from tests.chaos.witnesses import Analyst, Ear, eventually, journalled, stored

Do = Callable[["Run"], None]
T = TypeVar("T")

AHEAD = timedelta(hours=2)
"""The reconciliation compares an hour some time after its end."""

PATIENCE_AFTER_ERROR_S = 10.0
"""How long the rest is waited for when a scenario has failed already."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Attributes:
    short: whether it has a short form. One that must wait for deadlines of many seconds has none.
    """

    name: str
    proves: str
    do: Do
    short: bool = True


SCENARIOS: dict[str, Scenario] = {}
"""By name, in the order in which they run."""


def scenario(name: str, short: bool = True) -> Callable[[Do], Do]:
    """Registers a scenario; its docstring says what it proves."""

    def register(do: Do) -> Do:
        SCENARIOS[name] = Scenario(name, inspect.cleandoc(do.__doc__ or ""), do, short)
        return do

    return register


class Run:
    """One scenario on a site.

    Attributes:
        chance: drawn from the seed; the same seed breaks the same things in the same order, though the machine decides
            what was on its way at that moment.
        told: what the final line says beside the numbers.
    """

    def __init__(
        self, site: Site, ear: Ear, name: str, seed: int, long: bool, say: Callable[[str], None] = lambda _line: None
    ) -> None:
        self.site, self.name, self.long = site, name, long
        self._ear, self._say = ear, say
        self.prefix = f"{name}-"
        self.chance = random.Random(f"{name}{seed}")
        self.seed = seed
        self.wares = Wares(self.prefix, seed)
        self.ledger = Ledger()
        self.told: list[str] = []
        self._once = self._again = False
        self._waiting = threading.Event()
        self._analyst = Analyst(site.values, site.retailer.dataset)
        self._patience_s, self._dead = PATIENCE_S, 0
        self._evidence = Evidence({}, {}, {})

    def undergo(self) -> None:
        """What the scenario does, from its first event on. An error is a fault of the report."""
        logged = {function: len(self.site.log(function)) for function in UNDER_TEST}
        try:
            SCENARIOS[self.name].do(self)
        except Exception as error:
            self._patience_s = PATIENCE_AFTER_ERROR_S
            self.ledger.complaints.append(f"the scenario did not end: {type(error).__name__}: {error}")
        for function, length in logged.items():
            self.check("Traceback" not in self.site.log(function)[length:], f"a traceback in the log of {function}")

    # -- what a scenario does with it

    def of(self, long: int, short: int) -> int:
        """How many, in the long and in the short form."""
        return long if self.long else short

    def say(self, text: str) -> None:
        self._say(f"{self.name}: {text}")

    def proxy(self, store: str) -> Steering:
        return self.site.proxies[store]

    def load(
        self,
        make: Callable[[], Batch] | None = None,
        clients: int = 4,
        pause_s: float | None = None,
        allowed: Iterable[int] = (204, 503),
        batches: int = 0,
        retry_s: float | None = None,
        attempts: int = 0,
    ) -> Load:
        """See `Load`. The short form's clients rest longer, and much longer while nobody waits for what they do: the
        load during restarts was most of its cost."""
        pause_s = pause_s if pause_s is not None else 0.03 if self.long else 0.08
        retry_s = retry_s if retry_s is not None else RETRY_S if self.long else 4 * RETRY_S
        address, made = self.site.stack.address("ingest"), make or self.wares.batch
        target = self.site.post_to
        return Load(
            address, target, self.ledger, made, clients, pause_s, allowed, batches, retry_s, attempts, self._pace
        )

    def _pace(self) -> float:
        return 1.0 if self.long or self._waiting.is_set() else 5.0

    def at_once(
        self,
        batches: Sequence[Batch],
        allowed: Iterable[int] = (204, 503),
        headers: Mapping[str, str] | None = None,
    ) -> list[int]:
        """Posts each batch once, all at the same time; their statuses."""
        address = self.site.stack.address("ingest")
        return at_once(address, self.site.post_to, batches, self.ledger, allowed, headers)

    def more(self, events: int) -> None:
        """Waits until so many more events are acknowledged: what is broken now is broken under load."""
        goal = len(self.ledger.acknowledged) + events
        self.until("events acknowledged", lambda: len(self.ledger.acknowledged), lambda seen: seen >= goal)

    def more_answers(self, status: int, many: int = 1) -> None:
        """Waits until so many more requests were answered with this status."""
        goal = self.ledger.statuses[status] + many
        self.until(f"answers {status}", lambda: self.ledger.statuses[status], lambda seen: seen >= goal)

    def until(
        self,
        what: str,
        look: Callable[[], T],
        holds: Callable[[T], bool] = bool,
        every_s: float = 0.05,
    ) -> None:
        self._waiting.set()
        try:
            eventually(f"{self.name}: {what}", look, holds, self._patience_s, every_s)
        finally:
            self._waiting.clear()

    def check(self, holds: bool, fault: str) -> None:
        """Writes a fault down where something does not hold; the scenario goes on."""
        if not holds:
            self.ledger.complaints.append(fault)

    def reconcile(self) -> int:
        """Runs the reconciliation under a clock by which everything that arrived so far is due; how many events it
        dispatched again."""
        status, body = self.site.stack.fire("reconciliation", datetime.now(UTC) + AHEAD)
        self.check(status == 200, f"the reconciliation answered {status}: {body[:300]}")
        return int(msgspec.json.decode(body)["dispatched"]) if status == 200 else 0

    def published(self) -> dict[str, int]:
        """In how many messages each event stood so far."""
        return self._ear.heard(self.prefix)

    def published_once(self) -> None:
        """Nothing of this scenario may have been published twice."""
        self._once = True

    def published_again(self) -> None:
        """Something of this scenario must have been published twice, or its blows fell where they prove nothing."""
        self._again = True

    @contextlib.contextmanager
    def unharmed(self, function: str) -> Iterator[None]:
        """The function's processes must be the same after the block: it did not crash."""
        before = self.site.pids(function)
        yield
        self.check(self.site.pids(function) == before, f"{function} crashed and was started anew")

    # -- how it ends

    def settled(self) -> Report:
        """Waits until what was begun has come everywhere, then judges. What never comes is a fault of the report."""
        with contextlib.suppress(AssertionError):
            self.until("published", lambda: self.ledger.acknowledged - self.published().keys(), _none)
            self.until("cooled", self._look, lambda _: self._cooled(), every_s=0.5)
            self.until("decided", self._undecided, _none, every_s=0.5)
        if not self._evidence.stored or not self._cooled():
            self._look(whole=True)
        if undecided := self._undecided():
            self.check(False, f"{len(undecided)} stored and without a decision")
        if self._dead:
            self.told.append(f"{self._dead} dead letters delivered again")
        pseudonym = Pseudonymiser(self.site.stack.secret("pseudonym-key", "demo"))
        report = judge(self.name, self.ledger, replace(self._evidence, published=self.published()), pseudonym)
        if self._once and report.republished:
            report.faults.append(f"{report.republished} published again")
        if self._again and not report.republished:
            report.faults.append("nothing was published again, so no blow fell between a deed and its answer")
        report.told = "; ".join(self.told)
        return report

    def _look(self, whole: bool = False) -> Evidence:
        """Looks at every store, and keeps what was seen.

        Args:
            whole: also at the views, which cost most to ask, when not all rows can have come yet.
        """
        self._dead += delivered_again(self.site)
        rows = stored(self.site.values, self.prefix)
        expected = expected_facts(rows)
        delivered = self._analyst.delivered(self.prefix)
        whole = whole or delivered >= sum(expected.values())
        facts = self._analyst.facts(self.prefix, {view for view, _ in expected}) if whole else {}
        noted = journalled(self.site.values, self.prefix)
        self._evidence = Evidence(rows, self.published(), facts, noted, delivered)
        return self._evidence

    def _cooled(self) -> bool:
        return self._evidence.facts == expected_facts(self._evidence.stored)

    def _undecided(self) -> set[str]:
        self._dead += delivered_again(self.site)
        return self._evidence.stored.keys() - self._analyst.decided(self.prefix)


def _none(seen: object) -> bool:
    return not seen
