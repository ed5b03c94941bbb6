"""Recomputes a game from its transcript. Read it: it is short, and it is all that has to be trusted.

It needs Python and nothing else, imports nothing of the project that ran the game, and goes online nowhere. What it
cannot know, it says: that the commitment's hash is the one that was published before the game opened is yours to
compare, and that the beacon's key signed each round is for a library of its curve (`python -m layers.game verify-draw`
does it), or for the beacon's own page.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class Verdict:
    """`problems` empty: every winner is the one that the rules, the seed and the beacon make. `doubts`: why a player
    need not be convinced all the same."""

    problems: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    winners: list[str] = field(default_factory=list)
    tickets: int = 0
    commitment_sha256: str = ""
    rounds: list[tuple[int, str]] = field(default_factory=list)


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _first_round_from(beacon: dict[str, Any], at: float) -> int:
    number = max(1, int((at - beacon["genesis"]) // beacon["period_s"]))
    while beacon["genesis"] + (number - 1) * beacon["period_s"] < at:
        number += 1
    return number


def _value(seed: bytes, beacon: bytes, game: str, entry: str) -> int:
    key = hmac.new(seed, beacon, hashlib.sha256).digest()
    return int(hmac.new(key, f"{game}\0{entry}".encode(), hashlib.sha256).hexdigest(), 16)


def verify(transcript: dict[str, Any]) -> Verdict:
    """Raises KeyError, TypeError or ValueError where it is no transcript at all."""
    commitment, rules = transcript["commitment"], transcript["commitment"]["rules"]
    seed, tickets = bytes.fromhex(transcript["seed"]), transcript["tickets"]
    beacons = {each["round"]: bytes.fromhex(each["value"]) for each in transcript["rounds"]}
    verdict = Verdict(
        tickets=len(tickets),
        commitment_sha256=hashlib.sha256(_canonical(commitment)).hexdigest(),
        rounds=[(number, value.hex()) for number, value in sorted(beacons.items())],
    )
    if hashlib.sha256(seed).hexdigest() != commitment["seed_sha256"]:
        verdict.problems.append("the seed is not the one that was committed to: its hash differs")
    _judge_beacon(rules["beacon"], transcript, verdict)
    if len({ticket["entry"] for ticket in tickets}) != len(tickets):
        verdict.problems.append("an order has two tickets")
    opens, closes = _seconds(rules["opens"]), _seconds(rules["closes"])
    values: dict[str, int] = {}
    for ticket in tickets:
        entry, at = ticket["entry"], _seconds(ticket["at"])
        if not opens <= at < closes:
            verdict.problems.append(f"ticket {entry} is from outside the game's time")
        fitting = [tier for tier in rules["tiers"] if ticket["basket_cents"] >= tier["from_cents"]]
        if not fitting or max(fitting, key=lambda tier: tier["from_cents"])["tier"] != ticket["tier"]:
            verdict.problems.append(f"ticket {entry} is in a tier that its basket is not of")
        if rules["kind"] == "draw":
            moment = closes + rules.get("seal_s", 600)
        else:
            epoch = rules.get("epoch_s", 3600)
            moment = opens + (at - opens) // epoch * epoch
        number = _first_round_from(rules["beacon"], moment)
        if number not in beacons:
            verdict.problems.append(f"ticket {entry} is decided by round {number} of the beacon, which is missing")
            continue
        values[entry] = _value(seed, beacons[number], rules["game"], entry)
    for tier in rules["tiers"]:
        mine = [ticket for ticket in tickets if ticket["tier"] == tier["tier"] and ticket["entry"] in values]
        _judge = _judge_draw if rules["kind"] == "draw" else _judge_instant
        _judge(tier, mine, values, verdict)
    if rules["kind"] == "draw":
        listed = sorted([ticket["entry"], ticket["tier"]] for ticket in tickets)
        if hashlib.sha256(_canonical(listed)).hexdigest() != transcript["sealed_sha256"]:
            verdict.problems.append("the list of tickets is not the one that was sealed before the draw")
    verdict.winners.sort()
    return verdict


def _judge_beacon(beacon: dict[str, Any], transcript: dict[str, Any], verdict: Verdict) -> None:
    """Its key, first moment and period follow from the hash that the rules name; its values from its signatures."""
    said = transcript["beacon"]
    if beacon["source"].split(" ")[0] == "drand":
        text = int(said["period"]).to_bytes(4, "big") + int(said["genesis_time"]).to_bytes(8, "big")
        text += bytes.fromhex(said["public_key"]) + bytes.fromhex(said["group_hash"])
        text += said["beacon_id"].encode() if said["beacon_id"] not in ("", "default") else b""
        if hashlib.sha256(text).hexdigest() != beacon["source"].split(" ")[-1]:
            verdict.problems.append("the beacon's key is not of the chain that the rules name")
        if (said["genesis_time"], said["period"]) != (beacon["genesis"], beacon["period_s"]):
            verdict.problems.append("the rules count the beacon's rounds otherwise than the beacon does")
    else:
        verdict.doubts.append("the rounds are NOT public randomness: the machine that ran the game signed them itself")
    for each in transcript["rounds"]:
        if hashlib.sha256(bytes.fromhex(each["signature"])).hexdigest() != each["value"]:
            verdict.problems.append(f"round {each['round']} has a value that its signature does not make")


def _judge_draw(tier: dict[str, Any], tickets: list[Any], values: dict[str, int], verdict: Verdict) -> None:
    playing = sorted((t for t in tickets if not t.get("void")), key=lambda t: values[t["entry"]])
    winners = {ticket["entry"] for ticket in playing[: tier["prizes"]]}
    for ticket in tickets:
        _compare(ticket, "won" if ticket["entry"] in winners else "lost", verdict)
    verdict.winners.extend(winners)


def _judge_instant(tier: dict[str, Any], tickets: list[Any], values: dict[str, int], verdict: Verdict) -> None:
    won = [ticket for ticket in tickets if ticket["outcome"] == "won"]
    if len(won) > tier["prizes"]:
        verdict.problems.append(f"tier {tier['tier']} gave {len(won)} prizes and had {tier['prizes']}")
    exhausted = max(_seconds(ticket["issued"]) for ticket in won) if len(won) >= tier["prizes"] else None
    for ticket in tickets:
        lucky = values[ticket["entry"]] * tier["odds"]["of"] < tier["odds"]["wins"] << 256
        over = ticket["outcome"] == "over"
        if over and (exhausted is None or _seconds(ticket["issued"]) < exhausted):
            verdict.problems.append(f"ticket {ticket['entry']} was told that the game is over before it was")
        if not over:
            _compare(ticket, "won" if lucky else "lost", verdict)
    verdict.winners.extend(ticket["entry"] for ticket in won if not ticket.get("void"))


def _compare(ticket: dict[str, Any], right: str, verdict: Verdict) -> None:
    if ticket["outcome"] != right:
        verdict.problems.append(f"ticket {ticket['entry']} was told {ticket['outcome']!r} and is {right!r}")
