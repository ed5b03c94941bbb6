"""The document of the experience API says what the code does: each answer of the handler is one that it describes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from starlette.responses import Response

from functions.experiences import openapi
from functions.experiences.function import DOCUMENT_PATH, FUNCTION, PATH, STREAM_PATH
from functions.experiences.handler import answer, not_ready
from functions.experiences.rules import PARTS, SHOPPER_HEADER, Door, InvalidQuestion, read_question
from functions.experiences.streaming import Streams
from layers.declarations import Http
from layers.privacy.shopper_token import issue
from layers.tree.live import FRESH_S, change
from layers.tree.programme import stop
from tests.handlers.asking import ask
from tests.handlers.test_experiences import ADD, ORIGIN, VIEW, Page
from tests.handlers.test_experiences_stream import Open
from tests.handlers.visiting import CUSTOMER, KEY, NOW, SIGNING, seen

ROOT = Path(__file__).parents[2]
DOCUMENT = json.loads(openapi.encoded())
REGISTRY = Registry().with_resource("urn:document", Resource.from_contents(DOCUMENT, DRAFT202012))


def validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"urn:document#{schema}"}, registry=REGISTRY)


def described(response: Response, path: str, method: str = "get") -> Any:
    """The answer's body; fails where the document does not describe it."""
    status, kind = str(response.status_code), response.headers.get("content-type", "").partition(";")[0]
    listed = DOCUMENT["paths"][path][method]["responses"][status]
    at = f"/paths/{path.replace('/', '~1')}/{method}/responses/{status}"
    for name in response.headers:
        known = {header.lower() for header in listed.get("headers", {})}
        assert name in known | {"content-type", "content-length"}, name
    for name, header in listed.get("headers", {}).items():
        if name.lower() in response.headers and "const" in header["schema"]:
            assert response.headers[name] == header["schema"]["const"]
        assert not header.get("required") or name.lower() in response.headers
    assert not kind or kind in listed["content"]
    if kind in ("", "text/event-stream"):
        return None
    body = json.loads(bytes(response.body))
    validator(f"{at}/content/{kind.replace('/', '~1')}/schema").validate(body)
    return body


def test_it_is_openapi_3_1_and_names_every_path_of_the_declaration() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert isinstance(FUNCTION.trigger, Http)
    assert set(DOCUMENT["paths"]) == set(FUNCTION.trigger.paths)


def test_it_names_every_problem_that_is_raised_and_every_reason_that_is_given() -> None:
    code = {name: (ROOT / f"functions/experiences/{name}.py").read_text() for name in ("handler", "rules")}
    raised = set(re.findall(r'Problem\(\s*\d{3},\s*"([a-z-]+)"', code["handler"]))
    raised |= set(re.findall(r'InvalidQuestion\(\s*"([a-z-]+)"', code["rules"]))
    raised |= {f"invalid-{name}" for name, _, _ in PARTS}
    assert set(re.findall(r'problems/([a-z-]+)"', json.dumps(DOCUMENT))) == raised - {"no-such-path"}
    told = set(re.findall(r'"(off|no_tree|unavailable)"', code["handler"]))
    walked = "".join(path.read_text() for path in (ROOT / "layers/tree").glob("*.py"))
    told |= {reason for reason in ("consent", "nothing_to_show") if f'"{reason}"' in walked}
    assert told == set(openapi.REASONS)


@pytest.mark.parametrize("example", [openapi.EXAMPLE, openapi.DEFAULT], ids=["own", "default"])
def test_its_examples_are_answers(example: dict[str, Any]) -> None:
    validator("/components/schemas/Answer").validate(example)


async def page() -> Page:
    page = Page()
    await page.open()
    return page


async def got(page: Page, query: str = "", method: str = "GET", path: str = PATH, **headers: str) -> Response:
    sent = {SHOPPER_HEADER: CUSTOMER, "origin": ORIGIN} | {
        name.replace("_", "-"): each for name, each in headers.items()
    }
    return await answer(ask(method, path, headers=sent, query=f"key={KEY}&{query}"), page.room, NOW)


