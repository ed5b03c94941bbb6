"""`python -m functions.consent_erasure erase | status | receipt | access | object | key | verify`: the compliance
officer's commands.

`verify` needs no network and no account: receipts, and the public key. Exit codes: 0 done and well; 1 it is not (not
verified, or incomplete); 2 it could not be asked or read.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from functions.consent_erasure.officer import CannotAsk, Office, customers, gcloud_token
from functions.consent_erasure.rules import COMPLETE, erasure_id
from functions.consent_erasure.shopper_desk import ShopperDesk
from functions.consent_erasure.verification import verify
from layers.signing.keys import InvalidKey, PublicKey

WELL, NOT_WELL, NOT_ASKED = 0, 1, 2


class _Unreadable(Exception):
    """A file that cannot be read, or written."""


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m functions.consent_erasure",
        description="Erases customers and keeps the proof of it; gives access; records objections.",
        epilog="Exit codes: 0 done and well; 1 not verified, or incomplete; 2 it could not be asked or read.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in (
        ("erase", "erases customers, and waits until every store was read again"),
        ("status", "shows how far an erasure has come, and until when it is due"),
        ("receipt", "fetches the receipt of an erasure"),
        ("access", "writes down everything that is held about one customer"),
        ("object", "records that one customer objects to profiling, and deletes the profile"),
        ("key", "fetches the public key that receipts are signed with"),
    ):
        command = commands.add_parser(name, help=purpose, description=purpose)
        command.add_argument("--url", required=True, help="address of the service consent_erasure")
        command.add_argument(
            "--token-file", type=Path, help="a file with an identity token; without it gcloud is asked for one"
        )
        if name != "key":
            command.add_argument("--retailer", required=True, help="the retailer's id")
            command.add_argument("--reference", required=True, help="the retailer's own, of this one request")
        if name == "erase":
            command.add_argument(
                "--customers", required=True, type=Path, help="a file with one customer id a line; - reads stdin"
            )
        if name in ("access", "object"):
            # In a file, since a command line stands in the shell's history and in every list of processes.
            command.add_argument(
                "--customer", required=True, type=Path, help="a file with the customer id; - reads stdin"
            )
        if name == "access":
            command.add_argument("--out", required=True, type=Path, help="where to write it; only you can read it")
        elif name == "object":
            command.add_argument("--since", help="when the customer objected, such as 2026-11-20T10:00:00+01:00")
        elif name != "status":
            command.add_argument("--out", type=Path, help="where to write it" + (" (the receipt)" * (name == "erase")))
    command = commands.add_parser(
        "verify",
        help="checks receipts offline with the public key alone",
        description="Checks signature, form and order of receipts, and says what follows from it and what does not.",
    )
    command.add_argument("receipts", nargs="+", type=Path, metavar="RECEIPT", help="in the order of their numbers")
    command.add_argument(
        "--key", required=True, action="append", type=Path, help="the public key, PEM; several times after a rotation"
    )
    return parser


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


def _token(given: argparse.Namespace) -> str:
    return _read(given.token_file).decode().strip() if given.token_file else gcloud_token(given.url)


def _office(given: argparse.Namespace) -> Office:
    return Office(given.url, _token(given), lambda text: print(text, file=sys.stderr, flush=True))


def _write(path: Path | None, content: bytes) -> None:
    if path is None:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return
    try:
        path.write_bytes(content)
    except OSError as error:
        raise _Unreadable(f"{path} cannot be written: {error.strerror}; fetch it again with `receipt`") from None


def _summary(status: dict[str, Any]) -> str:
    late = ", OVERDUE" if status["overdue"] else ""
    return (
        f"erasure {status['id']}: {status['status']}, due {status['due']}{late}, finished {status['finished'] or '-'}"
    )


def _ids(path: Path) -> list[str]:
    whole = sys.stdin.read() if str(path) == "-" else _read(path).decode()
    return customers(whole.splitlines())


def _about_one(given: argparse.Namespace) -> int:
    ids = _ids(given.customer)
    if len(ids) > 1:
        raise CannotAsk(f"{len(ids)} customer ids were given, and this asks about one; nothing was asked.")
    desk = ShopperDesk(given.url, _token(given))
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


def _erase(given: argparse.Namespace) -> int:
    ids = _ids(given.customers)
    office = _office(given)
    status = office.erase(given.retailer, given.reference, ids)
    print(_summary(status))
    if status["status"] != COMPLETE:
        print("some store still receives data of these customers; send the same command again", file=sys.stderr)
        return NOT_WELL
    if given.out is not None:
        _write(given.out, office.receipt(status["id"]))
    return WELL


def _asked(given: argparse.Namespace) -> int:
    if given.command == "erase":
        return _erase(given)
    if given.command in ("access", "object"):
        return _about_one(given)
    office = _office(given)
    if given.command == "key":
        _write(given.out, office.key())
        return WELL
    id = erasure_id(given.retailer, given.reference)
    if given.command == "receipt":
        _write(given.out, office.receipt(id))
        return WELL
    status = office.status(id)
    office.show(status)
    print(_summary(status))
    return NOT_WELL if status["overdue"] else WELL


def main(arguments: list[str]) -> int:
    """See the module."""
    given = _arguments().parse_args(arguments)
    try:
        return _verify(given) if given.command == "verify" else _asked(given)
    except (CannotAsk, _Unreadable) as error:
        print(error, file=sys.stderr)
    except UnicodeDecodeError:
        print("the file is not UTF-8; nothing was asked", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped; what was done is recorded, and the same command goes on from there", file=sys.stderr)
    return NOT_ASKED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
