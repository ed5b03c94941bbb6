"""What `up` prints: addresses, keys, and three commands that work as they stand. Pure."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime

from emulators.tokens import handed_on_token
from emulators.wiring import Wiring
from layers.declarations import SecretKind
from layers.privacy.shopper_token import LONGEST_S, issue
from layers.privacy.signature import decode_key

_SHOPPER, _ERASED = "9250001234567", "9250007654321"
"""Customer ids that nobody has."""

_TREE = "layers/tree/examples/grocery_basket.yaml"
_TREE_READS = ("FIRESTORE_EMULATOR_HOST", "GONDOLA_DATABASE_", "GONDOLA_PROJECT")


def addresses(wiring: Wiring) -> list[str]:
    """One line a function."""
    width = max(len(name) for name in wiring.services)
    return [f"  {name:<{width}}  {wiring.address(name)}" for name in sorted(wiring.services)]


def _curl(*words: str) -> str:
    return "curl -sS -w '\\n%{http_code}\\n' " + " ".join(
        word if word == "\\\n " else shlex.quote(word) for word in words
    )


def commands(wiring: Wiring, now: datetime) -> list[tuple[str, str]]:
    """(what it does, the command) of the first retailer.

    Args:
        now: the event's time, and that of the compliance officer's token.
    """
    retailer = wiring.retailers()[0]
    at = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event_id = f"curl-{int(now.timestamp() * 1000)}"
    event = {"id": event_id, "type": "AddedToBasket", "at": at, "product": "1029743", "quantity": 1, "price": 2.59}
    body = {"shopper": _SHOPPER, "session": "curl", "channel": "web", "events": [event]}
    origin = (retailer.get("origins") or [""])[0]  # type: ignore[index]
    officer = (retailer.get("compliance") or [""])[0]  # type: ignore[index]
    key = decode_key(wiring.secret(SecretKind.SIGNING_KEY, str(retailer["id"])))
    proof = issue(key, _SHOPPER, now.timestamp(), LONGEST_S)
    token = handed_on_token(str(officer), wiring.services["consent_erasure"].address_in_graph, now)
    return [
        (
            "send an event (204: it is kept and dispatched)",
            _curl(
                *("-X", "POST", f"{wiring.address('ingest')}/v1/events?key={retailer['write_key']}", "\\\n "),
                *("-H", f"Origin: {origin}", "-H", "Content-Type: application/json", "\\\n ", "-d", json.dumps(body)),
            ),
        ),
        (
            "ask for the experience, counting that event, with the token that the shop's server gives its page",
            _curl(
                f"{wiring.address('experiences')}/v1/experiences?key={retailer['read_key']}&after={event_id}",
                *("\\\n ", "-H", f"Origin: {origin}", "-H", f"Gondola-Shopper: {proof}"),
            ),
        ),
        (
            "erase a shopper, as the compliance officer",
            _curl(
                *("-X", "POST", f"{wiring.address('consent_erasure')}/v1/erasures", "\\\n "),
                *("-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json", "\\\n "),
                *("-d", json.dumps({"retailer": retailer["id"], "reference": event_id, "customers": [_ERASED]})),
            ),
        ),
    ]


def tree_command(wiring: Wiring) -> str:
    """Publishes the example tree to the first retailer: without one, there is nothing to show."""
    values = wiring.environment("experiences")
    seen = {name: value for name, value in values.items() if name.startswith(_TREE_READS)}
    assigned = " ".join(f"{name}={shlex.quote(value)}" for name, value in sorted(seen.items()))
    return f"{assigned} \\\n  .venv/bin/python -m layers.tree publish {_TREE} --retailer {wiring.retailers()[0]['id']}"


def text(wiring: Wiring, now: datetime) -> str:
    """All of it."""
    lines = ["", "functions", *addresses(wiring), "", "# show the example tree's experiences", tree_command(wiring), ""]
    for retailer in wiring.retailers():
        lines.append(f"retailer {retailer['id']}: write key {retailer['write_key']}, read key {retailer['read_key']}")
    for purpose, command in commands(wiring, now):
        lines += ["", f"# {purpose}", command]
    return "\n".join([*lines, ""])