async def test_what_is_shown_in_every_state_of_a_visit_is_as_described() -> None:
    shop = await page()
    kinds = set()
    for event in (
        VIEW,
        ADD,
        *(seen("AddedToBasket", 3 + n, product=f"usual{n}", quantity=1, price=9.0) for n in range(8)),
    ):
        await shop.store(event)
        for query in (f"after={event.event.id}", f"after={event.event.id}&slot=main&locale=fr-FR&session=visit-1", ""):
            body = described(await got(shop, query), PATH)
            kinds |= {one["kind"] for one in body["experiences"]}
        await shop.push(event)
    assert {"tension", "recommendation", "promotion"} <= kinds
    shop.hangs = True
    shop.patience_s = 0.01
    assert described(await got(shop), PATH)["reason"] == "unavailable"


async def test_a_default_is_as_described_whatever_its_reason() -> None:
    nothing = Page()
    assert described(await got(nothing), PATH)["reason"] == "no_tree"
    stopped = await page()
    await change(stopped.documents, "demo", lambda programme: stop(programme, datetime.now(UTC), "tester"))
    stopped.clock += FRESH_S + 0.1
    assert described(await got(stopped), PATH)["reason"] == "off"
    refused = await page()
    await refused.keep(seen("ConsentChanged", 1, purposes={}))
    assert described(await got(refused), PATH)["reason"] == "consent"


async def test_every_refusal_is_as_described() -> None:
    shop = await page()
    shop.required = True
    token = issue(SIGNING, CUSTOMER, NOW.timestamp())
    for path in (PATH, STREAM_PATH):
        assert described(await got(shop, path=path), path)["status"] == 401
        assert described(await got(shop, path=path, gondola_shopper=token + "x"), path)["status"] == 401
        assert described(await got(shop, path=path, gondola_shopper=""), path)["status"] == 400
        for part in ("after", "session", "slot", "locale"):
            assert described(await got(shop, f"{part}=%2F", path=path, gondola_shopper=token), path)["status"] == 400
        assert described(await got(shop, path=path, origin="https://other.example"), path)["status"] == 403
        assert described(await got(shop, "key=unknown", path=path), path)["status"] == 401
        described(await got(shop, path=path, method="OPTIONS"), path, "options")
        wrong = await got(shop, path=path, method="POST")
        assert described(wrong, path)["status"] == 405 and wrong.headers["allow"] == "GET, OPTIONS"
        assert described(not_ready(), path)["status"] == 503


async def test_a_stream_says_what_is_described() -> None:
    open_page = Open()
    await open_page.open()
    described(await open_page.stream(), STREAM_PATH)
    open_page.streams = Streams(0)
    full = await open_page.stream()
    assert described(full, STREAM_PATH)["status"] == 503 and int(full.headers["retry-after"]) >= 1
    heard = Open()
    await heard.open()
    for told in await heard.heard():
        validator("/components/schemas/Answer").validate(told)


async def test_it_is_served_to_anybody_and_printed() -> None:
    shop = await page()
    response = await answer(ask("GET", DOCUMENT_PATH), shop.room, NOW)
    assert described(response, DOCUMENT_PATH) == DOCUMENT
    assert described(await answer(ask("POST", DOCUMENT_PATH), shop.room, NOW), DOCUMENT_PATH)["status"] == 405
    command = [sys.executable, "-m", "functions.experiences.openapi"]
    assert json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout) == DOCUMENT


PARAMETERS = {each["name"]: each["schema"] for each in DOCUMENT["paths"][PATH]["get"]["parameters"]}
DOOR = Door(SIGNING, required=False)


@pytest.mark.parametrize("name", ["after", "session", "slot", "locale"])
def test_a_part_is_taken_exactly_where_its_schema_takes_it(name: str) -> None:
    pattern = PARAMETERS[name]["pattern"]

    @given(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True) | st.text(max_size=70))
    def check(value: str) -> None:
        # In ECMA-262, which JSON Schema follows, `$` holds at the very end alone.
        fits = bool(re.fullmatch(pattern[1:-1], value))
        try:
            read_question({SHOPPER_HEADER: CUSTOMER}, {name: value}, DOOR, 0.0)
        except InvalidQuestion:
            assert not fits
        else:
            assert fits

    check()
