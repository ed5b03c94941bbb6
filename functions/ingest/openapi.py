"""The Shopper Event API as an OpenAPI 3.1 document, served at `GET /v1/openapi.json`.

The schemas are those that the parser itself decodes with, so they cannot say anything else. Paths, answers and headers
are written here; `tests/fuzz` holds a running server to them. `python -m functions.ingest.openapi` prints it.
"""

from __future__ import annotations

import argparse
from functools import cache
from typing import Annotated

import msgspec

from functions.ingest.function import DOCUMENT_PATH, EVENTS_PATH
from layers.events.envelope import CLOCK_SKEW, MAX_BODY_BYTES, MAX_EVENTS, Envelope, Rejection
from layers.events.model import END, Event
from layers.privacy.signature import HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, TOLERANCE_S
from layers.shell.described import (
    AT,
    JSON,
    PREFLIGHT,
    PROBLEM_SCHEMA,
    RETRY_AFTER,
    TEXT,
    Json,
    problem,
    schemas_of,
    served,
)


class Accepted(msgspec.Struct, frozen=True):
    """Some events were refused; all others are durable."""

    accepted: int
    rejected: Annotated[list[Rejection], msgspec.Meta(min_length=1)]


ENVELOPE: Json = {
    "shopper": "9250001234567",
    "session": "b1f0c2",
    "channel": "web",
    "events": [
        {
            "type": "AddedToBasket",
            "id": "0198f0aa-0001",
            "at": "2026-11-22T10:15:00.123Z",
            "product": "3017620422003",
            "quantity": 2,
            "price": 3.49,
        },
        {"type": "Searched", "id": "0198f0aa-0002", "at": "2026-11-22T10:15:01Z", "query": "oat milk", "results": 12},
    ],
}
"""What a page sends."""

FROM_A_SERVER: list[Json] = [
    {
        "shopper": "9250001234567",
        "session": "history",
        "channel": "history",
        "events": [
            {
                "type": "OrderPaid",
                "id": "order-31198570044",
                "at": "2026-10-02T17:20:00+02:00",
                "order": "31198570044",
                "total": 30.5,
                "payment": "card",
                "household": "757a4740ead9ed60bbba3ec521371693",
                "lines": [{"product": "1095275", "paid": 0.5, "quantity": 1}, {"product": "6534178", "paid": 30.0}],
            }
        ],
    },
    {
        "shopper": "9250007654321",
        "session": "warehouse",
        "channel": "server",
        "events": [
            {
                "type": "OrderStatusUpdated",
                "id": "delivered-31198570047",
                "at": "2026-10-02T18:00:00+02:00",
                "order": "31198570047",
                "status": "delivered",
                "kept": {
                    "total": 28.94,
                    "lines": [
                        {"product": "1095276", "paid": 0.44, "quantity": 1, "substituted_for": "1095275"},
                        {"product": "6534178", "paid": 28.5, "quantity": 20425},
                    ],
                },
            }
        ],
    },
    {
        "shopper": "9250007654321",
        "session": "history",
        "channel": "history",
        "events": [
            {
                "type": "ConsentChanged",
                "id": "consent-0001",
                "at": "2026-10-03T09:00:00Z",
                "purposes": {"rewards": True},
                "consent_mode": {"ad_storage": "denied", "ad_user_data": "denied", "ad_personalization": "denied"},
            }
        ],
    },
]
"""What a retailer's server sends, signed."""

REJECTED: Json = {
    "index": 1,
    "path": "$.quantity",
    "reason": "Expected `float` > 0.0",
}


def _schemas() -> Json:
    """What the parser decodes, with the words of the API in the place of the code's."""
    (event,), _ = msgspec.json.schema_components([Event], ref_template=AT + "{name}")
    schemas = schemas_of([Envelope, Event, Accepted], END)
    schemas["Event"] = event
    envelope = schemas["Envelope"]
    envelope["description"] = "One shopper and one session. A field that is not declared refuses its event."
    # The parser splits the envelope without decoding its events, so it knows them as anything.
    envelope["properties"]["events"]["items"] = {"$ref": AT + "Event"}
    envelope["properties"]["shopper"]["description"] = "The retailer's customer id; kept as a keyed pseudonym only."
    rejection = schemas["Rejection"]
    rejection["description"] = "Why an event was refused: places and rules, never a value."
    rejected = {"type": "array", "items": {"$ref": AT + "Rejection"}, "minItems": 1}
    schemas["Problem"] = {**PROBLEM_SCHEMA, "properties": {**PROBLEM_SCHEMA["properties"], "rejected": rejected}}
    return schemas


_WRONG_METHOD = problem(
    405,
    "Another method than those of this path.",
    "method-not-allowed",
    Allow={"required": True, "schema": {"type": "string"}},
)

