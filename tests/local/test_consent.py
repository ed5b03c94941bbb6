"""A withdrawal on the real stack: the page that is asked for after its acknowledgement is the retailer's default one.

That is sooner than the second that is promised, and needs no clock to be checked. Decisioning is dead or stopped.
"""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from emulators.stack import Stack
from tests.local.shop_visit import PARAMETERS, Shop, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Shop:
    shop = Shop(stack)
    shop.publish_tree()
    return shop


def kill(stack: Stack) -> Callable[[], None]:
    stack.kill("decisioning")
    return lambda: stack.restart("decisioning")


def pause(stack: Stack) -> Callable[[], None]:
    stack.kill("decisioning", signal.SIGSTOP)

    def go_on() -> None:
        stack.kill("decisioning", signal.SIGCONT)

    return go_on


def page(shop: Shop, customer: str) -> dict[str, Any]:
    """As a page that counts no event of its own: the row alone is looked at."""
    url = f"{shop.stack.address('experiences')}/v1/experiences?key={shop.retailer.read_key}"
    answer = httpx.get(url, headers={"gondola-shopper": customer}, timeout=20)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def consent(id: str, **purposes: bool) -> dict[str, Any]:
    return {"type": "ConsentChanged", "id": id, "at": datetime.now(UTC).isoformat(), "purposes": purposes}


def added(id: str) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    return {"type": "AddedToBasket", "id": id, "at": at, "product": "p1", "quantity": 1, "price": 4.5}


@pytest.mark.parametrize("stops", [kill, pause], ids=["dead", "stopped"])
def test_the_first_page_after_a_withdrawal_is_the_default_one_without_decisioning(
    shop: Shop, stops: Callable[[Stack], Callable[[], None]]
) -> None:
    prefix = f"t{uuid.uuid4().hex[:12]}-"
    customer = f"withdraws-{prefix}"
    shop.learn(customer, PARAMETERS)
    shop.must_post(customer, [consent(f"{prefix}0", personalisation=True), added(f"{prefix}1")])
    personal = eventually("decided", lambda: page(shop, customer), lambda seen: seen["decision"] == f"{prefix}1")
    assert not personal["default"] and personal["parameters_version"] == PARAMETERS.version
    goes_on = stops(shop.stack)
    try:
        for round_ in range(10):
            shop.must_post(customer, [consent(f"{prefix}w{round_}", rewards=True)])
            withdrawn = page(shop, customer)
            assert (withdrawn["default"], withdrawn["reason"], withdrawn["decision"]) == (True, "consent", None)
            assert withdrawn["parameters_version"] == ""
            shop.must_post(customer, [added(f"{prefix}x{round_}")])
            assert page(shop, customer)["reason"] == "consent"
            assert shop.shown(customer, after=f"{prefix}x{round_}")["reason"] == "consent"
            if round_ < 9:
                # Given as easily as withdrawn, and as soon.
                shop.must_post(customer, [consent(f"{prefix}g{round_}", personalisation=True)])
                assert not page(shop, customer)["default"]
    finally:
        goes_on()
    last = f"{prefix}x9"
    rows = eventually(
        "decided afterwards",
        lambda: {row["event_id"]: row for row in shop.decided(prefix)},
        lambda seen: {f"{prefix}x{round_}" for round_ in range(10)} <= set(seen),
    )
    refused = [rows[f"{prefix}{kind}{round_}"] for kind in "wx" for round_ in range(10)]
    assert {row["parameters_version"] for row in refused} == {""}
    assert {row["node_after"] for row in refused} == {withdrawn["node"]}
    assert rows[f"{prefix}g0"]["parameters_version"] == PARAMETERS.version
    eventually("the row catches up", lambda: page(shop, customer), lambda seen: seen["decision"] == last)
    assert page(shop, customer)["reason"] == "consent"
