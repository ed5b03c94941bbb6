"""The proof of consent, by the query that `layers/events/README.md` gives: who, when, what, from which channel."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from functions.cooling.rules import cool
from layers.declarations.settings import Settings
from layers.events.envelope import Channel
from layers.events.model import ConsentChanged, ConsentMode, Purposes
from layers.events.record import Record
from layers.stores.bigquery.port import Parameter
from layers.stores.bigquery.warehouse import BigQueryWarehouse
from layers.stores.bigquery.writer import BigQueryFacts
from tests.contracts.datasets import make_dataset

pytestmark = pytest.mark.emulators

README = Path(__file__).parents[2] / "layers" / "events" / "README.md"
PROJECT = "proof"
ANNE, BERT = "01" + "a" * 32, "01" + "b" * 32
START = datetime(2026, 11, 20, 9, 0, 0, 500, tzinfo=UTC)
TCF = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"


def changed(id: str, minutes: float, channel: Channel, *purposes: str, shopper: str = ANNE) -> Record:
    at = START + timedelta(minutes=minutes)
    mode = ConsentMode(ad_storage="denied") if channel == "web" else ConsentMode()
    event = ConsentChanged(id=id, at=at, purposes=Purposes(**dict.fromkeys(purposes, True)), tcf=TCF, consent_mode=mode)
    return Record(
        shopper=shopper, session=f"s-{channel}", channel=channel, received=at + timedelta(seconds=2), event=event
    )


def test_every_change_is_there_and_the_newest_holds(bigquery_emulator: tuple[str, str]) -> None:
    rest, storage = bigquery_emulator
    values = Settings(
        {"GONDOLA_PROJECT": PROJECT, "BIGQUERY_EMULATOR_HOST": rest, "BIGQUERY_STORAGE_EMULATOR_HOST": storage}
    )
    dataset = make_dataset(rest, PROJECT)
    told = [
        changed("withdrawn", 10, "web"),
        changed("given-000", 0, "app", "personalisation", "measurement"),
        changed("expired-0", -9000, "app", "rewards"),
        # In the same millisecond the id decides, as for hot data, though this one has fewer microseconds.
        changed("withdrawn-by-hand", 10 - 0.0000025, "store", "rewards"),
        changed("anothers-", 20, "web", "advertising", shopper=BERT),
    ]

    async def deliver() -> None:
        facts = BigQueryFacts.of(values)
        for _ in range(2):
            for cooled in cool(told):
                await facts.append(dataset, cooled.table, cooled.columns)
        await facts.close()

    asyncio.run(deliver())
    [sql] = re.findall(r"^```sql\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    asked: dict[str, Parameter] = {"shopper": ANNE, "kept_since": START - timedelta(days=1)}
    rows = BigQueryWarehouse.of(values).query(sql.replace("{dataset}", f"{PROJECT}.{dataset}"), asked)
    assert [(row["event_id"], row["channel"], row["session"], row["holds"]) for row in rows] == [
        ("withdrawn-by-hand", "store", "s-store", True),
        ("withdrawn", "web", "s-web", False),
        ("given-000", "app", "s-app", False),
    ]
    given = rows[2]
    assert [given[name] for name in ("measurement", "personalisation", "advertising", "rewards")] == [1, 1, 0, 0]
    assert (given["tcf"], given["ad_storage"], rows[1]["ad_storage"]) == (TCF, None, "denied")
    assert [row["received"] - row["at"] for row in rows] == [timedelta(seconds=2)] * 3
