"""What schemathesis must be told beside the document. Loaded by schemathesis itself, as its hooks.

It knows no clock (an event must lie within the retailer's contract), no key, no signature, and not that `text/plain` is
JSON here. `SENDER` says who it plays: a `tracker`, which sends one envelope and signs nothing, or a `server`, which
signs everything and may send a list.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
import schemathesis
from hypothesis import strategies as st

from layers.privacy.signature import sign
from tests.fuzz.door import RETAILER, SIGNING_KEY

SENDER = "GONDOLA_FUZZ_SENDER"
_SERVER = os.environ.get(SENDER) == "server"
_NOW = datetime.now(UTC)
_YEAR_S = 300 * 86_400

schemathesis.openapi.format(
    "date-time", st.integers(0, _YEAR_S).map(lambda seconds: (_NOW - timedelta(seconds=seconds)).isoformat())
)


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Leaves of the document what this sender may do."""
    post = raw_schema["paths"]["/v1/events"]["post"]
    content = post["requestBody"]["content"]
    one = {"$ref": "#/components/schemas/Envelope"}
    if _SERVER:
        # Every request is signed anew, so what is drawn for these would never arrive.
        post["parameters"] = []
    else:
        example = content["application/json"]["examples"]["page"]
        content["application/json"] = {"schema": one, "examples": {"page": example}}
    # Examples are of the day they were written.
    for example in content["application/json"].get("examples", {}).values():
        for envelope in example["value"] if isinstance(example["value"], list) else [example["value"]]:
            for event in envelope["events"]:
                event["at"] = _NOW.isoformat()
    content["text/plain"] = {"schema": content["application/json"]["schema"]}


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """To JSON Schema 262144.0 is an integer too; no tracker writes it, and the door takes counts without a fraction."""
    if isinstance(body, dict):
        return {name: map_body(context, value) for name, value in body.items()}
    if isinstance(body, list):
        return [map_body(context, value) for value in body]
    return int(body) if isinstance(body, float) and body.is_integer() else body


@schemathesis.serializer("text/plain")
def as_json(context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.auth()
class Key:
    def get(self, case: schemathesis.Case[Any], context: schemathesis.AuthContext) -> str:
        return RETAILER.write_key

    def set(self, case: schemathesis.Case[Any], data: str, context: schemathesis.AuthContext) -> None:
        case.query = {**(case.query or {}), "key": data}


class _Signed(requests.auth.AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        request.headers.update(sign(SIGNING_KEY, "m1", int(time.time()), body))
        return request


@schemathesis.hook
def before_call(context: Any, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    if _SERVER:
        kwargs["auth"] = _Signed()
