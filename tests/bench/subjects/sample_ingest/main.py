"""The handler that Google's samples lead to: synchronous, one row commit and one publish().result() for each event.

Sources: "Write a simple row" of the Bigtable samples (direct_row, set_cell, commit), "Publish messages" of the Pub/Sub
samples (publish, result), and the Cloud Run functions tip to keep clients in global variables, made when first used.
Fair, not foolish: one client of each for the process, both calls of an event in order, errors answered with 503.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from datetime import UTC, datetime
from typing import Any

import flask
import functions_framework
from google.cloud import bigtable, pubsub_v1

from tests.bench.subjects.sample_ingest.rules import rows

_TOPIC = os.environ["GONDOLA_TOPIC_SHOPPER_EVENTS"]
_PROJECT, _INSTANCE, _TABLE = os.environ["GONDOLA_TABLE_EVENTS"].split("/")[1::2]
_RETAILERS = {
    entry["write_key"]: entry
    for entry in (json.loads(value) for name, value in os.environ.items() if name.startswith("GONDOLA_RETAILER_"))
}
_KEYS = {
    entry["id"]: base64.b64decode(os.environ[f"GONDOLA_SECRET_PSEUDONYM_KEY_{entry['id'].upper()}"])
    for entry in _RETAILERS.values()
}
_lock = threading.Lock()
_clients: dict[str, Any] = {}


def clients() -> tuple[Any, Any]:
    """The table and the publisher of this process, made by its first request: gunicorn forks before that."""
    if "publisher" not in _clients:
        with _lock:
            if "publisher" not in _clients:
                _clients["table"] = bigtable.Client(project=_PROJECT).instance(_INSTANCE).table(_TABLE)
                _clients["publisher"] = pubsub_v1.PublisherClient()
    return _clients["table"], _clients["publisher"]


@functions_framework.http  # type: ignore[untyped-decorator]
def sample_ingest(request: flask.Request) -> Any:
    retailer = _RETAILERS.get(request.args.get("key", ""))
    if retailer is None:
        return {"title": "The write key is not known"}, 401
    origin = request.headers.get("Origin")
    if origin is not None and origin not in retailer["origins"]:
        return {"title": "This origin may not send events"}, 403
    now = datetime.now(UTC)
    try:
        kept, rejected = rows(json.loads(request.get_data()), retailer, _KEYS[retailer["id"]], now)
    except ValueError:
        return {"title": "The body is no envelope"}, 400
    table, publisher = clients()
    for event in kept:
        row = table.direct_row(event.key)
        row.set_cell(event.family, b"e", event.data, timestamp=event.at)
        if row.commit().code != 0:
            return {"title": "The events are not acknowledged"}, 503, {"Retry-After": "1"}
        publisher.publish(_TOPIC, event.data, retailer=retailer["id"], count="1").result()
    headers = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"} if origin else {}
    if rejected:
        return {"accepted": len(kept), "rejected": rejected}, 200, headers
    return "", 204, headers
