"""`python -m functions.consent_erasure erase | status | receipt | access | object | key | verify`: the compliance
officer's commands, worded in arguments.py.

`verify` needs no network and no account: receipts, and the public key.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from functions.consent_erasure.arguments import arguments
from functions.consent_erasure.lists import Progress, customers, parts
from functions.consent_erasure.officer import Office
from functions.consent_erasure.rules import COMPLETE
from functions.consent_erasure.shopper_desk import ShopperDesk
from functions.consent_erasure.verification import verify
from layers.calling.identity import CannotAsk, FromFile, FromGcloud, Identity
from layers.privacy.deadline import Urgency, urgency
from layers.signing.keys import InvalidKey, PublicKey

WELL, NOT_WELL, NOT_ASKED = 0, 1, 2


class _Unreadable(Exception):
    """A file that cannot be read, or written."""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _Unreadable(f"{path} cannot be read: {error.strerror}") from None


def _verify(given: argparse.Namespace) -> int:
    try:
        keys = [PublicKey(_read(path)) for path in given.key]
    except InvalidKey as error:
        raise _Unreadable(f"--key: {error}") from None
    verdict = verify([(path.name, _read(path)) for path in given.receipts], keys)
    print("\n".join(verdict.lines()))
    return WELL if verdict.holds else NOT_WELL


def _identity(given: argparse.Namespace) -> Identity:
    return FromFile(given.token_file) if given.token_file else FromGcloud(given.url)


def _write(path: Path | None, content: bytes) -> None:
    if path is None:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return
    try:
        path.write_bytes(content)
    except OSError as error:
        raise _Unreadable(f"{path} cannot be written: {error.strerror}; fetch it again with `receipt`") from None


def _place(out: Path | None, reference: str, several: bool) -> Path | None:
    """Where a receipt goes: to the file, or into the folder of several.

    Raises:
        _Unreadable: it cannot be made.
    """
    if out is None or not several:
        return out
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _Unreadable(f"{out} is to hold several receipts and is no folder: {error.strerror}") from None
    return out / f"{reference}.json"


def _summary(status: dict[str, Any]) -> str:
    late = ", OVERDUE" if status["overdue"] else ""
    named = f"{status['reference']} ({status['customers']} customers)"
    return f"erasure {named}: {status['status']}, due {status['due']}{late}, finished {status['finished'] or '-'}"


def _warn(status: dict[str, Any]) -> bool:
    """Whether it is overdue; says so, and also when it soon is."""
    if status["status"] == COMPLETE:
        return False
    how = Urgency.OVERDUE if status["overdue"] else urgency(datetime.fromisoformat(status["due"]), datetime.now(UTC))
    if how is Urgency.SOON:
        _say(
            f"WARNING: {status['reference']} is due on {status['due']}, in less than a week, and has no receipt. Send "
            "its `erase` command again; if it does not complete, ask Gondola's operators today."
        )
    elif how is Urgency.OVERDUE:
        _say(
            f"WARNING: {status['reference']} was due on {status['due']}, and has no receipt. Send its `erase` command "
            "again now, and tell the persons why it is late (article 12(3) of the GDPR)."
        )
    return how is Urgency.OVERDUE


def _ids(path: Path) -> list[str]:
    whole = sys.stdin.read() if str(path) == "-" else _read(path).decode()
    return customers(whole.splitlines())


def _about_one(given: argparse.Namespace) -> int:
    ids = _ids(given.customer)
    if len(ids) > 1:
        raise CannotAsk(f"{len(ids)} customer ids were given, and this asks about one; nothing was asked.")
    desk = ShopperDesk(given.url, _identity(given).token())
    if given.command == "access":
        size = desk.access(given.retailer, given.reference, ids[0], given.out)
        print(f"{given.out}: everything that is held, {size} bytes")
        return WELL
    told = desk.object(given.retailer, given.reference, ids[0], given.since)
    print(f"objection {given.reference}: recorded as of {told['since']}")
    if not told["in_force"]:
        print(f"not in force: the customer gave a newer consent on {told['consent_since']}", file=sys.stderr)
        return NOT_WELL
    return WELL


def _erase(given: argparse.Namespace, office: Office) -> int:
    ids = _ids(given.customers)
    asked = parts(given.reference, ids)
    several = len(asked) > 1
    known = given.progress
    if known is None and several and str(given.customers) != "-":
        known = given.customers.with_name(given.customers.name + ".progress")
    progress = Progress(known, given.retailer, given.reference, len(ids))
    if several:
        _say(f"{len(ids)} customers, {len(asked)} requests{f'; progress in {known}' if known else ''}")
    well = True
    for number, part in enumerate(asked, 1):
        place = _place(given.out, part.reference, several)
        if progress.complete(part) and (place is None or place.exists()):
            _say(f"request {number} of {len(asked)}, {part.reference}: complete already")
            continue
        status = office.erase(given.retailer, part.reference, part.customers)
        progress.note(part, status)
        print(_summary(status), flush=True)
        if status["status"] == COMPLETE:
            if place is not None:
                _write(place, office.receipt(status["id"]))
            continue
        well = False
        _say("some store still receives data of these customers; send the same command again")
        _warn(status)
    return WELL if well else NOT_WELL


def _asked(given: argparse.Namespace) -> int:
    if given.command in ("access", "object"):
        return _about_one(given)
    office = Office(given.url, _identity(given), _say)
    if given.command == "erase":
        return _erase(given, office)
    if given.command == "key":
        _write(given.out, office.key())
        return WELL
    found = office.of_reference(given.retailer, given.reference)
    if given.command == "receipt":
        if len(found) > 1 and given.out is None:
            raise CannotAsk(f"{len(found)} receipts are of this reference; name their folder with --out.")
        for status in found:
            _write(_place(given.out, status["reference"], len(found) > 1), office.receipt(status["id"]))
        return WELL
    for status in found:
        office.show(status)
        print(_summary(status))
    overdue = [_warn(status) for status in found]
    return NOT_WELL if any(overdue) else WELL


def main(given: list[str]) -> int:
    """See the module."""
    asked = arguments().parse_args(given)
    try:
        return _verify(asked) if asked.command == "verify" else _asked(asked)
    except (CannotAsk, _Unreadable) as error:
        print(error, file=sys.stderr)
    except UnicodeDecodeError:
        print("the file is not UTF-8; nothing was asked", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped; what was done is recorded, and the same command goes on from there", file=sys.stderr)
    return NOT_ASKED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
