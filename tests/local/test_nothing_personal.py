"""Whatever a working stack writes beside its stores of events (logs with their metrics' lines, answers that refuse,
documents) names nobody and holds no secret. Beside that: documents hold the declared fields and no others."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from emulators.raising import SECRETS
from emulators.stack import Stack
from layers.shell.push import encode_push
from layers.stores.collections import COLLECTIONS
from tests.local.shop_visit import Shop, eventually, visit

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Shop:
    shop = Shop(stack)
    shop.publish_tree()
    return shop


def _documents(shop: Shop, collection: str) -> list[dict[str, Any]]:
    host, project = shop.stack.hosts["FIRESTORE_EMULATOR_HOST"], shop.values["GONDOLA_PROJECT"]
    base = f"http://{host}/v1/projects/{project}/databases/(default)/documents"
    found: list[dict[str, Any]] = httpx.get(f"{base}/{collection}?pageSize=300", timeout=20).json().get("documents", [])
    return found


def _found(needles: dict[str, str], text: str) -> list[str]:
    """Names of what was found, never what it is: a failing test is read by many."""
    return [name for name, needle in needles.items() if needle in text]


def test_nothing_that_a_stack_writes_names_anybody(shop: Shop) -> None:
    prefix = f"t{uuid.uuid4().hex[:12]}-"
    customer, email, phone = f"nobody-{prefix}", f"jane.{prefix}@example.org", "0639980123"
    events = visit(prefix, seed=11, events=6)
    shop.must_post(customer, events)
    shop.shown(customer, after=events[-1]["id"])
    eventually("events cooled", lambda: shop.cooled(prefix), lambda seen: seen >= {event["id"] for event in events})

    answers = [
        shop.post(customer, [{**events[0], "id": f"{prefix}bad-1", "email": email}]),
        shop.post(customer, [{**events[0], "id": f"{prefix}bad-2", "at": email}, {"type": phone}]),
        shop.post(email, events),
    ]
    door, page = shop.stack.address("ingest"), shop.stack.address("experiences")
    officer = shop.stack.address("consent_erasure")
    answers.append(httpx.post(f"{door}/v1/events?key={phone}", content=email, timeout=20))
    answers.append(httpx.get(f"{page}/v1/experiences?key={email}", headers={"gondola-shopper": customer}, timeout=20))
    key = shop.retailer.read_key
    answers.append(httpx.get(f"{page}/v1/experiences?key={key}", headers={"gondola-shopper": email}, timeout=20))
    for path in ("/v1/erasures", "/v1/access", "/v1/objections"):
        for body in ({"customers": [customer, email], phone: 1}, {"retailer": email}, [customer]):
            answers.append(httpx.post(f"{officer}{path}", json=body, timeout=20))
    for function in ("cooling", "decisioning"):
        subscription = f"projects/p/subscriptions/{function}--shopper-events"
        for data in (email.encode(), json.dumps({"shopper": customer, "event": phone}).encode()):
            pushed = encode_push(data, {"retailer": "demo"}, prefix, datetime.now(UTC), subscription)
            answers.append(httpx.post(shop.stack.address(function), content=pushed, timeout=20))
    for function in ("retention_purge", "reconciliation"):
        shop.stack.fire(function)

    people = {"customer id": customer, "e-mail": email, "phone": phone, "pseudonym": shop.pseudonym(customer)}
    secrets = {f"secret {n}": v for n, v in json.loads((shop.stack.folder / SECRETS).read_text()).items()}
    needles = {**people, **secrets}
    assert len(secrets) >= 2 and any(answer.status_code >= 400 for answer in answers)
    for number, answer in enumerate(answers):
        assert not _found(needles, answer.text), (number, answer.status_code)
    for function in shop.stack.functions:
        assert not _found(needles, shop.stack.log(function)), function

    assert _documents(shop, "quarantine"), "nothing was quarantined: a test of nothing proves nothing"
    for collection in COLLECTIONS:
        for document in _documents(shop, collection.name):
            assert not _found(needles, json.dumps(document)), collection.name
            assert set(document.get("fields", {})) <= set(collection.fields), (
                f"{collection.name}: declare every field in layers/stores/collections.py, then `make register`"
            )
