"""A retailer's deliveries: each object once, whatever dies in between, and bad lines named."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.feeds.deliveries import Delivered, S3Deliveries, Unreadable, federated_session
from functions.feeds.front_door import Answer, Closed, SignedFrontDoor
from functions.feeds.handler import answer
from functions.feeds.ledger import Ledger
from functions.feeds.room import Room
from functions.feeds.run import Retail
from layers.declarations.settings import Settings
from layers.privacy.suppression import REFUSED
from layers.retailers import Feed, Retailer
from layers.shell.answers import Problem
from layers.stores.bigquery.fake import FakeWarehouse
from layers.stores.collections import FEED_FILES, QUARANTINE
from layers.stores.firestore.fake import FakeDocuments
from tests.handlers.asking import ask

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FEED = Feed(bucket="deliveries", role_arn="arn:aws:iam::123456789012:role/gondola")
DEMO = Retailer(id="demo", name="Demo", write_key="w" * 16, read_key="r" * 16, origins=(), feed=FEED)


def order(number: int, **changes: Any) -> dict[str, Any]:
    lines = [{"product": "p1", "paid": 1.5}]
    return {"order": str(number), "customer": "900", "paid_at": "2026-11-20T18:03:26Z", "lines": lines, **changes}


def zipped(*lines: object) -> bytes:
    text = b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)
    return gzip.compress(text)


class FakeDeliveries:
    """A bucket in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def list(self, prefix: str) -> list[Delivered]:
        return [Delivered(key, str(hash(data))) for key, data in sorted(self.objects.items()) if key.startswith(prefix)]

    def lines(self, key: str) -> Iterator[bytes]:
        try:
            yield from gzip.GzipFile(fileobj=io.BytesIO(self.objects[key]))
        except (OSError, EOFError):
            raise Unreadable("no whole gzip file") from None


class FakeDoor:
    """Takes orders; dies after `lives` requests."""

    def __init__(self) -> None:
        self.orders: list[str] = []
        self.lives = 1_000_000
        self.refuses_body_with = b"\0"

    def send(self, body: bytes) -> Answer:
        if self.lives == 0:
            raise Closed("the front door is closed")
        self.lives -= 1
        if self.refuses_body_with in body:
            return Answer(False, [], "the body is no envelope")
        self.orders += [envelope["events"][0]["order"] for envelope in json.loads(body)]
        return Answer(True, [])


class Depot:
    """A room on fakes."""

    def __init__(self) -> None:
        self.bucket, self.door, self.shelf, self.documents = (
            FakeDeliveries(),
            FakeDoor(),
            FakeWarehouse(),
            FakeDocuments(),
        )

    async def fire(self) -> tuple[int, dict[str, Any]]:
        ledger = Ledger(self.documents, "demo")
        room = Room((Retail(DEMO, FEED, self.bucket, self.door, ledger, self.shelf),))
        response = await answer(ask("POST", "/"), room, NOW)
        return response.status_code, msgspec.json.decode(bytes(response.body))


@pytest.fixture
def depot() -> Depot:
    return Depot()


async def test_each_new_object_is_taken_once_and_a_new_version_again(depot: Depot) -> None:
    depot.bucket.objects = {"orders/1.gz": zipped(order(1), order(2)), "orders/2.gz": zipped(order(3))}
    status, report = await depot.fire()
    assert (status, report["files"], report["orders"], report["more"]) == (200, 2, 3, False)
    assert sorted(depot.door.orders) == ["1", "2", "3"]
    assert (await depot.fire())[1]["orders"] == 0
    depot.bucket.objects["orders/2.gz"] = zipped(order(4))
    assert (await depot.fire())[1]["orders"] == 1
    assert sorted(depot.door.orders) == ["1", "2", "3", "4"]


async def test_bad_lines_are_quarantined_with_file_and_line_and_cost_nothing_beside(depot: Depot) -> None:
    bad = order(2, email="jane@example.org")
    depot.bucket.objects = {"orders/1.gz": zipped(order(1), bad, b"{\n", order(3))}
    status, report = await depot.fire()
    assert (status, report["quarantined"]) == (200, 2)
    assert [(b["file"], b["line"]) for b in report["retailers"][0]["bad_lines"]] == [
        ("orders/1.gz", 2),
        ("orders/1.gz", 3),
    ]
    assert depot.door.orders == ["1", "3"]
    kept = [document.data for document in await depot.documents.find(QUARANTINE)]
    assert sorted(document["line"] for document in kept) == [2, 3]
    assert all(document["at"] == NOW and document["retailer"] == "demo" for document in kept)
    assert "jane" not in str(kept) + str(report)


