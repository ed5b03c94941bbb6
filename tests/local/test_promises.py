"""What Gondola promises, held against the real functions on the emulators: nothing lost, nothing doubled, every
decision explained, nothing personal in a log. What is promised while something breaks is tests/chaos.
"""

from __future__ import annotations

import json
import random
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from emulators.appliers.scheduler import NoAnswer
from emulators.stack import Stack
from layers.events.record import decode_lines, encode_record
from layers.shell.push import encode_push
from layers.stores.collections import LIVE_TREES, TREES
from layers.tree.journey import Standing, advance
from layers.tree.reading import read_yaml
from tests.local.shop_visit import PARAMETERS, ROOT, Shop, comparable, eventually, visit
from tests.loopback import HTTP

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture(scope="session")
def shop(stack: Stack) -> Shop:
    shop = Shop(stack)
    shop.publish_tree()
    return shop


@pytest.fixture
def prefix() -> str:
    """Of the event ids of one test."""
    return f"t{uuid.uuid4().hex[:12]}-"


def wait_until_cold(shop: Shop, prefix: str, ids: set[str]) -> None:
    eventually("events cooled", lambda: shop.cooled(prefix), lambda seen: seen >= ids)
    eventually("events decided", lambda: {row["event_id"] for row in shop.decided(prefix)}, lambda seen: seen >= ids)


def wait_until_settled(shop: Shop, prefix: str, events: int) -> None:
    """A late event makes newer revisions of the decisions after it: the last of them count every event before."""
    eventually(
        "last revisions",
        lambda: [row["revision"] for row in shop.decided(prefix)],
        lambda seen: seen == list(range(1, events + 1)),
    )


def test_the_answer_counts_the_event_just_sent_and_is_what_replay_says(shop: Shop, prefix: str) -> None:
    customer = f"replayed-{prefix}"
    shop.learn(customer, PARAMETERS)
    events = visit(prefix, seed=7)
    live: list[tuple[str, str]] = []
    for event in events:
        shop.must_post(customer, [event])
        answer = shop.shown(customer, after=event["id"])
        assert answer["after"] == {"event": event["id"], "counted": True}
        assert not answer["default"]
        live.append((answer["decision"], answer["node"]))
    assert len({node for _, node in live}) >= 4, "the visit is too dull to prove anything"
    wait_until_cold(shop, prefix, {event["id"] for event in events})

    tree = read_yaml((ROOT / "layers/tree/examples/grocery_basket.yaml").read_text())
    _, replayed = advance(None, shop.hot(customer), Standing(tree, PARAMETERS, granted_by_default=True))
    decided = {row["event_id"]: row for row in shop.decided(prefix)}
    assert [(d.event_id, d.node_after) for d in replayed] == live
    for decision in replayed:
        row = decided[decision.event_id]
        for name in ("node_before", "node_after", "reason", "shown", "revision", "tree_version", "parameters_version"):
            assert row[name] == getattr(decision, name), (decision.event_id, name)


def test_everything_twice_and_shuffled_changes_no_cold_count_and_no_decision(shop: Shop, prefix: str) -> None:
    customer = f"shuffled-{prefix}"
    shop.learn(customer, PARAMETERS)
    events = visit(prefix, seed=8)
    shop.must_post(customer, events)
    wait_until_cold(shop, prefix, {event["id"] for event in events})
    tables = ("orders", "order_lines", "basket_changes", "page_views", "searches", "basket_validations")
    where = f"STARTS_WITH(event_id, '{prefix}')"
    before = {table: shop.cold.count(table, where) for table in tables}, comparable(shop.decided(prefix))
    assert sum(before[0].values()) >= len(events)

    lines = [
        encode_record(r.shopper, r.session, r.channel, r.received, json.dumps(event).encode())
        for r in shop.hot(customer)
        for event in events
        if event["id"] == r.event.id
    ]
    chance = random.Random(8)
    for round_ in range(6):
        chance.shuffle(lines)
        cut = chance.randint(1, len(lines) - 1)
        for part in (lines[:cut], lines[cut:], lines[:3]):
            data = b"\n".join(part)
            assert len(decode_lines(data)[0]) == len(part)
            for function in ("cooling", "decisioning"):
                subscription = f"projects/p/subscriptions/{function}--shopper-events"
                body = encode_push(data, {"retailer": "demo"}, f"{prefix}{round_}", datetime.now(UTC), subscription)
                answer = HTTP.post(f"{shop.stack.address(function)}/", content=body, timeout=30)
                assert answer.status_code in (200, 204), answer.text
    after = {table: shop.cold.count(table, where) for table in tables}, comparable(shop.decided(prefix))
    assert after == before


