"""`price_responses.sql` on the emulator, against the same sums in plain Python, and to elasticities from there."""

from __future__ import annotations

import io
import math
import random
import re
import uuid
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from layers.facts.derived import PRICE_RESPONSES
from layers.offers.elasticity import PriceResponse, estimated

pytestmark = pytest.mark.emulators

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "functions" / "modelling" / "project" / "models" / "statistics" / "price_responses.sql"
AS_OF = date(2026, 11, 22)
TRUE = {"COFFEE": -2.0, "SOAP": -1.0}


def rows() -> list[dict[str, Any]]:
    """Twenty weeks of four products, whose trips follow the price; and what must not count."""
    rng = random.Random(4)
    found: list[dict[str, Any]] = []
    for week in range(20):
        for category, product in (("COFFEE", "c1"), ("COFFEE", "c2"), ("SOAP", "s1"), ("SOAP", "s2")):
            price = round(4.0 * rng.choice([0.7, 0.85, 1.0, 1.1]), 2)
            for _ in range(max(1, round(6 * (price / 4.0) ** TRUE[category] + rng.uniform(-1, 1)))):
                day = AS_OF - timedelta(days=7 * week + rng.randint(1, 7))
                found.append(line(product, category, day, price))
    return [
        *found,
        *(line("seldom", "SOAP", AS_OF - timedelta(days=7 * week + 1), 2.0) for week in range(0, 60, 3)),
        *(line("new", "SOAP", AS_OF - timedelta(days=7 * week + 1), 2.0) for week in range(19)),
        *(line("c1", "COFFEE", AS_OF, 100.0) for _ in range(5)),
        *(line("c1", "COFFEE", AS_OF - timedelta(days=3), 100.0, measured=False) for _ in range(5)),
        line("c1", None, AS_OF - timedelta(days=3), 100.0),
        line("c1", "COFFEE", AS_OF - timedelta(days=3), None),
    ]


def line(
    product: str, category: str | None, day: date, price: float | None, *, measured: bool = True
) -> dict[str, Any]:
    return {"product": product, "category": category, "day": day, "price": price, "measured": measured}


def by_hand(lines: list[dict[str, Any]]) -> dict[str, PriceResponse]:
    weeks: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    for one in lines:
        if one["measured"] and one["price"] and one["category"] and one["day"] < AS_OF:
            weeks[one["category"], one["product"], ((AS_OF - one["day"]).days - 1) // 7].append(one["price"])
    totals: dict[int, int] = defaultdict(int)
    for (_, _, week), prices in weeks.items():
        totals[week] += len(prices)
    sold: dict[str, list[int]] = defaultdict(list)
    for _, product, week in weeks:
        sold[product].append(week)
    steady = {p for p, some in sold.items() if len(some) >= 20 and len(some) * 4 >= (max(some) + 1) * 3}
    assert steady == {"c1", "c2", "s1", "s2"}
    points: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for (category, product, week), prices in weeks.items():
        if product in steady:
            logs = math.log(sum(prices) / len(prices)), math.log(len(prices) / totals[week])
            points[category, product].append(logs)
    sums: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0.0, 0.0, 0.0])
    for (category, _), several in points.items():
        x0, y0 = (sum(values) / len(several) for values in zip(*several, strict=True))
        into = sums[category]
        into[0] += len(several)
        into[1] += 1
        for x, y in several:
            into[2] += (x - x0) ** 2
            into[3] += (x - x0) * (y - y0)
            into[4] += (y - y0) ** 2
    return {c: PriceResponse(c, int(n), int(p), xx, xy, yy) for c, (n, p, xx, xy, yy) in sums.items()}


@pytest.fixture(scope="module")
def client(bigquery_emulator: tuple[str, str]) -> bigquery.Client:
    options = ClientOptions(api_endpoint=f"http://{bigquery_emulator[0]}")
    return bigquery.Client("responses", AnonymousCredentials(), client_options=options)


def test_the_sums_are_those_in_plain_python(client: bigquery.Client) -> None:
    dataset = f"facts_{uuid.uuid4().hex[:12]}"
    client.create_dataset(dataset)
    types = {"product": "STRING", "category": "STRING", "day": "DATE", "price": "FLOAT64", "measured": "BOOL"}
    schema = [bigquery.SchemaField(name, type) for name, type in types.items()]
    lines = rows()
    config = bigquery.LoadJobConfig(schema=schema, source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON)
    written = io.BytesIO(b"\n".join(msgspec.json.encode(one) for one in lines))
    client.load_table_from_file(written, f"responses.{dataset}.trip_products", job_config=config).result()
    days = f"(SELECT DATE '{AS_OF}' AS as_of, 'score' AS purpose UNION ALL SELECT DATE '2026-10-01', 'train')"
    named = {"trip_products": f"`responses.{dataset}.trip_products`", "as_of_days": days}
    sql = re.sub(r'\{\{ ref\("(\w+)"\) \}\}', lambda found: named[found[1]], MODEL.read_text())
    answered = [dict(row) for row in client.query(sql).result()]
    assert {row["as_of"] for row in answered} == {AS_OF}
    assert set(answered[0]) == {column.name for column in PRICE_RESPONSES.columns}
    expected = by_hand(lines)
    for row in answered:
        found, right = PriceResponse.of(row), expected.pop(str(row["category"]))
        assert (found.rows, found.products) == (right.rows, right.products)
        assert (found.sxx, found.sxy, found.syy) == pytest.approx((right.sxx, right.sxy, right.syy))
    assert not expected
    for one in estimated(PriceResponse.of(row) for row in answered):
        # Shares of a week fall where others rise, which draws elasticities of a shop of four products together.
        assert -3.0 < one.elasticity < -0.4
