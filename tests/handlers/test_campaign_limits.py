"""What one shopper may have: caps over sessions, what may be combined, stores, the last day; replayed, the same."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from functions.decisioning.handler import answer
from layers.campaigns.model import Budget, Campaign, HouseRules
from layers.campaigns.opening import open_budgets
from layers.campaigns.published import publish_campaign, publish_rules
from layers.campaigns.reporting import report
from layers.campaigns.terms import Cap, Shared
from layers.ledger.ledger import Wish
from layers.promises.keeping import Purse, write_down
from layers.promises.limits import Because, limits_of
from layers.promises.model import HELD_FOR, PROMISES_UNREADABLE, Fate, Promise, Promises, document, promises_id
from layers.promises.rules import Wanted
from layers.stores.collections import PROMISES, WITHHELD
from layers.tree.catching_up import read_row, standing_of
from layers.tree.offer import ShopperOffer
from layers.tree.parameters import encode_parameters
from layers.tree.withholding import read_version
from tests.handlers.asking import ask
from tests.handlers.test_promises import MONEY, Stack, favourites
from tests.handlers.test_replay import Night
from tests.handlers.visiting import DEMO, NOW, OTHER, SHOPPER, pushed, seen
from tests.rules.journeys import PARAMETERS, START

DAY = 24 * 60
FAVOURITE = ("favourites", "usual3")
FILL: dict[str, Any] = {"product": "usual0", "quantity": 1, "price": 45.0}


class Shop(Stack):
    def __init__(self) -> None:
        super().__init__()
        self.filled: set[tuple[str, str]] = set()

    async def offers(self, *offers: ShopperOffer, shopper: str = SHOPPER) -> None:
        made = encode_parameters(replace(PARAMETERS, offers=offers))
        await self.rows.write_parameters("demo", [(shopper, made)], 2)

    async def has(self, *promises: Promise, shopper: str = SHOPPER) -> None:
        data = document(Promises(retailer="demo", at=NOW, promises=promises))
        await self.documents.put(PROMISES, promises_id("demo", shopper), data)

    async def became(self, fate: Fate) -> None:
        promises = await self.promises(SHOPPER)
        assert promises is not None
        await self.has(*(replace(one, fate=fate) for one in promises.promises))

    async def visits(self, minutes: float, shopper: str = SHOPPER, session: str = "visit-1", **page: Any) -> bool:
        """Looks at a page, at first fills the basket; whether the favourite is offered then."""
        records = [seen("PageViewed", minutes, shopper=shopper, session=session, **page)]
        if (shopper, session) not in self.filled:
            self.filled.add((shopper, session))
            records.append(seen("AddedToBasket", minutes + 0.1, shopper=shopper, session=session, **FILL))
        await self.store(*records)
        now = START + timedelta(minutes=minutes)
        assert (await answer(ask("POST", "/", pushed(*records)), self.room, now)).status_code == 204
        return self.offered(shopper)

    def left_out(self, shopper: str = SHOPPER) -> dict[tuple[str, str], datetime]:
        return dict(read_version(self.decision(shopper).parameters_version).own)


@pytest.fixture
async def shop() -> Shop:
    shop = Shop()
    await shop.open([SHOPPER, OTHER])
    return shop


async def launched(shop: Shop, rules: HouseRules | None = None, **changes: Any) -> Campaign:
    campaign = msgspec.structs.replace(favourites(), **changes)
    await publish_campaign(shop.documents, "demo", campaign, "")
    if rules is not None:
        await publish_rules(shop.documents, "demo", rules, "")
    return campaign


@pytest.mark.parametrize("whose", ["campaign", "house"])
async def test_a_cap_holds_in_the_next_session_and_until_its_period_ends(shop: Shop, whose: str) -> None:
    """Friday 20 November: one offer a week, used on Friday, and again from Monday on. Others are not concerned."""
    cap = (Cap(count=1, per="week"),)
    if whose == "house":
        await launched(shop, HouseRules(country="FR", shopper_caps=cap))
    else:
        await launched(shop, caps=cap)
    assert await shop.visits(1) and await shop.visits(2), "an open promise is shown as often as the shopper comes"
    await shop.became(Fate.ORDERED)
    assert not await shop.visits(30)
    monday = datetime.fromisoformat("2026-11-23T00:00:00+01:00")
    assert shop.left_out() == {FAVOURITE: monday}
    assert not await shop.visits(DAY, session="visit-2") and await shop.visits(DAY, OTHER)
    assert (await shop.documents.get(WITHHELD, "demo")) is None, "nothing is withheld from everybody"
    assert await shop.balance() == (0, 200, 800)
    assert await shop.visits(4 * DAY, session="visit-3") and shop.left_out() == {}


async def test_what_was_cancelled_does_not_count(shop: Shop) -> None:
    await launched(shop, caps=(Cap(count=1),))
    await shop.visits(1)
    await shop.became(Fate.NOT_EARNED)
    assert await shop.visits(30)


@pytest.mark.parametrize(("cents", "offered"), [(400, True), (401, False)])
async def test_a_cap_in_money_counts_what_was_promised(shop: Shop, cents: int, offered: bool) -> None:
    await launched(shop, caps=(Cap(money=5.0, per="month"),))
    before = Promise(
        key="e" * 32, campaign="favourites", offer="percent_20", kind="promotion", product="usual9", cents=cents,
        at=START - timedelta(days=2), until=START - timedelta(days=1), fate=Fate.ORDERED, order="o1",
    )  # fmt: skip
    await shop.has(before)
    assert await shop.visits(1) is offered


async def test_two_deliveries_at_once_do_not_pass_a_cap_together(shop: Shop) -> None:
    """Both read the document when it was empty, and both have reserved: who writes second gives back its own."""
    campaign = await launched(shop, caps=(Cap(count=1, per="day"),))
    limits = limits_of(campaign, HouseRules(country="FR"), START)
    purse = Purse.over(shop.documents, lambda: NOW)
    await open_budgets(shop.documents, DEMO, campaign, NOW)
    refused = []
    for key in ("a" * 32, "b" * 32):
        one = Promise(
            key=key, campaign="favourites", offer="percent_20", kind="promotion", product=f"p{key[0]}", cents=100,
            at=START, until=START + HELD_FOR,
        )  # fmt: skip
        await purse.ledger.reserve("demo", key, [Wish(MONEY, 100)], one.until)
        refused.append(await write_down(purse, "demo", SHOPPER, Wanted(one, (), limits), NOW))
    assert refused[0] is None and refused[1] is not None and refused[1].because is Because.CAPPED
    promises = await shop.promises(SHOPPER)
    assert promises is not None and [one.key for one in promises.promises] == ["a" * 32]
    assert await shop.balance() == (0, 100, 900)


@pytest.mark.parametrize(
    ("other", "mine", "offered"),
    [
        ({"campaign": "spring", "exclusive": "dairy"}, {"exclusive": "dairy"}, False),
        ({"campaign": "spring", "exclusive": "dairy"}, {"exclusive": "fruit"}, True),
        ({"campaign": "spring", "combines": False}, {}, False),
        ({"campaign": "spring"}, {"combines": False}, False),
        ({"campaign": "spring", "combines": False, "fate": Fate.ORDERED}, {}, True),
        ({"campaign": "favourites", "exclusive": "dairy", "combines": False}, {"exclusive": "dairy"}, True),
    ],
)
async def test_what_may_not_be_combined_is_not_promised_beside_it(
    shop: Shop, other: dict[str, Any], mine: dict[str, Any], offered: bool
) -> None:
    """An order that used the other may hold no more of it; an open promise may still be used by the next order."""
    await launched(shop, **mine)
    held = Promise(
        **{
            "key": "e" * 32,
            "offer": "money_2",
            "kind": "tension",
            "cents": 200,
            "threshold": 3000,
            "at": START,
            "until": START + HELD_FOR,
            **other,
        }
    )
    await shop.has(held)
    assert await shop.visits(1) is offered
    assert shop.left_out() == ({} if offered else {FAVOURITE: held.until})
    # It is offered again once the other has run out.
    assert await shop.visits(DAY + 2, session="visit-2")


async def test_an_offer_holds_in_its_stores_until_its_last_day_and_by_consent(shop: Shop) -> None:
    """A decision is a function of the events: the page says the store, the event when it was, the consent what for."""
    await launched(shop)
    [offer] = [one for one in PARAMETERS.offers if one.drawn]
    await shop.offers(replace(offer, stores=("lille", "lens"), until=START + timedelta(minutes=20)))
    assert not await shop.visits(1), "no page has said which store it is"
    assert await shop.visits(2, store="lille") and await shop.visits(3), "a store stays until another is said"
    assert not await shop.visits(4, store="paris") and await shop.visits(5, store="lens")
    assert not await shop.visits(20.5), "the campaign is over"
    await shop.offers(replace(offer, purposes=("advertising",)), shopper=OTHER)
    assert not await shop.visits(1, OTHER)
    for minutes, agreed in ((2, True), (4, False)):
        purposes = {"personalisation": True, "advertising": agreed}
        consent = seen("ConsentChanged", minutes, shopper=OTHER, purposes=purposes)
        await shop.store(consent)
        assert (await answer(ask("POST", "/", pushed(consent)), shop.room, NOW)).status_code == 204
        assert await shop.visits(minutes + 1, OTHER) is agreed


async def test_a_store_that_has_no_money_left_costs_the_others_nothing(shop: Shop) -> None:
    """One in each store a day, and three in all of the brand's: each budget is reserved from, or none."""
    rules = HouseRules(country="FR", shared=(Shared(store="each", count=2, per="day"), Shared(store="nantes", count=7)))
    await launched(shop, rules, within=(Budget(count=1, per="day", of="store"),))
    assert await shop.visits(1, store="lille")
    assert not await shop.visits(1, OTHER, store="lille")
    assert shop.left_out(OTHER) == {FAVOURITE: START + timedelta(minutes=61)}, "and asked again an hour later"
    assert await shop.documents.get(WITHHELD, "demo") is None
    assert await shop.visits(62, OTHER, store="lens")
    for store in ("lille", "lens"):
        assert await shop.balance(f"favourites.day.2026-11-20.store.{store}.count") == (0, 1, 0)
        assert await shop.balance(f"shared-all.day.2026-11-20.each.{store}.count") == (0, 1, 1)
    assert await shop.balance() == (0, 200, 800)
    lines = await report(shop.documents, DEMO, START)
    assert [(line.budget, line.limit, line.reserved) for line in lines] == [
        ("favourites.campaign.2026-11-01.cents", 1000, 200),
        ("favourites.day.2026-11-20.store.lens.count", 1, 1),
        ("favourites.day.2026-11-20.store.lille.count", 1, 1),
        ("shared-all.day.2026-11-20.each.lens.count", 2, 1),
        ("shared-all.day.2026-11-20.each.lille.count", 2, 1),
        ("shared-all.month.2026-11-01.in.nantes.count", 7, 0),
    ]


