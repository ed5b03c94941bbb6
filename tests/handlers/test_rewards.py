"""A game from its announcement to an erased winner, on fakes: every entrance, and what nobody can get out of it."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from msgspec import UNSET, UnsetType

from functions.claims import handler as claims
from functions.rewards import handler as rewards
from functions.rewards.rules import CLAIM_DAYS, audited
from functions.rewards.seeds import AnotherSeed, Seeds
from functions.rewards.stages import CLOSED
from layers.calling import Refused, Unreachable
from layers.events.model import Kept, KeptLine, Payment
from layers.game.chance import entry_of
from layers.game.verify import verify
from layers.privacy.shopper_token import issue
from layers.privacy.suppression import digest
from layers.signing.sealing import LocalSealer, NotSealed
from layers.stores.apart import CalledApart
from layers.stores.collections import CONTACTS, GAMES, PLAYERS, PRIZES, REFUNDS, TICKETS
from tests.handlers.asking import ask
from tests.handlers.game_world import CLOSES, DEMO, EMAIL, KEY, OPENS, World, played, rules, won


async def test_from_the_announcement_to_an_erased_winner() -> None:
    world = World()
    announced = await played(world)
    winners = await won(world)
    assert 0 < len(winners) <= 2
    customer, (order, ticket) = next(iter(winners.items()))
    assert ticket["prize_cents"] == 5000 and not ticket["claimed"]

    page = await world.opens(ticket["claim"])
    assert page.status_code == 200 and "50,00 €" in bytes(page.body).decode()
    assert (await world.leaves(ticket["claim"], "no address")).status_code == 422
    assert (await world.leaves(ticket["claim"], EMAIL)).status_code == 200
    assert (await world.leaves(ticket["claim"], "mallory@example.com")).status_code == 410, "a link serves once"
    assert [each["email"] for each in world.documents(CONTACTS)] == [EMAIL]
    assert (await world.asks(customer, order))[0]["claimed"] is True

    first = await world.refunds("r-1")
    assert EMAIL.encode() in first and await world.refunds("r-1") == first
    second = await world.refunds("r-2")
    assert audited([first, second]) == [] and len(second.splitlines()) == 1, "each prize in one list"

    world.at(CLOSES + timedelta(minutes=11))
    assert (await world.close())["status"] == CLOSED
    verdict = verify(await world.transcript())
    assert verdict.problems == [] and verdict.commitment_sha256 == announced["commitment_sha256"]
    assert len(verdict.winners) == len(winners) and verdict.tickets == 6

    apart = CalledApart(world.service("consent_erasure"))
    whose = [digest("demo", world.ring.current(customer))]
    assert (await apart.told(CONTACTS, "demo", whose[0]))[0]["email"] == EMAIL
    for collection in (PLAYERS, CONTACTS):
        assert await apart.count(collection, "demo", whose) == 1
        assert await apart.erase(collection, "demo", whose) == 1
        assert await apart.count(collection, "demo", whose) == 0
    held = repr(world.kept.collections)
    assert EMAIL not in held and whose[0] not in held and f"'{order}'" not in held
    assert await world.asks(customer, order) == []
    assert (await world.opens(ticket["claim"])).status_code == 404
    assert (await world.leaves(ticket["claim"], EMAIL)).status_code == 404, "whoever is erased leaves no address"
    assert EMAIL.encode() not in await world.refunds("r-1") and audited([await world.refunds("r-1"), second]) == []
    assert verify(await world.transcript()).problems == [], "a transcript outlives its players"


async def test_deliveries_doubled_and_out_of_order_leave_one_ticket_an_order() -> None:
    world = World()
    await world.announce(rules("instant", 20))
    await world.agrees("c1")
    world.at(OPENS + timedelta(hours=3, minutes=1))
    paid, gone, ended = world.paid("o1"), world.paid("o2"), world.ended("o2")
    assert await world.sends("c1", ended) == 204
    for _ in range(3):
        assert await world.sends("c1", paid, gone, paid) == 204
    assert [each["entry"] for each in world.documents(TICKETS) if each["outcome"]] == [entry_of("basket_back", "o1")]
    assert await world.asks("c1", "o2") == [], "cancelled before it was paid"
    taken = [each for place in world.documents(PRIZES) for each in place["won"]]
    assert len({each["entry"] for each in taken}) == len(taken)


async def test_an_order_of_which_a_part_was_refunded_keeps_its_ticket() -> None:
    world = World()
    await world.announce(rules("instant", 20))
    await world.agrees("c1")
    world.at(OPENS + timedelta(hours=3, minutes=1))
    part = msgspec.structs.replace(world.ended("o1"), status="refunded", kept=Kept(30.0, (KeptLine("p1", 30.0),)))
    assert await world.sends("c1", world.paid("o1"), part) == 204
    assert [each["entry"] for each in world.documents(TICKETS) if each["outcome"]] == [entry_of("basket_back", "o1")]
    await world.sends("c1", world.ended("o1"))
    assert (await world.asks("c1", "o1"))[0]["outcome"] == "void"


@pytest.mark.parametrize("killed", range(1, 9))
async def test_killed_at_any_write_the_next_delivery_ends_the_same(killed: int) -> None:
    """The same orders with one write that fails, before or after it is done: tickets and prizes are the same."""
    whole, broken = World(), World()
    for world in (whole, broken):
        await world.announce(rules("instant", 1))
        for number in range(4):
            await world.agrees(f"c{number}")
        world.at(OPENS + timedelta(hours=2, minutes=1))
    broken.falls_at(killed)
    for number in range(4):
        for world in (whole, broken):
            paid = world.paid(f"o{number}")
            try:
                await world.sends(f"c{number}", paid)
            except ConnectionError:
                await world.sends(f"c{number}", paid)
    for collection in (TICKETS, PRIZES, PLAYERS):
        assert broken.documents(collection) == whole.documents(collection)


@pytest.mark.parametrize("turns", range(16))
async def test_an_order_cancelled_while_its_ticket_is_made_leaves_no_prize_without_one(turns: int) -> None:
    """A prize that nobody's ticket holds would leave those who were told that all are gone without a proof."""
    world = World()
    await world.announce(rules("instant", 3).replace("wins: 1, of: 2", "wins: 1, of: 1"))
    world.at(OPENS + timedelta(hours=1, minutes=1))
    for number in range(6):
        await world.agrees(f"c{number}")

    async def cancels(order: str) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await world.sends("c0", world.ended(order))

    assert set(await asyncio.gather(world.sends("c0", world.paid("o0")), cancels("o0"))) == {204}
    for number in range(1, 6):
        await world.sends(f"c{number}", world.paid(f"o{number}"))
    world.at(CLOSES + timedelta(minutes=11))
    await world.close()
    verdict = verify(await world.transcript())
    assert verdict.problems == [] and entry_of("basket_back", "o0") not in verdict.winners