def test_events_that_come_in_any_order_end_in_the_same_decisions(shop: Shop, prefix: str) -> None:
    """The same visit by two shoppers, one through a network that doubles and reorders every request."""
    orderly, lossy = f"orderly-{prefix}", f"lossy-{prefix}"
    found = []
    for customer, tag in ((orderly, "a"), (lossy, "b")):
        shop.learn(customer, PARAMETERS)
        events = [{**event, "id": f"{prefix}{tag}{event['id'][len(prefix) :]}"} for event in visit(prefix, seed=9)]
        for number, event in enumerate(events):
            if event["type"] == "OrderPaid":
                events[number] = {**event, "order": f"{prefix}order"}
        sent = [[event] for event in events]
        if customer == lossy:
            sent = sent * 2
            random.Random(9).shuffle(sent)
        for request in sent:
            shop.must_post(customer, request)
        ids = {event["id"] for event in events}
        wait_until_cold(shop, f"{prefix}{tag}", ids)
        wait_until_settled(shop, f"{prefix}{tag}", len(events))
        rows = shop.decided(f"{prefix}{tag}")
        found.append([(row["node_before"], row["node_after"], row["shown"], row["reason"]) for row in rows])
    assert found[0] == found[1]


def test_feeds_killed_in_the_middle_sends_each_order_once_in_the_end(shop: Shop, prefix: str) -> None:
    """Killed twice by SIGKILL while orders pass; the runs after it go on, and every order is one fact."""
    day, orders = "2026-11-19T18:03:26Z", 3000
    lines = [{"product": f"p{n}", "paid": 1.5, "quantity": 2} for n in range(12)]
    ids = [f"{prefix}{number}" for number in range(orders)]
    made = [{"order": id, "customer": f"fed-{id[-2:]}", "paid_at": day, "lines": lines} for id in ids]
    shop.deliver({f"orders/{prefix}{part}.ndjson.gz": made[part::5] for part in range(5)})

    def run() -> int:
        try:
            return shop.stack.fire("feeds")[0]
        except NoAnswer:
            return 0

    for share in (0.1, 0.5):
        running = threading.Thread(target=run)
        running.start()
        eventually("orders pass", lambda: len(shop.stored(f"order-paid-{prefix}")), lambda seen: seen >= share * orders)  # noqa: B023
        shop.stack.kill("feeds")
        running.join()
        shop.stack.restart("feeds")
    assert run() == 200
    paid = {f"order-paid-{id}" for id in ids}
    assert shop.stored(f"order-paid-{prefix}") == paid
    eventually("orders cooled", lambda: shop.cooled(f"order-paid-{prefix}") >= paid, bool)
    where = f"STARTS_WITH(order_id, '{prefix}')"
    assert shop.cold.count("orders", where) == orders
    assert shop.cold.count("order_lines", where) == orders * len(lines)


def test_a_batch_with_bad_events_keeps_its_good_ones_all_the_way(shop: Shop, prefix: str) -> None:
    good = visit(prefix, seed=3, events=5)
    bad = {**good[0], "id": f"{prefix}bad-1", "email": "jane.roe@example.org"}
    answer = shop.post(f"mixed-{prefix}", [good[0], bad, *good[1:], {"type": "Nonsense"}])
    assert answer.status_code == 200
    assert [r["index"] for r in answer.json()["rejected"]] == [1, 6]
    ids = {event["id"] for event in good}
    wait_until_cold(shop, prefix, ids)
    assert shop.cooled(prefix) == shop.stored(prefix) == ids


def test_nothing_personal_is_in_any_log(shop: Shop, prefix: str) -> None:
    """After a visit, refusals of every kind, and a withdrawn consent."""
    customer, address = f"private-{prefix}", f"jane.{prefix}@example.org"
    events = visit(prefix, seed=4, events=6)
    shop.must_post(customer, events)
    shop.shown(customer, after=events[-1]["id"])
    shop.post(customer, [{**events[0], "id": f"{prefix}bad-1", "email": address}])
    shop.post(address, events)
    wait_until_cold(shop, prefix, {event["id"] for event in events})
    url = f"{shop.stack.address('experiences')}/v1/experiences?key={shop.retailer.read_key}"
    HTTP.get(url, headers={"gondola-shopper": address}, timeout=20)
    for function in ("cooling", "decisioning"):
        subscription = f"projects/p/subscriptions/{function}--shopper-events"
        corrupt = encode_push(address.encode(), {"retailer": "demo"}, prefix, datetime.now(UTC), subscription)
        assert HTTP.post(shop.stack.address(function), content=corrupt, timeout=20).status_code in (200, 204)
    secrets = [customer, address, shop.pseudonym(customer), shop.stack.secret("pseudonym-key", "demo")]
    for function in shop.stack.functions:
        log = shop.stack.log(function)
        assert not [n for n, secret in enumerate(secrets) if secret in log], function


def test_the_published_tree_is_immutable_and_live(shop: Shop) -> None:
    shop.publish_tree(anew=True)
    shop.publish_tree(anew=True)
    host = shop.stack.hosts["FIRESTORE_EMULATOR_HOST"]
    base = f"http://{host}/v1/projects/{shop.values['GONDOLA_PROJECT']}/databases/(default)/documents"
    live = HTTP.get(f"{base}/{LIVE_TREES.name}/demo").json()["fields"]
    [aired] = live["aired"]["arrayValue"]["values"]
    version = aired["mapValue"]["fields"]["version"]["stringValue"]
    trees: Any = HTTP.get(f"{base}/{TREES.name}").json()["documents"]
    assert [tree["fields"]["version"]["stringValue"] for tree in trees] == [version]
