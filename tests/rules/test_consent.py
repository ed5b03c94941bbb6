"""Consent, in any order of things: the newest decides, and nothing personal is decided or shown while it refuses.

Events and consents are stored and delivered in any order, twice, late, in bulk; decisioning may be behind by all of it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from functions.experiences.rules import Question, answered
from layers.events.record import Record
from layers.retailers import Retailer
from layers.tree.catching_up import CaughtUp, read_row
from layers.tree.decision import Decision
from layers.tree.folding import consent_of, key_of, newest_consent
from layers.tree.journey import Standing, advance
from layers.tree.state import Key
from layers.tree.wording import Wording
from tests.rules.journeys import record
from tests.rules.test_journey import REFUSING, STANDING, TREE, Stack

SHOP = Retailer(id="demo", name="Demo", write_key="w" * 16, read_key="r" * 16, origins=())
ANY_TIME: Key = (2**63, "")


@st.composite
def visits(draw: st.DrawFn) -> list[Record]:
    """Up to 16 events, a third of them consents, of every channel: also those that a retailer sends in bulk."""
    minutes, records = 0.0, []
    for number in range(draw(st.integers(1, 16))):
        minutes += draw(st.sampled_from([0, 1, 5, 90, 361]))
        consent = draw(st.sampled_from([True, False, False]))
        fields: dict[str, Any] = {"product": f"usual{draw(st.integers(0, 4))}", "quantity": 1, "price": 9}
        if consent:
            agreed = draw(st.lists(st.sampled_from(["personalisation", "measurement"]), unique=True))
            fields = {"purposes": dict.fromkeys(agreed, True)}
        records.append(
            record(
                "ConsentChanged" if consent else "AddedToBasket",
                minutes,
                id=f"event-{draw(st.integers(0, 9))}-{number:03d}",
                channel=draw(st.sampled_from(["web", "server", "history", "officer"] if consent else ["web", "app"])),
                **fields,
            )
        )
    return records


def grants(standing: Standing, known: Sequence[Record], until: Key = ANY_TIME) -> bool:
    """Said again in few words: the newest up to a moment, or what the retailer says of shoppers without one."""
    return standing.granted(newest_consent(map(consent_of, known), until))


def personal(decision: Decision) -> bool:
    shown = json.loads(decision.shown)
    return bool(decision.parameters_version) or decision.node_after != TREE.root or shown[0]["kind"] != "default"


class Watched(Stack):
    """Looks at every decision when it is published, and at the page after every step."""

    def __init__(self, standing: Standing) -> None:
        super().__init__(standing)
        self.stored: list[Record] = []
        self.personal = 0

    async def store(self, records: list[Record]) -> None:
        await super().store(records)
        self.stored = list({key_of(r): r for r in [*self.stored, *records]}.values())
        self.look_at_page()

    async def deliver(self, records: list[Record]) -> None:
        before = dict(self.newest)
        await super().deliver(records)
        of = {r.event.id: key_of(r) for r in self.stored}
        for id, decision in self.newest.items():
            if before.get(id) != decision:
                assert not personal(decision) or grants(self.standing, self.stored, of[id])
                self.personal += personal(decision)
        self.look_at_page()

    def look_at_page(self) -> None:
        shopper, question = read_row(self.row), Question("customer", None, None)
        now_ms = max((key_of(r)[0] for r in self.stored), default=0)
        caught_up = CaughtUp(shopper.state)
        page = answered("demo", question, self.standing, shopper, caught_up, now_ms, Wording("en-GB", "GBP"))
        assert (page.reason == "consent") is not grants(self.standing, self.stored)
        if page.reason == "consent":
            assert (page.default, page.node, page.parameters_version) == (True, TREE.root, "")
            assert [shown["kind"] for shown in page.experiences] == ["default"]


@given(visits(), st.data(), st.sampled_from([STANDING, REFUSING]))
@settings(max_examples=300, deadline=None)
def test_nothing_personal_is_decided_or_shown_while_the_newest_consent_refuses(
    records: list[Record], data: st.DataObject, standing: Standing
) -> None:
    order = data.draw(st.permutations(records))
    ahead = data.draw(st.lists(st.integers(0, len(records)), min_size=len(order), max_size=len(order)))
    together = data.draw(st.lists(st.integers(1, 4), min_size=len(order), max_size=len(order)))

    async def play() -> None:
        stack = Watched(standing)
        for number, (stored, several) in enumerate(zip(ahead, together, strict=True)):
            message = list(order[max(0, number + 1 - several) : number + 1])
            await stack.store(list(order[: max(number + 1, stored)]))
            await stack.deliver(message)

    asyncio.run(play())


@given(visits(), st.data(), st.sampled_from([STANDING, REFUSING]))
@settings(max_examples=300, deadline=None)
def test_decisioning_that_is_behind_by_everything_decides_as_if_it_had_never_been(
    records: list[Record], data: st.DataObject, standing: Standing
) -> None:
    """The row holds the newest consent of all long before the first event is decided."""
    _, expected = advance(None, records, standing)
    order = data.draw(st.permutations(records))

    async def play() -> Stack:
        stack = Watched(standing)
        await stack.store(list(data.draw(st.permutations(records))))
        for one in order:
            await stack.deliver([one])
        return stack

    stack = asyncio.run(play())
    assert sorted(stack.newest.values(), key=lambda d: (d.at, d.event_id)) == expected


@given(visits(), st.data())
@settings(max_examples=200, deadline=None)
def test_consents_told_in_any_order_or_twice_end_in_the_same_decisions(
    records: list[Record], data: st.DataObject
) -> None:
    twice = [*records, *data.draw(st.lists(st.sampled_from(records), max_size=4))]
    assert advance(None, data.draw(st.permutations(twice)), STANDING) == advance(None, records, STANDING)


def test_some_visits_are_personal_so_that_the_rule_above_says_something() -> None:
    agreed = record("ConsentChanged", 0)
    _, decisions = advance(None, [agreed, record("AddedToBasket", 1)], REFUSING)
    assert [personal(decision) for decision in decisions] == [True, True]
    _, refused = advance(None, [record("AddedToBasket", 1)], REFUSING)
    assert not personal(refused[0]) and not grants(REFUSING, [])


def refusal(minutes: float) -> Record:
    return record("ConsentChanged", minutes, channel="history", purposes={})


async def test_a_refusal_sent_in_bulk_holds_though_the_row_has_a_newer_consent_already() -> None:
    stack = Watched(STANDING)
    first, second, agreed = record("AddedToBasket", 10), record("AddedToBasket", 20), record("ConsentChanged", 30)
    await stack.store([first])
    await stack.deliver([first])
    await stack.store([refusal(5)])
    await stack.store([second, agreed])
    await stack.deliver([second, agreed])
    assert [personal(stack.newest[r.event.id]) for r in (first, second, agreed)] == [True, False, True]


async def test_a_refusal_from_long_before_the_visit_holds_though_many_events_lie_between() -> None:
    stack = Watched(STANDING)
    before = [record("AddedToBasket", minutes) for minutes in range(1, 90)]
    visit = [record("AddedToBasket", 1000), record("ConsentChanged", 1010)]
    await stack.store([refusal(0), *before, *visit])
    await stack.deliver(visit)
    assert [personal(stack.newest[r.event.id]) for r in visit] == [False, True]