async def test_who_is_killed_between_prize_and_ticket_and_comes_again_too_late_has_the_ticket() -> None:
    world = World()
    await world.announce(rules("instant", 1).replace("wins: 1, of: 2", "wins: 1, of: 1"))
    world.at(OPENS + timedelta(hours=1, minutes=1))
    for customer in ("c0", "c1"):
        await world.agrees(customer)
    create = world.kept.create

    async def falls(collection: Any, id: str, data: Mapping[str, Any]) -> bool:
        if collection.name == TICKETS.name:
            raise ConnectionError
        return await create(collection, id, data)

    world.kept.create = falls  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        await world.sends("c0", world.paid("o0"))
    world.kept.create = create  # type: ignore[method-assign]
    await world.sends("c1", world.paid("o1"))
    world.at(CLOSES + timedelta(minutes=11))
    await world.close()
    assert [each["outcome"] for each in await world.asks("c0", "o0")] == ["won"]
    assert verify(await world.transcript()).problems == []


async def test_prizes_never_exceed_what_a_tier_has_however_many_win_at_once() -> None:
    world = World()
    await world.announce(rules("instant", 3).replace("wins: 1, of: 2", "wins: 1, of: 1"))
    world.at(OPENS + timedelta(hours=1, minutes=1))
    for number in range(20):
        await world.agrees(f"c{number}")
    assert set(
        await asyncio.gather(*(world.sends(f"c{number}", world.paid(f"o{number}")) for number in range(20)))
    ) == {204}
    outcomes = [each["outcome"] for each in world.documents(TICKETS)]
    assert sorted(outcomes) == ["over"] * 17 + ["won"] * 3
    world.at(CLOSES + timedelta(minutes=11))
    await world.close()
    assert verify(await world.transcript()).problems == []


