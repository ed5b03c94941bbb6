"""`python -m layers.campaigns check | publish | rules FILE`, `list | report`, `pause | resume | withdraw CAMPAIGN`.

All but `check` reach Firestore with the same environment values as the functions.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from layers.campaigns.law import CAPS
from layers.campaigns.model import HouseRules
from layers.campaigns.opening import open_budgets
from layers.campaigns.published import (
    NotPublished,
    Published,
    State,
    WasEnded,
    become,
    campaigns_of,
    publish_campaign,
    publish_rules,
    rules_of,
)
from layers.campaigns.reading import InvalidCampaign, pointers_of, read_campaign, read_rules
from layers.campaigns.reporting import Line, report
from layers.declarations import settings
from layers.declarations.settings import MissingSetting, Settings
from layers.handwritten.places import Places
from layers.ledger.books import LimitLowered
from layers.retailers import InvalidRetailer, Registry, Retailer
from layers.stores.firestore.port import Documents


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m layers.campaigns", description="Checks, publishes and withdraws campaigns and house rules."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="says what is wrong with a campaign; nothing is published")
    check.add_argument("file", type=Path)
    check.add_argument("--rules", type=Path, help="the house rules' file; without, those of --country alone")
    check.add_argument("--country", default="FR", help="whose law caps promotions (FR)")
    check.add_argument("--timezone", default="Europe/Paris", help="of a campaign that names none (Europe/Paris)")
    for name, what in (("publish", "offers a campaign from tonight on"), ("rules", "sets the house rules")):
        command = commands.add_parser(name, help=what)
        command.add_argument("file", type=Path)
        command.add_argument("--retailer", required=True)
    for name, what in (("list", "the retailer's campaigns"), ("report", "what its budgets have spent, reserved, left")):
        command = commands.add_parser(name, help=what)
        command.add_argument("--retailer", required=True)
    for name, (_, meaning, _) in _BECOMES.items():
        command = commands.add_parser(name, help=meaning)
        command.add_argument("campaign")
        command.add_argument("--retailer", required=True)
    return parser


_BECOMES = {
    "pause": (State.PAUSED, "shows nothing of a campaign, within two seconds, until `resume`", "is paused"),
    "resume": (State.LIVE, "shows a paused campaign again", "is shown again"),
    "withdraw": (State.ENDED, "ends a campaign before its date, within two seconds", "is withdrawn"),
}


def _retailer(values: Settings, id: str) -> Retailer:
    """Raises InvalidRetailer: the environment knows no such retailer."""
    registry = Registry.of_environment(values.values, settings.RETAILER_PREFIX)
    if id not in registry.by_id:
        raise InvalidRetailer(f"no retailer {id!r} here; there is {', '.join(sorted(registry.by_id))}")
    return registry.by_id[id]


async def published(given: argparse.Namespace, documents: Documents, retailer: Retailer, text: str) -> str:
    """Does what a command that reaches Firestore asks for, and says what was done.

    Raises:
        InvalidCampaign: nothing was changed.
    """
    if given.command == "rules":
        rules = read_rules(text)
        new = await publish_rules(documents, retailer.id, rules, text)
        return f"{retailer.id} has these house rules {'now' if new else 'already'}: {_told(rules)}"
    if given.command == "publish":
        campaign = read_campaign(text, await rules_of(documents, retailer), retailer.timezone)
        try:
            await open_budgets(documents, retailer, campaign, datetime.now(UTC))
        except LimitLowered as error:
            raise InvalidCampaign([f"budget: {error}"]) from None
        new = await publish_campaign(documents, retailer.id, campaign, text)
        return f"{retailer.id} offers {campaign.campaign} {'from the next scoring on' if new else 'already'}"
    now = datetime.now(UTC)
    if given.command in _BECOMES:
        state, _, said = _BECOMES[given.command]
        try:
            new = await become(documents, retailer.id, given.campaign, state, now)
        except (NotPublished, WasEnded) as error:
            raise InvalidCampaign([f"{error}; `list` names what {retailer.id} has"]) from None
        return f"{given.campaign} {said}{'' if new else ' already'}"
    if given.command == "report":
        told = [_balance(line) for line in await report(documents, retailer, now)]
        return "\n".join(told or [f"{retailer.id} has no campaign with a budget now"])
    lines = [_line(p, now) for p in await campaigns_of(documents, retailer.id)]
    return "\n".join(lines or [f"{retailer.id} has no campaign"])


def _told(rules: HouseRules) -> str:
    return f"law of {rules.country}, control group {rules.control:.0%}, {rules.offers_per_shopper} offers a shopper"


def _line(published: Published, now: datetime) -> str:
    campaign, state = published.campaign, published.state.value
    if published.state is State.LIVE:
        state = "to come" if now < campaign.begins() else "running" if campaign.runs(now) else "over"
    levels = ", ".join(level.id for level in campaign.generosity)
    return f"{campaign.campaign:<24} {state:<9} {campaign.starts} to {campaign.ends}  {campaign.kind}: {levels}"


def _balance(line: Line) -> str:
    def amount(units: int) -> str:
        return f"{units / 100:.2f}" if line.unit == "cents" else f"{units}"

    parts = ", ".join(f"{what} {amount(getattr(line, what))}" for what in ("limit", "spent", "reserved", "left"))
    return f"{line.campaign:<24} {line.budget} until {line.until:%Y-%m-%d %H:%M} UTC: {parts}"


def _refused(file: Path | None, text: str, error: InvalidCampaign) -> int:
    for problem in error.problems:
        print(f"{file}{_place(text, problem)}: {problem}" if file else problem, file=sys.stderr)
    print(
        f"{len(error.problems)} to correct; nothing was changed. layers/campaigns/README.md lists every field.",
        file=sys.stderr,
    )
    return 1


def _place(text: str, problem: str) -> str:
    """`:12:3`, where the first field that the problem names stands; empty for what cannot be read at all."""
    if problem.startswith(("line ", "not YAML")):
        return ""
    steps = pointers_of(problem)[0].split("/")[1:]
    line, column = Places(text)([int(step) if step.isdigit() else step for step in steps])
    return f":{line}:{column}"


async def _reach(given: argparse.Namespace, text: str) -> int:
    from layers.stores.firestore.documents import FirestoreDocuments  # `check` needs no SDK.

    try:
        values = Settings.of_process()
        retailer = _retailer(values, given.retailer)
        documents = FirestoreDocuments.of(values)
    except (MissingSetting, InvalidRetailer) as error:
        print(f"nothing was changed: {error}", file=sys.stderr)
        return 2
    print(await published(given, documents, retailer, text))
    return 0


def main(arguments: list[str]) -> int:
    """0 if all is well, 1 if the file is refused, 2 if it could not be read or kept."""
    given = _arguments().parse_args(arguments)
    file: Path | None = getattr(given, "file", None)
    try:
        text = file.read_text(encoding="utf-8") if file else ""
        if given.command == "check":
            rules = (
                read_rules(given.rules.read_text(encoding="utf-8"))
                if given.rules
                else HouseRules(country=given.country)
            )
            campaign = read_campaign(text, rules, given.timezone)
            if rules.country not in CAPS:
                print(f"the law of {rules.country} is not known here: no cap of it is checked", file=sys.stderr)
            print(f"{file}: {campaign.campaign}, {len(campaign.generosity)} levels, nothing to correct")
            return 0
        return asyncio.run(_reach(given, text))
    except (OSError, UnicodeDecodeError) as error:
        name = getattr(error, "filename", None) or file
        print(f"{name} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}", file=sys.stderr)
        return 2
    except InvalidCampaign as error:
        return _refused(file, text, error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
