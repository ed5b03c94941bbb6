"""The experience API as an OpenAPI 3.1 document, served at `GET /v1/experiences/openapi.json`.

Answers' schemas are those of the structs that are encoded, parameters' rules those that the question is read by, so
they cannot say anything else. Paths, statuses and headers are written here; tests hold the handler to them.
`python -m functions.experiences.openapi` prints it.
"""

from __future__ import annotations

import argparse
from functools import cache

import msgspec

from functions.experiences.function import DOCUMENT_PATH, PATH, STREAM_PATH
from functions.experiences.rules import PARTS, SHOPPER_HEADER, Answer
from functions.experiences.streaming import EVERY_S, HEARTBEAT_S, LASTS_S, RETRY_MS
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
from layers.tree.showing import ShownExperience

EXAMPLE: Json = {
    "retailer": "demo",
    "tree": "grocery_basket",
    "tree_version": "7c1f0e",
    "node": "near_threshold",
    "decision": "0198f0aa-0001",
    "parameters_version": "2026-11-22",
    "after": {"event": "0198f0aa-0001", "counted": True},
    "experiences": [
        {
            "kind": "tension",
            "slot": "basket",
            "text": "Only €4.20 until your reward",
            "threshold": 40.0,
            "missing": 4.2,
            "progress": 0.9,
        },
        {
            "kind": "promotion",
            "slot": "main",
            "text": "€1.00 off",
            "product": "3017620422003",
            "generosity": 1.0,
            "threshold": 40.0,
        },
    ],
    "default": False,
    "reason": None,
}
"""What a page gets for the event that it has just sent."""

DEFAULT: Json = {
    **EXAMPLE,
    "node": "arrival",
    "decision": None,
    "parameters_version": "",
    "after": {"event": "0198f0aa-0001", "counted": False},
    "experiences": [
        {
            "kind": "default",
            "default": True,
            "slot": "main",
            "products": [],
            "text": "Fresh this week, chosen by our shops",
        }
    ],
    "default": True,
    "reason": "unavailable",
}
"""What it gets when a store is down: the same for everybody, marked."""

STREAMED = f"retry: {RETRY_MS}\n\nevent: experiences\nid: 0198f0aa-0001\ndata: {{…}}\n\n"

REASONS = ("consent", "no_tree", "off", "nothing_to_show", "unavailable")

_MEANT: dict[str, str] = {
    "retailer": "Whose page it is.",
    "tree": "The tree of experiences that is live; empty where none is.",
    "tree_version": "Its version.",
    "node": "Where the shopper stands in it; the value of `ExperienceShown.node`.",
    "decision": "What chose this, the value of `ExperienceShown.decision`; null before the first event.",
    "parameters_version": "Of what is predicted for this shopper; empty where nothing was used.",
    "after": "Of the event that was asked about; null where none was.",
    "experiences": "One for each of the page's places, or fewer; best first within a place.",
    "default": "Whether it is the retailer's default, the same for everybody.",
    "reason": "Why it is: personalisation is refused, no tree is published, all is switched off, nothing suits, or a "
    "store was down or too slow.",
}


def _schemas() -> Json:
    (experience,), _ = msgspec.json.schema_components([ShownExperience], ref_template=AT + "{name}")
    schemas = schemas_of([Answer, ShownExperience])
    answer = schemas["Answer"]
    answer["description"] = "What the page shows now."
    for name, schema in answer["properties"].items():
        schema.pop("default", None)
        schema["description"] = _MEANT[name]
    answer["required"] = list(answer["properties"])
    answer["properties"]["experiences"]["items"] = {"$ref": AT + "Experience"}
    answer["properties"]["reason"] = {"enum": [*REASONS, None], "description": _MEANT["reason"]}
    default = schemas["ShownDefault"]
    default["properties"]["default"] = {"const": True}
    default["required"] = list(default["properties"])
    schemas["After"]["description"] = "Whether the answer counts the event already; where not, ask again in a moment."
    return {**schemas, "Experience": experience, "Problem": PROBLEM_SCHEMA}


_PRIVATE: Json = {"Cache-Control": {"schema": {"const": "private, no-store"}}}


def _refused(status: int, description: str, *kinds: str, text: bool = False, **headers: Json) -> Json:
    found = problem(status, description, *kinds, text=text, **headers)
    return {**found, "headers": found["headers"] | PREFLIGHT | _PRIVATE}


_KINDS = [f"invalid-{name}" for name, _, _ in PARTS]
_REFUSALS: Json = {
    "400": _refused(
        400,
        "The question cannot be read, or names no shopper; or the request is no HTTP.",
        "no-shopper",
        *_KINDS,
        text=True,
    ),
    "401": _refused(401, "The key is unknown, or the shopper's token does not hold.", "unknown-key", "shopper-token"),
    "403": _refused(403, "The page's origin is not among the retailer's.", "origin-not-allowed"),
    "405": _refused(
        405,
        "Another method than those of this path.",
        "method-not-allowed",
        Allow={"required": True, "schema": {"type": "string"}},
    ),
    "408": {"description": "The request took too long to arrive; the connection is closed.", "content": TEXT},
    "429": {
        "description": "Too many requests wait on one connection; or, from Cloud Run itself, no instance has room.",
        "content": TEXT,
    },
    "431": {"description": "The headers are too large; the connection is closed.", "content": TEXT},
}


