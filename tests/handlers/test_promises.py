"""A shopper is shown what a budget has room for: reserved before it is published, left out for all once it is gone."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from starlette.responses import Response

from functions.decisioning.handler import answer
from functions.decisioning.room import Room
from layers.campaigns.known import KnownCampaigns
from layers.campaigns.model import Budget, Campaign, Level
from layers.campaigns.published import State, become, publish_campaign
from layers.campaigns.withheld import withheld_at
from layers.ledger.books import Books
from layers.ledger.healing import balance
from layers.ledger.ledger import Wish
from layers.promises.keeping import Purse, read_promises, write_down
from layers.promises.model import HELD_FOR, Promises
from layers.promises.rules import Wanted
from layers.stores.collections import PROMISES, RESERVATIONS, WITHHELD, Collection
from layers.stores.firestore.fake import FakeDocuments
from layers.tree.decision import Decision
from layers.tree.live import FRESH_S, PublishedTrees
from layers.tree.withholding import Named, read_version
from tests.handlers.asking import ask
from tests.handlers.visiting import NOW, OTHER, SHOPPER, Stores, pushed, seen

MONEY, COUNT = "favourites.campaign.2026-11-01.cents", "favourites.campaign.2026-11-01.count"
THIRD = "01" + "c" * 32


def favourites(money: float = 10.0, count: int | None = None) -> Campaign:
    return Campaign(
        campaign="favourites",
        kind="promotion",
        products=("usual3",),
        substitutes=("usual4",),
        generosity=(Level(percent=20),),
        budget=Budget(money=money, count=count),
        starts=date(2026, 11, 1),
        ends=date(2999, 12, 31),
        timezone="Europe/Paris",
    )


class Killed(BaseException):
    pass


class Dying(FakeDocuments):
    """Dies at a write of a collection, once."""

    def __init__(self) -> None:
        super().__init__()
        self.dies_at: Collection | None = None

    async def put(self, collection: Collection, id: str, data: Any) -> None:
        if collection is self.dies_at:
            self.dies_at = None
            raise Killed
        await super().put(collection, id, data)


class Stack(Stores):
    def __init__(self) -> None:
        super().__init__()
        self.documents = self.dying = Dying()
        self.trees = PublishedTrees(self.documents, lambda: self.clock)
        self.campaigns = KnownCampaigns(self.documents, lambda: self.clock)

    @property
    def room(self) -> Room:
        return Room(
            self.registry, self.hot, self.rows, self.documents, self.trees, self.topic, self.suppressions,
            self.campaigns,
        )  # fmt: skip

    async def sees(self, shopper: str, minutes: float = 1) -> Response:
        """Puts so much into the basket that the favourite is offered; later, looks at a page."""
        more: dict[str, Any] = {"product": "usual0", "quantity": 1, "price": 45.0} if minutes == 1 else {}
        event = seen("AddedToBasket" if more else "PageViewed", minutes, shopper=shopper, **more)
        await self.store(event)
        return await answer(ask("POST", "/", pushed(event)), self.room, NOW)

    def decision(self, shopper: str) -> Decision:
        return [decision for decision in self.published() if decision.shopper == shopper][-1]

    def offered(self, shopper: str) -> bool:
        return any(one["kind"] == "promotion" for one in json.loads(self.decision(shopper).shown))

    async def promises(self, shopper: str) -> Promises | None:
        return (await read_promises(self.documents, "demo", shopper))[1]

    async def balance(self, name: str = MONEY) -> tuple[int, int, int]:
        books = Books(self.documents)
        budget = await books.budget("demo", name)
        assert budget is not None
        found = await balance(books, budget.value)
        return found.spent, found.held, found.free


@pytest.fixture
async def stack() -> Stack:
    stack = Stack()
    await stack.open([SHOPPER, OTHER, THIRD])
    return stack


async def test_what_is_shown_is_reserved_once_and_written_down(stack: Stack) -> None:
    await publish_campaign(stack.documents, "demo", favourites(count=5), "")
    for minutes in (1, 2):
        assert (await stack.sees(SHOPPER, minutes)).status_code == 204
    assert stack.offered(SHOPPER) and await stack.balance() == (0, 100, 900) and await stack.balance(COUNT) == (0, 1, 4)
    promises = await stack.promises(SHOPPER)
    assert promises is not None
    [one] = promises.promises
    assert (one.campaign, one.product, one.cents, one.threshold, one.money) == (
        "favourites", "usual3", 100, 5000, (MONEY,)
    )  # fmt: skip
    assert (one.percent, one.substitutes) == (20, ("usual4",)), (
        "the terms of what was shown, whatever is published later"
    )
    assert one.until - one.at == HELD_FOR
    text = repr(stack.documents.collections[PROMISES.name]) + repr(stack.documents.collections[RESERVATIONS.name])
    assert SHOPPER not in text


async def test_nobody_is_shown_what_no_budget_has_room_for(stack: Stack) -> None:
    await publish_campaign(stack.documents, "demo", favourites(money=2.0), "")
    for shopper in (SHOPPER, OTHER, THIRD):
        assert (await stack.sees(shopper)).status_code == 204
    assert [stack.offered(each) for each in (SHOPPER, OTHER, THIRD)] == [True, True, False]
    assert await stack.balance() == (0, 200, 0) and await stack.promises(THIRD) is None
    [decision] = [decision for decision in stack.published() if decision.shopper == THIRD]
    assert read_version(decision.parameters_version) == Named("2026-11-20", frozenset({"favourites"})), (
        "a replay knows what was left out"
    )
    held = await stack.documents.get(WITHHELD, "demo")
    assert held is not None and withheld_at(held.data, NOW) == {"favourites"}
    # Whoever reads the tree anew knows it too, without asking the ledger.
    stack.clock += FRESH_S + 0.1
    live = await stack.trees.of("demo")
    assert live is not None and live.withheld == {"favourites"}


async def test_a_pause_is_seen_within_a_second_and_a_resume_too(stack: Stack) -> None:
    await publish_campaign(stack.documents, "demo", favourites(), "")
    await stack.sees(OTHER)
    for state, offered in ((State.PAUSED, False), (State.LIVE, True)):
        await become(stack.documents, "demo", "favourites", state, NOW)
        stack.clock += FRESH_S + 0.1
        await stack.sees(OTHER, minutes=2 + offered)
        assert stack.offered(OTHER) is offered


@pytest.mark.parametrize("dies_at", [RESERVATIONS, PROMISES, WITHHELD])
async def test_a_kill_anywhere_is_mended_by_the_next_delivery(stack: Stack, dies_at: Collection) -> None:
    await publish_campaign(stack.documents, "demo", favourites(money=1.0), "")
    await stack.sees(SHOPPER) if dies_at is WITHHELD else None
    whom = OTHER if dies_at is WITHHELD else SHOPPER
    stack.dying.dies_at = dies_at
    with pytest.raises(Killed):
        await stack.sees(whom)
    assert not [decision for decision in stack.published() if decision.shopper == whom]
    assert (await stack.sees(whom)).status_code == 204
    assert await stack.balance() == (0, 100, 0)
    assert stack.offered(whom) is (dies_at is not WITHHELD)


async def test_two_deliveries_at_once_promise_once(stack: Stack) -> None:
    await publish_campaign(stack.documents, "demo", favourites(), "")
    await stack.sees(SHOPPER)
    first = await stack.promises(SHOPPER)
    assert first is not None
    # Another event's delivery, which read the document before this promise stood in it.
    late = Wanted(replace(first.promises[0], key="b" * 32), ())
    purse = Purse.over(stack.documents, lambda: NOW)
    await purse.ledger.reserve("demo", "b" * 32, [Wish(MONEY, 100)], NOW + timedelta(hours=1))
    await write_down(purse, "demo", SHOPPER, late, NOW)
    assert await stack.balance() == (0, 100, 900) and await stack.promises(SHOPPER) == first


async def test_what_no_campaign_pays_for_is_promised_to_nobody(stack: Stack) -> None:
    await stack.sees(SHOPPER)
    assert stack.offered(SHOPPER) and await stack.promises(SHOPPER) is None
