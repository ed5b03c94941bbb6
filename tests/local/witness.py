"""All that a working stack writes beside its stores of events, and who is named in it.

Read raw: log files, Firestore's and Pub/Sub's own interfaces. What a metric is labelled with and what a trace is called
are fields of log lines (infra makes metrics of them), so they are read there, by the functions' declarations.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx

from infra.declared import find
from layers.stores.collections import COLLECTIONS
from tests.local.shop_visit import ROOT, Shop
from tests.loopback import HTTP
from tests.privacy.search import Piece, unwrapped

LINES = "lines of"
"""Begins the place of a message's records: there, and only there, a pseudonym may stand."""

PSEUDONYM = "pseudonym"


def leaks(needles: Mapping[str, str], pieces: Iterable[Piece]) -> list[tuple[str, str]]:
    """(place, name of what stands there), each once; never what it is, since a failing test is read by many."""
    found: dict[tuple[str, str], None] = {}
    for piece in pieces:
        for layer in _layers(piece.data):
            for name, needle in needles.items():
                if needle.lower().encode() in layer and not (name == PSEUDONYM and piece.place.startswith(LINES)):
                    found[piece.place, name] = None
    return list(found)


def _layers(data: bytes) -> Iterator[bytes]:
    """In small letters, also what is wrapped, escaped as in JSON or as in an address."""
    for layer in unwrapped(data):
        yield layer.lower()
        if b"%" in layer:
            yield unquote_to_bytes(layer).lower()
        if b"\\u" in layer:
            yield layer.decode("raw_unicode_escape", errors="replace").encode(errors="replace").lower()


class Ears:
    """Hears what is published to each topic from now on: what could become a dead letter, with the same attributes."""

    def __init__(self, shop: Shop, mark: str) -> None:
        self._root = f"http://{shop.stack.hosts['PUBSUB_EMULATOR_HOST']}/v1/projects/{shop.values['GONDOLA_PROJECT']}"
        self._mark = mark
        listed = HTTP.get(f"{self._root}/topics", timeout=20).json()["topics"]
        topics = [each["name"].rpartition("/")[2] for each in listed]
        self.dead = [name for name in topics if name.endswith("--dead")]
        self._topics = [name for name in topics if name not in self.dead]

    def __enter__(self) -> Ears:
        for name in self._topics:
            body = {"topic": f"{self._root.partition('/v1/')[2]}/topics/{name}"}
            HTTP.put(f"{self._root}/subscriptions/{self._mark}{name}", json=body, timeout=20).raise_for_status()
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._topics:
            HTTP.delete(f"{self._root}/subscriptions/{self._mark}{name}", timeout=20)

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str]) -> None:
        message = {"data": base64.b64encode(data).decode(), "attributes": dict(attributes)}
        url = f"{self._root}/topics/{topic}:publish"
        HTTP.post(url, json={"messages": [message]}, timeout=20).raise_for_status()

    def pieces(self) -> Iterator[Piece]:
        for name in self._topics:
            yield from self._messages(f"{self._mark}{name}", name)
        for name in self.dead:
            yield from self._messages(name, name)

    def _messages(self, subscription: str, name: str) -> Iterator[Piece]:
        url = f"{self._root}/subscriptions/{subscription}"
        held: list[str] = []
        while True:
            asked = {"maxMessages": 1000, "returnImmediately": True}
            received = HTTP.post(f"{url}:pull", json=asked, timeout=20).json().get("receivedMessages", ())
            if not received:
                break
            held += [each["ackId"] for each in received]
            for message in (each["message"] for each in received):
                attributes = message.get("attributes", {})
                yield Piece(f"attributes of {name}", json.dumps(attributes).encode())
                yield Piece(f"trace of {name}", attributes.get("trace", "").encode())
                yield Piece(f"{LINES} {name}", base64.b64decode(message.get("data", "")))
        if held:
            again = {"ackIds": held, "ackDeadlineSeconds": 0}
            HTTP.post(f"{url}:modifyAckDeadline", json=again, timeout=20).raise_for_status()


def documents(shop: Shop, collection: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        page = HTTP.get(f"{_base(shop)}/{collection}?pageSize=300&pageToken={token}", timeout=20).json()
        found += page.get("documents", [])
        token = page.get("nextPageToken", "")
        if not token:
            return found


def put_document(shop: Shop, collection: str, id: str, field: str, value: str) -> None:
    body = {"fields": {field: {"stringValue": value}}}
    HTTP.patch(f"{_base(shop)}/{collection}/{id}", json=body, timeout=20).raise_for_status()


def delete_document(shop: Shop, collection: str, id: str) -> None:
    HTTP.delete(f"{_base(shop)}/{collection}/{id}", timeout=20).raise_for_status()


def _base(shop: Shop) -> str:
    host, project = shop.stack.hosts["FIRESTORE_EMULATOR_HOST"], shop.values["GONDOLA_PROJECT"]
    return f"http://{host}/v1/projects/{project}/databases/(default)/documents"


def written(shop: Shop, ears: Ears, answers: Sequence[httpx.Response]) -> Iterator[Piece]:
    for number, answer in enumerate(answers):
        head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        yield Piece(f"answer {number} ({answer.status_code})", f"{head}\n\n{answer.text}".encode())
    for function in shop.stack.functions:
        text = shop.stack.log(function)
        yield Piece(f"log of {function}", text.encode())
        yield from _fields(function, text)
    for collection in COLLECTIONS:
        for document in documents(shop, collection.name):
            yield Piece(f"documents of {collection.name}", json.dumps(document).encode())
    yield from ears.pieces()


def _fields(function: str, text: str) -> Iterator[Piece]:
    """Labels of its metrics, and traces."""
    (declared,) = (each for each in find(ROOT) if each.name == function)
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict):
            continue
        for measure in declared.measures:
            if entry.get("message") == measure.message:
                labels = json.dumps([entry.get(label) for label in measure.labels])
                yield Piece(f"labels of {function}/{measure.name}", labels.encode())
        if "trace" in entry:
            yield Piece(f"trace in the log of {function}", str(entry["trace"]).encode())
