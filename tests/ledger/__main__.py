"""`python -m tests.ledger`: the long form of the ledger's proof."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from emulators.processes.servers import held_servers
from tests.ledger.proof import Course, environment_of, prove


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.ledger",
        description="Redeems concurrently from several processes that are killed, with repeats, cancels and refunds in "
        "between, and proves that no budget was over-spent at any moment and that the books are exact in the end.",
    )
    parser.add_argument("--shoppers", type=int, default=500)
    parser.add_argument("--budget", type=int, default=100, help="redemptions that it pays for")
    parser.add_argument("--money", type=int, help="cents that it pays; default: so much that the count binds")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    money = 300 * given.budget if given.money is None else given.money
    course = Course(given.shoppers, given.budget, money, given.processes, given.kills, given.seed)
    with tempfile.TemporaryDirectory(prefix="gondola-ledger-") as logs, held_servers(["firestore"], Path(logs)) as held:
        os.environ.update(held)
        found = asyncio.run(prove(course, environment_of(held["FIRESTORE_EMULATOR_HOST"], "proof"), print))
    print(f"in the end: {found.told}")
    for balance in found.balances.values():
        print(f"{balance.budget}: {balance.spent} of {balance.limit} spent, {balance.free} free, {balance.held} held")
    print(f"never over-spent, exact in the end; {found.seconds:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
