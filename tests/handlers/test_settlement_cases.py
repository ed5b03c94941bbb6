"""Cases of settlement in a marketer's words (tests/examples/settlements.yaml), through the handler and the ledger: one
event after the other, all at once, doubled, and in other orders of arrival.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.events.record import Record
from layers.promises.keeping import Purse, read_promises
from layers.promises.model import HELD_FOR, Fate, Promise
from layers.promises.settling import earned, orders_of, settled
from layers.stores.collections import Collection
from layers.stores.firestore.fake import FakeDocuments
from tests.handlers.test_settlement import SHOWN, Stack
from tests.handlers.visiting import SHOPPER, seen

STATUSES = ("prepared", "shipped", "delivered", "cancelled", "refunded")
BUDGET = 10.00


class Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    paid: float
    discount: float | None = None
    instead_of: str | None = None
    quantity: float | None = None


class Offer(msgspec.Struct, forbid_unknown_fields=True):
    of: str
    money: float = 0.0
    percent: float = 0.0
    at_most: float = 0.0
    above: float = msgspec.field(default=0.0, name="from")
    substitutes: tuple[str, ...] = ()


class Case(msgspec.Struct, forbid_unknown_fields=True):
    case: str
    offer: Offer
    events: list[dict[str, Any]]
    reward: float
    fate: Fate
    unbudgeted: float = 0.0


CASES = msgspec.yaml.decode((Path(__file__).parents[1] / "examples" / "settlements.yaml").read_bytes(), type=list[Case])


def cents(amount: float) -> int:
    return round(amount * 100)


def promised(offer: Offer) -> Promise:
    of_basket = offer.of == "basket"
    return Promise(
        key="a" * 32, campaign="coffee", offer="level", kind="tension" if of_basket else "promotion",
        product="" if of_basket else offer.of, cents=cents(offer.money or offer.at_most), percent=offer.percent,
        threshold=cents(offer.above), substitutes=offer.substitutes, money=("coffee.cents",), at=SHOWN,
        until=SHOWN + HELD_FOR,
    )  # fmt: skip


def happened(number: int, event: dict[str, Any]) -> Record:
    [(kind, held)] = [(kind, held) for kind, held in event.items() if kind in ("paid", *STATUSES)]
    assert set(event) <= {kind, "order", "total", "budget"}, f"unknown words in {event}"
    order: dict[str, Any] = {"id": f"event-{number:04}", "order": event.get("order", "o1")}
    if held is not None:
        lines = [(product, msgspec.convert(line, Line | float)) for product, line in held.items()]
        told = [_line(product, line if isinstance(line, Line) else Line(line)) for product, line in lines]
        order["holds"] = {"total": event.get("total", sum(line["paid"] for line in told)), "lines": told}
    holds = order.pop("holds", None)
    if kind == "paid":
        return seen("OrderPaid", 10 * (1 + number), **order, **holds)
    kept = {} if holds is None else {"kept": holds}
    return seen("OrderStatusUpdated", 10 * (1 + number), channel="server", status=kind, **order, **kept)


def _line(product: str, line: Line) -> dict[str, Any]:
    fields = {"paid": line.paid, "discount": line.discount, "quantity": line.quantity,
              "substituted_for": line.instead_of}  # fmt: skip
    return {"product": product, **{name: value for name, value in fields.items() if value is not None}}


def told(spent: int, held: int) -> str:
    parts = [f"{amount / 100:.2f} {word}" for amount, word in ((spent, "spent"), (held, "held")) if amount]
    return ", ".join(parts) or "nothing"


class Told(Stack):
    """What became of the one promise, after some events arrived."""

    async def promise(self) -> Promise:
        _, promises = await read_promises(self.documents, "demo", SHOPPER)
        assert promises is not None
        return promises.promises[0]

    async def arrive(self, *records: Record) -> None:
        await self.store(*records)
        assert (await self.take(*records)).status_code == 204


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.case))
async def test_a_case_step_by_step(case: Case) -> None:
    stack = Told()
    await stack.holds(promised(case.offer))
    for number, event in enumerate(case.events):
        record = happened(number, event)
        await stack.arrive(record)
        await stack.take(record)
        spent, held, free = await stack.spent_held_free()
        assert spent + held + free == cents(BUDGET)
        assert event.get("budget", told(spent, held)) == told(spent, held), event
    one = await stack.promise()
    assert (one.fate, one.earned, one.unbudgeted) == (case.fate, cents(case.reward), cents(case.unbudgeted))


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.case))
async def test_a_case_in_any_order_of_arrival_is_worth_the_same(case: Case) -> None:
    """What is owed is the same; what a budget could pay of it may be less, where it was told the worse first."""
    records = [happened(number, event) for number, event in enumerate(case.events)]
    chance = random.Random(case.case)
    orders = [records, records[::-1], *(chance.sample(records, len(records)) for _ in range(4))]
    for nth, order in enumerate(orders):
        stack = Told()
        await stack.holds(promised(case.offer))
        if nth == 0:
            await stack.store(*order)
            await asyncio.gather(*(stack.take(record) for record in order))
        else:
            for record in order:
                await stack.arrive(record)
        one = await stack.promise()
        assert one.earned == cents(case.reward), [record.event.id for record in order]
        spent, held, _ = await stack.spent_held_free()
        assert spent == one.earned - one.unbudgeted and held == (
            one.cents if one.fate in (Fate.OPEN, Fate.ORDERED) else 0
        )
        assert one.fate is case.fate or (one.fate is Fate.LAPSED and one.unbudgeted == one.earned)


class Killed(BaseException):
    pass


class Dying(FakeDocuments):
    """Dies at its nth write, once: before it is done, or after."""

    def __init__(self, nth: int, after: bool) -> None:
        super().__init__()
        self.nth, self.after, self.writes = nth, after, -1

    async def put(self, collection: Collection, id: str, data: Any) -> None:
        self.writes += self.writes >= 0
        dies = self.writes == self.nth
        if not dies or self.after:
            await super().put(collection, id, data)
        if dies:
            raise Killed


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("nth", range(1, 13))
async def test_killed_at_any_write_the_next_delivery_ends_the_same(nth: int, after: bool) -> None:
    [case] = [case for case in CASES if case.case.startswith("The scales were corrected downwards")]
    stack = Told()
    stack.documents = dying = Dying(nth, after)
    stack.purse = Purse.over(dying, lambda: stack.now)
    await stack.holds(promised(case.offer))
    dying.writes = 0
    deaths = 0
    for number, event in enumerate(case.events):
        record = happened(number, event)
        await stack.store(record)
        try:
            await stack.take(record)
        except Killed:
            deaths += 1
            assert (await stack.take(record)).status_code == 204
        spent, held, _ = await stack.spent_held_free()
        assert event.get("budget", told(spent, held)) == told(spent, held), event
    assert deaths == 1, "the scenario writes too little for this"


PRODUCTS = ("coffee", "coffee_bio", "ham", "milk")


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """Of up to two orders, by a shop that says anything at all in any order."""
    records = []
    for number in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(("paid", *STATUSES)))
        lines = draw(st.dictionaries(st.sampled_from(PRODUCTS), st.floats(0, 40).map(lambda x: round(x, 2))))
        written: dict[str, Any] = {
            product: {"paid": paid, "instead_of": draw(st.sampled_from([None, *PRODUCTS]))}
            for product, paid in lines.items()
        }
        if kind == "paid":
            written = {product: line["paid"] for product, line in written.items()} or {"milk": 0.5}
        held = None if kind != "paid" and draw(st.booleans()) else written
        records.append(happened(number, {kind: held, "order": draw(st.sampled_from(("o1", "o2")))}))
    return records


offers = st.builds(
    lambda of, percent, above, substitutes: Offer(of, 2.0, 0.0 if of == "basket" else percent, 2.0, above,
                                                   () if of == "basket" else substitutes),
    st.sampled_from(("coffee", "ham", "basket")),
    st.sampled_from((0.0, 12.5, 50.0)),
    st.sampled_from((0.0, 10.0, 30.0)),
    st.sampled_from(((), ("coffee_bio",))),
)  # fmt: skip


@given(histories(), offers, st.data())
def test_what_is_owed_is_never_more_than_promised_and_the_order_of_arrival_is_nothing(
    records: list[Record], offer: Offer, data: st.DataObject
) -> None:
    promise = promised(offer)
    whole = settled([promise], records)
    assert whole == settled([promise], data.draw(st.permutations(records)) + records)
    for one in whole:
        assert 0 <= one.earned <= one.cents and one.unbudgeted == 0
        assert (one.earned > 0) is (one.fate is Fate.EARNED)
        assert settled([one], records) == []
    # Wherever a subset was settled first, all of it together ends as it would have at once.
    part = [record for record in records if data.draw(st.booleans())]
    [before] = settled([promise], part) or [promise]
    [after] = settled([before], records) or [before]
    assert (after.fate, after.earned, after.order) == (
        (whole[0].fate, whole[0].earned, whole[0].order) if whole else (Fate.OPEN, 0, "")
    )
    for order in orders_of(records):
        assert 0 <= earned(order.kept, promise) <= promise.cents


@settings(max_examples=40, deadline=None)
@given(histories(), offers, st.randoms(use_true_random=False))
def test_no_history_gives_more_than_promised_and_no_total_falls_below_zero(
    records: list[Record], offer: Offer, chance: random.Random
) -> None:
    async def story() -> None:
        stack = Told()
        await stack.holds(promised(offer))
        for record in chance.sample(records, len(records)):
            await stack.arrive(record)
            spent, held, free = await stack.spent_held_free()
            one = await stack.promise()
            assert 0 <= spent <= one.cents and 0 <= held <= one.cents and spent + held + free == cents(BUDGET)
            assert spent == (one.earned - one.unbudgeted if one.fate in (Fate.EARNED, Fate.LAPSED) else 0)
        expected = settled([promised(offer)], records)
        assert one.earned == (expected[0].earned if expected else 0)

    asyncio.run(story())
