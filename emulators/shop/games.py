"""Two games for the value of the basket, from their announcement to winners that a stranger recomputes.

Played by the orders of one minute. On a laptop the beacon is not public, and says so in what is published.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import yaml

from emulators.shop.offering import FILES
from emulators.shop.people import compliance, must_type, request
from emulators.shop.stage import DemoFailed, Stage

GAMES = {"basket_back": "instant", "evening_draw": "draw"}
"""The name of each, and its file in `market_day/`."""

OPENS_IN_S = 3.0
OPEN_FOR_S = 40.0
TICKETS_PER_SHOPPER = 2
"""As both files say."""

AFTER_S = 0.5
"""Past the opening, so that no rounding makes an order too early."""

LOOK_EVERY_S = 2.0
"""The schedule looks each minute; a demo is shorter than that."""

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Opened:
    """Attributes:
    commitments: SHA-256 of rules and sealed seed, by game, published before `opens`.
    """

    opens: datetime
    closes: datetime
    commitments: dict[str, str]


@dataclass(frozen=True, slots=True)
class Ticket:
    """As its shopper's page was told. `claim`: the signed link's path, where a prize waits for its winner."""

    game: str
    order: str
    customer: str
    outcome: str
    prize_cents: int
    claim: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """Attributes:
    tickets, won, void: in what was published. told: the verdict of `verify-draw`.
    """

    game: str
    tickets: int
    won: int
    void: int
    told: str


def rules(name: str, opens: datetime, closes: datetime) -> str:
    """A game's file with its moments."""
    found = yaml.safe_load((FILES / f"{GAMES[name]}.yaml").read_text(encoding="utf-8"))
    return json.dumps({**found, "opens": opens.isoformat(), "closes": closes.isoformat()})


def announce(stage: Stage) -> Opened:
    """Both games, which open in a moment and close in a minute."""
    officer = compliance(stage, "rewards")
    opens = datetime.now(UTC) + timedelta(seconds=OPENS_IN_S)
    closes = opens + timedelta(seconds=OPEN_FOR_S)
    bound = {}
    for name in GAMES:
        body = {"retailer": stage.retailer.id, "rules": rules(name, opens, closes)}
        bound[name] = str(officer.asks("POST", "/v1/games", body)["commitment_sha256"])
    time.sleep(max(0.0, (opens - datetime.now(UTC)).total_seconds()) + AFTER_S)
    return Opened(opens, closes, bound)


def close(stage: Stage, opened: Opened) -> list[Closed]:
    """Fires the job that closes games, as its schedule does, until both are closed; and has a stranger recompute.

    Raises:
        DemoFailed: a game is not closed, or a winner is not right.
    """
    _sleep_until(opened.closes)
    end = time.monotonic() + 2 * max(map(_seal_s, GAMES)) + PATIENCE_S
    closed: set[str] = set()
    while closed != set(GAMES):
        for game in stage.report_of("draws")["games"]:
            if game["verdict"] in ("missed", "failed") or time.monotonic() > end:
                raise DemoFailed(f"the game {game['game']} is not closed but {game}; see the log of rewards")
            closed |= {game["game"]} if game["status"] == "closed" else set()
        time.sleep(LOOK_EVERY_S)
    return [_verified(stage, name, opened.commitments[name]) for name in GAMES]


def _sleep_until(at: datetime) -> None:
    time.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))


def _verified(stage: Stage, name: str, commitment: str) -> Closed:
    officer = compliance(stage, "rewards")
    published = officer.fetches("GET", f"/v1/games/{stage.retailer.id}/{name}/transcript")
    file = stage.logs.parent / f"transcript-{name}.json"
    file.write_bytes(published)
    told = must_type(
        stage, "its winners cannot be believed",
        "layers.game", "verify-draw", str(file.resolve()), "--commitment", commitment,
    )  # fmt: skip
    tickets: list[Mapping[str, Any]] = json.loads(published)["tickets"]
    won = sum(each["outcome"] == "won" and not each.get("void") for each in tickets)
    return Closed(name, len(tickets), won, sum(bool(each.get("void")) for each in tickets), told.splitlines()[-1])


def taken_until(opened: Opened) -> datetime:
    """When the last order paid in time may have become a ticket: half of the time to seal is over."""
    return opened.closes + timedelta(seconds=max(_seal_s(name) for name in GAMES) / 2)


def _seal_s(name: str) -> float:
    return float(yaml.safe_load((FILES / f"{GAMES[name]}.yaml").read_text(encoding="utf-8"))["seal_s"])


def tickets(
    stage: Stage,
    token: Callable[[str], str],
    orders: Mapping[str, str],
    expected: Iterable[tuple[str, str]],
    until: datetime,
) -> tuple[list[Ticket], int]:
    """What each order's page is told, once every ticket that must be there is, or none comes any more.

    Args:
        orders: customer of each. expected: game and order. until: when the last one may have come.

    Returns:
        The tickets, and how many of those expected never came.
    """
    waiting, found = set(expected), dict[str, list[Ticket]]()
    asked: Sequence[str] = list(orders)
    while True:
        over = datetime.now(UTC) > until
        for order in asked:
            found[order] = _of_order(stage, token, order, orders[order])
        waiting -= {(each.game, each.order) for several in found.values() for each in several}
        asked = sorted({order for _, order in waiting})
        if over or not asked:
            return [each for several in found.values() for each in several], len(waiting)
        time.sleep(0.5)


def _of_order(stage: Stage, token: Callable[[str], str], order: str, customer: str) -> list[Ticket]:
    path = "/v1/tickets?" + urlencode({"key": stage.retailer.read_key, "order": order})
    status, content = request(stage.addresses["claims"], "GET", path, {"Gondola-Shopper": token(customer)})
    if status != 200:
        raise DemoFailed(f"a page that asked for its order's tickets was answered {status}; see the log of claims")
    return [
        Ticket(each["game"], order, customer, each["outcome"], each["prize_cents"], each.get("claim", ""))
        for each in json.loads(content)["tickets"]
    ]


def claim(stage: Stage, ticket: Ticket, email: str) -> None:
    """The winner follows the link and leaves an address; the link serves once.

    Raises:
        DemoFailed: it serves never, or twice.
    """
    form = urlencode({"token": ticket.claim.partition("token=")[2], "email": email}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    took = [request(stage.addresses["claims"], "POST", "/claim", headers, form)[0] for _ in range(2)]
    if took != [200, 410]:
        raise DemoFailed(f"a prize was claimed twice and answered {took}, not 200 and 410; see the log of claims")


def export(stage: Stage, reference: str) -> list[dict[str, Any]]:
    """The list of refund orders under a reference: a head, then a line a prize. The same again is the same."""
    officer = compliance(stage, "rewards")
    body = {"retailer": stage.retailer.id, "reference": reference}
    lists = [officer.fetches("POST", "/v1/refunds", body) for _ in range(2)]
    if lists[0] != lists[1]:
        raise DemoFailed("the same list of refunds was asked for twice and differs; see the log of rewards")
    return [json.loads(line) for line in lists[0].splitlines()]