WHO = "jane.doe-9250001234567"
_SPOILT = st.one_of(
    # A value where another belongs, a name that nobody declared, a name within a line of the order.
    st.builds(
        lambda field, value: order(7, **{field: value}),
        st.sampled_from(["order", "customer", "paid_at", "lines", "email", WHO]),
        st.sampled_from([WHO, [WHO], {WHO: WHO}, {WHO: 1}, 0, None]),
    ),
    st.builds(
        lambda field, value: order(7, customer=WHO, lines=[{"product": "p1", "paid": 1.5, field: value}]),
        st.sampled_from(["product", "paid", "quantity", "comment", WHO]),
        st.sampled_from([WHO, {WHO: [WHO]}, None]),
    ),
    # No JSON any more, or none that anybody expects.
    st.builds(lambda cut: json.dumps(order(7, customer=WHO, email=WHO)).encode()[:cut] + b"\n", st.integers(1, 150)),
    st.sampled_from(
        [f'"{WHO}"\n'.encode(), f"{WHO}\n".encode(), f'["{WHO}"]\n'.encode(), b"\xff" + WHO.encode() + b"\n"]
    ),
)


@given(st.lists(_SPOILT, min_size=1, max_size=6), st.booleans())
async def test_nothing_of_a_shopper_stays_of_a_delivery(lines: list[Any], refused: bool) -> None:
    """Neither in the memory of files, nor in quarantine, nor in a report or a log: what an erasure's receipt says of
    these collections, and does not search them for."""
    depot = Depot()
    if refused:
        depot.door.refuses_body_with = WHO.encode()
    depot.bucket.objects = {"orders/1.gz": zipped(order(1), *lines), "products/1.gz": zipped(*lines)}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        _, report = await depot.fire()
    held = {name: list(documents) for name, documents in depot.documents.collections.items()}
    assert set(held) <= {"feed_files", "quarantine"} and held["feed_files"]
    everything = f"{depot.documents.collections} {report} {printed.getvalue()}"
    assert not any(part in everything for part in (WHO, "jane", "9250001234567"))


async def test_an_erased_shoppers_orders_are_counted_and_nowhere_listed(depot: Depot) -> None:
    """Delivered again with a new file: the front door refuses them, and the file is taken all the same."""
    depot.bucket.objects = {"orders/1.gz": zipped(order(1), order(2), b"{\n", order(3))}
    taken = depot.door.send

    def send(body: bytes) -> Answer:
        taken(body)
        return Answer(True, [{"envelope": 1, "index": 0, "path": "$.at", "reason": REFUSED}])

    depot.door.send = send  # type: ignore[method-assign]
    status, report = await depot.fire()
    assert (status, report["orders"], report["quarantined"]) == (200, 2, 1)
    [found] = report["retailers"]
    assert (found["erased"], [line["line"] for line in found["bad_lines"]]) == (1, [3])
    assert REFUSED not in str([document.data for document in await depot.documents.find(QUARANTINE)])
    assert (await depot.fire())[1]["orders"] == 0, "the file is done"


async def test_killed_at_any_request_the_next_run_completes_and_nothing_is_missing(depot: Depot) -> None:
    many = [order(n, lines=[{"product": f"p{i}", "paid": 1} for i in range(400)]) for n in range(40)]
    depot.bucket.objects = {"orders/1.gz": zipped(*many)}
    runs = 0
    while True:
        depot.door.lives = 2
        status, report = await depot.fire()
        runs += 1
        if status == 200:
            break
        assert "closed" in report["retailers"][0]["failures"][0]["reason"]
        assert runs < 50
    assert runs > 2
    assert sorted(set(depot.door.orders), key=int) == [str(n) for n in range(40)]
    assert len(depot.door.orders) == 40, "a run that is told of the failure has saved how far it came"
    (page,) = await depot.documents.find(FEED_FILES)
    assert (page.data["status"], page.data["lines"], page.data["orders"]) == ("taken", 40, 40)


