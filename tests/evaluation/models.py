"""Runs the dbt project as `functions/modelling` does, for one cut and the training days before it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from functions.modelling import rules
from layers.retailers import Learning
from tests.evaluation.history import FIRST_DAY, FMCG

PROJECT = Path(__file__).parents[2] / "functions" / "modelling" / "project"
LEARNING = Learning()
"""What a retailer's entry says that says nothing of it: what is judged here is what is deployed."""

LEAST_HISTORY = timedelta(days=63)
"""Before a training day: with less, a habit cannot be told from a trial."""


def training_days(cut: date) -> list[date]:
    """Those of a night (`functions/modelling`), as far as there is history before; each has its whole future before the
    cut, and falls on the cut's weekday."""
    return [day for day in rules.training_days(cut, LEARNING) if day - FIRST_DAY >= LEAST_HISTORY]


def build(
    host: str,
    project: str,
    dataset: str,
    cut: date,
    households: int,
    departments: set[str],
    folder: Path,
    told: Callable[[str], None],
) -> None:
    """Makes the tables of features.

    Args:
        households: who ever bought. departments: all there are.

    Raises:
        SystemExit: dbt failed; what it said is told.
    """
    folder.mkdir(parents=True, exist_ok=True)
    output: dict[str, Any] = {
        "type": "bigquery",
        "method": "oauth-secrets",
        "token": "dummy",
        "project": project,
        "schema": dataset,
        "threads": 1,
        "api_endpoint": f"http://{host}",
        "job_retries": 0,
    }
    (folder / "profiles.yml").write_text(
        json.dumps({"gondola": {"target": "evaluation", "outputs": {"evaluation": output}}})
    )
    variables = {
        "as_of": cut.isoformat(),
        "training_days": [day.isoformat() for day in training_days(cut)],
        "timezone": "America/New_York",
        "unknown_consent": True,
        "oldest": f"{FIRST_DAY - timedelta(days=2)}T00:00:00+00:00",
        "built": f"{cut}T12:00:00+00:00",
        "half_life": 12,
        # What the catalogue does not know is not judged (`history.goods`), and two such products are bought a lot.
        "excluded_departments": sorted({"", *departments} - set(FMCG)),
        "training_share": rules.training_share(households, LEARNING),
        "products_considered": 80,
        "categories_considered": 400,
    }
    command = [
        *(sys.executable, "-m", "dbt.cli.main", "--no-send-anonymous-usage-stats", "--log-format", "json"),
        *("run", "--select", "+path:models/features", "--profiles-dir", str(folder), "--vars", json.dumps(variables)),
        *("--target-path", str(folder / "target"), "--log-path", str(folder / "logs")),
    ]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT.parents[2])}
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        try:
            last = _told(run, told)
        except BaseException:
            run.kill()
            raise
    if run.returncode:
        raise SystemExit("the models could not be built, so there is nothing to predict from:\n" + "\n".join(last))


def _told(run: subprocess.Popen[str], told: Callable[[str], None]) -> list[str]:
    """The last lines that dbt said."""
    assert run.stdout is not None
    last: list[str] = []
    for line in run.stdout:
        try:
            message = json.loads(line)["info"]["msg"]
        except (ValueError, KeyError, TypeError):
            message = line.strip()
        last = [*last[-30:], message]
        if " OK " in message or "ERROR" in message:
            told(message)
    return last
