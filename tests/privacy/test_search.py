"""The search itself: it finds an id in every wrapping, and tells residue from what may stay."""

from __future__ import annotations

import base64
import gzip
import json
import threading
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from google.cloud.firestore_v1.types import firestore

from layers.privacy.pseudonym import Pseudonymiser
from layers.stores.pubsub.messages import AcknowledgeRequest, ModifyAckDeadlineRequest, PullRequest, PullResponse
from tests.privacy.cast import Cast, Script, Shopper
from tests.privacy.gate import Deed, Trap, store_of
from tests.privacy.grip import Grip
from tests.privacy.search import BEFORE, CUSTOMER, EVENT, LOGGED, PSEUDONYM, Piece, Search, judge

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY = base64.b64encode(b"k" * 32).decode()


def made() -> Cast:
    cast = Cast("qprivacy", 1, Pseudonymiser(KEY), lambda: AT)
    cast.join(3)
    return cast


def gone(cast: Cast, returned: bool = False) -> tuple[Shopper, str, str]:
    """One erased, an event of before and one of after."""
    shopper = cast.shoppers[0]
    before = cast.acts(shopper, "OrderPaid", AT - timedelta(milliseconds=1))["id"]
    shopper.silent = shopper.erased = AT
    shopper.returned = returned
    after = cast.acts(shopper, "OrderPaid", AT + timedelta(milliseconds=1))["id"] if returned else ""
    return shopper, before, after


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda id: b"xx" + id + b"yy",
    "in capitals": lambda id: id.upper(),
    "base64": lambda id: json.dumps({"data": base64.b64encode(b"{'id': '" + id + b"'}").decode()}).encode(),
    "base64 for addresses, without its end": lambda id: base64.urlsafe_b64encode(b"~~~" + id + b"1").rstrip(b"="),
    "gzip": lambda id: gzip.compress(b"line\n" + id),
    "zlib": lambda id: zlib.compress(b"line\n" + id),
    "gzip in base64": lambda id: base64.b64encode(gzip.compress(b"line\n" + id)),
    "among bytes": lambda id: b"\xff\x00" + id + b"\xfe",
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_an_id_is_found_in_every_wrapping(wrapping: str) -> None:
    cast = made()
    shopper, event, _ = gone(cast)
    for id, found in ((shopper.customer, "customers"), (shopper.pseudonym, "pseudonyms"), (event, "events")):
        finds = Search(cast).finds(WRAPPINGS[wrapping](id.encode()))
        assert getattr(finds, found), (wrapping, found)


def test_a_pseudonym_is_found_as_bytes_and_without_its_key_version() -> None:
    cast = made()
    shopper = cast.shoppers[1]
    code = shopper.pseudonym[2:]
    for data in (bytes.fromhex(code) + b"\xff", f"99{code}".encode(), f"abc{code}def".encode()):
        assert Search(cast).finds(data).pseudonyms == (shopper,)


def test_what_may_stay_is_not_found() -> None:
    assert not any(
        vars_of for vars_of in (Search(made()).finds(b"0" * 64).pseudonyms, Search(made()).finds(b"").events)
    )


def residue(cast: Cast, place: str, data: str) -> list[str]:
    return [what for _, what in judge(cast, [Piece(place, data.encode())]).residue]


def test_what_of_the_erased_is_residue() -> None:
    cast = made()
    shopper, event, _ = gone(cast)
    other = cast.shoppers[1]
    theirs = cast.acts(other, "OrderPaid")["id"]
    assert residue(cast, "bigtable:events", shopper.pseudonym) == [PSEUDONYM]
    assert residue(cast, "bigtable:events", event) == [EVENT]
    assert residue(cast, "bigtable:events", f"{other.pseudonym} {theirs}") == []
    # A customer id stops at the door, whoever's it is; and a log names nobody.
    assert residue(cast, "bigtable:events", other.customer) == [CUSTOMER]
    assert residue(cast, "file:ingest.log", other.pseudonym) == [LOGGED]


def test_who_came_back_may_stand_beside_what_is_new_only() -> None:
    cast = made()
    shopper, before, after = gone(cast, returned=True)
    assert residue(cast, "bigquery:cooled_orders", f"{shopper.pseudonym} {after}") == []
    assert residue(cast, "bigquery:cooled_orders", shopper.pseudonym) == [BEFORE]
    assert residue(cast, "bigquery:cooled_orders", f"{shopper.pseudonym} {after} {before}") == [EVENT]


def test_the_moment_of_the_erasure_is_erased() -> None:
    cast = made()
    shopper = cast.shoppers[0]
    id = cast.acts(shopper, "OrderPaid", AT)["id"]
    shopper.erased = AT
    assert set(shopper.gone()) == {id} and not shopper.lasting()


def test_the_script_sends_news_repeats_and_what_is_late() -> None:
    cast = made()
    script = Script(cast, cast.shoppers, 7)
    for _ in range(500):
        script.next()
    assert script.opened
    shopper = cast.shoppers[0]
    shopper.silent, shopper.erased, shopper.returned = AT, AT + timedelta(milliseconds=3), True
    cast._now = lambda: AT + timedelta(seconds=9)
    for _ in range(2000):
        script.next()
    assert {"new", "doubled", "held back", "late", "late and new", "doubled, erased"} <= set(script.drawn)
    assert set(shopper.gone()) and shopper.lasting()


def test_a_label_names_its_store() -> None:
    assert store_of("record: bigquery:cooled_orders finished") == "bigquery:cooled_orders"
    assert store_of("bigtable:events MutateRows") == "bigtable:events"
    assert store_of("record: the end") == ""


def test_a_grip_knows_what_was_taken_and_not_given_back() -> None:
    grip, dead = Grip(), "projects/p/subscriptions/cooling--shopper-events--dead"
    pulled = PullResponse()
    for id in "abcd":
        pulled.received_messages.add(ack_id=id)
    grip.hears("Pull", PullRequest(subscription=dead).SerializeToString(), pulled.SerializeToString())
    grip.hears("Acknowledge", AcknowledgeRequest(subscription=dead, ack_ids=["a"]).SerializeToString(), b"")
    for seconds, id in ((0, "b"), (10, "c")):
        modified = ModifyAckDeadlineRequest(subscription=dead, ack_ids=[id], ack_deadline_seconds=seconds)
        grip.hears("ModifyAckDeadline", modified.SerializeToString(), b"")
    assert grip.messages() == {dead: ["c", "d"]}
    for holder in ("me", ""):
        write = {"update": {"name": "x/turns/dead-letters", "fields": {"holder": {"string_value": holder}}}}
        commit = firestore.CommitRequest({"writes": [write]})
        grip.hears("Commit", firestore.CommitRequest.serialize(commit), b"")
        assert (grip.turn, grip.holder) == ("x/turns/dead-letters", holder)


def test_a_trap_knows_when_the_stores_have_answered() -> None:
    trap = Trap()
    with trap.under_way():
        assert not trap.quiet(0.01)
    assert trap.quiet(0.01)


def test_a_trap_shuts_at_the_nth_deed_of_a_name_whatever_comes_between() -> None:
    trap = Trap()
    trap.lay(2, name="pubsub Publish")
    for method in ("Publish", "Acknowledge", "Acknowledge"):
        trap.enter(Deed("pubsub", method, b""))
    assert not trap.shut.is_set()
    waiting = threading.Thread(target=trap.enter, args=(Deed("pubsub", "Publish", b""),), daemon=True)
    waiting.start()
    assert trap.shut.wait(10) and waiting.is_alive()
    trap.release()
    waiting.join(10)
    assert not waiting.is_alive()