@pytest.mark.parametrize("dies_at", range(1, 12))
async def test_a_process_killed_without_a_word_loses_nothing_either(depot: Depot, dies_at: int) -> None:
    many = [order(n, lines=[{"product": f"p{i}", "paid": 1} for i in range(900 // 2)]) for n in range(60)]
    depot.bucket.objects = {"orders/1.gz": zipped(*many)}
    sent = 0
    send = depot.door.send

    class Killed(BaseException):
        """As SIGKILL would end it: nothing after this line runs."""

    def dying(body: bytes) -> Answer:
        nonlocal sent
        sent += 1
        if sent == dies_at:
            raise Killed
        return send(body)

    depot.door.send = dying  # type: ignore[method-assign]
    with pytest.raises(Killed):
        await depot.fire()
    assert (await depot.fire())[0] == 200
    assert sorted(set(depot.door.orders), key=int) == [str(n) for n in range(60)]


async def test_a_line_that_sinks_its_request_is_found_by_halving(depot: Depot) -> None:
    depot.door.refuses_body_with = b'"order":"5"'
    depot.bucket.objects = {"orders/1.gz": zipped(*(order(n) for n in range(9)))}
    _, report = await depot.fire()
    assert report["quarantined"] == 1
    assert report["retailers"][0]["bad_lines"][0]["line"] == 6
    assert sorted(depot.door.orders) == [str(n) for n in range(9) if n != 5]


async def test_a_broken_file_is_named_and_the_others_are_taken(depot: Depot) -> None:
    depot.bucket.objects = {"orders/1.gz": zipped(order(1))[:-9], "orders/2.gz": zipped(order(2))}
    status, report = await depot.fire()
    assert status == 500
    assert [failure["file"] for failure in report["retailers"][0]["failures"]] == ["orders/1.gz"]
    assert "2" in depot.door.orders


async def test_the_catalogue_replaces_the_one_before_and_an_empty_one_does_not(depot: Depot) -> None:
    depot.bucket.objects = {FEED.catalogue_key: zipped({"product": "1", "brand": "A"}, b"{\n")}
    _, report = await depot.fire()
    assert (report["retailers"][0]["products"], report["quarantined"]) == (1, 1)
    depot.bucket.objects = {FEED.catalogue_key: zipped(b"{\n")}
    status, report = await depot.fire()
    assert (status, "stays in force" in report["retailers"][0]["failures"][0]["reason"]) == (500, True)
    assert [row["product"] for row in depot.shelf.replaced["retailer_demo", "products"]] == ["1"]


async def test_a_wrong_clock_is_refused() -> None:
    with pytest.raises(Problem) as refusal:
        room = Room(())
        await answer(ask("POST", "/", headers={"X-CloudScheduler-ScheduleTime": "soon"}), room, NOW)
    assert refusal.value.status == 400


def test_a_door_that_stays_closed_is_told_after_all_tries() -> None:
    pauses: list[float] = []
    door = SignedFrontDoor("http://127.0.0.1:1", "w" * 16, b"k" * 32, pause=pauses.append)
    with pytest.raises(Closed, match="sent again by the next run"):
        door.send(b"[]")
    assert len(pauses) == 7
    assert pauses == sorted(pauses)


@pytest.mark.emulators
def test_objects_and_lines_of_a_real_bucket(s3_server: str) -> None:
    import boto3

    client = boto3.client(
        "s3", endpoint_url=s3_server, region_name="eu-west-3", aws_access_key_id="a", aws_secret_access_key="b"
    )
    feed = Feed(bucket="deliveries-of-test")
    deliveries = S3Deliveries.of(Settings({"AWS_ENDPOINT_URL_S3": s3_server}), feed)
    with pytest.raises(Unreadable, match="cannot be listed"):
        deliveries.list("orders/")
    client.create_bucket(Bucket=feed.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    for key, data in (
        ("orders/", b""),
        ("orders/b.gz", zipped(order(2))),
        ("orders/a.gz", zipped(order(1), order(3))),
        ("else", b""),
    ):
        client.put_object(Bucket=feed.bucket, Key=key, Body=data)
    assert [item.key for item in deliveries.list("orders/")] == ["orders/a.gz", "orders/b.gz"]
    assert [item.key for item in deliveries.list("orders/a.gz")] == ["orders/a.gz"], "a whole key is a prefix too"
    assert [json.loads(line)["order"] for line in deliveries.lines("orders/a.gz")] == ["1", "3"]
    client.put_object(Bucket=feed.bucket, Key="orders/c.gz", Body=zipped(order(1))[:20])
    with pytest.raises(Unreadable, match="no whole gzip"):
        list(deliveries.lines("orders/c.gz"))
    with pytest.raises(Unreadable, match="the next run tries again"):
        list(deliveries.lines("orders/none.gz"))


@pytest.mark.emulators
def test_a_google_identity_becomes_aws_credentials_without_a_key(
    s3_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", s3_server)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    asked: list[float] = []

    def token() -> str:
        asked.append(time.time())
        return "header.payload.signature"

    session = federated_session(FEED, token)
    credentials = session.get_credentials().get_frozen_credentials()
    assert credentials.access_key.startswith("ASIA"), "temporary credentials"
    assert credentials.token
    assert len(asked) == 1
