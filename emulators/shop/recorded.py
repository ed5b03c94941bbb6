"""`python -m emulators.shop.recorded day --out FILE | stack --out FILE --parameters FILE`: sessions for a simulation.

`day` makes the demo's live day without any stack; its shoppers have no parameters. `stack` reads events and parameters
of a stack that is up on this laptop. Both write what `python -m layers.tree simulate` reads.

Only of a laptop, on purpose: such a file is a copy of shoppers' events that no erasure and no retention reaches.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from emulators.capture import ROOT
from emulators.shop.assortment import Assortment, noting_prices
from emulators.shop.hot import parameters_by_shopper, record_lines
from emulators.shop.journey_data import LIVE_DAY, SHOPS_TIMEZONE, moved, shift_for
from emulators.shop.journey_files import DataMissing, read_orders, read_products
from emulators.shop.sessions import Session, live_day
from emulators.stack import NotUp, Stack
from layers.declarations.settings import Settings
from layers.events.record import encode_record
from layers.privacy.pseudonym import Pseudonymiser

RETAILER = "demo"
_KEY = base64.b64encode(sha256(b"the demo's recorded day: public data, so this key is no secret").digest()).decode()


def lines_of(visits: Iterable[Iterable[Session]]) -> Iterator[bytes]:
    """The records that ingest would have kept, with pseudonyms of a key of their own."""
    pseudonym = Pseudonymiser(_KEY)
    for shopper in visits:
        for session in shopper:
            known = pseudonym(session.shopper)
            for event in session.events:
                yield encode_record(known, session.id, "web", event.at, msgspec.json.encode(event))


def parameter_lines(parameters: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    for shopper, stored in parameters:
        yield msgspec.json.encode({"shopper": shopper, "parameters": msgspec.Raw(stored)})


def _day(orders: int | None) -> list[list[Session]]:
    shift = shift_for(datetime.now(SHOPS_TIMEZONE).date())
    prices: dict[str, float] = {}
    found = [moved(order, shift) for order in noting_prices(read_orders(LIVE_DAY, LIVE_DAY), prices)]
    return live_day(found[:orders], Assortment(read_products(), prices))


def write_lines(path: Path, lines: Iterable[bytes]) -> int:
    """Whole or not at all: a file cut short would look like a quiet day."""
    partial, count = path.with_name(path.name + ".partial"), 0
    with gzip.open(partial, "wb") if path.suffix == ".gz" else partial.open("wb") as file:
        for line in lines:
            file.write(line + b"\n")
            count += 1
    partial.replace(path)
    return count


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m emulators.shop.recorded", description="Sessions for a tree's simulation."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    day = commands.add_parser("day", help="the demo's live day, made without a stack")
    day.add_argument("--orders", type=int, metavar="N", help="only the first N orders of the day")
    stack = commands.add_parser("stack", help="what a stack that is up here has stored")
    stack.add_argument("--folder", type=Path, default=ROOT / ".demo", help="of the stack (default: .demo)")
    stack.add_argument("--retailer", default=RETAILER)
    stack.add_argument("--parameters", type=Path, required=True, metavar="FILE", help="JSON lines, .gz to pack them")
    for command in (day, stack):
        command.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON lines, .gz to pack them")
    return parser


def main(arguments: list[str]) -> int:
    """0 if the files are written, 2 if they cannot be."""
    given = _arguments().parse_args(arguments)
    try:
        if given.command == "day":
            print(f"{given.out}: {write_lines(given.out, lines_of(_day(given.orders)))} events")
            return 0
        values = Settings(Stack.attach(given.folder).environment("decisioning"))
        print(f"{given.out}: {write_lines(given.out, record_lines(values, given.retailer))} events")
        known = parameter_lines(parameters_by_shopper(values, given.retailer))
        print(f"{given.parameters}: {write_lines(given.parameters, known)} shoppers")
    except (DataMissing, NotUp, OSError) as error:
        print(f"nothing is written: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
