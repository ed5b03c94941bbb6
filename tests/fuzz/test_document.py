"""The OpenAPI document says what the code does: it is valid, its examples are real, and the parser agrees with it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from functions.ingest import openapi
from functions.ingest.function import FUNCTION
from functions.ingest.rules import Door, take
from layers.declarations import Http
from layers.events.envelope import Rejection, read_envelopes, read_event
from layers.events.model import EVENT_TYPES, type_name
from layers.privacy.pseudonym import Pseudonymiser
from layers.retailers import Contract, Retailer

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
EVENTS = json.loads((ROOT / "tests" / "examples" / "events.json").read_text())
DOCUMENT = json.loads(openapi.encoded())
SHOP = Retailer(id="demo", name="Demo", write_key="w" * 16, read_key="r" * 16, origins=())
OF_THE_CLOCK = ("future", "ancient", "time without offset")
"""What a schema cannot say: it has no clock, and RFC 3339 times are only a format to it."""


def validator(name: str) -> Draft202012Validator:
    registry = Registry().with_resource("urn:document", Resource.from_contents(DOCUMENT, DRAFT202012))
    return Draft202012Validator({"$ref": f"urn:document#/components/schemas/{name}"}, registry=registry)


def test_it_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_names_every_path_of_the_declaration() -> None:
    assert isinstance(FUNCTION.trigger, Http)
    assert set(DOCUMENT["paths"]) == set(FUNCTION.trigger.paths)


def test_it_names_every_problem_of_the_handler() -> None:
    written = "".join((ROOT / "functions/ingest/handler.py").read_text().split())
    written += "".join((ROOT / "layers/shell/answers.py").read_text().split())
    raised = set(re.findall(r'Problem\(\d{3},"([a-z-]+)"', written))
    listed = set(re.findall(r'problems/([a-z-]+)"', json.dumps(DOCUMENT)))
    assert listed == raised - {"no-such-path"}


def examples() -> list[Any]:
    content = DOCUMENT["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]
    return [pytest.param(example["value"], id=name) for name, example in content["examples"].items()]


@pytest.mark.parametrize("example", examples())
def test_every_example_is_taken_whole(example: Any) -> None:
    door = Door(SHOP, Pseudonymiser("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), lambda _: None)
    taken = take(read_envelopes(json.dumps(example).encode(), server=isinstance(example, list)), door, NOW)
    assert taken.events
    assert not taken.rejected
    validator("Envelopes" if isinstance(example, list) else "Envelope").validate(example)


def test_the_example_of_a_refusal_is_one() -> None:
    wrong = {**openapi.ENVELOPE["events"][0], "quantity": 0}
    path, reason = read_event(json.dumps(wrong).encode(), NOW, Contract())
    assert {"index": 1, "path": path, "reason": reason} == openapi.REJECTED
    msgspec.convert(openapi.REJECTED, Rejection)


def test_every_event_type_is_in_it() -> None:
    assert set(DOCUMENT["components"]["schemas"]["Event"]["discriminator"]["mapping"]) == set(
        map(type_name, EVENT_TYPES)
    )


@pytest.mark.parametrize("event", EVENTS["valid"], ids=lambda event: str(event["type"]))
def test_what_the_parser_takes_the_schema_takes(event: dict[str, Any]) -> None:
    validator("Event").validate(event)


@pytest.mark.parametrize("case", EVENTS["refused"], ids=lambda case: str(case["why"]))
def test_what_the_parser_refuses_the_schema_refuses(case: dict[str, Any]) -> None:
    if case["why"] not in OF_THE_CLOCK and not str(case["event"]).count("\\n"):
        assert not validator("Event").is_valid(case["event"])


def test_it_can_be_printed() -> None:
    command = [sys.executable, "-m", "functions.ingest.openapi"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    assert json.loads(printed) == DOCUMENT
