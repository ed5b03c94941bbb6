"""The same questions as BigQuery ML statements, for a retailer too large to train outside BigQuery. Pure text.

Boosted trees of BigQuery ML are XGBoost, so settings carry over by name. A ranking objective is not among what it
trains, so `products` is answered by its trees alone there. Tests compare the text with the feature list and have the
emulator read it; that BigQuery accepts the options, what it costs and that both paths predict alike was NOT checked: no
project was at hand, and the emulator keeps a CREATE MODEL's metadata only. Nothing in Gondola runs it yet.

Sources: Google's «CREATE MODEL statement for boosted tree models», «… for generalized linear models» and «ML.PREDICT».
"""

from __future__ import annotations

from layers.learning.features import Learner, Question
from layers.learning.training import LOGISTIC_PENALTY, ROUNDS, TREES

_BY_BIGQUERY = {
    "eta": "LEARN_RATE",
    "max_depth": "MAX_TREE_DEPTH",
    "min_child_weight": "MIN_TREE_CHILD_WEIGHT",
    "subsample": "SUBSAMPLE",
    "colsample_bytree": "COLSAMPLE_BYTREE",
    "reg_lambda": "L2_REG",
}


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


def predict(question: Question, learner: Learner, dataset: str) -> str:
    """The probability of every row that is scored, before calibration.

    Args:
        dataset: `project.dataset`.
    """
    keys = ", ".join(f"p.{key}" for key in question.keys)
    return (
        f"SELECT {keys}, h.prob AS probability\n"
        f"FROM ML.PREDICT(\n  MODEL `{dataset}.{model_name(question, learner)}`,\n"
        f"  (SELECT {', '.join(f'f.{key}' for key in question.keys)}, {_features(question, learner)}\n"
        f"   FROM `{dataset}.{question.table}` AS f WHERE f.purpose = 'score')\n) AS p,\n"
        f"UNNEST(p.predicted_{question.target}_probs) AS h\n"
        f"WHERE h.label = 1"
    )


def _features(question: Question, learner: Learner) -> str:
    if learner is Learner.TREES:
        return ",\n  ".join(f"f.{name}" for name in question.names)
    # As `layers.learning.logistic` sees them; BigQuery ML standardises, and takes the mean for what is absent.
    return ",\n  ".join(f"SIGN(f.{name}) * LN(1 + ABS(f.{name})) AS {name}" for name in question.names)
