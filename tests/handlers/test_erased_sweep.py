"""What is still, or again, stored of the erased goes in the night, from every store, and nothing else does."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from functions.retention_purge.room import Room
from functions.retention_purge.suppressed import made_before
from layers.events.model import ConsentChanged, Purposes
from layers.events.record import encode_record, milliseconds, row_key
from layers.facts import EVERYWHERE
from layers.privacy.suppression import suppression_id
from layers.stores.bigtable.fake import FakeHotEvents
from layers.stores.bigtable.port import Arrival, ShopperRow
from layers.stores.collections import SUPPRESSIONS
from layers.stores.dead_letters import ORIGIN
from layers.stores.pubsub.port import Message
from layers.tree.parameters import ShopperParameters, encode_parameters
from layers.tree.state import State, encode_state
from tests.handlers.killing import struck
from tests.handlers.test_retention_purge import ANNE, BERT, CARL, DEMO, NOW, OTHER, Archive, body_of, part_of, seen

SINCE = NOW - timedelta(days=3)
BEFORE, AFTER = SINCE - timedelta(hours=1), SINCE + timedelta(hours=1)
TICK = timedelta(milliseconds=1)
DORA = "01" + "d" * 32
STORES = {f"erased:bigtable:{name}" for name in ("events", "arrivals", "shoppers")} | {
    f"erased:bigquery:{table.stored_as}" for table in EVERYWHERE if table.holds_shoppers
}


def parameters(at: Any) -> bytes:
    made = ShopperParameters(version="v", computed_at=at, usual_basket=1, threshold=1, generosity=0, trips=1)
    return encode_parameters(made)


def state(at: Any) -> bytes:
    ms = milliseconds(at)
    return encode_state(State(tree_version="v", started_ms=ms, stretch_ms=ms, last_ms=ms, last_id="event-1", node="n"))


def consent(at: Any) -> bytes:
    purposes = Purposes(measurement=True, personalisation=True, advertising=True, rewards=True)
    return encode_record(
        ANNE, "s", "web", at, msgspec.json.encode(ConsentChanged(id="consent-1", at=at, purposes=purposes))
    )


async def suppress(archive: Archive, shopper: str, since: Any = SINCE, retailer: str = "demo") -> None:
    data = {"retailer": retailer, "since": since, "noted": since}
    await archive.documents.put(SUPPRESSIONS, suppression_id(retailer, shopper), data)


async def filled() -> Archive:
    """Of each shopper events from before the moment, at it and after it. Anne is erased, Carl at another retailer."""
    archive, keys = Archive(), list[bytes]()
    for shopper in (ANNE, BERT, CARL):
        for name, at in (("before", BEFORE), ("edge", SINCE), ("after", SINCE + TICK), ("later", AFTER)):
            event = msgspec.structs.replace(seen(0, f"{name}-{shopper[-1]}"), at=at)
            await archive.holds(shopper, event)
            keys.append(row_key("demo", shopper, at, event.id))
            archive.facts.tables[DEMO.dataset, "cooled_page_views"].append({"shopper": shopper, "at": at})
            archive.facts.tables[OTHER.dataset, "cooled_page_views"].append({"shopper": shopper, "at": at})
        row = archive.rows._row("demo", shopper)
        row.versions, row.state, row.consent = {1: (parameters(BEFORE), b"")}, state(AFTER), (1, consent(AFTER))
    # A place that names only what must go, and one that names all of each shopper.
    await archive.arrivals.note([Arrival("demo", NOW, keys[:1]), Arrival("demo", NOW, keys)])
    gone = archive.rows._row("demo", DORA)
    gone.versions, gone.consent = {1: (parameters(BEFORE), b"")}, (1, consent(BEFORE))
    await suppress(archive, ANNE)
    await suppress(archive, DORA)
    await suppress(archive, CARL, retailer="other")
    return archive


async def test_what_is_from_before_goes_from_every_store_and_what_came_after_stays() -> None:
    archive = await filled()
    response = await archive.fire()
    assert (response.status_code, body_of(response)["clean"]) == (200, True)
    kept = {"before": "bc", "edge": "bc", "after": "abc", "later": "abc"}
    assert archive.ids() == sorted(f"{name}-{shopper}" for name, shoppers in kept.items() for shopper in shoppers)
    parts = {part["store"]: part for part in body_of(response)["reports"][0]["parts"]}
    assert {store for store in parts if store.startswith("erased:")} == STORES
    assert parts["erased:bigtable:events"]["removed"] == 2
    assert parts["erased:bigtable:arrivals"]["removed"] == 3
    assert parts["erased:bigtable:shoppers"]["removed"] == 2
    assert parts["erased:bigquery:cooled_page_views"]["removed"] == 2
    row = await archive.rows.read("demo", ANNE)
    assert (row.parameters, row.state, row.consent) == (None, None, consent(AFTER)), "a new consent is her own"
    assert await archive.rows.read("demo", DORA) == ShopperRow(), "nothing of hers is from after"
    assert (await archive.rows.read("demo", BERT)).parameters is not None
    assert await archive.named() == archive.ids(), "her new arrivals are compared as everybody's"
    facts = archive.facts.tables
    assert sorted(row["at"] for row in facts[DEMO.dataset, "cooled_page_views"] if row["shopper"] == ANNE) == [
        SINCE + TICK,
        AFTER,
    ]
    assert len([row for row in facts[OTHER.dataset, "cooled_page_views"] if row["shopper"] == CARL]) == 2
    assert part_of(response, "erased:bigquery:cooled_page_views", "other")["removed"] == 2


async def test_twice_removes_nothing_more_and_a_dry_run_nothing_at_all() -> None:
    archive = await filled()
    would = await archive.fire(query="dry_run=true")
    assert len(archive.ids()) == 12 and (await archive.rows.read("demo", ANNE)).parameters is not None
    did = await archive.fire(NOW + timedelta(minutes=1))
    again = await archive.fire(NOW + timedelta(minutes=2))
    for store in STORES:
        assert part_of(would, store)["removed"] == part_of(did, store)["removed"]
        assert (part_of(again, store)["removed"], part_of(again, store)["expired"]) == (0, 0)


async def test_a_retailer_who_erased_nobody_pays_nothing() -> None:
    archive = Archive()
    await archive.holds(ANNE, seen(1, "view-new"))
    parts = body_of(await archive.fire())["reports"][0]["parts"]
    assert not [part for part in parts if part["store"].startswith("erased:")]


async def test_what_is_left_of_the_erased_is_an_error() -> None:
    class Stubborn(FakeHotEvents):
        async def delete(self, keys: Any) -> None:
            pass

    archive = await filled()
    stubborn = Stubborn()
    stubborn.rows = archive.events.rows
    archive.room = replace(archive.room, hot_events=stubborn)
    response = await archive.fire()
    assert response.status_code == 500 and part_of(response, "erased:bigtable:events")["expired"] == 2


class Killed(BaseException):
    """No handler catches it: the process is gone."""


CHANGES = {"delete", "delete_named", "delete_profiles", "delete_shopper", "execute", "put"}


class Dying:
    """Passes every call on to a store, until the nth change to any store, which ends the process before or after it."""

    def __init__(self, store: Any, left: list[int], after: bool, made: list[str]) -> None:
        self._store, self._left, self._after, self._made = store, left, after, made

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        if name not in CHANGES:
            return call

        def blocking(*arguments: Any) -> Any:
            dies = self._due(name)
            if dies and not self._after:
                raise Killed
            answered = call(*arguments)
            if dies:
                raise Killed
            return answered

        async def mortal(*arguments: Any) -> Any:
            dies = self._due(name)
            if dies and not self._after:
                raise Killed
            answered = await call(*arguments)
            if dies:
                raise Killed
            return answered

        return blocking if name == "execute" else mortal

    def _due(self, name: str) -> bool:
        self._left[0] -= 1
        self._made.append(f"{type(self._store).__name__}.{name}")
        return self._left[0] == 0


def dying(room: Room, left: list[int], after: bool, made: list[str]) -> Room:
    """Args:
    made: every change is noted there, by its kind.
    """
    stores = ("documents", "hot_events", "arrivals", "shopper_rows", "warehouse")
    mortal: dict[str, Any] = {name: Dying(getattr(room, name), left, after, made) for name in stores}
    return replace(room, batch=1, **mortal)


@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_change_of_any_store_the_next_run_ends_it(after: bool, long_form: bool) -> None:
    whole, made = await filled(), list[str]()
    sound = whole.room
    whole.room = dying(sound, [0], after, made)
    await whole.fire()
    whole.room = sound
    for calls in struck(made, long_form):
        archive = await filled()
        sound = archive.room
        archive.room = dying(sound, [calls], after, [])
        # A retailer's run that ends so ends the whole process: no handler catches it.
        with pytest.raises(Killed):
            await archive.fire()
        archive.room = sound
        assert body_of(await archive.fire())["clean"], f"killed at change {calls}, {made[calls - 1]}"
        assert archive.ids() == whole.ids() and archive.rows.rows == whole.rows.rows
        assert archive.facts.tables == whole.facts.tables
        assert await archive.named() == await whole.named()
    assert {
        "FakeHotEvents.delete",
        "FakeArrivals.delete_named",
        "FakeShopperRows.delete_profiles",
        "FakeShopperRows.delete_shopper",
        "ColdFacts.execute",
        "FakeDocuments.put",
    } <= set(made)


async def test_the_report_and_the_log_name_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    archive = await filled()
    told = json.dumps(body_of(await archive.fire())) + capsys.readouterr().out
    digest = suppression_id("demo", ANNE).partition(":")[2]
    assert not [name for name in (ANNE, BERT, CARL, digest) if name in told]


@pytest.mark.parametrize(
    ("row", "former", "expected"),
    [
        (ShopperRow(), (), (False, False)),
        (ShopperRow(parameters(AFTER), state(AFTER), consent(AFTER)), (), (False, False)),
        (ShopperRow(parameters(SINCE), None, None), (), (True, False)),
        (ShopperRow(parameters(AFTER), None, None), (parameters(BEFORE),), (True, False)),
        (ShopperRow(None, state(SINCE), None), (), (True, False)),
        (ShopperRow(None, None, consent(SINCE)), (), (False, True)),
        (ShopperRow(b"{}", None, None), (), (True, False)),
        (ShopperRow(None, b"?", None), (), (True, False)),
        (ShopperRow(None, None, b"?"), (), (False, True)),
    ],
)
def test_what_was_made_of_something_erased(row: ShopperRow, former: Any, expected: tuple[bool, bool]) -> None:
    assert made_before(row, SINCE, former) == expected


async def test_the_erased_go_from_the_dead_letters_of_every_retailer() -> None:
    archive = await filled()
    name = archive.dead.names[0]
    lines = {who: [dead_letter(who, at) for at in (BEFORE, SINCE, AFTER)] for who in (ANNE, BERT, CARL)}
    for retailer in ("demo", "other"):
        every = b"\n".join(line for each in lines.values() for line in each)
        await archive.dead.put_back(name, [Message(every, {"retailer": retailer})])
    would = await archive.fire(query="dry_run=true")
    assert part_of(would, "erased:pubsub:dead-letters", "*")["removed"] == 4
    assert [message.data.count(b"\n") for message in archive.dead.holds(name)] == [8, 8]
    did = await archive.fire(NOW + timedelta(minutes=1))
    part = part_of(did, "erased:pubsub:dead-letters", "*")
    assert (did.status_code, part["removed"], part["expired"]) == (200, 4, 0)
    left = {message.attributes["retailer"]: message.data.split(b"\n") for message in archive.dead.holds(name)}
    assert left["demo"] == [lines[ANNE][2], *lines[BERT], *lines[CARL]]
    assert left["other"] == [*lines[ANNE], *lines[BERT], lines[CARL][2]]
    again = await archive.fire(NOW + timedelta(minutes=2))
    assert part_of(again, "erased:pubsub:dead-letters", "*")["removed"] == 0


async def test_dead_letters_out_of_reach_break_the_stacks_run_and_no_retailers() -> None:
    archive = await filled()
    archive.dead.down = True
    response = await archive.fire()
    assert (response.status_code, body_of(response)["broken"]) == (503, ["*"])
    assert {report["retailer"] for report in body_of(response)["reports"]} == {"demo", "other"}


async def test_a_dead_letter_past_its_delay_goes_also_where_nobody_was_erased() -> None:
    archive = Archive()
    name = archive.dead.names[0]
    archive.dead.now = NOW
    for days in (30, 32):
        attributes = {"retailer": "demo", ORIGIN: (NOW - timedelta(days=days)).isoformat()}
        await archive.dead.put_back(name, [Message(dead_letter(ANNE, BEFORE), attributes)])
    would = part_of(await archive.fire(query="dry_run=true"), "pubsub:dead-letters", "*")
    assert (would["removed"], would["kept"], would["expired"], len(archive.dead.holds(name))) == (1, 1, 1, 2)
    did = part_of(await archive.fire(NOW + timedelta(minutes=1)), "pubsub:dead-letters", "*")
    assert (did["removed"], did["kept"], did["expired"]) == (1, 1, 0)
    [left] = archive.dead.holds(name)
    assert left.attributes[ORIGIN] == (NOW - timedelta(days=30)).isoformat()
    again = part_of(await archive.fire(NOW + timedelta(minutes=2)), "pubsub:dead-letters", "*")
    assert (again["removed"], again["kept"], again["expired"]) == (0, 1, 0)


def dead_letter(shopper: str, at: Any) -> bytes:
    return encode_record(
        shopper, "s", "web", at, msgspec.json.encode(msgspec.structs.replace(seen(0, "dead-letter"), at=at))
    )
