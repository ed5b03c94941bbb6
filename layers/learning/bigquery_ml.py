"""The same questions as BigQuery ML statements, for a retailer too large to train outside BigQuery. Pure text.

`python -m layers.learning.bigquery_ml project.dataset` prints them: train, judge on the newest training day, predict.
Boosted trees of BigQuery ML are XGBoost, so settings carry over by name. A ranking objective is not among what it
trains, so `products` is answered by its trees alone there; log-odds of several learners are averaged as
`layers.learning.trained` does, without weights and without Platt's scaling.

Checked: that sqlglot reads every statement as BigQuery's, that each column is declared of its table, that the SELECTs
and the arithmetic around ML.PREDICT run (on the emulator). Not checked, since no project was at hand and the emulator
keeps a CREATE MODEL's metadata only: that BigQuery takes the options, what it costs, that both ways predict alike.
Predictions are a SELECT on purpose: a table of them would hold shoppers, and has to be declared first. Nothing in
Gondola runs these statements yet.

Sources: Google's «CREATE MODEL statement for boosted tree models», «… for generalized linear models» and «ML.PREDICT».
"""

from __future__ import annotations

import argparse
import sys
from math import log

from layers.learning.features import QUESTIONS, Learner, Question
from layers.learning.training import LOGISTIC_PENALTY, ROUNDS, TREES

_BY_BIGQUERY = {
    "eta": "LEARN_RATE",
    "max_depth": "MAX_TREE_DEPTH",
    "min_child_weight": "MIN_TREE_CHILD_WEIGHT",
    "subsample": "SUBSAMPLE",
    "colsample_bytree": "COLSAMPLE_BYTREE",
    "reg_lambda": "L2_REG",
}

SCORED = "f.purpose = 'score'"


def model_name(question: Question, learner: Learner) -> str:
    return f"{question.name}_{'trees' if learner is Learner.TREES else 'logistic'}"


def create_model(question: Question, learner: Learner, dataset: str) -> str:
    """Trains on the rows whose future is known; the newest training day judges.

    Args:
        dataset: `project.dataset`.

    Raises:
        ValueError: BigQuery ML has no such learner.
    """
    if learner is Learner.RANKING:
        raise ValueError(f"{question.name}: BigQuery ML trains no ranking; leave it out there")
    options = {
        "INPUT_LABEL_COLS": f"['{question.target}']",
        "DATA_SPLIT_METHOD": "'CUSTOM'",
        "DATA_SPLIT_COL": "'judged'",
    }
    if learner is Learner.TREES:
        options |= {
            "MODEL_TYPE": "'BOOSTED_TREE_CLASSIFIER'",
            "BOOSTER_TYPE": "'GBTREE'",
            "TREE_METHOD": "'HIST'",
            "NUM_PARALLEL_TREE": "1",
            "MAX_ITERATIONS": str(ROUNDS),
            "EARLY_STOP": "FALSE",
            **{_BY_BIGQUERY[name]: str(value) for name, value in TREES.items()},
        }
    else:
        options |= {"MODEL_TYPE": "'LOGISTIC_REG'", "L2_REG": str(LOGISTIC_PENALTY), "AUTO_CLASS_WEIGHTS": "FALSE"}
    said = ",\n  ".join(f"{name} = {value}" for name, value in sorted(options.items()))
    return (
        f"CREATE OR REPLACE MODEL `{dataset}.{model_name(question, learner)}`\nOPTIONS (\n  {said}\n) AS\n"
        f"SELECT\n  {_features(question, learner)},\n  f.{question.target},\n"
        f"  f.as_of = MAX(f.as_of) OVER () AS judged\n"
        f"FROM `{dataset}.{question.table}` AS f\n"
        f"WHERE f.purpose = 'train' AND f.{question.target} IS NOT NULL"
    )


def by_bigquery(question: Question) -> tuple[Learner, ...]:
    """The question's learners that BigQuery ML has too."""
    return tuple(learner for learner in question.learners if learner is not Learner.RANKING)


def predict(question: Question, learner: Learner, dataset: str, rows: str = SCORED) -> str:
    """One learner's probability of every row, with the row's keys, `as_of` and target.

    Args:
        dataset: `project.dataset`. rows: a condition on the question's table `f`.
    """
    kept = ("as_of", *question.keys)
    return (
        f"SELECT {', '.join(f'p.{key}' for key in kept)}, p.happened,\n"
        f"  LEAST(GREATEST(h.prob, 1e-6), 1 - 1e-6) AS probability\n"
        f"FROM ML.PREDICT(\n  MODEL `{dataset}.{model_name(question, learner)}`,\n"
        f"  (SELECT {', '.join(f'f.{key}' for key in kept)}, f.{question.target} AS happened,\n"
        f"  {_features(question, learner)}\n"
        f"   FROM `{dataset}.{question.table}` AS f WHERE {rows})\n) AS p,\n"
        f"UNNEST(p.predicted_{question.target}_probs) AS h\n"
        f"WHERE h.label = 1"
    )


