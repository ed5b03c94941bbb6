"""The plan: a verdict for every resource, and a README that says what the verdicts say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators import fidelity
from emulators.graph import Graph, InvalidGraph, Resource, parse
from emulators.plan import VERDICTS, Applied, NotEmulated, UnknownResource, lines, plan

ROOT = Path(__file__).resolve().parents[2]
APPLIERS = {path.stem for path in (ROOT / "emulators" / "appliers").glob("*.py")}


def graph(*types: str) -> Graph:
    resources = tuple(Resource(f"urn:{i}", type_, f"r{i}", {}) for i, type_ in enumerate(types))
    return Graph("project", "dev", resources)


@given(st.lists(st.sampled_from(sorted(VERDICTS))))
def test_every_resource_gets_exactly_one_verdict(types: list[str]) -> None:
    made = plan(graph(*types))
    summary = made.summary()
    assert summary["resources"] == len(types) == summary["applied"] + summary["not_emulated"]
    assert summary["applied"] == sum(len(made.of(applier)) for applier in APPLIERS)
    assert [resource.type for resource, _ in made.verdicts] == types
    assert len(lines(made)) == len(types)


def test_an_unknown_type_is_an_error_that_names_it_and_says_what_to_do() -> None:
    with pytest.raises(UnknownResource) as caught:
        plan(graph("gcp:pubsub/topic:Topic", "gcp:redis/instance:Instance", "gcp:dns/recordSet:RecordSet"))
    message = str(caught.value)
    assert "gcp:redis/instance:Instance" in message
    assert "gcp:dns/recordSet:RecordSet" in message
    assert "gcp:pubsub/topic:Topic" not in message
    assert "emulators/plan.py" in message


@pytest.mark.parametrize(
    "file", sorted((ROOT / "tests" / "infra" / "golden").glob("*.json")), ids=lambda path: path.stem
)
def test_every_type_that_a_stack_of_ours_holds_has_a_verdict(file: Path) -> None:
    """The golden files' keys are «type name»."""
    types = {key.partition(" ")[0] for key in json.loads(file.read_text())}
    assert len(types) > 10
    assert types <= VERDICTS.keys()


def test_each_applied_type_names_an_applier_that_exists() -> None:
    named = {verdict.applier for verdict in VERDICTS.values() if isinstance(verdict, Applied)}
    assert named <= APPLIERS


def test_a_grant_is_never_applied() -> None:
    """No emulator checks who calls: a grant that looked applied would be a false safety."""
    grants = {type_: verdict for type_, verdict in VERDICTS.items() if "iam" in type_.lower()}
    assert len(grants) > 5
    assert all(isinstance(verdict, NotEmulated) for verdict in grants.values())


def test_the_table_has_a_row_for_each_type_and_stays_one_table() -> None:
    rows = fidelity.table().splitlines()
    assert len(rows) == 2 + len(VERDICTS)
    assert {row.count("|") for row in rows} == {4}
    assert len(set(rows)) == len(rows)


def test_the_readme_says_what_the_verdicts_say() -> None:
    """Out of date? `python -m emulators plan --write README.md`."""
    readme = (ROOT / "README.md").read_text()
    assert fidelity.written_into(readme) == readme


def test_writing_the_table_keeps_the_rest_and_is_idempotent() -> None:
    text = f"before\n{fidelity.BEGIN}\nstale row\n{fidelity.END}\nafter\n"
    written = fidelity.written_into(text)
    assert written.startswith("before\n")
    assert written.endswith("\nafter\n")
    assert "stale row" not in written
    assert fidelity.written_into(written) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        fidelity.BEGIN,
        f"{fidelity.END} {fidelity.BEGIN}",
        f"{fidelity.BEGIN}{fidelity.END}" * 2,
    ],
)
def test_a_text_without_one_pair_of_markers_is_refused(text: str) -> None:
    with pytest.raises(fidelity.NoMarkers):
        fidelity.written_into(text)


@pytest.mark.parametrize("data", ["", "[]", "{}", '{"project": "p", "stack": "s", "resources": [{"urn": "u"}]}'])
def test_what_is_no_graph_is_refused(data: str) -> None:
    with pytest.raises(InvalidGraph, match=r"infra\.capture"):
        parse(data)


def test_a_graph_is_read_whole() -> None:
    resource = {"urn": "u", "type": "t", "name": "n", "inputs": {"a": {"b": 1}}, "depends_on": ["v"]}
    read = parse(json.dumps({"project": "p", "stack": "s", "resources": [resource]}))
    assert read == Graph("p", "s", (Resource("u", "t", "n", {"a": {"b": 1}}, ("v",)),))
    assert read.resources[0].get("a", "b") == 1
    assert read.resources[0].get("a", "c", default=2) == 2
    with pytest.raises(InvalidGraph, match=r"'n' has no a\.b"):
        read.resources[0].text("a", "b")
