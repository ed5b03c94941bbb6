"""What a shopper is told about recipients and about the logic of profiling, against what the program declares and
computes.

Both are prose, for people. Each sentence that could become false is held here by what would make it so.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from functions.consent_erasure.telling import LOGIC, RECIPIENTS
from functions.scoring import rules as scoring
from infra.declared import find
from layers.declarations import Dataset, DeadLetters, Documents, HotTable, Need, RetailerBucket, Topic
from layers.events.envelope import Envelope
from layers.events.model import EVENT_TYPES
from layers.facts import TABLES
from layers.tree.parameters import ShopperParameters
from layers.tree.variables import VARIABLES
from tests.rules.test_rights import names

ROOT = Path(__file__).parents[2]

KEEPS: dict[type[Need], str] = {
    HotTable: "Bigtable",
    Dataset: "BigQuery",
    Documents: "Firestore",
    Topic: "Pub/Sub",
    DeadLetters: "Pub/Sub",
}
"""The product of Google's that stands behind a need."""

UNKNOWN = re.compile(
    r"(^|[_.])(first_?name|last_?name|surname|age|birth\w*|gender|sex|income|address|street|postcode|city|email|phone|ip"
    r"|latitude|longitude|health|diet|allerg\w*|religion)($|[_.])"
)
"""Of fields that would make `not_used` false."""


def test_google_s_products_that_keep_a_shopper_s_data_are_named_and_no_other() -> None:
    (google,) = [text for text in RECIPIENTS if text.startswith("Google Cloud")]
    named = set(google.partition("(")[2].partition(")")[0].split(", "))
    used = {KEEPS[type(need)] for function in find(ROOT) for need in function.needs if type(need) in KEEPS}
    assert named == used | {"Cloud Run"}


def test_nobody_else_is_a_recipient() -> None:
    """That nothing leaves otherwise is held by tests/infra/test_exports.py, which fails on a new kind of need."""
    assert RECIPIENTS[-1].startswith("Nobody else.") and len(RECIPIENTS) == 3
    for function in find(ROOT):
        assert all(not hasattr(need, "purpose") for need in function.needs), function.name
    assert not [field for field in RetailerBucket.__dataclass_fields__ if field == "access"], "read only"


def test_estimates_come_from_past_orders_alone() -> None:
    sql = (ROOT / "functions/scoring/parameters.sql").read_text()
    read = set(re.findall(r"\{dataset\}\.(\w+)", sql))
    assert "from past orders alone" in LOGIC["what"]
    assert read <= {"orders", "order_lines", "products", "consents", "offers"}, "say in LOGIC what else is read"
    assert {"orders", "order_lines", "consents"} <= read


def test_what_is_said_not_to_be_known_has_no_field_anywhere() -> None:
    assert {"Name", "age", "address", "health"} <= set(re.split(r"\W+", LOGIC["not_used"]))
    fields = {name for event in EVENT_TYPES for name in names(event)} | set(names(ShopperParameters))
    fields |= {field.encode_name for field in msgspec.structs.fields(Envelope)}
    fields |= {column.name for table in TABLES for column in table.columns} | {each.name for each in VARIABLES}
    assert len(fields) > 60 and not [field for field in sorted(fields) if UNKNOWN.search(field)]
    assert UNKNOWN.search("shopper.age") and UNKNOWN.search("postcode") and not UNKNOWN.search("page")


@given(st.floats(0, 5000))
def test_the_threshold_is_a_round_amount_just_above(stretch: float) -> None:
    assert LOGIC["threshold"].startswith("A round amount just above the total that four of ten")
    asked = scoring.threshold(stretch)
    assert stretch < asked.value <= stretch + 50 and asked.value % 5 == 0 and "60 %" in asked.reason


@given(st.floats(1, 500), st.floats(0, 400), st.floats(0, 1000), st.floats(0.01, 1000))
def test_generosity_is_what_is_said(usual: float, more: float, discount: float, paid: float) -> None:
    """A tenth of what the threshold adds, in halves and at least one; nothing without a tenth in discounts."""
    given_away = scoring.generosity(usual, usual + more, discount, paid).value
    if discount / (discount + paid) < 0.1:
        assert given_away == 0
    else:
        assert given_away * 2 % 1 == 0 and max(0.5, more / 10 - 0.51) <= given_away <= max(0.5, more / 10 + 0.01)
    assert "whole halves" in LOGIC["generosity"] and "at least one half" in LOGIC["generosity"]
