"""The decision path as the high-level clients lead to it: state in Firestore, a transaction for each event.

Both functions decide with the same pure code as ours (`layers.tree`), count only stored events, and keep the tree for
five seconds as ours do. What differs is how they reach the stores: BigtableDataClient, Firestore's transactional
decorator, publish().result() for each decision, synchronous on gunicorn's threads. One client of each for the process,
made by the first request, since gunicorn forks before.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import flask
import functions_framework
import msgspec
from google.cloud import firestore, pubsub_v1
from google.cloud.bigtable.data import BigtableDataClient, ReadRowsQuery, RowRange
from google.cloud.bigtable.data.row_filters import CellsColumnLimitFilter

from functions.experiences.rules import Door, answered, counts, read_question
from layers.events.record import Record, decode_lines, decode_record, milliseconds
from layers.privacy.pseudonym import Pseudonymiser
from layers.retailers import AbsentConsent, Registry, Retailer
from layers.stores.bigtable.events import newest_range
from layers.tree.catching_up import CaughtUp, Shopper
from layers.tree.decision import encode_decisions
from layers.tree.journey import Standing, advance, fits, in_order, moved_by, stretch_start
from layers.tree.parameters import decode_parameters
from layers.tree.reading import read_json
from layers.tree.state import State, decode_state, encode_state
from layers.tree.tree import Tree
from layers.tree.wording import Wording

_OPEN = Door(b"", required=False)
_FRESH_S = 5.0
_REGISTRY = Registry.of_environment(os.environ, "GONDOLA_RETAILER_")


class Stores:
    """The clients, and what both functions do with them."""

    def __init__(self) -> None:
        bigtable = BigtableDataClient(project=os.environ["GONDOLA_PROJECT"])
        self._events, self._shoppers = (
            bigtable.get_table(os.environ[name].split("/")[3], os.environ[name].split("/")[5])
            for name in ("GONDOLA_TABLE_EVENTS", "GONDOLA_TABLE_SHOPPERS")
        )
        self.documents = firestore.Client(project=os.environ["GONDOLA_PROJECT"])
        self._trees: dict[str, tuple[float, Tree]] = {}

    @cached_property
    def publisher(self) -> Any:
        return pubsub_v1.PublisherClient()

    def tree(self, retailer: Retailer) -> Tree:
        until, tree = self._trees.get(retailer.id, (0.0, None))
        if tree is None or time.monotonic() >= until:
            programme = self.documents.collection("live_trees").document(retailer.id).get().to_dict()
            live = programme["aired"][-1]
            if tree is None or (tree.id, tree.version) != (live["tree"], live["version"]):
                name = f"{retailer.id}:{live['tree']}:{live['version']}"
                version = self.documents.collection("trees").document(name).get().to_dict()
                tree = read_json(version["definition"])
            self._trees[retailer.id] = (time.monotonic() + _FRESH_S, tree)
        return tree

    def standing(self, retailer: Retailer, shopper: str) -> Standing:
        row = self._shoppers.read_row(f"{retailer.id}#{shopper}", row_filter=CellsColumnLimitFilter(1))
        cells = row.get_cells("parameters") if row is not None else []
        parameters = decode_parameters(cells[0].value) if cells else None
        return Standing(self.tree(retailer), parameters, retailer.absent_consent is AbsentConsent.GRANTED)

    def state(self, retailer: Retailer, shopper: str) -> Any:
        return self.documents.collection("shopper_states").document(f"{retailer.id}_{shopper}")

    def newest(self, retailer: Retailer, shopper: str, not_before: datetime | None) -> list[Record]:
        start, end = newest_range(retailer.id, shopper, not_before)
        query = ReadRowsQuery(row_ranges=[RowRange(start, end)], limit=1000, row_filter=CellsColumnLimitFilter(1))
        return [decode_record(row.cells[0].value) for row in self._events.read_rows(query)]

    def caught_up(self, retailer: Retailer, shopper: str, state: State | None, standing: Standing) -> CaughtUp:
        """The fold over what is stored: onward where that is exact, else from where the stretch begins."""
        if state is not None and moved_by(state, standing):
            records = self.newest(retailer, shopper, datetime.fromtimestamp(state.last_ms / 1000, UTC))
            if fits(state, records, standing):
                return CaughtUp(*advance(state, records, standing))
        ordered = in_order(self.newest(retailer, shopper, None))
        start = stretch_start(ordered, 2**63)
        return CaughtUp(*advance(None, ordered[start:], standing)) if start is not None else CaughtUp(None)


_lock = threading.Lock()
_made: list[Stores] = []


def stores() -> Stores:
    if not _made:
        with _lock:
            if not _made:
                _made.append(Stores())
    return _made[0]


def _known(snapshot: Any) -> State | None:
    return decode_state(snapshot.get("state")) if snapshot.exists else None


@firestore.transactional  # type: ignore[untyped-decorator]
def _step(transaction: Any, reference: Any, onward: Callable[[State | None], CaughtUp]) -> CaughtUp:
    caught_up = onward(_known(reference.get(transaction=transaction)))
    if caught_up.state is not None:
        transaction.set(reference, {"state": encode_state(caught_up.state)})
    return caught_up


@functions_framework.http  # type: ignore[untyped-decorator]
def sample_decisioning(request: flask.Request) -> Any:
    """A push of `shopper-events`."""
    message = json.loads(request.get_data())["message"]
    retailer = _REGISTRY.by_id[message["attributes"]["retailer"]]
    records: Sequence[Record] = decode_lines(base64.b64decode(message["data"]))[0]
    held = stores()
    for record in records:
        shopper = record.shopper
        standing = held.standing(retailer, shopper)

        def onward(state: State | None, shopper: str = shopper, standing: Standing = standing) -> CaughtUp:
            return held.caught_up(retailer, shopper, state, standing)

        caught_up = _step(held.documents.transaction(), held.state(retailer, shopper), onward)
        for decision in caught_up.decisions:
            data = encode_decisions([decision])
            held.publisher.publish(os.environ["GONDOLA_TOPIC_DECISIONS"], data, retailer=retailer.id).result()
    return "", 204


@functions_framework.http  # type: ignore[untyped-decorator]
def sample_experiences(request: flask.Request) -> Any:
    """`GET /v1/experiences`."""
    retailer = _REGISTRY.by_read_key[request.args["key"]]
    lowered = {name.lower(): value for name, value in request.headers.items()}
    question = read_question(lowered, request.args, _OPEN, time.time())
    pseudonymise = Pseudonymiser(os.environ[f"GONDOLA_SECRET_PSEUDONYM_KEY_{retailer.id.upper()}"])
    shopper = pseudonymise(question.customer)
    held = stores()
    standing = held.standing(retailer, shopper)
    state = _known(held.state(retailer, shopper).get())
    caught_up = CaughtUp(state)
    if not counts(state, question) or (state is not None and not moved_by(state, standing)):
        caught_up = held.caught_up(retailer, shopper, state, standing)
    answer = answered(
        retailer.id,
        question,
        standing,
        Shopper(state, None, standing.parameters, None),
        caught_up,
        milliseconds(datetime.now(UTC)),
        Wording(retailer.locale, retailer.currency),
    )
    headers = {"Cache-Control": "private, no-store", "Access-Control-Allow-Origin": request.headers.get("Origin", "")}
    return flask.Response(msgspec.json.encode(answer), headers=headers, mimetype="application/json")
