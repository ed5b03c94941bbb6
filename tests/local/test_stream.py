"""A real stream of a real server: what happens elsewhere is told on it, and a server that stops lets it go."""

from __future__ import annotations

import json
import queue
import signal
import threading
import uuid
from typing import Any

import httpx
import pytest

from emulators.stack import Stack
from tests.local.shop_visit import PARAMETERS, PATIENCE_S, Shop, visit

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


class Listener:
    """Reads a stream in a thread of its own.

    Attributes:
        heard: what was sent, in order; None at its end.
    """

    def __init__(self, shop: Shop, customer: str) -> None:
        self.heard: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.headers: httpx.Headers | None = None
        url = f"{shop.stack.address('experiences')}/v1/experiences/stream?key={shop.retailer.read_key}"
        self._ask = (url, {"gondola-shopper": shop.token(customer)})
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        url, headers = self._ask
        try:
            with httpx.stream("GET", url, headers=headers, timeout=PATIENCE_S) as answer:
                self.headers = answer.headers
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        self.heard.put(json.loads(line.removeprefix("data: ")))
        finally:
            self.heard.put(None)

    def next(self) -> dict[str, Any] | None:
        return self.heard.get(timeout=PATIENCE_S)


def test_a_page_that_stays_open_hears_of_each_event_and_of_the_servers_end(stack: Stack) -> None:
    shop = Shop(stack)
    shop.publish_tree()
    prefix = f"t{uuid.uuid4().hex[:12]}-"
    customer = f"stays-{prefix}"
    shop.learn(customer, PARAMETERS)
    page = Listener(shop, customer)
    first = page.next()
    assert first is not None and first["decision"] is None and not first["default"]
    assert page.headers is not None and page.headers["content-type"].startswith("text/event-stream")
    for event in visit(prefix, seed=7, events=3):
        shop.must_post(customer, [event])
        told: dict[str, Any] | None = first
        while told is not None and told["decision"] != event["id"]:
            told = page.next()
        assert told is not None and told == shop.shown(customer, event["id"]) | {"after": None}
    stack.kill("experiences", signal.SIGTERM)
    try:
        assert page.next() is None, "it ends at once, and not after five minutes"
    finally:
        stack.restart("experiences")
