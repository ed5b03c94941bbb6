"""What the stores hold, read from the emulators with nothing of the project's own stores in between.

Bigtable by ReadRows with the official messages, Pub/Sub by a subscription of the suite's own, BigQuery by its REST
interface and through the views, as an analyst would.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import grpc
import msgspec
from google.cloud.bigtable_v2.types import bigtable, data
from google.protobuf import empty_pb2
from google.pubsub_v1.types import pubsub

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.facts import FACTS
from tests.loopback import HTTP

T = TypeVar("T")
_UNBOUNDED = [("grpc.max_receive_message_length", -1)]
_RowFilter: Any = data.RowFilter.pb()
_ReadRowsRequest: Any = bigtable.ReadRowsRequest.pb()
_ReadRowsResponse: Any = bigtable.ReadRowsResponse.pb()
_Subscription: Any = pubsub.Subscription.pb()
_PullRequest: Any = pubsub.PullRequest.pb()
_PullResponse: Any = pubsub.PullResponse.pb()
_SeekRequest: Any = pubsub.SeekRequest.pb()
_AcknowledgeRequest: Any = pubsub.AcknowledgeRequest.pb()


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One row of the table `events`, as it lies there."""

    retailer: str
    shopper: str
    reversed_ms: int
    family: str
    at_ms: int
    line: dict[str, Any]


def stored(values: Settings, prefix: str) -> dict[str, list[StoredEvent]]:
    """The rows whose event id starts with `prefix`, by event id: more than one for an id is a defect."""
    only = _RowFilter(row_key_regex_filter=f".*#{prefix}[^#]*".encode())
    found: dict[str, list[StoredEvent]] = {}
    for key, family, _, at_ms, value in _cells(values, "events", only):
        retailer, shopper, reversed_ms, id = key.decode().split("#")
        row = StoredEvent(retailer, shopper, int(reversed_ms), family, at_ms, msgspec.json.decode(value))
        found.setdefault(id, []).append(row)
    return found


def journalled(values: Settings, prefix: str) -> set[str]:
    """Ids of the events that the journal of arrivals names: under each shopper's column a line an event, which ends in
    its id."""
    only = _RowFilter(value_regex_filter=f"(?s:.*#{prefix}.*)".encode())
    lines = [line for *_, value in _cells(values, "arrivals", only) for line in value.decode().split("\n")]
    return {id for line in lines for id in (line.rpartition("#")[2],) if id.startswith(prefix)}


def _cells(values: Settings, table: str, only: Any) -> Iterator[tuple[bytes, str, bytes, int, bytes]]:
    """Key, family, qualifier, time in ms and value of the newest cell of each column."""
    request = _ReadRowsRequest(table_name=values[settings.hot_table(table)])
    request.filter.chain.filters.append(only)
    request.filter.chain.filters.add(cells_per_column_limit_filter=1)
    key, family, qualifier, at_ms, value = b"", "", b"", 0, b""
    with grpc.insecure_channel(values.emulator("bigtable"), options=_UNBOUNDED) as channel:
        call = channel.unary_stream(
            "/google.bigtable.v2.Bigtable/ReadRows", _ReadRowsRequest.SerializeToString, _ReadRowsResponse.FromString
        )
        for response in call(request, timeout=120):
            for chunk in response.chunks:
                # What does not change is not said again; a long value comes in pieces, all but the last with the size.
                key = chunk.row_key or key
                family = chunk.family_name.value if chunk.HasField("family_name") else family
                qualifier = chunk.qualifier.value if chunk.HasField("qualifier") else qualifier
                at_ms = at_ms if value else chunk.timestamp_micros // 1000
                value += chunk.value
                if not chunk.value_size:
                    yield key, family, qualifier, at_ms, value
                    value = b""