_POST_ANSWERS: Json = {
    "200": {
        "description": "Some events were refused and need correction; every other one is durable.",
        "headers": PREFLIGHT,
        "content": {
            JSON: {
                "schema": {"$ref": AT + "Accepted"},
                "examples": {"one": {"value": {"accepted": 1, "rejected": [REJECTED]}}},
            }
        },
    },
    "204": {"description": "Every event is stored and dispatched.", "headers": PREFLIGHT},
    "400": problem(
        400,
        "Nothing was taken: the body is no envelope or not whole, no event in it is valid, or the request is no HTTP.",
        "invalid-body",
        "no-valid-event",
        "body-incomplete",
        text=True,
    ),
    "401": problem(401, "The key is unknown, or the signature does not hold.", "unknown-key", "signature"),
    "403": problem(403, "The page's origin is not among the retailer's.", "origin-not-allowed"),
    "405": _WRONG_METHOD,
    "408": {"description": "The request took too long to arrive; the connection is closed.", "content": TEXT},
    "413": problem(413, f"More than {MAX_BODY_BYTES} bytes.", "body-too-large"),
    "415": problem(415, "Another content type, or a compressed body.", "content-type", "content-encoding"),
    "429": problem(
        429,
        "More events at once than one instance takes of this retailer, or, as text, than may wait on one connection. "
        "Cloud Run itself answers so, without a document, when no instance has room. Send the same request again.",
        "too-many-events",
        text=True,
        Retry_After=RETRY_AFTER,
    ),
    "431": {"description": "The headers are too large; the connection is closed.", "content": TEXT},
    "503": problem(
        503,
        "Not acknowledged: a store is down, or too much is waiting. Sending the same request again is harmless.",
        "try-again",
        Retry_After=RETRY_AFTER | {"required": True},
    ),
}

_SIGNATURE_HEADERS = [
    {
        "name": HEADER_ID,
        "in": "header",
        "description": f"Needed beside `{HEADER_SIGNATURE}`: the message's id.",
        "schema": {"type": "string"},
    },
    {
        "name": HEADER_TIMESTAMP,
        "in": "header",
        "description": f"Needed beside `{HEADER_SIGNATURE}`: Unix seconds, within {TOLERANCE_S} of now.",
        "schema": {"type": "string"},
    },
    {
        "name": HEADER_SIGNATURE,
        "in": "header",
        "description": "Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; several, "
        "separated by a space, while the key is being changed. Only a signed request may send a list of envelopes.",
        "schema": {"type": "string"},
    },
]


def document() -> Json:
    """The whole document, as data."""
    body = {"oneOf": [{"$ref": AT + "Envelope"}, {"$ref": AT + "Envelopes"}]}
    examples = {
        "page": {"summary": "From a page", "value": ENVELOPE},
        "server": {"summary": "From a retailer's server, signed", "value": FROM_A_SERVER},
    }
    as_text = {"type": "string", "contentMediaType": JSON, "contentSchema": body}
    schemas = _schemas() | {
        "Envelopes": {
            "description": f"For signed requests. At most {MAX_EVENTS} events in all.",
            "type": "array",
            "items": {"$ref": AT + "Envelope"},
            "minItems": 1,
            "maxItems": MAX_EVENTS,
        }
    }
    key: list[Json] = [{"writeKey": []}]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shopper Event API",
            "version": "1",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
            "description": "Takes what a retailer's shoppers did. An event is acknowledged after it is stored and "
            "dispatched; sending it again is harmless, since its id and time name it. An event is refused when it is "
            f"more than {CLOCK_SKEW.seconds // 60} minutes in the future, or older than the retailer's contract for "
            "such events, or from before an erasure that the retailer asked for. Refusals are RFC 9457 problem "
            "documents, also `404` on any other path.",
        },
        "servers": [{"url": "/"}],
        "paths": {
            EVENTS_PATH: {
                "post": {
                    "operationId": "sendEvents",
                    "summary": "Sends a shopper's events",
                    "security": key,
                    "parameters": _SIGNATURE_HEADERS,
                    "requestBody": {
                        "required": True,
                        "description": f"At most {MAX_BODY_BYTES} bytes, not compressed. `text/plain` is for "
                        "`navigator.sendBeacon`, which then needs no preflight.",
                        "content": {
                            JSON: {"schema": body, "examples": examples},
                            "text/plain": {"schema": as_text},
                        },
                    },
                    "responses": _POST_ANSWERS,
                },
                "options": {
                    "operationId": "preflightEvents",
                    "summary": "What a browser asks before it sends `application/json`",
                    "security": key,
                    "parameters": [
                        {"name": "Origin", "in": "header", "schema": {"type": "string"}},
                    ],
                    "responses": {
                        "204": {"description": "The page may send events.", "headers": PREFLIGHT},
                        **{status: _POST_ANSWERS[status] for status in ("401", "403", "405", "429", "503")},
                    },
                },
            },
            **_document_path(),
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "writeKey": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "key",
                    "description": "The retailer's write key, given once. It is public: it names the retailer and its "
                    "origins, and may only write.",
                }
            },
        },
    }


def _document_path() -> Json:
    path = served(DOCUMENT_PATH)
    path[DOCUMENT_PATH]["get"]["responses"] |= {status: _POST_ANSWERS[status] for status in ("405", "429", "503")}
    return path


@cache
def encoded() -> bytes:
    """The document as it is served, made at the first request."""
    return msgspec.json.encode(document())


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m functions.ingest.openapi", description="Prints the Shopper Event API's OpenAPI 3.1 document."
    ).parse_args()
    print(msgspec.json.format(encoded(), indent=2).decode())


if __name__ == "__main__":
    main()
