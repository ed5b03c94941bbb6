"""What a run of the models is; and that the dbt project and the declared tables say the same."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from functions.modelling.building import PROJECT, profile
from functions.modelling.rules import (
    TARGET_DAYS,
    Status,
    Step,
    learns,
    run_name,
    steps,
    training_days,
    training_share,
    variables,
    verdict,
)
from infra.archives import contents
from layers.facts import DERIVED
from layers.facts.questions import EDITION
from layers.retailers import AbsentConsent, Contract, Learning, Retailer
from layers.stores.topics import DEAD_LETTER_DAYS

ROOT = Path(__file__).parents[2]
SHOP = Retailer(id="demo", name="Demo", write_key="w" * 16, read_key="r" * 16, origins=())
MOMENTS = st.datetimes(datetime(2017, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
ZONES = st.sampled_from(["Europe/Paris", "America/New_York", "Pacific/Auckland", "Pacific/Pago_Pago", "Asia/Kolkata"])
LEARNING = st.builds(Learning, st.integers(2, 12), st.integers(200, 20_000))
WELL = st.builds(Step, st.just("m"), st.sampled_from(["model", "test"]), st.sampled_from(["success", "pass", "warn"]))

MODELS = {path.stem: path for path in (PROJECT / "models").rglob("*.sql")}


def properties(name: str) -> dict[str, Any]:
    read = yaml.safe_load(MODELS[name].with_suffix(".yml").read_text())
    (model,) = [each for each in read["models"] if each["name"] == name]
    return dict(model)


def kind(test: Any) -> str:
    return test if isinstance(test, str) else str(next(iter(test)))


def is_table(name: str) -> bool:
    """As dbt_project.yml and the model's own config say it."""
    said = re.search(r'materialized="(\w+)"', MODELS[name].read_text())
    folders = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["models"]["gondola"]
    folder = MODELS[name].relative_to(PROJECT / "models").parts[0]
    return (said[1] if said else folders[folder]["+materialized"]) in ("table", "incremental")


class TestVariables:
    @given(MOMENTS, ZONES, st.sampled_from(AbsentConsent))
    def test_the_day_is_the_retailers_and_the_edge_is_the_contracts(
        self, run: datetime, zone: str, absent: AbsentConsent
    ) -> None:
        shop = msgspec.structs.replace(SHOP, timezone=zone, absent_consent=absent, contract=Contract(transactions=400))
        made = variables(shop, run, [])
        as_of = date.fromisoformat(made["as_of"])
        assert abs(as_of - run.date()) <= timedelta(days=1)
        assert abs(datetime.fromisoformat(made["oldest"]) - (run - timedelta(days=400))) < timedelta(seconds=1)
        assert made["unknown_consent"] is (absent is AbsentConsent.GRANTED)

    @given(st.dates(date(2017, 1, 1), date(2040, 1, 1)), LEARNING)
    def test_what_happened_after_a_training_day_is_known_by_the_run(self, as_of: date, learning: Learning) -> None:
        days = training_days(as_of, learning)
        assert days == sorted(set(days)) and len(days) == learning.days
        assert all(day + timedelta(days=TARGET_DAYS) <= as_of for day in days)

    @given(st.integers(0, 100_000_000), LEARNING)
    def test_about_as_many_shoppers_are_learned_from_as_the_entry_says(self, shoppers: int, learning: Learning) -> None:
        share = training_share(shoppers, learning)
        assert 0 < share <= 1
        assert round(share * shoppers) == min(shoppers, learning.shoppers)
        # The last four digits of a pseudonym draw (macros/features.sql): that is fine enough for any clientele.
        drawn = (int(share * 65535) + 1) / 65536 * shoppers
        assert drawn <= learning.shoppers + shoppers / 65536 + 1

    def test_rows_to_learn_from_are_made_weekly_and_while_nobody_has_learned(self) -> None:
        week = [date(2026, 11, 16) + timedelta(days=n) for n in range(7)]
        assert [learns(day, f"20261115T044500Z-{EDITION}") for day in week].count(True) == 1
        assert all(learns(day, trained) for day in week for trained in ("", "20261115T044500Z-0123abcd"))

    def test_nothing_secret_is_in_the_profile_and_the_laptop_asks_one_query_at_a_time(self) -> None:
        cloud = profile("p", "retailer_demo", None)["gondola"]["outputs"]["run"]
        assert cloud["method"] == "oauth" and "token" not in cloud and "api_endpoint" not in cloud
        local = profile("p", "retailer_demo", "127.0.0.1:1")["gondola"]["outputs"]["run"]
        assert local["threads"] == 1 and local["api_endpoint"] == "http://127.0.0.1:1"