async def test_who_did_not_agree_is_erased_or_brings_history_does_not_play() -> None:
    world = World()
    await world.announce(rules("instant"))
    world.at(OPENS + timedelta(hours=1, minutes=1))
    await world.sends("silent", world.paid("o1"))
    await world.agrees("refuses", False)
    await world.sends("refuses", world.paid("o2"))
    for customer in ("gone", "past"):
        await world.agrees(customer)
    world.suppressions.suppress("demo", world.ring.current("gone"), world.now + timedelta(seconds=1))
    await world.sends("gone", world.paid("o3"))
    await world.sends("past", world.paid("o4"), channel="history")
    await world.agrees("small")
    await world.sends("small", world.paid("o5", 19.99))
    assert world.documents(TICKETS) == [] and world.documents(PLAYERS) == []


async def test_a_shopper_has_so_many_tickets_and_no_more() -> None:
    world = World()
    await world.announce(rules("instant", 100))
    world.at(OPENS + timedelta(hours=1, minutes=1))
    await world.agrees("c1")
    await asyncio.gather(*(world.sends("c1", world.paid(f"o{number}")) for number in range(8)))
    assert len(world.documents(TICKETS)) == 3 and len(world.documents(PLAYERS)[0]["orders"]) == 3


async def test_a_way_of_payment_that_the_rules_bound_gives_no_more_tickets() -> None:
    world = World()
    await world.announce(rules("instant") + "tickets_by_payment: {gift_card: 1, meal_voucher: 0, unsaid: 1}\n")
    world.at(OPENS + timedelta(hours=1, minutes=1))
    await world.agrees("c1")
    ways: list[Payment | UnsetType] = ["meal_voucher", "gift_card", "gift_card", UNSET, UNSET, "card", "card"]
    for number, way in enumerate(ways):
        for _ in range(2):
            await world.sends("c1", world.paid(f"o{number}", payment=way))
    assert sorted(world.documents(PLAYERS)[0]["payments"].values()) == ["card", "gift_card", "unsaid"]
    assert len(world.documents(TICKETS)) == 3, "the shopper's own limit holds beside"
    await world.agrees("c2")
    await world.sends("c2", world.paid("another", payment="gift_card"))
    assert len(world.documents(TICKETS)) == 4, "each shopper has a limit of their own"
    world.at(CLOSES + timedelta(minutes=11))
    await world.close()
    assert verify(await world.transcript()).problems == []


async def test_a_draw_is_sealed_then_drawn_and_recomputed_by_a_stranger() -> None:
    world = World()
    await played(world, "draw", 6)
    assert {(await world.asks(f"c{number}", f"o{number}"))[0]["outcome"] for number in range(6)} == {"waiting"}
    await world.sends("c0", world.ended("o0"))
    world.at(CLOSES + timedelta(minutes=1))
    early = await world.officer("POST", "/v1/games/demo/basket_back/close", {})
    assert early.status_code == 409 and b"too-early" in early.body
    late = world.paid("late")
    late = msgspec.structs.replace(late, at=CLOSES - timedelta(seconds=1))
    await world.agrees("late")
    await world.sends("late", late)
    world.at(CLOSES + timedelta(minutes=6))
    sealed = await world.close()
    assert sealed["status"] == "sealed" and len(sealed["sealed_sha256"]) == 64 and "next" in sealed
    assert (await world.officer("GET", "/v1/games/demo/basket_back/transcript")).status_code == 409
    await world.sends("c1", world.paid("o-after"))
    world.at(CLOSES + timedelta(minutes=11))
    assert (await world.close())["sealed_sha256"] == sealed["sealed_sha256"]
    found = await world.transcript()
    verdict = verify(found)
    assert verdict.problems == [] and len(verdict.winners) == 2 and verdict.tickets == 7
    assert entry_of("basket_back", "o0") not in verdict.winners
    winners = await won(world)
    # Cancelled after the draw: no prize any more, and the transcript stays as it was published.
    customer, (order, ticket) = next(iter(winners.items()), ("late", ("late", (await world.asks("late", "late"))[0])))
    await world.sends(customer, world.ended(order))
    assert (await world.leaves(ticket["claim"], EMAIL)).status_code == 410
    assert await world.transcript() == found


async def test_a_draw_that_was_not_sealed_in_time_is_never_drawn() -> None:
    world = World()
    await played(world, "draw")
    world.at(CLOSES + timedelta(minutes=10))
    answer = await world.officer("POST", "/v1/games/demo/basket_back/close", {})
    assert answer.status_code == 409 and b"sealed-too-late" in answer.body
    assert world.documents(GAMES)[0]["status"] == "missed"
    for _ in range(2):
        assert (await world.officer("POST", "/v1/games/demo/basket_back/close", {})).status_code == 409
    assert (await world.officer("GET", "/v1/games/demo/basket_back/transcript")).status_code == 409
    assert {(await world.asks(f"c{number}", f"o{number}"))[0]["outcome"] for number in range(6)} == {"undrawn"}