def averaged(question: Question, dataset: str, rows: str = SCORED, kept: float | None = None) -> str:
    """The probability of every row: of several learners the mean of their log-odds.

    Args:
        kept: of the rows in which it did not happen, the share that was learnt from: by its logarithm all log-odds are
            too large. The question's without it; 1 for rows that were drawn as those were.
    """
    share = question.kept if kept is None else kept
    less = "" if share == 1 else f" - {-log(share):.12f}"
    each = "\nUNION ALL\n".join(predict(question, learner, dataset, rows) for learner in by_bigquery(question))
    keys = ", ".join(f"r.{key}" for key in ("as_of", *question.keys, "happened"))
    return (
        f"SELECT {keys},\n  1 / (1 + EXP(-(AVG(LN(r.probability / (1 - r.probability))){less}))) AS probability\n"
        f"FROM (\n{each}\n) AS r\nGROUP BY {keys}"
    )


def judge(question: Question, dataset: str) -> str:
    """One row of figures on the newest training day, which no learner has seen: rows, AUC (by rank sums, ties counting
    half), log-loss, that of the mean alone, the mean probability and the share in which it happened."""
    newest = (
        f"f.purpose = 'train' AND f.{question.target} IS NOT NULL AND f.as_of = ("
        f"SELECT MAX(n.as_of) FROM `{dataset}.{question.table}` AS n "
        f"WHERE n.purpose = 'train' AND n.{question.target} IS NOT NULL)"
    )
    return (
        f"WITH predicted AS (\n{averaged(question, dataset, newest, 1.0)}\n),\n"
        "ranked AS (\n"
        "  SELECT e.happened, e.probability,\n"
        "    RANK() OVER (ORDER BY e.probability) + (COUNT(*) OVER (PARTITION BY e.probability) - 1) / 2 AS place,\n"
        "    AVG(e.happened) OVER () AS share\n"
        "  FROM predicted AS e\n)\n"
        "SELECT\n"
        "  COUNT(*) AS judged,\n"
        "  (SUM(g.happened * g.place) - SUM(g.happened) * (SUM(g.happened) + 1) / 2)\n"
        "    / NULLIF(SUM(g.happened) * SUM(1 - g.happened), 0) AS auc,\n"
        "  -AVG(g.happened * LN(g.probability) + (1 - g.happened) * LN(1 - g.probability)) AS log_loss,\n"
        "  -AVG(IF(g.happened = 1, LN(g.share), LN(1 - g.share))) AS log_loss_of_the_mean,\n"
        "  AVG(g.probability) AS mean_probability,\n"
        "  AVG(g.happened) AS share\n"
        "FROM ranked AS g"
    )


def script(question: Question, dataset: str) -> list[str]:
    """Every statement of a question, in the order in which they run."""
    made = [create_model(question, learner, dataset) for learner in by_bigquery(question)]
    return [*made, judge(question, dataset), averaged(question, dataset)]


def _features(question: Question, learner: Learner) -> str:
    if learner is Learner.TREES:
        return ",\n  ".join(f"f.{name}" for name in question.names)
    # As `layers.learning.logistic` sees them; BigQuery ML standardises, and takes the mean for what is absent.
    return ",\n  ".join(f"SIGN(f.{name}) * LN(1 + ABS(f.{name})) AS {name}" for name in question.names)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m layers.learning.bigquery_ml",
        description="Prints the BigQuery ML statements that train, judge and predict. Runs nothing.",
    )
    parser.add_argument("dataset", help="project.dataset, where functions/modelling has built the tables of features")
    names = [question.name for question in QUESTIONS]
    parser.add_argument("--question", choices=names, action="append", help="one alone; all without")
    given = parser.parse_args(arguments)
    if given.dataset.count(".") != 1 or "`" in given.dataset:
        parser.error(f"«{given.dataset}» names no dataset; write project.dataset")
    for question in QUESTIONS:
        if question.name in (given.question or names):
            print(f"-- {question.asks}")
            print("".join(f"{statement};\n\n" for statement in script(question, given.dataset)), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
