"""Events that are stored and were never dispatched, on the laptop stack: the job finds them, and they are cooled."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from emulators.stack import Stack
from layers.declarations import settings
from layers.events.model import Event
from layers.events.record import encode_record, milliseconds, row_key
from layers.retailers import family
from layers.stores.bigtable.arrivals import BigtableArrivals
from layers.stores.bigtable.events import BigtableHotEvents
from layers.stores.bigtable.port import Arrival, HotEvent
from layers.stores.collections import RECONCILIATIONS
from tests.local.shop_visit import Shop, eventually, visit
from tests.loopback import HTTP

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SECOND_RUN = timedelta(minutes=20)
"""After the first; what was dispatched had its time by then."""


def stored_only(shop: Shop, customer: str, events: Sequence[dict[str, Any]], arrived: datetime) -> list[HotEvent]:
    """The rows that ingest would write of these."""
    shopper, contract = shop.pseudonym(customer), shop.retailer.contract
    rows = []
    for each in events:
        event = msgspec.convert(each, Event)
        rows.append(
            HotEvent(
                row_key("demo", shopper, event.at, event.id),
                family(event.retention, contract.days(event.retention)),
                milliseconds(event.at),
                encode_record(shopper, "s1", "web", arrived, msgspec.json.encode(each)),
            )
        )
    return rows


def _forget(shop: Shop, id: str) -> None:
    """Of an hour that was compared before, by whoever fired the job on this stack: it is compared as if it were new."""
    host, project = shop.stack.hosts["FIRESTORE_EMULATOR_HOST"], shop.values[settings.PROJECT]
    documents = f"http://{host}/v1/projects/{project}/databases/(default)/documents"
    HTTP.delete(f"{documents}/{RECONCILIATIONS.name}/{id}", timeout=20).raise_for_status()


def test_what_was_stored_and_not_dispatched_is_found_cooled_and_left_alone(stack: Stack) -> None:
    shop, prefix = Shop(stack), f"r{uuid.uuid4().hex[:12]}-"
    shop.publish_tree()
    events, customer = visit(prefix, seed=11), f"reconciled-{prefix}"
    lost, whole = events[20:], events[:20]
    shop.must_post(customer, whole)
    eventually("the others cooled", lambda: shop.cooled(prefix), lambda seen: len(seen) == len(whole))

    now = datetime.now(UTC)
    arrived = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2, minutes=-30)
    rows = stored_only(shop, customer, events, arrived)
    refused = row_key("demo", shop.pseudonym(customer), now, f"{prefix}never")

    async def store() -> None:
        assert all(await BigtableHotEvents.of(shop.values).write(rows[20:]))
        noted = Arrival("demo", arrived, [*(row.key for row in rows), refused])
        await BigtableArrivals.of(shop.values).note([noted])

    asyncio.run(store())
    _forget(shop, f"demo_{arrived:%Y%m%d%H}")

    def hour(body: str) -> list[Any]:
        named = f"{arrived.replace(minute=0):%Y-%m-%dT%H:%M:%SZ}"
        lines = [line for line in json.loads(body)["hours"] if line["hour"] == named and line["retailer"] == "demo"]
        return [[line[name] for name in ("stored", "cooled", "missing", "dispatched", "status")] for line in lines]

    dry = HTTP.post(f"{stack.address('reconciliation')}/?dry_run=true", timeout=60)
    assert hour(dry.text) == [[30, 20, 10, 10, "dispatched"]]
    assert len(shop.cooled(prefix)) == len(whole), "a dry run dispatches nothing"

    status, body = stack.fire("reconciliation", now)
    assert (status, hour(body)) == (200, [[30, 20, 10, 10, "dispatched"]])
    eventually("all cooled", lambda: shop.cooled(prefix), lambda seen: seen == {event["id"] for event in events})
    eventually(
        "the lost decided", lambda: {row["event_id"] for row in shop.decided(prefix)}, lambda seen: len(seen) == 30
    )
    assert shop.cold.count("order_lines", f"STARTS_WITH(event_id, '{prefix}')") == len(lost[-1]["lines"])

    status, body = stack.fire("reconciliation", now + SECOND_RUN)
    assert (status, hour(body)) == (200, [[30, 30, 0, 0, "complete"]])
    status, body = stack.fire("reconciliation", now + 2 * SECOND_RUN)
    assert (status, hour(body)) == (200, [])
    assert shop.pseudonym(customer) not in stack.log("reconciliation")