class Ear:
    """Hears every message of a topic from `with` on, through a pull subscription of its own.

    A message that Pub/Sub delivers to it twice counts once; an event that stands in two messages was published twice.
    """

    def __init__(self, values: Settings, topic: str) -> None:
        self._times: Counter[str] = Counter()
        self._messages: set[str] = set()
        self._topic = values[settings.topic(topic)]
        self._name = f"projects/{self._topic.split('/')[1]}/subscriptions/chaos-{topic}"
        self._channel = grpc.insecure_channel(values.emulator("pubsub"), options=_UNBOUNDED)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name=f"ear-{topic}", daemon=True)

    def _call(self, service: str, method: str, request: Any, answer: Any, timeout: float = 30.0) -> Any:
        path = f"/google.pubsub.v1.{service}/{method}"
        return self._channel.unary_unary(path, type(request).SerializeToString, answer.FromString)(
            request, timeout=timeout
        )

    def __enter__(self) -> Ear:
        wanted = _Subscription(name=self._name, topic=self._topic, ack_deadline_seconds=10)
        self._call("Subscriber", "CreateSubscription", wanted, _Subscription)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=15)
        self._channel.close()

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                self._take(at_once=False)
            except grpc.RpcError:
                # A pull without messages ends by its deadline; a paused emulator answers the next one.
                self._over.wait(0.05)

    def _take(self, at_once: bool) -> bool:
        """Whether there was anything."""
        request = _PullRequest(subscription=self._name, max_messages=50, return_immediately=at_once)
        received = self._call("Subscriber", "Pull", request, _PullResponse, 5.0).received_messages
        with self._lock:
            for each in received:
                if each.message.message_id not in self._messages:
                    self._messages.add(each.message.message_id)
                    self._hear(each.message.data)
        if received:
            done = _AcknowledgeRequest(subscription=self._name, ack_ids=[each.ack_id for each in received])
            self._call("Subscriber", "Acknowledge", done, empty_pb2.Empty)
        return bool(received)

    def _hear(self, data: bytes) -> None:
        self._times.update(msgspec.json.decode(line)["event"]["id"] for line in data.split(b"\n") if line)

    def heard(self, prefix: str) -> dict[str, int]:
        """In how many messages each event stood, of all that is published by now."""
        with contextlib.suppress(grpc.RpcError):
            while self._take(at_once=True):
                pass
        with self._lock:
            return {id: times for id, times in self._times.items() if id.startswith(prefix)}


def drop_undelivered(values: Settings, subscription: str) -> None:
    """Makes Pub/Sub forget what a subscription has not delivered yet, by seeking to now."""
    name = f"projects/{values[settings.PROJECT]}/subscriptions/{subscription}"
    request = _SeekRequest(subscription=name)
    request.time.FromDatetime(datetime.now(UTC))
    with grpc.insecure_channel(values.emulator("pubsub")) as channel:
        path = "/google.pubsub.v1.Subscriber/Seek"
        channel.unary_unary(path, _SeekRequest.SerializeToString, empty_pb2.Empty.FromString)(request, timeout=30)


class Analyst:
    """Asks BigQuery over REST."""

    def __init__(self, values: Settings, dataset: str) -> None:
        self._project = values[settings.PROJECT]
        self._url = f"http://{values.emulator('bigquery')}/bigquery/v2/projects/{self._project}"
        self._dataset = f"{self._project}.{dataset}"

    def _query(self, sql: str) -> list[list[Any]]:
        asked = HTTP.post(
            f"{self._url}/queries", json={"query": sql, "useLegacySql": False, "maxResults": 200_000}, timeout=120
        )
        asked.raise_for_status()
        answer = asked.json()
        if answer.get("errors") or not answer.get("jobComplete") or answer.get("pageToken"):
            raise RuntimeError(f"BigQuery did not answer whole: {str(answer)[:500]}")
        return [[cell["v"] for cell in row["f"]] for row in answer.get("rows", ())]

    def facts(self, prefix: str, views: Collection[str]) -> dict[tuple[str, str], int]:
        """How many rows each event has in each view, by (view, event id).

        Args:
            views: in which rows are expected. Of the others the table below is read, which costs a fraction and holds
                nothing if the view does not.
        """
        parts = (
            f"SELECT '{table.name}' AS view_name, event_id, COUNT(*) AS c FROM `{self._dataset}.{source}` "
            f"WHERE STARTS_WITH(event_id, '{prefix}') GROUP BY event_id"
            for table in FACTS
            for source in (table.name if table.name in views else table.stored_as,)
        )
        found = self._query(f"SELECT view_name, event_id, c FROM ({' UNION ALL '.join(parts)}) AS counts")
        return {(view, id): int(rows) for view, id, rows in found}

    def delivered(self, prefix: str) -> int:
        """Rows in the tables below the views, where one that was delivered twice stands twice; cheap enough to be asked
        often."""
        parts = (
            f"SELECT COUNT(*) AS c FROM `{self._dataset}.{table.stored_as}` WHERE STARTS_WITH(event_id, '{prefix}')"
            for table in FACTS
        )
        return int(self._query(f"SELECT SUM(c) FROM ({' UNION ALL '.join(parts)}) AS counts")[0][0] or 0)

    def decided(self, prefix: str) -> set[str]:
        """Ids of events with a decision."""
        where = f"WHERE STARTS_WITH(event_id, '{prefix}')"
        return {row[0] for row in self._query(f"SELECT DISTINCT event_id FROM `{self._dataset}.decisions` {where}")}


def milliseconds(text: str) -> int:
    """Of an RFC 3339 time."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def eventually(
    what: str, look: Callable[[], T], holds: Callable[[T], bool], patience_s: float, every_s: float = 0.05
) -> T:
    """Looks until it holds.

    Raises:
        AssertionError: with what was seen last, when the patience is over.
    """
    end = time.monotonic() + patience_s
    while True:
        seen = look()
        if holds(seen):
            return seen
        assert time.monotonic() < end, f"{what}: still {str(seen)[:500]}"
        time.sleep(every_s)