async def test_promises_that_cannot_be_read_cost_their_shopper_alone(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    await launched(shop)
    await shop.documents.put(PROMISES, promises_id("demo", SHOPPER), {"retailer": "demo", "promises": "nonsense"})
    records = [seen("AddedToBasket", 1, shopper=who, **FILL) for who in (SHOPPER, OTHER)]
    await shop.store(*records)
    assert (await answer(ask("POST", "/", pushed(*records)), shop.room, NOW)).status_code == 204
    assert (shop.offered(SHOPPER), shop.offered(OTHER)) == (False, True)
    assert json.loads(shop.decision(SHOPPER).shown), "something that costs nothing is shown"
    said = capsys.readouterr().out
    assert PROMISES_UNREADABLE in said and "nonsense" not in said and SHOPPER not in said
    assert await shop.balance() == (0, 100, 900)


async def test_a_page_shows_what_the_decision_did(shop: Shop) -> None:
    """Whoever reads the row later knows by the state alone what is withheld from this shopper, and when that ends."""
    await launched(shop, caps=(Cap(count=1, per="day"),))
    await shop.visits(1)
    await shop.became(Fate.ORDERED)
    assert not await shop.visits(30)
    live = await shop.trees.of("demo")
    assert live is not None
    row = read_row(await shop.rows.read("demo", SHOPPER))
    for minutes, held in ((40, False), (DAY, True)):
        standing = standing_of(DEMO, row, live, START + timedelta(minutes=minutes))
        assert standing.parameters is not None
        assert any(offer.campaign == "favourites" for offer in standing.parameters.offers) is held


async def test_decisions_of_a_capped_shopper_are_replayed_without_a_difference() -> None:
    night = Night()
    await night.open((SHOPPER, OTHER))
    await publish_campaign(night.documents, "demo", msgspec.structs.replace(favourites(), caps=(Cap(count=1),)), "")
    named = {who: f"{who[-4:]}-00000" for who in (SHOPPER, OTHER)}
    for who, id in named.items():
        await night.happens(seen("AddedToBasket", 1, shopper=who, id=f"{id}1", **FILL))
    held = promises_id("demo", SHOPPER)
    promised = await night.documents.get(PROMISES, held)
    assert promised is not None
    promised.data["promises"][0]["fate"] = "ordered"
    await night.documents.put(PROMISES, held, promised.data)
    for who, id in named.items():
        both = [seen("PageViewed", at, shopper=who, id=f"{id}{at}", store="lille") for at in (2, 3)]
        again: dict[str, Any] = {"shopper": who, "session": "visit-2"}
        await night.happens(*both)
        await night.happens(seen("PageViewed", 500, id=f"{id}4", **again))
        await night.happens(seen("AddedToBasket", 501, id=f"{id}5", **again, **FILL))
    versions = {each.event_id: each.parameters_version for each in night.published() if each.shopper == SHOPPER}
    assert sum("@" in version for version in versions.values()) >= 4
    told = await night.told()
    assert (told["status"], told["different"], told["excused"]) == ("same", 0, {}) and told["same"] == 10
