"""A game on the stack as it runs: announced, played by paid orders, claimed, refunded, closed, recomputed by a
stranger, its winner erased, all through the doors that each has in the cloud."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore_v1 import Client

from emulators.stack import Stack
from emulators.tokens import handed_on_token
from functions.rewards.rules import audited
from layers.stores.collections import COLLECTIONS
from tests.local.shop_visit import ROOT, Shop, eventually
from tests.loopback import HTTP

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

RULES = """
game: {game}
kind: instant
opens: "{opens}"
closes: "{closes}"
tiers:
  - {{tier: all, from_cents: 2000, prizes: 1, odds: {{wins: 1, of: 1}}}}
prize_cap_cents: 5000
tickets_per_shopper: 2
epoch_s: 86400
seal_s: 8
beacon: {{source: laptop, genesis: 1600000000, period_s: 1}}
terms: {{en: words, fr: des mots}}
"""


class Officer:
    """Whom the retailer's `compliance` list names."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def asks(self, function: str, method: str, path: str, body: Any = None) -> httpx.Response:
        url = self.shop.stack.address(function)
        token = handed_on_token(self.shop.retailer.compliance[0], url, datetime.now(UTC))
        headers = {"authorization": f"Bearer {token}"}
        return HTTP.request(method, url + path, json=body, headers=headers, timeout=120)

    def commands(self, command: str, *more: str) -> str:
        """What `python -m functions.rewards` says."""
        where = ["--url", self.shop.stack.address("rewards"), "--retailer", "demo"]
        who = ["--laptop", self.shop.retailer.compliance[0]]
        asked = [sys.executable, "-m", "functions.rewards", command, *where, *who, *more]
        done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def gets(self, function: str, method: str, path: str, body: Any = None) -> Any:
        answer = self.asks(function, method, path, body)
        assert answer.is_success, answer.text
        return answer.json()


def contacts(shop: Shop) -> str:
    """Everything in the database that is kept apart, past the project's own readers."""
    database = Client(project=shop.values["GONDOLA_PROJECT"], credentials=AnonymousCredentials(), database="rewards")
    names = [each.name for each in COLLECTIONS if each.database == "rewards"]
    return repr([document.to_dict() for name in names for document in database.collection(name).stream()])


def test_a_game_from_its_announcement_to_an_erased_winner(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, mark = Shop(stack), uuid.uuid4().hex[:10]
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", stack.hosts["FIRESTORE_EMULATOR_HOST"])
    officer, game, email = Officer(shop), f"g{mark}", f"winner.{mark}@example.com"
    opens = datetime.now(UTC) + timedelta(seconds=6)
    closes = opens + timedelta(seconds=12)
    rules = RULES.format(game=game, opens=opens.isoformat(), closes=closes.isoformat())
    file = tmp_path / "game.yaml"
    file.write_text(rules)
    announced = officer.commands("open", str(file)).splitlines()[-1]

    def sends(customer: str, number: int) -> None:
        at = datetime.now(UTC).isoformat()
        agreed = {"id": f"{mark}-agreed-{number}", "type": "ConsentChanged", "at": at, "purposes": {"rewards": True}}
        line = {"product": "p1", "paid": 64.2}
        paid = {"id": f"{mark}-paid-{number}", "type": "OrderPaid", "at": at, "order": f"{mark}-order-{number}"}
        shop.must_post(customer, [agreed, {**paid, "total": 64.2, "lines": [line]}])

    def told(customer: str, number: int) -> list[dict[str, Any]]:
        url = f"{stack.address('claims')}/v1/tickets?key={shop.retailer.read_key}&order={mark}-order-{number}"
        answer = HTTP.get(url, headers={"gondola-shopper": shop.token(customer)}, timeout=20)
        assert answer.status_code == 200, answer.text
        return [each for each in answer.json()["tickets"] if each["game"] == game]

    time.sleep(max(0.0, (opens - datetime.now(UTC)).total_seconds()) + 1.1)
    sends(f"{mark}-first", 1)
    (won,) = eventually("the first order's ticket", lambda: told(f"{mark}-first", 1), bool)
    assert (won["outcome"], won["prize_cents"]) == ("won", 5000)
    sends(f"{mark}-second", 2)
    (over,) = eventually("the second order's ticket", lambda: told(f"{mark}-second", 2), bool)
    assert over["outcome"] == "over" and told(f"{mark}-second", 1) == []

    page = stack.address("claims") + won["claim"]
    assert "50,00" in HTTP.get(page, headers={"accept-language": "fr"}, timeout=20).text
    form = {"token": won["claim"].partition("token=")[2], "email": email}
    taken = [HTTP.post(f"{stack.address('claims')}/claim", data=form, timeout=20).status_code for _ in range(2)]
    assert taken == [200, 410]
    lists = [
        officer.asks("rewards", "POST", "/v1/refunds", {"retailer": "demo", "reference": f"{mark}-{number}"}).content
        for number in range(2)
    ]
    assert audited(lists) == [] and email.encode() in lists[0] and email.encode() not in lists[1]

    def closed() -> list[str]:
        """As the schedule does it, by whom nothing is asked but the moment."""
        status, body = stack.fire("draws")
        assert status == 200, body
        return [each["verdict"] for each in json.loads(body)["games"] if each["game"] == game]

    eventually("the close", closed, lambda verdicts: verdicts == ["closed"])
    assert f"{game} is closed" in officer.commands("close", game, "--wait")
    assert "1 won" in officer.commands("status", game) and " claimed, in list" in officer.commands("winners", game)
    transcript = tmp_path / "transcript.json"
    officer.commands("transcript", game, "--out", str(transcript))
    command = [sys.executable, "-m", "layers.game", "verify-draw", str(transcript)]
    bound = ["--commitment", announced, "--order", f"{mark}-order-1"]
    verified = subprocess.run([*command, *bound], cwd=ROOT, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr
    assert "every winner is right" in verified.stdout and "won" in verified.stdout
    assert "each round was signed" in verified.stdout and "NOT public randomness" in verified.stderr

    assert email in contacts(shop)
    asked = {"retailer": "demo", "reference": f"game-{mark}", "customers": [f"{mark}-first"]}
    erased = officer.gets("consent_erasure", "POST", "/v1/erasures", asked)
    assert erased["status"] == "complete"
    receipt = officer.gets("consent_erasure", "GET", erased["receipt_url"])
    numbers = {each["store"]: (each["found"], each["deleted"], each["remaining"]) for each in receipt["stores"]}
    assert numbers["firestore:players"] == numbers["firestore:contacts"] == (1, 1, 0)
    left = contacts(shop)
    assert email not in left and f"{mark}-order-1" not in left and f"{mark}-order-2" in left
    assert HTTP.get(page, timeout=20).status_code == 404
    for name in ("claims", "rewards", "tickets"):
        # A game's name is no secret; whose order it was, and where the winner is reached, is.
        said = stack.log(name)
        assert email not in said and f"{mark}-order" not in said and f"{mark}-first" not in said
