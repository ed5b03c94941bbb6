"""What the OpenAPI documents of the public functions share: problem documents, CORS headers, schemas from structs.

Does not own any path: each function describes its own beside its handler.
"""

from __future__ import annotations

from collections.abc import Iterable
from inspect import cleandoc
from typing import Any

import msgspec

from layers.shell.answers import ABOUT, PROBLEM

Json = dict[str, Any]

AT = "#/components/schemas/"
JSON = "application/json"
TEXT: Json = {"text/plain": {"schema": {"type": "string"}}}
RETRY_AFTER: Json = {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
CORS: Json = {
    "Access-Control-Allow-Origin": {
        "description": "The page's origin, if it is one of the retailer's.",
        "schema": {"type": "string"},
    },
    "Vary": {"schema": {"type": "string"}},
}
PREFLIGHT: Json = CORS | {
    name: {"schema": {"type": "string"}}
    for name in ("Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age")
}
PROBLEM_SCHEMA: Json = {
    "title": "Problem",
    "description": "RFC 9457. `detail` says the fact, its consequence and the remedy; it quotes nothing.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": False,
}


def problem(status: int, description: str, *kinds: str, text: bool = False, **headers: Json) -> Json:
    """An answer that is a problem document.

    Args:
        kinds: ends of the document's `type`. text: the HTTP layer may also answer, before any function is asked.
    """
    held: Json = {"type": {"enum": [ABOUT + kind for kind in kinds]}, "status": {"const": status}}
    content: Json = {PROBLEM: {"schema": {"allOf": [{"$ref": AT + "Problem"}, {"properties": held}]}}}
    if text:
        content |= TEXT
    named = {name.replace("_", "-"): header for name, header in headers.items()}
    return {"description": description, "headers": CORS | named, "content": content}


def schemas_of(types: Iterable[Any], end: str = "") -> Json:
    """What msgspec decodes or encodes, by name.

    Args:
        end: how patterns end in Python, where JSON Schema has `$`.
    """
    _, found = msgspec.json.schema_components(list(types), schema_hook=_anything, ref_template=AT + "{name}")
    text = msgspec.json.encode(found)
    schemas: Json = msgspec.json.decode(text.replace(msgspec.json.encode(end)[1:-1], b"$") if end else text)
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = cleandoc(schema["description"])
    return schemas


def _anything(of: type) -> Json:
    if of is object:
        return {"title": "Anything"}
    raise NotImplementedError(of)


def served(path: str) -> Json:
    """The path of the document itself."""
    return {
        path: {
            "get": {
                "operationId": "readDocument",
                "summary": "This document",
                "responses": {
                    "200": {
                        "description": "OpenAPI 3.1",
                        "headers": {
                            "Access-Control-Allow-Origin": {"schema": {"const": "*"}},
                            "Cache-Control": {"schema": {"type": "string"}},
                        },
                        "content": {JSON: {"schema": {"type": "object", "required": ["openapi"]}}},
                    }
                },
            }
        }
    }
