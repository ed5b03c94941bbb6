"""The explanation says what the fold did, names what did not hold, and quotes nobody's words."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.events.record import Record
from layers.tree.__main__ import main
from layers.tree.explaining import explained
from layers.tree.journey import Standing, advance, in_order
from layers.tree.parameters import ShopperParameters, encode_parameters
from tests.rules.journeys import PARAMETERS, SHOPPER, record
from tests.rules.test_journey import STANDING, TREE
from tests.rules.test_tree_reading import EXAMPLE

VISIT = (
    record("PageViewed", 0),
    record("Searched", 1, query="my secret remedy"),
    record("AddedToBasket", 2, product="usual1", quantity=3, price=12),
    record("OrderPaid", 4, total=51),
)


def lines_of(records: tuple[Record, ...], path: Path) -> Path:
    path.write_bytes(b"\n".join(msgspec.json.encode(each) for each in records))
    return path


def test_a_visit_is_told_in_plain_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = lines_of(VISIT, tmp_path / "events.jsonl")
    parameters = tmp_path / "parameters.json"
    parameters.write_bytes(encode_parameters(PARAMETERS))
    command = ["explain", str(EXAMPLE), "--events", str(events)]
    assert main([*command, "--parameters", str(parameters)]) == 0
    told = capsys.readouterr().out
    for expected in (
        "A journey begins, at `arrival`.\n09:00:00  PageViewed  kind home\n    stays at `arrival`\n",
        '`arrival` → `searching`\n      comes to `searching`: search != "" && basket.lines == 0   [basket.lines = 0, ',
        "09:01:00  Searched  for 16 characters\n",
        "search = (16 characters)",
        'leaves `searching`: search == "" || basket.lines > 0',
        "not to `newcomer`: untrue: !shopper.known   [basket.lines = 1, shopper.known = True]",
        "shows promotion in basket: product usual3, generosity 1.0, threshold 50.0",
        "shows game in confirmation: name wheel_of_the_market, prize 5.0",
    ):
        assert expected in told
    assert "secret" not in told
    # Without parameters, nobody knows the shopper.
    assert main(command) == 0
    assert "not shown: recommendation in main, its products is empty or 0: recommended" in capsys.readouterr().out
    assert main([*command, "--absent-consent", "refused"]) == 0
    assert capsys.readouterr().out.count("no consent to personalisation") == len(VISIT)
    both = tmp_path / "both.jsonl"
    both.write_bytes(events.read_bytes() + b"\n" + events.read_bytes().replace(SHOPPER.encode(), b"01" + b"cd" * 16))
    assert main(["explain", str(EXAMPLE), "--events", str(both)]) == 2
    assert "has 2 shoppers; name one with --shopper" in capsys.readouterr().err
    assert main(["explain", str(EXAMPLE), "--events", str(both), "--shopper", SHOPPER]) == 0
    both.write_text("{}\n")
    assert main(["explain", str(EXAMPLE), "--events", str(both)]) == 2


def test_the_control_group_is_told_what_was_kept_back() -> None:
    control = msgspec.structs.replace(PARAMETERS, control=True)
    told = "\n".join(explained(VISIT, Standing(TREE, control, granted_by_default=True)))
    assert "not shown: promotion in basket, the shopper is in the control group" in told
    assert "shows promotion" not in told and "shows game" not in told


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["PageViewed", "Searched", "AddedToBasket", "RemovedFromBasket", "OrderPaid"]),
        st.integers(0, 500),
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=60)
@given(EVENTS, st.sampled_from([None, PARAMETERS]))
def test_what_is_told_is_what_was_decided(events: list[tuple[str, int]], parameters: ShopperParameters | None) -> None:
    standing = Standing(STANDING.tree, parameters, granted_by_default=True)
    records = [record(type, at, id=f"event-{n:04d}", price=20) if type.endswith(("ToBasket", "FromBasket"))
               else record(type, at, id=f"event-{n:04d}") for n, (type, at) in enumerate(events)]  # fmt: skip
    _, decisions = advance(None, records, standing)
    told = list(explained(records, standing))
    moved = [line.strip() for line in told if line.startswith("    ") and line.strip().startswith(("stays at", "`"))]
    assert moved == [
        f"stays at `{d.node_after}`" if d.node_before == d.node_after else f"`{d.node_before}` → `{d.node_after}`"
        for d in decisions
    ]
    shown = [line.split()[1] for line in told if line.startswith("    shows ")]
    kinds = [one["kind"] if one["kind"] != "default" else "the" for d in decisions for one in json.loads(d.shown)]
    assert shown == kinds
    assert len(in_order(records)) == len(decisions)
