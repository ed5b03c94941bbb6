"""Promises settle on what was delivered: whatever comes first, twice or late, the same is paid, and never more."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from starlette.responses import Response

from functions.settlement.handler import answer
from functions.settlement.room import Room
from layers.campaigns.terms import may_combine
from layers.events.record import Record
from layers.ledger.healing import balance, heal
from layers.ledger.ledger import Wish
from layers.promises.keeping import Purse, read_promises, write_down
from layers.promises.model import HELD_FOR, PROMISES_UNREADABLE, Fate, Promise, promises_id
from layers.promises.rules import Wanted
from layers.promises.settling import settled
from layers.stores.collections import PROMISES, QUARANTINE
from tests.handlers.asking import ask
from tests.handlers.visiting import NOW, OTHER, SHOPPER, Stores, pushed, seen

LINES: list[dict[str, Any]] = [{"product": "coffee", "paid": 4.0, "discount": 1.0}, {"product": "milk", "paid": 26.0}]
SHOWN = seen("PageViewed", 0).event.at


def paid(minutes: float = 10, order: str = "o1", lines: list[dict[str, Any]] | None = None, **more: Any) -> Record:
    held: list[dict[str, Any]] = LINES if lines is None else lines
    total = sum(line["paid"] for line in held)
    return seen("OrderPaid", minutes, order=order, total=total, lines=held, id=f"paid-{order}-{minutes}", **more)


def said(status: str, minutes: float = 60, order: str = "o1", **more: Any) -> Record:
    return seen("OrderStatusUpdated", minutes, order=order, status=status, id=f"{status}-{order}-{minutes}", **more)


def promise(**changes: Any) -> Promise:
    fields: dict[str, Any] = {
        "key": "a" * 32, "campaign": "winter_coffee", "offer": "money_1.5", "kind": "promotion", "product": "coffee",
        "cents": 150, "threshold": 2000, "money": ("coffee.cents",), "at": SHOWN, "until": SHOWN + HELD_FOR,
    }  # fmt: skip
    return Promise(**{**fields, **changes})


CHEAP = [{"product": "coffee", "paid": 1.2}, {"product": "milk", "paid": 26.0}]


TENSION: dict[str, Any] = {"kind": "tension", "product": "", "cents": 300, "threshold": 3000, "campaign": "step"}
GROUP: dict[str, Any] = {"exclusive": "basket"}
TWO = [promise(**GROUP), promise(key="b" * 32, **TENSION, **GROUP)]


@pytest.mark.parametrize("reversed", [False, True])
def test_an_order_uses_one_of_those_that_are_not_combined_the_one_that_gives_most(reversed: bool) -> None:
    held = TWO[:: -1 if reversed else 1]
    [after] = settled(held, [paid(), said("delivered")])
    assert (after.campaign, after.fate, after.earned) == ("step", Fate.EARNED, 300)
    # The other may be used by another order, and by this one no more, whatever comes again.
    now = [after if one.key == after.key else one for one in held]
    assert settled(now, [paid(), said("delivered")]) == []
    [other] = settled(now, [paid(), said("delivered"), paid(30, "o2"), said("delivered", 90, "o2")])
    assert (other.campaign, other.order) == ("winter_coffee", "o2")


def test_an_order_uses_all_that_may_be_combined_and_one_that_excludes_all_others_alone() -> None:
    free = [replace(one, exclusive="") for one in TWO]
    assert [one.fate for one in settled(free, [paid()])] == [Fate.ORDERED, Fate.ORDERED]
    alone = [free[0], replace(free[1], combines=False)]
    assert [one.campaign for one in settled(alone, [paid()])] == ["step"]


def test_what_an_order_used_when_it_was_paid_stays_with_it_when_it_is_paid_again() -> None:
    later = replace(TWO[1], at=SHOWN + timedelta(minutes=15))
    held = [TWO[0], later]
    assert [one.campaign for one in settled(held, [paid(), paid(20)])] == ["winter_coffee"]
    # The same where the first payment is heard of last: what had the order by then gives it up.
    [wrongly] = settled(held, [paid(20)])
    assert (wrongly.campaign, wrongly.fate) == ("step", Fate.ORDERED)
    mended = settled([TWO[0], wrongly], [paid(), paid(20)])
    assert {one.campaign: one.fate for one in mended} == {"winter_coffee": Fate.ORDERED, "step": Fate.NOT_EARNED}


@pytest.mark.parametrize(("store", "fate"), [("lille", Fate.EARNED), ("lens", Fate.OPEN), (None, Fate.EARNED)])
def test_a_promise_of_one_store_is_not_used_in_another(store: str | None, fate: Fate) -> None:
    """An order that names no store may have been paid in it."""
    before = promise(store="lille")
    more: dict[str, Any] = {"store": store} if store else {}
    records = [paid(**more), said("delivered")]
    assert (settled([before], records) or [before])[0].fate is fate


@given(st.data())
def test_no_order_uses_two_that_are_not_combined_whatever_came_first(data: st.DataObject) -> None:
    pool = [paid(), paid(20, lines=CHEAP), paid(30, "o2"), *(said(s, 60 + n) for n, s in enumerate(
        ("delivered", "cancelled", "refunded", "shipped")))]  # fmt: skip
    records = data.draw(st.lists(st.sampled_from(pool), unique_by=lambda record: record.event.id))
    groups: st.SearchStrategy[dict[str, Any]] = st.sampled_from([{}, GROUP, {"combines": False}])
    held = [
        promise(**data.draw(groups)),
        promise(key="b" * 32, **TENSION, **data.draw(groups)),
        promise(key="c" * 32, **{**TENSION, "campaign": "more"}, at=SHOWN + timedelta(minutes=15), **data.draw(groups)),
    ]
    found = settled(held, records)
    assert found == settled(held, data.draw(st.permutations(records)) + records)
    # Heard of one after the other, the same in the end.
    step = held
    for upto in range(len(records) + 1):
        now = {one.key: one for one in settled(step, records[:upto])}
        step = [now.get(one.key, one) for one in step]
    for after in (found, step):
        used = [one for one in after if one.fate in (Fate.ORDERED, Fate.EARNED)]
        pairs = [(one.stacking, other.stacking) for one in used for other in used if one.order == other.order]
        assert all(may_combine(one, other) for one, other in pairs)


def test_an_order_outside_the_promises_time_does_not_use_it() -> None:
    records = [paid(), said("delivered")]
    assert settled([promise(at=SHOWN + timedelta(hours=1))], records) == []
    assert settled([promise(until=SHOWN + timedelta(minutes=5))], records) == []


class Stack(Stores):
    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.purse = Purse.over(self.documents, lambda: self.now)

    async def holds(self, one: Promise | None = None, shopper: str = SHOPPER) -> Promise:
        one = one or promise()
        for name, units in (("coffee.cents", 1000), ("coffee.count", 9)):
            await self.purse.books.open("demo", name, units, 2)
        wishes = [Wish("coffee.cents", one.cents), Wish("coffee.count", 1)]
        await self.purse.ledger.reserve("demo", one.key, wishes, one.until)
        await write_down(self.purse, "demo", shopper, Wanted(one, ()), NOW)
        return one

    async def take(self, *records: Record, retailer: str = "demo") -> Response:
        room = Room(self.registry, self.hot, self.documents, self.purse, self.suppressions)
        return await answer(ask("POST", "/", pushed(*records, retailer=retailer)), room, self.now)

    async def spent_held_free(self, name: str = "coffee.cents") -> tuple[int, int, int]:
        budget = await self.purse.books.budget("demo", name)
        assert budget is not None
        found = await balance(self.purse.books, budget.value)
        return found.spent, found.held, found.free

    async def fates(self) -> list[Fate]:
        _, promises = await read_promises(self.documents, "demo", SHOPPER)
        assert promises is not None
        return [one.fate for one in promises.promises]


async def test_paid_delivered_refunded_moves_the_money_there_and_back() -> None:
    stack = Stack()
    await stack.holds()
    for record, fate, money, count in (
        (paid(lines=CHEAP), Fate.ORDERED, (0, 150, 850), (0, 1, 8)),
        (said("delivered"), Fate.EARNED, (120, 0, 880), (1, 0, 8)),
        (said("refunded", 90), Fate.RETURNED, (0, 0, 1000), (0, 0, 9)),
    ):
        await stack.store(record)
        for _ in range(2):
            assert (await stack.take(record)).status_code == 204
        assert await stack.fates() == [fate]
        assert (await stack.spent_held_free(), await stack.spent_held_free("coffee.count")) == (money, count)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_messages_in_any_order_end_the_same(order: tuple[int, ...]) -> None:
    stack, records = Stack(), [paid(), said("delivered"), said("refunded", 90)]
    await stack.holds()
    for number in order:
        await stack.store(records[number])
        await stack.take(records[number])
    assert await stack.spent_held_free() == (0, 0, 1000)
    assert (await stack.fates())[0] in (Fate.RETURNED, Fate.NOT_EARNED)


async def test_a_kill_between_the_ledger_and_the_document_is_mended() -> None:
    stack = Stack()
    one = await stack.holds()
    await stack.store(paid(), said("delivered"))
    await stack.purse.ledger.commit("demo", one.key, {"coffee.cents": 150})
    await stack.take(said("delivered"))
    assert await stack.fates() == [Fate.EARNED] and await stack.spent_held_free() == (150, 0, 850)


async def test_two_deliveries_at_once_pay_once() -> None:
    stack = Stack()
    await stack.holds()
    await stack.store(paid(), said("delivered"))
    await asyncio.gather(*(stack.take(record) for record in (paid(), said("delivered"), paid())))
    assert await stack.fates() == [Fate.EARNED] and await stack.spent_held_free() == (150, 0, 850)


async def test_promises_that_cannot_be_read_cost_their_shopper_alone(capsys: pytest.CaptureFixture[str]) -> None:
    stack = Stack()
    await stack.holds()
    await stack.documents.put(PROMISES, promises_id("demo", OTHER), {"retailer": "demo", "promises": [{"key": 7}]})
    records = [seen("OrderPaid", 5, shopper=OTHER), paid()]
    await stack.store(*records)
    assert (await stack.take(*records)).status_code == 204
    assert await stack.fates() == [Fate.ORDERED]
    said_so = capsys.readouterr().out
    assert PROMISES_UNREADABLE in said_so and OTHER not in said_so


async def test_what_is_delivered_after_the_reservation_ran_out_lapses(capsys: pytest.CaptureFixture[str]) -> None:
    stack = Stack()
    one = await stack.holds()
    stack.now = one.until + timedelta(seconds=1)
    budget = await stack.purse.books.budget("demo", "coffee.cents")
    assert budget is not None
    assert (await heal(stack.purse.books, stack.purse.ledger, budget.value, stack.now)).expired == 1
    await stack.store(paid(), said("delivered"))
    await stack.take(paid())
    assert await stack.fates() == [Fate.LAPSED] and await stack.spent_held_free() == (0, 0, 1000)
    said_so = capsys.readouterr()
    assert "lapsed" in said_so.out + said_so.err and SHOPPER not in said_so.out + said_so.err


async def test_what_concerns_nobody_reads_nothing() -> None:
    stack = Stack()
    stack.hot.down = True
    await stack.take(
        seen("PageViewed", 1), said("shipped"), paid(channel="history"), seen("OrderPaid", 3, shopper=OTHER)
    )


async def test_orders_from_before_an_erasure_earn_nothing() -> None:
    stack = Stack()
    await stack.holds()
    await stack.store(paid(), said("delivered"))
    stack.suppressions.suppress("demo", SHOPPER, NOW)
    await stack.take(paid())
    assert await stack.fates() == [Fate.OPEN]


async def test_a_message_of_no_retailer_is_set_aside() -> None:
    stack = Stack()
    assert (await stack.take(paid(), retailer="none")).status_code == 204
    assert len(await stack.documents.find(QUARANTINE)) == 1
    room = Room(stack.registry, stack.hot, stack.documents, stack.purse, stack.suppressions)
    assert (await answer(ask("POST", "/", b"{"), room, datetime(2026, 11, 22, tzinfo=UTC))).status_code == 400
