"""A stack's file: a mistake is named with its file, its key or retailer, and the remedy."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.configuration import KEYS, InvalidConfiguration, key_needed_days, parse, warnings

ROOT = Path(__file__).resolve().parents[2]
STACKS = ("dev", "preprod", "prod")


def _values(stack: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"])


@pytest.fixture
def values() -> dict[str, Any]:
    return copy.deepcopy(_values("dev"))


@pytest.mark.parametrize("name", STACKS)
def test_the_real_stacks_are_accepted_without_a_warning(name: str) -> None:
    assert warnings(parse(name, _values(name))) == ()


def test_stacks_differ_as_they_should() -> None:
    stacks = {name: parse(name, _values(name)) for name in STACKS}
    assert [len(stacks[name].retailers) for name in STACKS] == [1, 2, 3]
    assert len({stack.project for stack in stacks.values()}) == 3
    assert [stacks[name].protected for name in STACKS] == [False, True, True]
    assert len({retailer.contract for retailer in stacks["prod"].retailers}) == 3


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("id", "Demo-1", r"\$\.id"),
        ("write_key", "short", r"\$\.write_key"),
        ("origins", ["https://shop.example/path"], r"\$\.origins\[0\]"),
        ("contract", {"browsing": 0}, r"\$\.contract\.browsing"),
        ("contract", {"browsing": "395"}, "Expected `int`"),
        ("currency", "Euro", r"\$\.currency"),
        ("contact", "me@x.example", "unknown field `contact`"),
        ("timezone", "Paris", "no IANA name"),
        ("feed", {"bucket": "demo-deliveries"}, r"feed\.role_arn is missing"),
        ("pseudonym_keys", [], r"\$\.pseudonym_keys"),
        ("pseudonym_keys", [{"version": n, "since": "2020-01-01"} for n in (2, 3, 4)], r"\$\.pseudonym_keys"),
        ("pseudonym_keys", [{"version": 1}, {"version": 3}], "after pseudonym key 1 comes 2, not 3"),
        ("pseudonym_keys", [{"version": 2}], "say `since` which day"),
        ("pseudonym_keys", [{"version": 1, "since": "2026-01-01"}], "nothing wrote before it"),
        (
            "pseudonym_keys",
            [{"version": 2, "since": "2020-02-01"}, {"version": 3, "since": "2020-01-01"}],
            "cannot have written before 2",
        ),
    ],
)
def test_a_wrong_retailer_is_named_with_file_field_and_remedy(
    values: dict[str, Any], field: str, value: object, says: str
) -> None:
    values["gondola:retailers"][0][field] = value
    with pytest.raises(InvalidConfiguration, match=says) as caught:
        parse("dev", values)
    message = str(caught.value)
    assert "Pulumi.dev.yaml, gondola:retailers[0]" in message
    assert (str(value) if field == "id" else "demo") in message
    assert "Correct" in message or "write" in message


def test_a_retailer_without_an_id_is_named_by_its_place(values: dict[str, Any]) -> None:
    del values["gondola:retailers"][0]["id"]
    with pytest.raises(
        InvalidConfiguration, match=r"gondola:retailers\[0\].*without an id.*missing required field `id`"
    ):
        parse("dev", values)


def test_two_retailers_cannot_share_a_key(values: dict[str, Any]) -> None:
    twin = {**values["gondola:retailers"][0], "id": "twin", "read_key": "another-read-key-01"}
    values["gondola:retailers"].append(twin)
    with pytest.raises(InvalidConfiguration, match=r"Pulumi\.dev\.yaml.*'demo' and 'twin' share the same write key"):
        parse("dev", values)


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_is_named(values: dict[str, Any], key: str) -> None:
    del values[key]
    with pytest.raises(InvalidConfiguration, match=rf"Pulumi\.dev\.yaml: {key} is missing"):
        parse("dev", values)


def test_a_key_that_nobody_reads_is_refused(values: dict[str, Any]) -> None:
    values["gondola:retailer"] = []
    with pytest.raises(InvalidConfiguration, match="nobody reads gondola:retailer, so it would change nothing"):
        parse("dev", values)


@pytest.mark.parametrize(
    "nodes", [{}, {"fixed": 1, "min": 1, "max": 2}, {"min": 3}, {"min": 3, "max": 1}, {"fixed": 0}, {"fixed": "1"}]
)
def test_nodes_are_fixed_or_between_two_numbers(values: dict[str, Any], nodes: dict[str, object]) -> None:
    values["gondola:bigtableNodes"] = nodes
    with pytest.raises(InvalidConfiguration, match="bigtableNodes"):
        parse("dev", values)


@pytest.mark.parametrize("retailers", [[], {}, "demo", ["demo"]])
def test_retailers_are_a_list_of_entries(values: dict[str, Any], retailers: object) -> None:
    values["gondola:retailers"] = retailers
    with pytest.raises(InvalidConfiguration, match="gondola:retailers"):
        parse("dev", values)


@pytest.mark.parametrize(
    ("retention", "accepted", "beyond"), [("browsing", 760, 761), ("transactions", 1096, 1097), ("decisions", 760, 761)]
)
def test_a_contract_beyond_what_the_cnil_accepts_warns(
    values: dict[str, Any], retention: str, accepted: int, beyond: int
) -> None:
    values["gondola:retailers"][0]["contract"] = {retention: accepted}
    assert warnings(parse("dev", values)) == ()
    values["gondola:retailers"][0]["contract"] = {retention: beyond}
    (warning,) = warnings(parse("dev", values))
    assert "'demo'" in warning
    assert f"contract.{retention} is {beyond} days" in warning
    assert "CNIL" in warning


def test_the_command_says_what_is_wrong_and_writes_nothing(tmp_path: Path) -> None:
    """The whole way: a wrong retailer stops the program before the first resource."""
    for folder in ("functions", "layers", "infra"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    wrong = (ROOT / "Pulumi.dev.yaml").read_text().replace("currency: USD", "currency: dollars")
    (tmp_path / "Pulumi.dev.yaml").write_text(wrong)
    run = subprocess.run(
        [sys.executable, "-m", "infra.capture", "--stack", "dev"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "Pulumi.dev.yaml, gondola:retailers[0] (retailer 'demo')" in run.stderr
    assert "$.currency" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / ".local" / "graph.json").exists()


def test_a_rotation_where_silence_is_consent_is_refused(values: dict[str, Any]) -> None:
    values["gondola:retailers"][0] |= {"absent_consent": "granted", "pseudonym_keys": [{"version": 1}, {"version": 2}]}
    with pytest.raises(InvalidConfiguration, match="set `absent_consent` to refused before the rotation"):
        parse("dev", values)


def test_a_key_is_prepared_and_then_writes(values: dict[str, Any]) -> None:
    entry = values["gondola:retailers"][0]
    entry |= {"absent_consent": "refused", "pseudonym_keys": [{"version": 1}, {"version": 2}]}
    assert parse("dev", values).retailers[0].writing_key == 1
    entry["pseudonym_keys"] = [{"version": 1}, {"version": 2, "since": date(2026, 12, 1)}]
    assert parse("dev", values).retailers[0].writing_key == 2


# Each example reads the list of time zones from the disk.
@settings(max_examples=30, deadline=None)
@given(
    since=st.dates(date(2026, 1, 1), date(2100, 1, 1)),
    consent=st.integers(1, 3650),
    retired=st.lists(st.integers(1, 3650), max_size=2),
)
def test_a_key_is_dropped_once_nothing_is_left_under_it_and_no_day_before(
    since: date, consent: int, retired: list[int]
) -> None:
    values = _values("dev")
    values["gondola:retiredDelays"] = {"browsing": retired}
    entry = values["gondola:retailers"][0]
    entry |= {"absent_consent": "refused", "contract": {**entry.get("contract", {}), "consent": consent}}
    kept = [{"version": 1}, {"version": 2, "since": since.isoformat()}]
    for day in (since, date.max - timedelta(days=1)):
        entry["pseudonym_keys"] = kept
        retailer = parse("dev", values, day).retailers[0]
    days = key_needed_days(retailer, {"browsing": retired})  # type: ignore[dict-item]
    assert days >= max(consent, *retired, 1825)
    entry["pseudonym_keys"] = kept[1:]
    with pytest.raises(InvalidConfiguration, match="pseudonym key 1 is not listed any more"):
        parse("dev", values, since + timedelta(days=days))
    assert parse("dev", values, since + timedelta(days=days + 1)).retailers[0].writing_key == 2
    assert parse("dev", {**values, "gondola:retailers": [{**entry, "pseudonym_keys": kept}]}, datetime.now(UTC).date())
