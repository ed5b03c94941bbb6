"""`python -m functions.scoring run | status | why`: a run by hand, how far one has come, what is known of one shopper.

It reaches the stores with the same environment values as the functions. Exit codes: 0 done and well; 1 it is not (not
done in time, overtaken, nothing known of the shopper); 2 it could not be asked.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime

from functions.scoring.desk import CannotAsk, Desk

WELL, NOT_WELL, NOT_ASKED = 0, 1, 2


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m functions.scoring", description=(__doc__ or "").partition("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in (
        ("run", "scores a retailer's shoppers now from the models that are built, and waits until it is done"),
        ("status", "shows how far a run has come"),
        ("why", "shows one shopper's parameters, and why they are so"),
    ):
        command = commands.add_parser(name, help=purpose, description=purpose)
        command.add_argument("--retailer", required=True, help="the retailer's id")
        if name != "why":
            command.add_argument(
                "--at", help="the run's moment, such as 2026-11-22T03:00:00Z: only what was before it counts"
            )
        if name == "run":
            command.add_argument("--wait", type=float, default=1800, metavar="SECONDS", help="at most so long (1800)")
        if name == "why":
            # Never as an argument: a command line stands in the shell's history and in every list of processes.
            command.add_argument(
                "--pseudonym", action="store_true", help="stdin holds a pseudonym, not the retailer's customer id"
            )
    return parser


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CannotAsk(f"--at {text!r} is no moment such as 2026-11-22T03:00:00Z; nothing was asked") from None
    if moment.tzinfo is None:
        raise CannotAsk(f"--at {text!r} has no offset; add Z for UTC. Nothing was asked")
    return moment.astimezone(UTC).replace(microsecond=0)


async def _asked(given: argparse.Namespace) -> int:
    desk = Desk.of_process(given.retailer, lambda text: print(text, file=sys.stderr, flush=True))
    if given.command == "why":
        lines = await desk.why(sys.stdin.readline().strip(), given.pseudonym)
        if lines is None:
            print("nothing is known of this shopper: no parameters are stored", file=sys.stderr)
            return NOT_WELL
        print("\n".join(lines))
        return WELL
    moment = _moment(given.at)
    if given.command == "status":
        print(await desk.status(moment))
        return WELL
    told = await desk.run(moment or datetime.now(UTC).replace(microsecond=0), given.wait)
    print(told)
    return WELL


def main(arguments: list[str]) -> int:
    """See the module."""
    given = _arguments().parse_args(arguments)
    try:
        return asyncio.run(_asked(given))
    except CannotAsk as error:
        print(error, file=sys.stderr)
        return NOT_ASKED
    except TimeoutError as error:
        print(error, file=sys.stderr)
        return NOT_WELL
    except KeyboardInterrupt:
        print("stopped waiting; the run goes on, and `status` shows how far it has come", file=sys.stderr)
        return NOT_WELL


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