async def test_rules_and_seed_are_bound_before_anybody_plays() -> None:
    world = World()
    announced = await world.announce(rules("instant"))
    assert await world.announce(rules("instant")) == announced
    changed = await world.officer("POST", "/v1/games", {"retailer": "demo", "rules": rules("instant", 3)})
    assert changed.status_code == 409
    world.at(OPENS)
    late = await world.officer("POST", "/v1/games", {"retailer": "demo", "rules": rules("instant", game="next_game")})
    assert late.status_code == 400 and b"too-late" in late.body
    drand = rules("instant", game="third").replace("laptop test", "drand quicknet " + "a" * 64)
    assert b"laptop" in (await world.officer("POST", "/v1/games", {"retailer": "demo", "rules": drand})).body


class Locked(LocalSealer):
    """Counts who opens."""

    def __init__(self) -> None:
        super().__init__(KEY)
        self.opened = 0

    async def open(self, sealed: bytes, about: bytes) -> bytes:
        self.opened += 1
        return await super().open(sealed, about)


@pytest.mark.parametrize("kind", ["instant", "draw"])
async def test_a_seed_is_sealed_until_it_is_needed(kind: str) -> None:
    world, locked = World(), Locked()
    world.room = replace(world.room, seeds=Seeds(locked))
    await world.announce(rules(kind))
    held = world.documents(GAMES)[0]
    assert held["seed"] == "" and locked.opened == 0
    await played(world, kind)
    assert locked.opened == (1 if kind == "instant" else 0), "of a draw nobody who plays opens it"
    world.at(CLOSES + timedelta(minutes=6))
    await world.close()
    assert locked.opened == (1 if kind == "instant" else 0), "nor who seals the list of tickets"
    world.at(CLOSES + timedelta(minutes=11))
    await world.close()
    seed = bytes.fromhex((await world.transcript())["seed"])
    assert locked.opened == 1 and sha256(seed).hexdigest() == held["seed_sha256"]
    assert seed not in base64.b64decode(held["sealed_seed"])


async def test_two_games_have_two_seeds_and_neither_opens_as_the_other() -> None:
    world = World()
    world.room = replace(world.room, seeds=Seeds(LocalSealer(KEY)))
    await world.announce(rules("draw"))
    await world.announce(rules("draw", game="another"))
    first, second = world.documents(GAMES)
    assert first["seed_sha256"] != second["seed_sha256"]
    with pytest.raises(NotSealed):
        await world.room.seeds.of({**first, "sealed_seed": second["sealed_seed"]})
    with pytest.raises(AnotherSeed):
        await world.room.seeds.of({**first, "seed_sha256": second["seed_sha256"]})


async def test_a_beacon_that_is_silent_costs_nobody_a_ticket() -> None:
    world = World()
    await world.announce(rules("instant"))
    await world.agrees("c1")
    world.at(OPENS + timedelta(hours=1, minutes=1))
    world.beacons.down = True
    with pytest.raises(Unreachable):
        await world.sends("c1", world.paid("o1"))
    world.beacons.down = False
    await world.sends("c1", world.paid("o1"))
    assert len(world.documents(TICKETS)) == 1


async def test_each_caller_asks_only_what_is_its_own() -> None:
    world = World()
    await played(world)
    for name, path in (
        ("claims", "/v1/apart"),
        ("tickets", "/v1/prizes/claim"),
        ("consent_erasure", "/v1/tickets"),
        ("decisioning", "/v1/results"),
        ("claims", "/v1/refunds"),
    ):
        with pytest.raises(Refused) as refused:
            await world.service(name).call(path, {"retailer": "demo", "reference": "r"})
        assert refused.value.status in (400, 403)
    for method, path, body in (
        ("POST", "/v1/apart", {"act": "told", "collection": "contacts"}),
        ("POST", "/v1/prizes/claim", {"token": "t", "email": EMAIL}),
    ):
        assert (await world.officer(method, path, body)).status_code == 403, "not even the officer"
    stranger = await world.officer("GET", "/v1/games/demo/basket_back", email="them@other.example")
    assert stranger.status_code == 403
    nobody = await rewards.answer(ask("POST", "/v1/refunds", b"{}"), world.room, world.now)
    assert nobody.status_code == 401