def _not_ready(*kinds: str) -> Json:
    return _refused(
        503, "Show the page without it, and ask again.", *kinds, Retry_After=RETRY_AFTER | {"required": True}
    )


def _parameters() -> list[Json]:
    """A question's parts. In Python `fullmatch` reads the rules, so the patterns are closed here."""
    meant = {
        "after": "The event that the page has just sent: the answer counts it already, or says that it does not yet.",
        "session": "The visit, as it is sent with events: with it, a new visit begins where the tree begins.",
        "slot": "Only the experiences of these places.",
        "locale": "Of the texts; without it, the retailer's.",
    }
    return [
        {
            "name": SHOPPER_HEADER,
            "in": "header",
            "required": True,
            "description": "The shopper's token: a JSON Web Token (HS256) that the shop's own server signed with the "
            "retailer's signing key, with `sub` (the customer id) and `exp`, at most a day ahead. Of a retailer whose "
            "tokens are still optional, a customer id.",
            "schema": {"type": "string"},
        },
        *(
            {
                "name": name,
                "in": "query",
                "description": f"{meant[name]} {rule_in_words[0].upper()}{rule_in_words[1:]}.",
                "schema": {"type": "string", "pattern": f"^{rule.pattern}$"},
            }
            for name, rule, rule_in_words in PARTS
        ),
    ]


def _preflight(operation: str) -> Json:
    return {
        "operationId": operation,
        "summary": "What a browser asks before it sends the shopper's token",
        "security": [{"readKey": []}],
        "parameters": [{"name": "Origin", "in": "header", "schema": {"type": "string"}}],
        "responses": {
            "204": {"description": "The page may ask.", "headers": PREFLIGHT | _PRIVATE},
            **{status: _REFUSALS[status] for status in ("401", "403", "405", "429")},
            "503": _not_ready("not-ready"),
        },
    }


def document() -> Json:
    """The whole document, as data."""
    asked: Json = {"security": [{"readKey": []}], "parameters": _parameters()}
    path = served(DOCUMENT_PATH)
    path[DOCUMENT_PATH]["get"]["responses"] |= {"405": _REFUSALS["405"], "503": _not_ready("not-ready")}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Experience API",
            "version": "1",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
            "description": "What suits a shopper now. Never an error because of a store: then it is the retailer's "
            "default experience, marked, within 100 ms. Refusals are RFC 9457 problem documents, also `404` on any "
            "other path. Nothing is written, and nothing may be cached.",
        },
        "servers": [{"url": "/"}],
        "paths": {
            PATH: {
                "get": {
                    "operationId": "readExperiences",
                    "summary": "What the page shows now",
                    **asked,
                    "responses": {
                        "200": {
                            "description": "The experiences of the place where the shopper stands, or the default.",
                            "headers": PREFLIGHT | _PRIVATE,
                            "content": {
                                JSON: {
                                    "schema": {"$ref": AT + "Answer"},
                                    "examples": {
                                        "own": {"summary": "This shopper's own", "value": EXAMPLE},
                                        "default": {"summary": "The default, a store being down", "value": DEFAULT},
                                    },
                                }
                            },
                        },
                        **_REFUSALS,
                        "503": _not_ready("not-ready"),
                    },
                },
                "options": _preflight("preflightExperiences"),
            },
            STREAM_PATH: {
                "get": {
                    "operationId": "followExperiences",
                    "summary": "The same for a page that stays open, whenever it changes",
                    **asked,
                    "responses": {
                        "200": {
                            "description": f"Server-sent events, read with `fetch` (an `EventSource` sends no header). "
                            f"`event: experiences`, `id:` the decision, `data:` an `Answer` as JSON: at once, and "
                            f"within {EVERY_S:g} s or so of each change. A comment every {HEARTBEAT_S:g} s; after "
                            f"{LASTS_S:g} s it ends, and the page connects again.",
                            "headers": PREFLIGHT
                            | {
                                "Cache-Control": {"schema": {"const": "no-store"}},
                                "X-Accel-Buffering": {"schema": {"const": "no"}},
                            },
                            "content": {
                                "text/event-stream": {
                                    "schema": {"type": "string"},
                                    "examples": {"first": {"value": STREAMED}},
                                }
                            },
                        },
                        **_REFUSALS,
                        "503": _not_ready("not-ready", "too-many-streams"),
                    },
                },
                "options": _preflight("preflightStream"),
            },
            **path,
        },
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "readKey": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "key",
                    "description": "The retailer's read key. It is public: it names the retailer and its origins.",
                }
            },
        },
    }


@cache
def encoded() -> bytes:
    """The document as it is served, made at the first request."""
    return msgspec.json.encode(document())


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m functions.experiences.openapi", description="Prints the experience API's OpenAPI 3.1 document."
    ).parse_args()
    print(msgspec.json.format(encoded(), indent=2).decode())


if __name__ == "__main__":
    main()
