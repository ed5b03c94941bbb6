"""What is said of the scenarios: each has a proof, and the README names all of them and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.chaos.__main__ import main
from tests.chaos.course import SCENARIOS

README = (Path(__file__).parent / "README.md").read_text()


def test_the_readme_names_every_scenario() -> None:
    rows = re.findall(r"^\| (`.*?) \|", README, re.MULTILINE)
    assert sorted(re.findall(r"`([a-z-]+)`", " ".join(rows))) == sorted(SCENARIOS)


def test_the_list_says_what_each_proves(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    said = capsys.readouterr().out
    for name, each in SCENARIOS.items():
        assert each.proves, name
        assert f"{name}\n    {each.proves.splitlines()[0]}" in said


def test_a_scenario_that_does_not_exist_is_named_and_nothing_starts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "sigkill", "--only", "flood"]) == 2
    assert "flood" in capsys.readouterr().err
