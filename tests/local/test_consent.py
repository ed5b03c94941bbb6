"""A withdrawal and an objection on the real stack: the page that is asked for after the acknowledgement is the
retailer's default one.

That is sooner than the second that is promised, and needs no clock to be checked. Decisioning is dead or stopped.
"""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emulators.stack import Stack
from emulators.tokens import handed_on_token
from layers.stores.bigtable.shoppers import BigtableShopperRows
from tests.local.shop_visit import PARAMETERS, Shop, eventually, scored
from tests.loopback import HTTP

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
    answer = HTTP.get(url, headers={"gondola-shopper": shop.token(customer)}, timeout=20)
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


def object_to_profiling(shop: Shop, customer: str, reference: str) -> dict[str, Any]:
    """As the retailer's compliance officer does."""
    address = shop.stack.address("consent_erasure")
    token = handed_on_token(shop.retailer.compliance[0], address, datetime.now(UTC))
    asked = {"retailer": "demo", "reference": reference, "customer": customer}
    answer = HTTP.post(f"{address}/v1/objections", json=asked, headers={"authorization": f"Bearer {token}"}, timeout=60)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def parameters_of(shop: Shop, customer: str) -> bytes | None:
    async def read() -> bytes | None:
        return (await BigtableShopperRows.of(shop.values).read("demo", shop.pseudonym(customer))).parameters

    return asyncio.run(read())


def bought(id: str, days_ago: int) -> dict[str, Any]:
    at = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat()
    lines = [{"product": "p1", "paid": 4.5}]
    return {"type": "OrderPaid", "id": id, "at": at, "order": f"order-{id}", "total": 4.5, "lines": lines}


def test_an_objection_ends_profiling_until_a_new_consent(shop: Shop) -> None:
    """Article 21, from the officer's request on: no estimates, no state of a profile, no personalised decision, nothing
    from scoring; and with a new consent all of it begins again. Another shopper of the same orders loses nothing."""
    prefix = f"t{uuid.uuid4().hex[:12]}-"
    objects, stays = f"objects-{prefix}", f"stays-{prefix}"
    for who, customer in (("o", objects), ("s", stays)):
        agreed = [consent(f"{prefix}{who}c", personalisation=True, measurement=True)]
        shop.must_post(customer, [*(bought(f"{prefix}{who}b{days}", days) for days in (3, 10, 17)), *agreed])
    everything = {f"{prefix}{who}{what}" for who in "os" for what in ("b3", "b10", "b17", "c")}
    eventually("cooled", lambda: shop.cooled(prefix), lambda seen: everything <= seen)
    scored(shop)
    assert parameters_of(shop, objects) is not None and parameters_of(shop, stays) is not None
    shop.must_post(objects, [added(f"{prefix}o1")])
    personal = eventually("decided", lambda: page(shop, objects), lambda seen: seen["decision"] == f"{prefix}o1")
    assert not personal["default"] and personal["parameters_version"]

    told = object_to_profiling(shop, objects, f"{prefix}O")
    assert told["in_force"] and told["channel"] == "officer"
    assert told["purposes"] == {
        "measurement": True,
        "personalisation": False,
        "advertising": False,
        "rewards": False,
    }
    refused = page(shop, objects)
    assert (refused["default"], refused["reason"], refused["parameters_version"]) == (True, "consent", "")
    assert parameters_of(shop, objects) is None
    shop.must_post(objects, [added(f"{prefix}o2")])
    assert shop.shown(objects, after=f"{prefix}o2")["reason"] == "consent"
    rows = eventually(
        "decided without personalisation",
        lambda: {row["event_id"]: row for row in shop.decided(prefix)},
        lambda seen: f"{prefix}o2" in seen and seen[f"{prefix}o2"]["parameters_version"] == "",
    )
    assert rows[f"{prefix}o2"]["node_after"] == refused["node"]
    eventually("cooled", lambda: shop.cold.event_ids(), lambda seen: told["id"] in seen)
    scored(shop)
    assert parameters_of(shop, objects) is None, "scoring skips who objected"
    assert parameters_of(shop, stays) is not None
    assert object_to_profiling(shop, objects, f"{prefix}O") == told, "asked again, it is the same objection"

    shop.must_post(objects, [consent(f"{prefix}on", personalisation=True, measurement=True)])
    assert page(shop, objects)["reason"] != "consent"
    shop.must_post(objects, [added(f"{prefix}o3")])
    anew = eventually("decided", lambda: page(shop, objects), lambda seen: seen["decision"] == f"{prefix}o3")
    assert anew["reason"] != "consent" and anew["parameters_version"] == "", "no estimate of before is known"
    eventually("cooled", lambda: shop.cooled(prefix), lambda seen: f"{prefix}on" in seen)
    scored(shop)
    assert parameters_of(shop, objects) is not None
    shop.must_post(objects, [added(f"{prefix}o4")])
    again = eventually("decided", lambda: page(shop, objects), lambda seen: seen["decision"] == f"{prefix}o4")
    assert not again["default"] and again["parameters_version"]
