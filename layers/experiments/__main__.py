"""`python -m layers.experiments simulate | replay`: judges a policy before it ships.

`simulate` needs nothing; `replay` reaches BigQuery and Firestore with the same environment values as the functions.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from layers.campaigns.published import rules_of
from layers.declarations import settings
from layers.declarations.settings import MissingSetting, Settings
from layers.experiments.judging.estimators import judge
from layers.experiments.judging.policies import POLICIES, UnknownPolicy, policy_named
from layers.experiments.judging.replayed import SQL, binding, replayed
from layers.experiments.judging.report import judged_data, judged_text, trials_data, trials_text
from layers.experiments.judging.trials import trials
from layers.retailers import AbsentConsent, InvalidRetailer, Registry, Retailer
from layers.stores.bigquery.port import Warehouse


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m layers.experiments", description="Judges a policy before it ships.")
    commands = parser.add_subparsers(dest="command", required=True)
    simulate = commands.add_parser(
        "simulate", help="shows bias and coverage of the estimators where the truth is known"
    )
    simulate.add_argument("--repetitions", type=int, default=200)
    simulate.add_argument("--visits", type=int, default=4000, help="of each repetition (4000)")
    simulate.add_argument("--seed", type=int, default=1)
    replay = commands.add_parser("replay", help="judges a policy on the decisions of a retailer")
    replay.add_argument("--retailer", required=True)
    known = ", ".join(sorted(POLICIES))
    replay.add_argument("--policy", default="best", help=f"{known}; best:0.5 for half of the visits (best)")
    replay.add_argument("--campaign", help="of which alone; without, all")
    replay.add_argument("--since", type=_moment, help="first day, 2026-11-01 (28 days ago)")
    replay.add_argument("--until", type=_moment, help="day after the last (a week ago, or outcomes are not known)")
    for command in (simulate, replay):
        command.add_argument("--json", type=Path, help="writes the same for programs")
    return parser


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _write(path: Path | None, data: Any) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(data), indent=1))
        print(f"written: {path}")


def _simulate(given: argparse.Namespace) -> int:
    if given.repetitions < 2 or given.visits < 100:
        print("at least 2 repetitions of 100 visits, or there is no error to show", file=sys.stderr)
        return 2

    def progress(done: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done} of {given.repetitions} logs", end="", file=sys.stderr, flush=True)

    found = trials(given.repetitions, given.visits, given.seed, progress)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(trials_text(found, given.repetitions, given.visits))
    _write(given.json, trials_data(found))
    return 0


def replay(
    given: argparse.Namespace, warehouse: Warehouse, retailer: Retailer, basket_margin: float, now: datetime
) -> int:
    """Judges and prints; 1 where there is nothing to judge on."""
    policy = policy_named(given.policy)
    since = given.since or now - timedelta(days=28)
    bound = binding(since, given.until or now, now, retailer.absent_consent is AbsentConsent.GRANTED)
    sql = SQL.replace("{dataset}", warehouse.full_name(retailer.dataset))
    rows = (row for page in warehouse.pages(sql, bound) for row in page)
    found = replayed(rows, basket_margin, given.campaign)
    if not len(found.logged):
        print(
            f"of {found.visits} first visits of a week from {since:%Y-%m-%d} to {bound['until']:%Y-%m-%d}, "
            f"{found.without} held no offer and {found.unreadable} could not be used: nothing to judge on. Is a "
            "campaign running, with exploration, and has scoring run since?",
            file=sys.stderr,
        )
        return 1
    judgement = judge(found.logged, policy(found.logged))
    print(judged_text(given.policy, judgement, found))
    _write(given.json, judged_data(given.policy, judgement, found))
    return 0


def _replay(given: argparse.Namespace) -> int:
    from layers.stores.bigquery.warehouse import BigQueryWarehouse
    from layers.stores.firestore.documents import FirestoreDocuments

    try:
        policy_named(given.policy)
        values = Settings.of_process()
        registry = Registry.of_environment(values.values, settings.RETAILER_PREFIX)
        if given.retailer not in registry.by_id:
            raise InvalidRetailer(f"no retailer {given.retailer!r} here; there is {', '.join(sorted(registry.by_id))}")
        retailer = registry.by_id[given.retailer]
        warehouse = BigQueryWarehouse.of(values)

        async def margin() -> float:
            return (await rules_of(FirestoreDocuments.of(values), retailer)).basket_margin

        return replay(given, warehouse, retailer, asyncio.run(margin()), datetime.now(UTC))
    except (MissingSetting, InvalidRetailer, UnknownPolicy) as error:
        print(f"nothing was judged: {error}", file=sys.stderr)
        return 2


def main(arguments: list[str]) -> int:
    """0 if all is well, 1 if there is nothing to judge on, 2 if it could not be asked."""
    given = _arguments().parse_args(arguments)
    return _simulate(given) if given.command == "simulate" else _replay(given)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
