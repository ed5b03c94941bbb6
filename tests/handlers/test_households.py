"""The limit of a household: held over all its shoppers, whoever is killed, doubled or erased meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.rewards.players import plays
from functions.rewards.rules import Paid
from layers.game.chance import entry_of
from layers.game.reading import read_rules
from layers.game.verify import verify
from layers.privacy.suppression import digest
from layers.stores.apart import ApartDocuments, CalledApart
from layers.stores.collections import HOUSEHOLDS, PLAYERS, TICKETS, Collection
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.firestore.port import Document
from tests.handlers.game_world import CLOSES, DEMO, OPENS, REGISTRY, Interleaved, World, rules
from tests.rules.interleaving import SteppedDocuments, Work, alone, interleaved

ONE, TWO = "757a4740ead9ed60bbba3ec521371693", "00" * 16
LIMITED = rules("instant", 100) + "tickets_by_household: 4\n"
RULES = read_rules(LIMITED)


def entries(world: World) -> dict[str, list[str]]:
    """Of each household."""
    return {each["household"]: each["entries"] for each in world.documents(HOUSEHOLDS)}


async def opened(text: str = LIMITED, shoppers: int = 4) -> World:
    world = World()
    await world.announce(text)
    world.at(OPENS + timedelta(hours=1, minutes=1))
    for number in range(shoppers):
        await world.agrees(f"c{number}")
    return world


async def test_a_household_has_so_many_tickets_over_all_its_shoppers() -> None:
    world = await opened()
    for number in range(8):
        paid = world.paid(f"o{number}", household=ONE)
        for _ in range(2):
            assert await world.sends(f"c{number % 4}", paid) == 204
    assert entries(world) == {ONE: sorted(entry_of("basket_back", f"o{number}") for number in range(4))}
    assert len(world.documents(TICKETS)) == 4
    assert [len(each["orders"]) for each in world.documents(PLAYERS)] == [1] * 4, "a refused order takes no share"
    await world.sends("c0", world.paid("other", household=TWO))
    await world.sends("c0", world.paid("silent"))
    assert len(world.documents(TICKETS)) == 6, "another household has its own, and none bounds an order without"
    await world.sends("c0", world.paid("beyond"))
    assert len(world.documents(TICKETS)) == 6, "the shopper's own limit holds beside"
    world.at(CLOSES + timedelta(minutes=11))
    await world.close()
    transcript = await world.transcript()
    assert verify(transcript).problems == [] and ONE not in repr(transcript)


async def test_an_order_told_twice_of_two_households_is_the_first_ones() -> None:
    world = await opened()
    for household in (ONE, TWO):
        await world.sends("c0", world.paid("o0", household=household))
        (ticket,) = world.documents(TICKETS)
        world.kept.collections[TICKETS.name].clear()  # As if the first delivery had been killed before.
    assert entries(world) == {ONE: [ticket["entry"]]}


async def test_an_order_that_was_killed_half_way_takes_no_share_from_the_next() -> None:
    """It is the shopper's third, and was killed as another shopper took the household's last place."""
    world = await opened()
    for number in range(2):
        await world.sends("c0", world.paid(f"o{number}", household=TWO))
    create = world.kept.create

    async def killed(collection: Collection, id: str, data: Mapping[str, Any]) -> bool:
        if collection == HOUSEHOLDS:
            raise ConnectionError
        return await create(collection, id, data)

    world.kept.create = killed  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        await world.sends("c0", world.paid("killed", household=ONE))
    world.kept.create = create  # type: ignore[method-assign]
    for number in range(4):
        await world.sends(f"c{1 + number % 2}", world.paid(f"theirs{number}", household=ONE))
    await world.sends("c0", world.paid("next"))
    assert entry_of("basket_back", "next") in {each["entry"] for each in world.documents(TICKETS)}
    await world.sends("c0", world.paid("killed", household=ONE))
    assert len(world.documents(TICKETS)) == 7 and len(entries(world)[ONE]) == 4


async def test_a_game_without_the_limit_keeps_no_household() -> None:
    world = await opened(rules("instant", 100))
    for number in range(8):
        await world.sends(f"c{number % 4}", world.paid(f"o{number}", household=ONE))
    assert len(world.documents(TICKETS)) == 8 and ONE not in repr(world.kept.collections)


async def test_the_last_place_is_one_orders_however_many_ask_at_once() -> None:
    world = await opened()
    orders = [(f"c{number % 4}", world.paid(f"o{number}", household=ONE)) for number in range(12)]
    answers = await asyncio.gather(*(world.sends(customer, paid) for customer, paid in [*orders, *orders]))
    # Whoever meets others again and again is answered 5xx, and delivered again by Pub/Sub.
    assert set(answers) <= {204, 500, 503}
    for customer, paid in orders:
        assert await world.sends(customer, paid) == 204
    (household,) = world.documents(HOUSEHOLDS)
    assert len(household["entries"]) == 4
    played = [entry for each in world.documents(PLAYERS) for entry in each["orders"]]
    assert sorted(played) == household["entries"] == sorted(each["entry"] for each in world.documents(TICKETS))
    assert all(set(each) == set(PLAYERS.fields) for each in world.documents(PLAYERS))
    assert set(household) == set(HOUSEHOLDS.fields)


@pytest.mark.parametrize("killed", range(1, 13))
async def test_killed_at_any_write_the_next_delivery_ends_the_same(killed: int) -> None:
    whole, broken = [await opened() for _ in range(2)]
    broken.falls_at(killed)
    for number in range(6):
        for world in (whole, broken):
            paid = world.paid(f"o{number}", household=ONE)
            try:
                await world.sends(f"c{number % 3}", paid)
            except ConnectionError:
                await world.sends(f"c{number % 3}", paid)
    for collection in (TICKETS, PLAYERS, HOUSEHOLDS):
        assert broken.documents(collection) == whole.documents(collection)
    assert broken.writes >= 12


def order(number: int, shopper: int, household: str | None) -> Paid:
    return Paid(
        retailer="demo",
        shopper=f"{shopper:032x}",
        order=f"o{number}",
        at=OPENS + timedelta(seconds=number),
        cents=5000,
        household=household,
    )


def consistent(held: FakeDocuments) -> None:
    households = held.collections.get(HOUSEHOLDS.name, {}).values()
    assert all(0 < len(each.data["entries"]) <= 4 for each in households), "never over, never empty"


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    kills=st.sampled_from((0.0, 0.05, 0.3)),
    said=st.lists(st.tuples(st.integers(0, 3), st.sampled_from((ONE, TWO, None))), min_size=1, max_size=10),
)
def test_whatever_is_killed_or_doubled_the_limits_hold_and_players_and_households_agree(
    seed: int, kills: float, said: list[tuple[int, str | None]]
) -> None:
    documents = SteppedDocuments("rewards")
    orders = [order(number, *each) for number, each in enumerate(said)]

    def work() -> list[Work]:
        return [plays(documents, paid, RULES, entry_of(RULES.game, paid.order)) for paid in orders]

    draw = random.Random(seed)
    interleaved([*work(), *work()], draw, kills, lambda: consistent(documents.held))
    takes = [alone(each) for each in work()]
    assert [alone(each) for each in work()] == takes, "what was said is said again"
    players = [each.data for each in documents.held.collections.get(PLAYERS.name, {}).values()]
    told = {entry: household for each in players for entry, household in each["households"].items()}
    held = documents.held.collections.get(HOUSEHOLDS.name, {}).values()
    assert told == {entry: each.data["household"] for each in held for entry in each.data["entries"]}
    assert all(each["orders"] and len(each["orders"]) <= 3 for each in players)
    taken = {entry for each in players for entry in each["orders"]}
    assert taken == {entry_of(RULES.game, paid.order) for paid, yes in zip(orders, takes, strict=True) if yes}


async def test_an_erased_shoppers_entries_leave_and_an_empty_household_goes() -> None:
    world = await opened()
    for number, household in enumerate((ONE, ONE, TWO)):
        await world.sends(f"c{number % 2}", world.paid(f"o{number}", household=household))
    apart = CalledApart(world.service("consent_erasure"))
    first, second = (digest("demo", world.ring.current(customer)) for customer in ("c0", "c1"))
    mine = [entry_of("basket_back", each) for each in ("o0", "o2")]
    told = await apart.told(HOUSEHOLDS, "demo", first)
    assert sorted((each["household"], each["entries"]) for each in told) == [(TWO, mine[1:]), (ONE, mine[:1])]
    assert entry_of("basket_back", "o1") not in repr(told), "nobody is told of another's orders"
    for _ in range(2):
        await apart.erase(HOUSEHOLDS, "demo", [first])
        assert await apart.count(HOUSEHOLDS, "demo", [first]) == 0
        assert entries(world) == {ONE: [entry_of("basket_back", "o1")]}
    assert await apart.count(HOUSEHOLDS, "demo", [first, second]) == 1
    await apart.erase(PLAYERS, "demo", [first])
    assert await apart.erase(HOUSEHOLDS, "demo", [second]) == 1 and entries(world) == {}


async def test_erasing_the_player_alone_frees_the_household_too() -> None:
    """As after a step of households that an order under way had overtaken."""
    world = await opened()
    await world.sends("c0", world.paid("o0", household=ONE))
    apart = CalledApart(world.service("consent_erasure"))
    assert await apart.erase(PLAYERS, "demo", [digest("demo", world.ring.current("c0"))]) == 1
    assert world.documents(PLAYERS) == world.documents(HOUSEHOLDS) == []


class Shuffled(Interleaved):
    """Others have their turn before each operation, more or fewer of them by the seed."""

    def __init__(self, seed: int) -> None:
        super().__init__("rewards")
        self.draw = random.Random(seed)

    async def _others(self, most: int = 3) -> None:
        for _ in range(self.draw.randint(0, most)):
            await asyncio.sleep(0)

    async def get(self, collection: Collection, id: str) -> Document | None:
        await self._others()
        return await super().get(collection, id)

    async def remove(self, collection: Collection, known: Document) -> bool:
        await self._others(20)
        return await super().remove(collection, known)

    async def delete(self, collection: Collection, id: str) -> None:
        await self._others(20)
        await super().delete(collection, id)


@pytest.mark.parametrize("seed", range(60))
async def test_an_erasure_amid_the_orders_leaves_nothing_of_the_shopper(seed: int) -> None:
    documents = Shuffled(seed)
    apart = ApartDocuments(documents, REGISTRY.by_id)
    gone, more, stays = order(0, 1, ONE), order(2, 1, TWO), order(1, 2, ONE)

    async def erased() -> None:
        for _ in range(documents.draw.randrange(12)):
            await asyncio.sleep(0)
        for collection in (HOUSEHOLDS, PLAYERS):
            await apart.erase(collection, "demo", [gone.shopper])

    async def pays(paid: Paid) -> None:
        await plays(documents, paid, RULES, entry_of(RULES.game, paid.order))

    await asyncio.gather(pays(gone), pays(stays), pays(gone), erased(), pays(more))
    await erased()  # What was under way: the stores are read again.
    held = documents.collections
    assert [each.data["entries"] for each in held[HOUSEHOLDS.name].values()] == [[entry_of(RULES.game, "o1")]]
    assert [each.data["shopper"] for each in held[PLAYERS.name].values()] == [stays.shopper]


async def test_a_purge_removes_households_that_outlived_their_contract() -> None:
    world = await opened()
    await world.sends("c0", world.paid("o0", household=ONE))
    late = msgspec.structs.replace(world.paid("o1", household=ONE), at=OPENS)
    await world.sends("c1", late)
    assert [each["at"] for each in world.documents(HOUSEHOLDS)] == [world.now], "that of the newest order"
    apart = CalledApart(world.service("retention_purge"))
    ends = world.now + timedelta(days=DEMO.contract.rewards)
    assert (await apart.purge(HOUSEHOLDS, ends, False)).removed == 0
    done = await apart.purge(HOUSEHOLDS, ends + timedelta(seconds=1), False)
    assert (done.removed, done.expired, done.undated) == (1, 0, 0) and world.documents(HOUSEHOLDS) == []
