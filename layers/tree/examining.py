"""What the command line does with a tree that nobody is shown: checks it, draws it, explains and simulates. Prints.

Does not own what is found (`review`, `picture`, `explaining`, `simulation`), nor publishing (`directing`).
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from layers.campaigns.model import HouseRules
from layers.campaigns.reading import read_campaign
from layers.game.reading import read_rules
from layers.tree.explaining import explained
from layers.tree.journey import Standing
from layers.tree.outline import outline
from layers.tree.picture import picture
from layers.tree.problem import InvalidTree, Problem, told
from layers.tree.reckoning import as_json, traffic
from layers.tree.reckoning import told as told_figures
from layers.tree.sessions import parameters_of, records_of, sessions_of
from layers.tree.simulation import Simulation
from layers.tree.tree import Tree

_PROGRESS_S = 2


def check(file: str, tree: Tree, problems: Sequence[Problem], given: argparse.Namespace) -> int:
    errors = [problem for problem in problems if problem.severity == "error" or given.strict]
    if given.json:
        found = {"tree": tree.id, "version": tree.version, "nodes": len(tree.places), "problems": problems}
        print(msgspec.json.encode(found).decode())
        return 1 if errors else 0
    for problem in problems:
        print(told(problem, file), file=sys.stderr)
    counted = f"{len(problems) or 'nothing'} to correct" if errors or not problems else f"{len(problems)} to consider"
    print(f"{file}: {tree.id} {tree.version}, {len(tree.places)} nodes, {counted}")
    return 1 if errors else 0


def campaigns_in(paths: Sequence[Path] | None) -> dict[str, str] | None:
    """The kind of each campaign by its id; of a folder, all its YAML files that are campaigns.

    Raises:
        InvalidCampaign, OSError: a file that was named is none.
    """
    if not paths:
        return None
    # The law is not asked here.
    found = (read_campaign(text, HouseRules(country="ZZ")) for text in _texts(paths, field="campaign"))
    return {campaign.campaign: str(campaign.kind) for campaign in found}


def games_in(paths: Sequence[Path] | None) -> dict[str, datetime] | None:
    """When each game closes, by its id; of a folder, all its YAML files that are games.

    Raises:
        InvalidGame, OSError: a file that was named is none.
    """
    if not paths:
        return None
    return {rules.game: rules.closes for rules in map(read_rules, _texts(paths, field="game"))}


def _texts(paths: Sequence[Path], field: str) -> Iterator[str]:
    """Of every file that is named, and of those of a folder that have this field: others may lie beside them."""
    for path in paths:
        for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
            text = file.read_text(encoding="utf-8")
            if not path.is_dir() or re.search(rf"^{field}:", text, re.MULTILINE):
                yield text


def draw(tree: Tree, out: Path | None) -> int:
    if out is None:
        print(outline(tree))
        return 0
    try:
        out.write_text(picture(tree), encoding="utf-8")
    except OSError as error:
        print(f"{out} cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    print(f"{out}: {tree.id} {tree.version}, {len(tree.places)} nodes; any browser shows it")
    return 0


def explain(tree: Tree, given: argparse.Namespace) -> int:
    lines = sessions_of(given.events)
    if given.shopper is None and len(lines) > 1:
        print(f"{given.events} has {len(lines)} shoppers; name one with --shopper", file=sys.stderr)
        return 2
    shopper = given.shopper or next(iter(lines), "")
    if shopper not in lines:
        print(f"{given.events} has no event of that shopper", file=sys.stderr)
        return 2
    parameters = parameters_of(given.parameters)
    known = parameters.get(shopper) or parameters.get("")
    standing = Standing(tree, known, granted_by_default=given.absent_consent == "granted")
    for line in explained(records_of(lines[shopper], given.events), standing):
        print(line)
    return 0


def refused(file: Path, error: InvalidTree, as_json: bool) -> int:
    if as_json:
        print(msgspec.json.encode({"problems": error.problems}).decode())
        return 1
    for problem in error.problems:
        print(told(problem, str(file)), file=sys.stderr)
    print(f"{len(error.problems)} to correct; not usable. Variables: python -m layers.tree variables", file=sys.stderr)
    return 1


def simulate(tree: Tree, against: Tree | None, given: argparse.Namespace) -> int:
    """Raises UnreadableFile, OSError."""
    lines = sessions_of(given.sessions)
    parameters = parameters_of(given.parameters)
    granted = given.absent_consent == "granted"
    new = Simulation(tree, granted)
    old = Simulation(against, granted) if against is not None else None
    differing, whole, started, told_at = 0, sum(map(len, lines.values())), time.process_time(), time.monotonic()
    for shopper, theirs in lines.items():
        records = records_of(theirs, given.sessions)
        known = parameters.get(shopper)
        decisions = new.replay(records, known)
        if old is not None:
            before = old.replay(records, known)
            differing += sum(one.shown != other.shown for one, other in zip(decisions, before, strict=True))
        if time.monotonic() - told_at > _PROGRESS_S:
            told_at = time.monotonic()
            print(f"{new.events} of {whole} events replayed", file=sys.stderr)
    spent = time.process_time() - started
    if given.json:
        found = {"simulated": as_json(new), "against": as_json(old) if old else None, "differing_events": differing}
        print(msgspec.json.encode(found).decode())
    else:
        print("\n".join(told_figures(new, old, differing)))
        absent = f"where no event says so, consent to personalisation is taken as {given.absent_consent}"
        print(f"\n{absent}. {spent:.1f} s of CPU, {spent / max(1, new.events) * 1e6:.0f} us an event.")
    if given.out is not None:
        given.out.write_text(picture(tree, traffic(new)), encoding="utf-8")
    return 0