async def test_a_strangers_question_or_link_finds_nothing() -> None:
    world = World()
    await played(world)
    customer, (order, ticket) = next(iter((await won(world)).items()))
    assert await world.asks("somebody-else", order) == []
    for said in ("c0", "", issue(bytes(32), customer, world.now.timestamp())):
        asked = ask("GET", "/v1/tickets", b"", {"gondola-shopper": said}, f"key={'r' * 16}&order={order}")
        assert (await claims.answer(asked, world.claims, world.now)).status_code == 401
    token = ticket["claim"].partition("token=")[2]
    said, signature = token.split(".")
    forged = base64.urlsafe_b64encode(base64.urlsafe_b64decode(said + "==").replace(b"demo", b"other")).decode()
    for bad in (f"{forged.rstrip('=')}.{signature}", said, "", "." * 5, f"{said}.AAAA", "x" * 5000):
        assert (await world.opens(f"/claim?token={bad}")).status_code == 404
    world.at(CLOSES + timedelta(days=61))
    assert (await world.leaves(ticket["claim"], EMAIL)).status_code == 410
    assert world.documents(CONTACTS) == []


async def test_two_winners_of_one_link_and_two_lists_at_once() -> None:
    world = World()
    await played(world)
    winners = await won(world)
    for _, ticket in winners.values():
        answers = await asyncio.gather(*(world.leaves(ticket["claim"], f"a{n}@example.com") for n in range(4)))
        assert sorted(each.status_code for each in answers) == [200, 410, 410, 410]
    lists = await asyncio.gather(*(world.refunds(f"r-{number}") for number in range(4)))
    lists.sort(key=lambda text: json.loads(text.splitlines()[0])["number"])
    assert audited(lists) == []
    assert sum(len(text.splitlines()) - 1 for text in lists) == len(winners) == len(world.documents(CONTACTS))
    assert [each["number"] for each in world.documents(REFUNDS)] == [1, 2, 3, 4]
    assert not re.search("@", repr(world.documents(REFUNDS)))


async def test_an_address_is_in_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    await played(world)
    _, (_, ticket) = next(iter((await won(world)).items()))
    await world.leaves(ticket["claim"], EMAIL + "<")
    await world.leaves(ticket["claim"], EMAIL)
    await world.refunds("r-1")
    assert "anne" not in capsys.readouterr().out


async def test_an_erasure_that_overtakes_a_claim_leaves_no_contact() -> None:
    world = World()
    await played(world)
    customer, (_, ticket) = next(iter((await won(world)).items()))
    create = world.kept.create

    async def overtaken(collection: Any, id: str, data: Mapping[str, Any]) -> bool:
        done = await create(collection, id, data)
        if collection == CONTACTS:
            await world.room.apart.erase(PLAYERS, "demo", [digest("demo", world.ring.current(customer))])
        return done

    world.kept.create = overtaken  # type: ignore[method-assign]
    assert (await world.leaves(ticket["claim"], EMAIL)).status_code == 404
    assert world.documents(CONTACTS) == []


def test_what_is_kept_is_what_is_declared() -> None:
    async def used() -> World:
        world = World()
        await played(world)
        for _, ticket in (await won(world)).values():
            await world.leaves(ticket["claim"], EMAIL)
        await world.refunds("r-1")
        return world

    world = asyncio.run(used())
    for collection in (GAMES, TICKETS, PRIZES, PLAYERS, CONTACTS, REFUNDS):
        found = world.documents(collection)
        assert found, collection.name
        assert all(set(each) == set(collection.fields) for each in found), collection.name
        held = repr(found)
        if not collection.holds_shoppers:
            shoppers = [digest("demo", world.ring.current(f"c{number}")) for number in range(6)]
            assert not any(each in held for each in [EMAIL, *shoppers]), collection.name


async def test_a_purge_removes_what_outlived_its_contract() -> None:
    world = World()
    await played(world)
    apart = CalledApart(world.service("retention_purge"))
    later = OPENS + timedelta(days=DEMO.contract.rewards + 2)
    assert (await apart.purge(TICKETS, OPENS + timedelta(days=9), False)).removed == 0
    for collection in (GAMES, TICKETS, PRIZES, PLAYERS):
        dry = await apart.purge(collection, later, True)
        done = await apart.purge(collection, later, False)
        assert dry.removed == done.removed > 0 and done.expired == done.undated == 0
    assert world.documents(TICKETS) == [] and DEMO.contract.rewards > CLAIM_DAYS
