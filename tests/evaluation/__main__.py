"""`python -m tests.evaluation --cut 2017-12-01`: see README.md beside this file."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from emulators.processes import held_servers
from layers.declarations.settings import Settings
from layers.privacy.pseudonym import Pseudonymiser
from tests.contracts.datasets import make_dataset
from tests.evaluation import cold, history, models
from tests.evaluation.answers import Answers, answers
from tests.evaluation.baselines import Past, popular
from tests.evaluation.predicting import predict
from tests.evaluation.report import markdown
from tests.evaluation.verdicts import verdicts

PROJECT = "evaluation"
EARLIEST, LATEST = date(2017, 8, 1), date(2017, 12, 31)


def _cut(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"«{text}» is no date; write YYYY-MM-DD") from None
    if not EARLIEST <= day <= LATEST:
        raise argparse.ArgumentTypeError(
            f"{day} is not from {EARLIEST} to {LATEST}: before, too little is known, and the data end then"
        )
    return day


def _told(began: float) -> Any:
    def tell(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)

    return tell


def _cpu_s() -> float:
    """Of this process, dbt and the emulator, which have ended by now."""
    own, others = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def _write(folder: Path, name: str, content: Mapping[str, Any]) -> None:
    # In one move, so that nobody reads half a file.
    part = folder / f"{name}.part"
    part.write_text(json.dumps(content, separators=(",", ":")))
    part.replace(folder / name)


def evaluate(cut: date, folder: Path, seed: int) -> dict[str, Any]:
    began = time.monotonic()
    tell = _told(began)
    folder.mkdir(parents=True, exist_ok=True)
    products = history.catalogue()
    orders = history.before(cut)
    tell(f"{len(orders):,} orders before {cut}")
    with tempfile.TemporaryDirectory(prefix="evaluation-") as made, held_servers(["bigquery"], Path(made)) as found:
        values = Settings({**os.environ, **found, "GONDOLA_PROJECT": PROJECT})
        dataset = make_dataset(found["BIGQUERY_EMULATOR_HOST"], PROJECT, "retailer_journey")
        # Not secret, so that a run can be repeated: pseudonyms decide which negatives are kept and what is drawn.
        pseudonymise = Pseudonymiser(base64.b64encode(random.Random(seed).randbytes(32)).decode())
        households = asyncio.run(cold.fill(values, dataset, orders, products.values(), pseudonymise, lambda done: None))
        tell("cooled: facts written by cooling's rules, through Storage Write")
        departments = {product.department or "" for product in products.values()}
        loaded = time.monotonic()
        host, folder_of_dbt = found["BIGQUERY_EMULATOR_HOST"], Path(made) / "dbt"
        models.build(host, PROJECT, dataset, cut, len(households), departments, folder_of_dbt, tell)
        built = time.monotonic()
        predicted = predict(values, dataset, cut, seed, tell)
    past = Past.of(cut, orders, products)
    given: Answers = answers(predicted, households, {order.customer for order in orders}, popular(past))
    _write(folder, "recommendations.json", given.recommendations)
    _write(folder, "churn.json", given.churn)
    _write(folder, "category.json", given.categories)
    _write(folder, "discoveries.json", given.discoveries)
    tell(f"written: recommendations, churn, categories and discoveries of {len(given.churn):,} households")
    report = {
        "cut": cut.isoformat(),
        "training_days": [day.isoformat() for day in models.training_days(cut)],
        **verdicts(cut, past, given, products, orders),
        "figures_of_training": {name: dict(model.figures) for name, model in predicted.models.models.items()},
        "cost": {
            "models built by dbt, seconds": round(built - loaded, 1),
            "scoring": {"shoppers": len(given.churn), "seconds": predicted.seconds, "cpu_s": predicted.cpu_s},
            "models as bytes": len(predicted.models.encode()),
        },
    }
    report["cost"]["everything, seconds"] = round(time.monotonic() - began, 1)
    report["cost"]["everything, CPU seconds of both cores"] = round(_cpu_s(), 1)
    _write(folder, "report.json", report)
    (folder / "report.md").write_text(markdown(report))
    return report


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation", description=__doc__)
    parser.add_argument("--cut", type=_cut, required=True, help="YYYY-MM-DD; what happened from this day on is unknown")
    parser.add_argument("--folder", type=Path, default=Path(".evaluate"), help="where the answers go (.evaluate)")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn, pseudonyms included (1)")
    given = parser.parse_args()
    # As Ctrl-C: dbt and the emulator end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        report = evaluate(given.cut, given.folder, given.seed)
    except KeyboardInterrupt:
        print("interrupted: what was not written before was not written", file=sys.stderr)
        return 130
    print(markdown(report))
    print(f"written to {given.folder}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
