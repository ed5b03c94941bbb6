"""What a marketer offers: house rules, a campaign a kind and a tree with a branch for each, published as marketers do.

The files lie in `market_day/`, with no dates in them: a demo's campaigns run from its own day on. Does not own what
they may say (`layers.campaigns`, `layers.tree`).
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from emulators.shop.hot import parameters_by_shopper, record_lines
from emulators.shop.people import marketer, must_type, type_command
from emulators.shop.recorded import parameter_lines, write_lines
from emulators.shop.stage import DemoFailed, Stage
from layers.events.record import decode_record
from layers.stores.collections import LIVE_TREES
from layers.stores.firestore.documents import FirestoreDocuments
from layers.tree import programme

FILES = Path(__file__).parent / "market_day"
HOUSE_RULES, TREE = FILES / "house_rules.yaml", FILES / "tree.yaml"
CAMPAIGNS = ("brand_week", "one_more_step", "basket_back")
RUNS_FOR = timedelta(days=27)
LEAD_S, LONGEST_LEAD_S = 4.0, 60.0
"""From the command that schedules the tree to the moment that it names. The command itself takes a second or two, and
longer on a busy machine: then it is given again, with twice as much.
"""


@dataclass(frozen=True, slots=True)
class Simulated:
    """What the tree would have done on the sessions of another day.

    Attributes:
        reached: shoppers by node. shown: journeys by kind.
        claimed, at_most: what promotions and tensions would have cost, by the day's orders, and if everybody took them.
    """

    shoppers: int
    reached: dict[str, int]
    shown: dict[str, int]
    claimed: float
    at_most: float


def campaign(name: str, today: date) -> dict[str, Any]:
    """A campaign of `market_day/` as it is published on a day."""
    found: dict[str, Any] = yaml.safe_load((FILES / f"{name}.yaml").read_text(encoding="utf-8"))
    return {**found, "starts": today.isoformat(), "ends": (today + RUNS_FOR).isoformat()}


def publish_campaigns(stage: Stage, today: date) -> list[str]:
    """House rules by the command, campaigns by the API: kept as a version, then published. A line each.

    Raises:
        DemoFailed: one was refused.
    """
    retailer = stage.retailer.id
    said = [
        must_type(
            stage, "no campaign is bound by any", "layers.campaigns", "rules", str(HOUSE_RULES), "--retailer", retailer
        )
    ]
    desk = marketer(stage)
    for name in CAMPAIGNS:
        one = campaign(name, today)
        kept = desk.asks("PUT", f"/v1/campaigns/{name}?retailer={retailer}", one)
        desk.asks("POST", f"/v1/campaigns/{name}/publish?retailer={retailer}&version={kept['version']}")
        budget = one["budget"]
        said.append(f"{name} ({one['kind']}), version {kept['version']}: {budget['money']:,.2f} in all")
    return said


def tried(stage: Stage, today: date, live: str) -> tuple[list[str], Simulated]:
    """Checks the tree, draws it, explains a path, replays the live day's sessions through it: before anybody sees it.

    Args:
        live: the tree that is shown now, beside which it is set.

    Returns:
        What the commands said in a line each, and the figures.
    """
    folder = stage.logs.parent / "market_day"
    folder.mkdir(exist_ok=True)
    for name in CAMPAIGNS:
        # A JSON document is a YAML document.
        (folder / f"{name}.yaml").write_text(json.dumps(campaign(name, today), indent=0), encoding="utf-8")
    files = [str((folder / f"{name}.yaml").resolve()) for name in CAMPAIGNS]
    checked = must_type(
        stage, "it is not published", "layers.tree", "check", str(TREE), "--strict", "--campaigns", *files
    )
    picture = folder / "tree.svg"
    must_type(stage, "nobody sees it", "layers.tree", "draw", str(TREE), "-o", str(picture.resolve()))
    sessions, known = folder / "sessions.jsonl.gz", folder / "parameters.jsonl.gz"
    lines = record_lines(stage.values, stage.retailer.id)
    [(busiest, events)] = Counter(decode_record(line).shopper for line in lines).most_common(1)
    try:
        write_lines(sessions, lines)
        write_lines(known, parameter_lines(parameters_by_shopper(stage.values, stage.retailer.id)))
        replayed = ("--sessions", str(sessions.resolve()), "--parameters", str(known.resolve()))
        told = must_type(
            stage, "its cost is not known", "layers.tree", "simulate", str(TREE), *replayed, "--against", live, "--json"
        )
        of_one = ("--events", str(sessions.resolve()), "--parameters", str(known.resolve()), "--shopper", busiest)
        path = must_type(stage, "nobody can be told why", "layers.tree", "explain", str(TREE), *of_one)
    finally:
        # A copy of shoppers' events that no erasure reaches.
        for file in (sessions, known):
            file.unlink(missing_ok=True)
    explained = f"explained: the busiest shopper's {events} events, {path.count(' → ')} moves, each with what held"
    return [checked.splitlines()[-1], f"drawn: {picture}", explained], read_simulated(json.loads(told))


def read_simulated(told: dict[str, Any]) -> Simulated:
    """Of `simulate --json`."""
    found = told["simulated"]
    shown: dict[str, int] = {}
    for each in found["shown"]:
        shown[each["kind"]] = shown.get(each["kind"], 0) + each["figures"]["journeys"]
    return Simulated(
        found["shoppers"],
        {name: node["shoppers"] for name, node in found["nodes"].items()},
        shown,
        *(sum(e["figures"][cost] for e in found["shown"] if e["kind"] != "game") for cost in ("claimed", "at_most")),
    )


def schedule_tree(stage: Stage) -> datetime:
    """Schedules the tree for a moment ahead; that moment. Journeys under way end in the tree that they began in.

    Raises:
        DemoFailed: it was refused for another reason than that a busy machine took until that moment to say it.
    """
    lead = LEAD_S
    while True:
        starts = datetime.now(UTC) + timedelta(seconds=lead)
        when = ("--retailer", stage.retailer.id, "--at", starts.isoformat(), "--running", "finish")
        done = type_command(stage, "layers.tree", "publish", str(TREE), *when)
        if not done.returncode:
            return starts
        if "is past" not in done.stderr or lead > LONGEST_LEAD_S:
            raise DemoFailed(f"the tree is not scheduled, so no campaign has a branch: {done.stderr.strip()}")
        lead *= 2


def change(stage: Stage, campaign: str, what: str) -> None:
    """`pause`, `resume` of a campaign, by the API; returns with its acknowledgement."""
    marketer(stage).asks("POST", f"/v1/campaigns/{campaign}/{what}?retailer={stage.retailer.id}")


def direct(stage: Stage, what: str) -> datetime:
    """`pause`, `resume` of all that the retailer shows; the moment that its record names."""
    must_type(stage, "it is shown as before", "layers.tree", what, "--retailer", stage.retailer.id)
    return asyncio.run(_said_last(stage))


async def _said_last(stage: Stage) -> datetime:
    document = await FirestoreDocuments.of(stage.values).get(LIVE_TREES, stage.retailer.id)
    return programme.read(stage.retailer.id, document.data if document else None).steps[-1].at


def budgets(stage: Stage, names: Iterable[str] = CAMPAIGNS) -> dict[str, list[dict[str, Any]]]:
    """Each campaign's report: a line a budget.

    Raises:
        DemoFailed: one holds and has spent more than its limit.
    """
    desk, found = marketer(stage), {}
    for name in names:
        lines = desk.asks("GET", f"/v1/campaigns/{name}/report?retailer={stage.retailer.id}")["budgets"]
        for line in lines:
            if line["spent"] + line["reserved"] > line["limit"]:
                raise DemoFailed(f"{line['budget']} gave away more than it has: {line}; see layers/ledger")
        found[name] = lines
    return found