class TestVerdict:
    @given(st.lists(WELL, min_size=1))
    def test_only_what_ended_well_and_whole_is_built(self, made: list[Step]) -> None:
        assert verdict(True, made) is Status.BUILT
        assert verdict(False, made) is Status.FAILED, "dbt fell over after its last step"
        assert verdict(True, []) is Status.FAILED, "nothing was built"

    @given(st.lists(WELL), st.lists(st.just(Step("later", "model", "skipped"))))
    def test_a_failed_test_refuses_and_a_failed_statement_fails(self, made: list[Step], later: list[Step]) -> None:
        failed = Step("t", "test", "fail", rows=3)
        assert verdict(False, [*made, failed, *later]) is Status.REFUSED
        assert verdict(False, [*made, Step("m", "model", "error"), failed, *later]) is Status.FAILED
        assert verdict(False, [*made, Step("t", "test", "error"), *later]) is Status.FAILED

    def test_results_of_dbt_that_nobody_knows_are_an_error(self) -> None:
        with pytest.raises(msgspec.MsgspecError):
            steps(b'{"results": [{"status": "success"}]}')

    @given(MOMENTS)
    def test_a_run_is_known_by_its_moment(self, run: datetime) -> None:
        name = run_name(run)
        assert re.fullmatch(r"\d{8}T\d{6}Z", name)
        assert name == run_name(run.replace(microsecond=0))


class TestProject:
    def test_every_model_that_is_a_table_is_declared_and_no_other(self) -> None:
        tables = {name for name in MODELS if is_table(name)}
        undeclared, unmade = tables - {t.name for t in DERIVED}, {t.name for t in DERIVED if t.derived} - tables
        assert not undeclared, f"{undeclared}: declare them in layers/facts/derived.py, so that erasure knows them"
        made_elsewhere = {"trained_models"}
        assert not unmade - made_elsewhere, f"{unmade}: declared, and no model makes them"

    @pytest.mark.parametrize("table", [t for t in DERIVED if t.name in MODELS], ids=lambda t: t.name)
    def test_a_models_columns_are_the_declared_ones(self, table: Any) -> None:
        columns = [
            (
                column["name"],
                column["data_type"].upper(),
                {"type": "not_null"} in column.get("constraints", []),
                column["description"],
            )
            for column in properties(table.name)["columns"]
        ]
        assert columns == [(c.name, c.type.value, c.required, c.meaning) for c in table.columns]
        assert properties(table.name)["description"] == table.meaning

    @pytest.mark.parametrize("name", sorted(MODELS))
    def test_a_model_says_what_it_is_and_is_tested(self, name: str) -> None:
        model = properties(name)
        assert len(model["description"]) > 20
        assert all(column["description"] and column["data_type"] for column in model["columns"])
        assert model.get("data_tests") or any(column.get("data_tests") for column in model["columns"])

    @pytest.mark.parametrize("name", sorted(MODELS))
    def test_a_model_has_an_owner_a_domain_and_a_contract(self, name: str) -> None:
        said = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["models"]["gondola"]
        folder = said[MODELS[name].relative_to(PROJECT / "models").parts[0]]
        meta = {**said["+meta"], **folder.get("+meta", {}), **properties(name).get("config", {}).get("meta", {})}
        assert meta["owner"] and meta["domain"]
        assert said["+contract"] == {"enforced": True} and "contract" not in properties(name).get("config", {})

    @pytest.mark.parametrize("table", [t for t in DERIVED if t.name in MODELS], ids=lambda t: t.name)
    def test_a_table_is_tested_for_uniqueness_ranges_and_relationships(self, table: Any) -> None:
        of_table = {kind(test) for test in properties(table.name)["data_tests"]}
        of_columns = {
            (column["name"], kind(test))
            for column in properties(table.name)["columns"]
            for test in column.get("data_tests", [])
        }
        assert "unique_grain" in of_table
        if table.name != "consenting_shoppers":
            # It holds no numbers, and is itself what the shoppers of all others must be in.
            assert "within_ranges" in of_table
            assert not table.holds_shoppers or ("shopper", "relationships") in of_columns
        if any(column.name == "purpose" for column in table.columns):
            assert ("purpose", "accepted_values") in of_columns

    def test_old_facts_stop_the_run(self) -> None:
        (facts,) = yaml.safe_load((PROJECT / "models" / "staging" / "facts.yml").read_text())["sources"]
        fresh = {
            t["name"]: test["up_to_date"]
            for t in facts["tables"]
            for test in t.get("data_tests", [])
            if "up_to_date" in test
        }
        assert set(fresh) == {"orders", "order_lines"}
        assert all(each["config"]["severity"] == "error" and each["config"]["error_if"] for each in fresh.values())

    def test_every_shopper_in_it_can_be_erased_and_has_an_end(self) -> None:
        for table in DERIVED:
            if table.holds_shoppers:
                assert table.retention is not None and table.dated.required, table.name
                assert table.timed_by == "day" or table.days is not None, "what is made anew must not outlive its facts"
            else:
                assert table.retention is None

    def test_the_whole_project_is_in_the_archive(self) -> None:
        held = {path for path in contents(ROOT, "modelling") if path.startswith("functions/modelling/project/")}
        there = {p.relative_to(ROOT).as_posix() for p in PROJECT.rglob("*") if p.suffix in (".sql", ".yml")}
        assert held == there and any("/checks/generic/" in path for path in held)

    def test_late_events_are_taken_up_as_long_as_a_dead_letter_lies(self) -> None:
        (days,) = re.findall(r"INTERVAL (\d+) DAY", (PROJECT / "macros" / "incremental.sql").read_text())
        assert int(days) > DEAD_LETTER_DAYS

    def test_nothing_is_fetched_from_outside(self) -> None:
        assert not list(PROJECT.glob("packages.*")) and not list(PROJECT.glob("dependencies.*"))
        assert yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["flags"]["send_anonymous_usage_stats"] is False
