"""The words on the compliance officer's command line. Data and descriptions only; `__main__.py` does what they say."""

from __future__ import annotations

import argparse
from pathlib import Path

from functions.consent_erasure.rules import MAX_CUSTOMERS

_BEFORE = """\
You need: the address of the service (the deployment's output `addresses`), and a Google identity that stands in your
retailer's `compliance` list. Log in with `gcloud auth login`, or give a token with --token-file.

A reference is your own name of one request (letters, digits, `.`, `_`, `-`; never a customer id). The same command with
the same reference goes on with the same request, and never does anything twice."""

_AFTER = """\
A person's request must be answered within a month (GDPR, article 12(3)). Gondola counts it from the first `erase`,
warns a week before it is over, and warns when the nightly check itself did not run.

Exit codes: 0 done and well; 1 not well: not verified, incomplete, overdue, or not in force; 2 it could not be asked or
read, and stderr says why."""

_ERASE = f"""\
Erases customers from every store, and waits until each store was read again and held nothing. While it runs, each store
is told as it is done. Interrupted, refused by a store or cut off: send the same command again, it goes on from there.

More than {MAX_CUSTOMERS:,} customers become several requests, `<reference>.1`, `<reference>.2` and so on, each with a
receipt of its own; how far they have come stands in the progress file, and what is complete is not asked again."""

_STATUS = """\
Shows what an erasure has found and deleted in each store, whether it is complete, and until when it is due. Warns when
less than a week is left."""

_RECEIPT = """\
Fetches the signed receipt: what was found and deleted where, what is kept and why, and until when copies may linger out
of anybody's reach. There is one once the erasure is complete. It names nobody. Keep it, with the ones before it."""

_ACCESS = """\
Writes down everything that is held about one customer, with its meaning, origin, purpose and delays, as a JSON document
that people and programs can read (articles 15 and 20). Give it to the person, or to whoever the person names."""

_OBJECT = """\
Records that one customer objects to profiling (article 21): personalisation and advertising are refused from that
moment on, the estimates about this customer are deleted, and the shop's default is shown. Orders and measurement
stay."""

_KEY = "Fetches the public key that receipts are signed with. Keep it where whoever verifies a receipt can trust it."

_VERIFY = """\
Checks receipts without a network and without trusting anybody but the key: that each is what was signed, byte for byte,
that none is missing between them, and that they are in order. Says what that proves, and what it does not."""


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m functions.consent_erasure",
        description="For the compliance officer: erases customers and keeps the proof of it, gives access, records "
        f"objections.\n\n{_BEFORE}",
        epilog=_AFTER,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, purpose, description, example in (
        ("erase", "erase customers, and wait for the proof", _ERASE, "--customers ids.txt --out R-1.json"),
        ("status", "show how far an erasure has come, and until when it is due", _STATUS, ""),
        ("receipt", "fetch the receipt of an erasure", _RECEIPT, "--out R-1.json"),
        (
            "access",
            "write down everything that is held about one customer",
            _ACCESS,
            "--customer id.txt --out A-1.json",
        ),
        ("object", "record that one customer objects to profiling", _OBJECT, "--customer id.txt"),
        ("key", "fetch the public key that receipts are signed with", _KEY, "--out key.pem"),
    ):
        named = (
            ""
            if name == "key"
            else "--retailer demo --reference " + {"access": "A-1 ", "object": "O-1 "}.get(name, "R-1 ")
        )
        command = commands.add_parser(
            name,
            help=purpose,
            description=description,
            epilog=f"Example: {parser.prog} {name} --url https://… {named}{example}".rstrip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _shared(command, name)
        _own(command, name)
    command = commands.add_parser(
        "verify",
        help="check receipts offline with the public key alone",
        description=_VERIFY,
        epilog=f"Example: {parser.prog} verify R-1.json R-2.json --key key.pem",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("receipts", nargs="+", type=Path, metavar="RECEIPT", help="in the order of their numbers")
    command.add_argument(
        "--key", required=True, action="append", type=Path, help="the public key, PEM; several times after a rotation"
    )
    return parser


def _shared(command: argparse.ArgumentParser, name: str) -> None:
    command.add_argument("--url", required=True, help="address of the service consent_erasure")
    command.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="holds an identity token, and is read again when the token has expired; without it gcloud is asked",
    )
    if name != "key":
        command.add_argument("--retailer", required=True, metavar="ID", help="your retailer's id at Gondola")
        command.add_argument("--reference", required=True, metavar="NAME", help="your own name of this one request")


def _own(command: argparse.ArgumentParser, name: str) -> None:
    # Customer ids stand in files, since a command line stands in the shell's history and in every list of processes.
    if name == "erase":
        command.add_argument(
            "--customers", required=True, type=Path, metavar="FILE", help="one customer id a line; - reads stdin"
        )
        command.add_argument(
            "--out", type=Path, metavar="PATH", help="where to write the receipt; with several, the folder of all"
        )
        command.add_argument(
            "--progress",
            type=Path,
            metavar="FILE",
            help=f"where it stands how far more than {MAX_CUSTOMERS:,} customers have come, without any id; beside the "
            "list as <list>.progress if not said",
        )
    elif name in ("access", "object"):
        command.add_argument(
            "--customer", required=True, type=Path, metavar="FILE", help="holds the customer id; - reads stdin"
        )
    if name == "access":
        command.add_argument(
            "--out", required=True, type=Path, metavar="FILE", help="where to write it; only you can read it"
        )
    elif name == "object":
        command.add_argument(
            "--since",
            metavar="MOMENT",
            help="when the customer objected, such as 2026-11-20T10:00:00+01:00; now if not said",
        )
    elif name == "receipt":
        command.add_argument(
            "--out", type=Path, metavar="PATH", help="where to write it; with several, the folder of all; else stdout"
        )
    elif name == "key":
        command.add_argument("--out", type=Path, metavar="FILE", help="where to write it; else stdout")
