"""The BigQuery ML statements, as far as they can be checked without BigQuery: sqlglot reads them, they ask the declared
tables for declared columns alone, and they compute around ML.PREDICT what `layers.learning.metrics` computes.

Not checked: see layers/learning/bigquery_ml.py.
"""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit

from layers.declarations.settings import Settings
from layers.facts import DERIVED
from layers.facts.tables import ColumnType
from layers.learning import CHURN, QUESTIONS, Question
from layers.learning.bigquery_ml import averaged, by_bigquery, create_model, judge, main, script
from layers.learning.features import Learner
from layers.learning.metrics import auc, log_loss
from layers.stores.bigquery.warehouse import BigQueryWarehouse
from tests.contracts.datasets import make_dataset

PYTHON = Path(__file__).parents[2] / ".venv-bqemulator/bin/python"
"""sqlglot stands in the emulator's environment, at the emulator's version."""

PROJECT = "bigquery-ml"
DAYS = (date(2026, 9, 6), date(2026, 10, 25), date(2026, 11, 22))
"""The last is scored."""

READ = """
import json, sys, sqlglot
from sqlglot import exp
found = []
for text in json.load(sys.stdin):
    tree = sqlglot.parse_one(text, read="bigquery")
    tables = {t.alias: t.name for t in tree.find_all(exp.Table) if t.alias in ("f", "n")}
    found.append({
        "kind": tree.key,
        "kept_as_text": bool(list(tree.find_all(exp.Command))),
        "asked": sorted({(tables[c.table], c.name) for c in tree.find_all(exp.Column) if c.table in tables}),
        "options": {p.name: p.args["value"].sql("bigquery") for p in tree.find_all(exp.Property)},
        "models": len(list(tree.find_all(exp.Predict))),
    })
json.dump(found, sys.stdout)
"""


def read(statements: list[str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [PYTHON, "-c", READ], input=json.dumps(statements), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_every_statement_is_bigquerys_and_asks_for_declared_columns_alone() -> None:
    declared = {(table.name, column.name) for table in DERIVED for column in table.columns}
    statements = [(question, text) for question in QUESTIONS for text in script(question, "shop.retailer_demo")]
    for (question, _), found in zip(statements, read([text for _, text in statements]), strict=True):
        assert not found["kept_as_text"], "sqlglot did not understand it, and kept it as it came"
        asked = {tuple(pair) for pair in found["asked"]}
        assert asked <= declared
        assert {(question.table, name) for name in (*question.names, "purpose")} <= asked
        if found["kind"] == "create":
            assert found["options"]["MODEL_TYPE"] in ("'BOOSTED_TREE_CLASSIFIER'", "'LOGISTIC_REG'")
        else:
            assert (found["kind"], found["models"]) == ("select", len(by_bigquery(question)))


def test_a_column_that_is_not_declared_would_be_found() -> None:
    [found] = read([create_model(CHURN, Learner.TREES, "a.b").replace("f.spend_28", "f.horoscope")])
    assert [CHURN.table, "horoscope"] in found["asked"]


def _fill(warehouse: BigQueryWarehouse, dataset: str, question: Question, many: int = 60) -> tuple[Any, Any]:
    """A table as it is declared, of two training days and one that is scored; of the newest training day the first
    feature and what happened."""
    table = next(each for each in DERIVED if each.name == question.table)
    chance = np.random.default_rng(5)
    first, happened = chance.integers(0, 6, many), chance.integers(0, 2, many)
    built = datetime(2026, 11, 22, 8, tzinfo=UTC)
    rows = [
        {
            **{column.name: 0.5 for column in table.columns if column.required and column.type is ColumnType.FLOAT64},
            "as_of": DAYS[row % 3].isoformat(),
            "purpose": "score" if row % 3 == 2 else "train",
            **{key: f"{key}{row}" for key in question.keys},
            question.names[0]: int(first[row]),
            question.target: None if row % 3 == 2 else int(happened[row]),
            "built": built,
        }
        for row in range(many)
    ]
    warehouse.replace(dataset, table, rows)
    judged = np.arange(many) % 3 == 1
    return first[judged].astype(float), happened[judged].astype(float)


def _answered(text: str, feature: str) -> str:
    """With the probabilities of a model that everybody knows in the place of ML.PREDICT, which the emulator refuses: of
    the trees the logistic of the first feature less two, of the regression the mean of its half."""
    shift = iter((2.0, 0.5))

    def probability(found: re.Match[str]) -> str:
        x = f"1 / (1 + EXP({next(shift)} - i.{feature}))" if "_trees`" in found[0] else f"1 / (1 + EXP(-i.{feature}))"
        of = f"[STRUCT(0 AS label, 1 - {x} AS prob), STRUCT(1 AS label, {x} AS prob)]"
        return f"FROM (SELECT i.*, {of} AS predicted_target_probs FROM (SELECT"

    return re.sub(r"FROM ML\.PREDICT\(\s*MODEL `[^`]+`,\s*\(SELECT", probability, text).replace(
        "\n) AS p,", " AS i\n) AS p,"
    )


@pytest.mark.emulators
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_the_emulator_runs_what_stands_around_the_models(
    bigquery_emulator: tuple[str, str], question: Question
) -> None:
    rest, storage = bigquery_emulator
    warehouse = BigQueryWarehouse.of(
        Settings(
            {"GONDOLA_PROJECT": PROJECT, "BIGQUERY_EMULATOR_HOST": rest, "BIGQUERY_STORAGE_EMULATOR_HOST": storage}
        )
    )
    dataset = make_dataset(rest, PROJECT)
    feature, happened = _fill(warehouse, dataset, question)
    name = warehouse.full_name(dataset)
    for learner in by_bigquery(question):
        learnt = warehouse.query(create_model(question, learner, name).split(") AS\n", 1)[1])
        assert len(learnt) == 40 and sum(row["judged"] for row in learnt) == 20
        assert list(learnt[0]) == [*question.names, question.target, "judged"]
        warehouse.execute(create_model(question, learner, name))
    probabilities = expit(feature - 2.0)
    if Learner.LOGISTIC in question.learners:
        seen = np.sign(feature) * np.log1p(np.abs(feature))
        probabilities = expit((logit(probabilities) + logit(expit(seen))) / 2)
    [judged] = warehouse.query(_answered(judge(question, name), question.names[0]))
    assert judged["judged"] == 20
    assert judged["auc"] == pytest.approx(auc(probabilities, happened))
    assert judged["log_loss"] == pytest.approx(log_loss(probabilities, happened))
    assert judged["log_loss_of_the_mean"] == pytest.approx(log_loss(np.full(20, happened.mean()), happened))
    scored = warehouse.query(_answered(averaged(question, name), question.names[0]))
    assert len(scored) == 20 and {row["as_of"].isoformat() for row in scored} == {"2026-11-22"}
    assert all(0 < row["probability"] < 1 and row["happened"] is None for row in scored)


def test_by_hand_it_prints_the_script_and_refuses_what_is_no_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shop.retailer_demo", "--question", "churn"]) == 0
    told = capsys.readouterr().out
    assert told.count(";\n") == len(script(CHURN, "shop.retailer_demo")) == 4
    assert "products" not in told
    with pytest.raises(SystemExit):
        main(["retailer_demo"])
    assert "write project.dataset" in capsys.readouterr().err
