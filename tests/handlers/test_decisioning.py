"""Every event stored is decided once, whatever is delivered twice, late, damaged or in the middle of a failure."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest
from starlette.responses import Response

from functions.decisioning.handler import answer
from functions.decisioning.room import Room
from functions.decisioning.rules import PACKED
from layers.campaigns.known import KnownCampaigns
from layers.events.record import decode_record, milliseconds
from layers.stores.collections import QUARANTINE
from layers.stores.pubsub.port import Message
from layers.tree.live import FRESH_S, change
from layers.tree.programme import resume, stop
from layers.tree.state import decode_state
from tests.handlers.asking import ask
from tests.handlers.visiting import NOW, OTHER, SHOPPER, Stores, pushed, seen


class Stack(Stores):
    @property
    def room(self) -> Room:
        return Room(
            self.registry,
            self.hot,
            self.rows,
            self.documents,
            self.trees,
            self.topic,
            self.suppressions,
            KnownCampaigns(self.documents, lambda: self.clock),
        )

    async def push(self, body: bytes) -> Response:
        return await answer(ask("POST", "/", body), self.room, NOW)

    async def node(self, shopper: str = SHOPPER, retailer: str = "demo") -> str | None:
        state = (await self.rows.read(retailer, shopper)).state
        return decode_state(state).node if state else None

    async def set_aside(self) -> list[dict[str, object]]:
        return [document.data for document in await self.documents.find(QUARANTINE)]


@pytest.fixture
async def stack() -> Stack:
    stack = Stack()
    await stack.open()
    return stack


ADD = seen("AddedToBasket", 1)
VIEW = seen("PageViewed", 0)


async def test_a_push_becomes_decisions_and_a_state(stack: Stack) -> None:
    other = seen("AddedToBasket", 2, shopper=OTHER)
    await stack.store(VIEW, ADD, other)
    assert (await stack.push(pushed(VIEW, ADD, other))).status_code == 204
    assert [(d.event_id, d.node_before, d.node_after) for d in stack.published()] == [
        (VIEW.event.id, "arrival", "arrival"),
        (ADD.event.id, "arrival", "building"),
        (other.event.id, "arrival", "newcomer"),
    ]
    assert stack.topic.messages[0].attributes == {"retailer": "demo", "count": "3", "trace": "trace-1"}
    assert await stack.node() == "building" and await stack.node(OTHER) == "newcomer"


async def test_a_second_delivery_changes_and_publishes_nothing(stack: Stack) -> None:
    await stack.store(VIEW, ADD)
    await stack.push(pushed(VIEW, ADD))
    before = await stack.rows.read("demo", SHOPPER)
    assert (await stack.push(pushed(ADD, VIEW))).status_code == 204
    assert len(stack.published()) == 2 and await stack.rows.read("demo", SHOPPER) == before


async def test_a_late_event_makes_newer_revisions_of_what_follows(stack: Stack) -> None:
    paid = seen("OrderPaid", 2)
    await stack.store(ADD)
    await stack.push(pushed(ADD))
    await stack.store(VIEW, paid)
    await stack.push(pushed(VIEW))
    newest = {d.event_id: d for d in sorted(stack.published(), key=lambda d: d.revision)}
    # `paid` was stored and not yet delivered: it counts already.
    assert [newest[r.event.id].revision for r in (VIEW, ADD, paid)] == [1, 2, 3]
    assert await stack.node() == "order_paid"


async def test_past_orders_in_bulk_move_nobody_and_cost_no_read(stack: Stack) -> None:
    stack.rows.down = stack.hot.down = True
    old = seen("OrderPaid", 0, channel="history")
    assert (await stack.push(pushed(old))).status_code == 204
    assert stack.published() == []


async def test_what_is_no_longer_stored_was_erased_and_does_not_come_back(stack: Stack) -> None:
    consent = seen("ConsentChanged", 0)
    await stack.rows.delete_shopper("demo", SHOPPER)
    assert (await stack.push(pushed(consent, ADD))).status_code == 204
    row = await stack.rows.read("demo", SHOPPER)
    assert (row.state, row.consent, stack.published()) == (None, None, [])


async def test_consent_is_kept_by_its_own_time_and_rules_the_decision(stack: Stack) -> None:
    refusal = seen("ConsentChanged", 5, purposes={"personalisation": False})
    agreed = seen("ConsentChanged", 0, channel="history", id="agreement-1")
    await stack.store(refusal, agreed, ADD)
    await stack.push(pushed(refusal))
    await stack.push(pushed(agreed, ADD))
    consent = (await stack.rows.read("demo", SHOPPER)).consent
    assert consent is not None and json.loads(consent)["event"]["id"] == refusal.event.id
    newest = {d.event_id: d for d in sorted(stack.published(), key=lambda d: d.revision)}
    assert json.loads(newest[refusal.event.id].shown)[0]["default"] is True
    assert newest[ADD.event.id].node_after == "building"


async def test_of_two_consents_in_one_millisecond_the_row_ends_with_the_larger_id(stack: Stack) -> None:
    larger, smaller = seen("ConsentChanged", 5, id="consent-z", purposes={}), seen("ConsentChanged", 5, id="consent-a")
    await stack.keep(larger)
    await stack.keep(smaller)
    await stack.push(pushed(larger))
    await stack.push(pushed(smaller))
    consent = (await stack.rows.read("demo", SHOPPER)).consent
    assert consent is not None and decode_record(consent).event.id == "consent-z"


async def test_a_retailer_that_asks_first_shows_nothing_personal_before(stack: Stack) -> None:
    await stack.store(ADD, retailer="strict")
    await stack.push(pushed(ADD, retailer="strict"))
    assert json.loads(stack.published()[0].reason)[-1]["rule"] == "refused"
    agreed, more = seen("ConsentChanged", 2), seen("AddedToBasket", 3)
    await stack.store(agreed, more, retailer="strict")
    await stack.push(pushed(agreed, more, retailer="strict"))
    assert await stack.node(retailer="strict") == "building"


async def test_a_corrupt_line_is_set_aside_without_its_content_and_the_others_are_decided(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    await stack.store(ADD)
    for _ in range(2):
        assert (await stack.push(pushed(ADD, extra=b'{"shopper":"secret@example.com"}'))).status_code == 204
    [document] = await stack.set_aside()
    assert (document["line"], document["message"], document["source"]) == (2, "message-1", "decisioning")
    assert "secret" not in str(document) + capsys.readouterr().out
    assert len(stack.published()) == 1


async def test_a_message_of_no_known_retailer_is_set_aside(stack: Stack) -> None:
    assert (await stack.push(pushed(ADD, retailer="nobody"))).status_code == 204
    assert len(await stack.set_aside()) == 1


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"message":{"data":"%%%"}}'])
async def test_a_caller_that_is_no_push_is_told_so(stack: Stack, body: bytes) -> None:
    response = await stack.push(body)
    assert response.status_code == 400 and response.media_type == "application/problem+json"


@pytest.mark.parametrize("store", ["hot", "rows", "topic"])
async def test_a_store_that_is_down_makes_the_message_come_again(stack: Stack, store: str) -> None:
    await stack.store(VIEW, ADD)
    getattr(stack, store).down = True
    assert (await stack.push(pushed(VIEW, ADD))).status_code == 503
    assert await stack.set_aside() == []
    getattr(stack, store).down = False
    assert (await stack.push(pushed(VIEW, ADD))).status_code == 204
    assert {d.event_id for d in stack.published()} == {VIEW.event.id, ADD.event.id}
    assert await stack.node() == "building"


async def test_killed_after_publishing_the_same_decisions_come_again(stack: Stack) -> None:
    class Dying(type(stack.rows)):  # type: ignore[misc]
        async def swap_state(self, *_: object) -> bool:
            raise RuntimeError("killed")

    await stack.store(VIEW, ADD)
    alive, dying = stack.rows, Dying()
    dying.rows = alive.rows
    stack.rows = dying
    with pytest.raises(RuntimeError):
        await stack.push(pushed(VIEW, ADD))
    stack.rows = alive
    assert await stack.node() is None
    assert (await stack.push(pushed(VIEW, ADD))).status_code == 204
    first, second = stack.published()[:2], stack.published()[2:]
    assert first == second and await stack.node() == "building"


async def test_a_state_written_meanwhile_is_read_again(stack: Stack) -> None:
    more = seen("AddedToBasket", 2, product="usual3")
    await stack.store(VIEW, ADD, more)

    class Raced(type(stack.topic)):  # type: ignore[misc]
        """Another instance decides the same shopper between our publishing and our writing."""

        raced = False

        async def publish(self, messages: list[Message]) -> None:
            await super().publish(messages)
            if not self.raced:
                self.raced = True
                await stack.push(pushed(more))

    stack.topic = Raced()
    assert (await stack.push(pushed(VIEW, ADD))).status_code == 204
    state = (await stack.rows.read("demo", SHOPPER)).state
    assert state and decode_state(state).events == 3
    newest = {d.event_id: d for d in stack.published()}
    assert [newest[r.event.id].revision for r in (VIEW, ADD, more)] == [1, 2, 3]


@pytest.mark.parametrize("damage", [b"\xff not json", b'{"format":9}', b"{}"])
async def test_a_damaged_row_costs_a_longer_read_and_nobody_else(stack: Stack, damage: bytes) -> None:
    other = seen("AddedToBasket", 2, shopper=OTHER)
    await stack.store(VIEW, ADD, other)
    assert await stack.rows.swap_state("demo", SHOPPER, None, damage)
    await stack.rows.write_parameters("demo", [(OTHER, b"damaged")], 2)
    assert (await stack.push(pushed(ADD, other))).status_code == 204
    assert await stack.node() == "building" and await stack.node(OTHER) == "newcomer"


async def test_without_a_tree_consents_are_kept_and_nothing_is_decided(capsys: pytest.CaptureFixture[str]) -> None:
    stack = Stack()
    consent = seen("ConsentChanged", 0)
    await stack.store(consent, ADD)
    assert (await stack.push(pushed(consent, ADD))).status_code == 204
    assert stack.published() == [] and (await stack.rows.read("demo", SHOPPER)).consent
    assert "no tree is published" in capsys.readouterr().out
    await stack.open()
    stack.clock = 60
    more = seen("AddedToBasket", 2)
    await stack.store(more)
    await stack.push(pushed(more))
    state = (await stack.rows.read("demo", SHOPPER)).state
    assert state and decode_state(state).events == 3


async def test_many_decisions_are_packed(stack: Stack) -> None:
    many = [seen("PageViewed", n / 100, id=f"event-{n:05d}") for n in range(PACKED + 1)]
    await stack.store(*many)
    await stack.push(pushed(*many))
    assert [message.attributes["count"] for message in stack.topic.messages] == [str(PACKED), "1"]


async def test_nothing_of_a_shopper_is_logged(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    search = seen("Searched", 0, query="my secret remedy")
    await stack.store(search)
    await stack.push(pushed(search))
    await stack.rows.swap_state("demo", SHOPPER, (await stack.rows.read("demo", SHOPPER)).state, b"damaged")
    again = msgspec.structs.replace(search, received=NOW)
    await stack.push(pushed(again))
    said = capsys.readouterr().out
    assert "decided" in said and "damaged" not in said.replace("cannot be read", "")
    assert SHOPPER not in said and "secret" not in said and str(milliseconds(search.event.at)) not in said


async def test_one_shopper_that_cannot_be_decided_is_set_aside_and_the_others_are_decided(stack: Stack) -> None:
    other = seen("AddedToBasket", 2, shopper=OTHER)
    await stack.store(ADD, other)

    class Odd(type(stack.rows)):  # type: ignore[misc]
        async def read(self, retailer_id: str, shopper: str) -> object:
            if shopper == OTHER:
                raise ValueError(f"a bug that quotes {shopper}")
            return await super().read(retailer_id, shopper)

    odd = Odd()
    odd.rows = stack.rows.rows
    stack.rows = odd
    assert (await stack.push(pushed(ADD, other))).status_code == 204
    [document] = await stack.set_aside()
    assert document["reason"] == "1 shoppers could not be decided" and OTHER not in str(document)
    assert await stack.node() == "building"


async def test_a_state_that_others_keep_changing_is_left_to_the_next_delivery(stack: Stack) -> None:
    class Lost(type(stack.rows)):  # type: ignore[misc]
        async def swap_state(self, *_: object) -> bool:
            return False

    await stack.store(ADD)
    lost = Lost()
    lost.rows = stack.rows.rows
    stack.rows = lost
    assert (await stack.push(pushed(ADD))).status_code == 503
    assert len({(d.event_id, d.revision, d.shown) for d in stack.published()}) == 1


class TestOfAnErasedShopper:
    """Erased after `ADD`; what she does afterwards is a new shopper's."""

    AGREED = seen("ConsentChanged", 0, id="agreement-1")
    BACK = seen("AddedToBasket", 30, product="other")

    async def erased(self, stack: Stack) -> None:
        """Everything is still stored: the saga has only written its suppression."""
        await stack.store(VIEW, self.AGREED, ADD)
        assert (await stack.push(pushed(VIEW, self.AGREED, ADD))).status_code == 204
        assert await stack.node() is not None
        stack.suppressions.suppress("demo", SHOPPER, ADD.event.at)
        stack.topic.messages.clear()

    async def test_late_and_replayed_events_are_neither_decided_nor_kept(self, stack: Stack) -> None:
        await self.erased(stack)
        await stack.rows.delete_shopper("demo", SHOPPER)
        assert (await stack.push(pushed(VIEW, self.AGREED, ADD))).status_code == 204
        row = await stack.rows.read("demo", SHOPPER)
        assert (row.state, row.consent, stack.published()) == (None, None, [])

    async def test_who_comes_back_starts_anew_though_the_old_is_not_deleted_yet(self, stack: Stack) -> None:
        await self.erased(stack)
        await stack.store(self.BACK)
        assert (await stack.push(pushed(ADD, self.BACK))).status_code == 204
        [decision] = stack.published()
        assert (decision.event_id, decision.revision, decision.parameters_version) == (self.BACK.event.id, 1, "")
        raw = (await stack.rows.read("demo", SHOPPER)).state
        assert raw is not None
        state = decode_state(raw)
        assert (state.events, list(state.basket), state.consent) == (1, ["other"], None)

    async def test_somebody_elses_events_of_the_same_message_are_decided(self, stack: Stack) -> None:
        await self.erased(stack)
        other = seen("AddedToBasket", 0, shopper=OTHER)
        await stack.store(other)
        assert (await stack.push(pushed(ADD, other))).status_code == 204
        assert [decision.shopper for decision in stack.published()] == [OTHER]

    async def test_nothing_is_decided_before_it_is_known_who_is_erased(self, stack: Stack) -> None:
        stack.suppressions.down = True
        await stack.store(ADD)
        assert (await stack.push(pushed(ADD))).status_code == 503
        assert stack.published() == []
        stack.suppressions.down = False
        assert (await stack.push(pushed(ADD))).status_code == 204
        assert len(stack.published()) == 1


async def test_nothing_is_decided_while_the_tree_is_off_and_all_of_it_afterwards(stack: Stack) -> None:
    await stack.store(VIEW)
    await change(stack.documents, "demo", lambda programme: stop(programme, datetime.now(UTC), "tester"))
    assert (await stack.push(pushed(VIEW))).status_code == 204
    assert stack.published() == []
    await change(stack.documents, "demo", lambda programme: resume(programme, datetime.now(UTC), "tester"))
    stack.clock += FRESH_S
    await stack.store(ADD)
    assert (await stack.push(pushed(ADD))).status_code == 204
    assert {d.event_id for d in stack.published()} == {VIEW.event.id, ADD.event.id}
