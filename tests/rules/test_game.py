"""Nobody can foresee or choose a winner, and anybody can recompute all of them."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from functions.rewards.rules import household_may_play, may_play
from layers.game.beacon import OwnBeacon
from layers.game.chance import (
    commitment,
    commitment_sha256,
    drawn,
    entry_of,
    round_of,
    sealed_sha256,
    transcript,
    value_of,
    wins,
)
from layers.game.model import Beacon, GameRules, Odds, Ticket, Tier
from layers.game.reading import InvalidGame, read_rules
from layers.game.rounds import Round
from layers.game.verify import verify
from layers.signing.canonical import canonical

OPENS = datetime(2026, 12, 1, tzinfo=UTC)
SEED = bytes(range(32))
BEACON = Beacon("laptop test", 1_600_000_000, 30)
EXAMPLE = Path("layers/game/examples/basket_back.yaml")


def rules_of(kind: str, prizes: int = 3, odds: Odds | None = None) -> GameRules:
    odds = (odds or Odds(1, 5)) if kind == "instant" else None
    return GameRules(
        game="basket_back",
        kind="instant" if kind == "instant" else "draw",
        opens=OPENS,
        closes=OPENS + timedelta(days=2),
        tiers=(Tier("small", 2000, prizes, odds), Tier("large", 8000, prizes, odds)),
        prize_cap_cents=15000,
        tickets_per_shopper=5,
        beacon=BEACON,
        terms={"en": "words"},
    )


OWN = OwnBeacon(base64.b64encode(bytes(range(32))).decode(), lambda: 1e12)


@cache
def beacon_of(number: int) -> Round:
    """Of a machine's own beacon, whose signature is real."""
    return asyncio.run(OWN.round(BEACON, number))


def played(
    rules: GameRules, baskets: list[tuple[int, int]], seed: bytes = SEED
) -> tuple[list[Ticket], dict[int, Round]]:
    """As the function plays: one ticket after the other, prizes as long as there are.

    Args:
        baskets: (cents, seconds after the opening).
    """
    tickets, left = [], {tier.tier: tier.prizes for tier in rules.tiers}
    beacons: dict[int, Round] = {}
    for number, (cents, after) in enumerate(baskets):
        tier = rules.tier_of(cents)
        if tier is None:
            continue
        at = rules.opens + timedelta(seconds=after)
        entry = entry_of(rules.game, f"order-{number}")
        round_number = round_of(rules, at)
        beacons[round_number] = beacon_of(round_number)
        outcome: Any = "waiting"
        if rules.kind == "instant":
            lucky = wins(tier, value_of(seed, beacons[round_number].value, rules.game, entry))
            outcome = "over" if left[tier.tier] == 0 else "won" if lucky else "lost"
            left[tier.tier] -= outcome == "won"
        issued = rules.closes + timedelta(seconds=number)
        tickets.append(Ticket(entry=entry, tier=tier.tier, basket_cents=cents, at=at, issued=issued, outcome=outcome))
    return tickets, beacons


def published(rules: GameRules, tickets: list[Ticket], beacons: dict[int, Round]) -> dict[str, Any]:
    """Read back from its canonical bytes, as a stranger has it."""
    sealed = ""
    if rules.kind == "draw":
        sealed = sealed_sha256(tickets)
        tickets = drawn(rules, SEED, next((each.value for each in beacons.values()), b""), tickets)
    made = transcript(commitment(rules, SEED), SEED, OWN.told(BEACON), beacons.values(), tickets, sealed)
    read: dict[str, Any] = json.loads(canonical(made))
    return read


BASKETS = st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 2 * 86_400 - 1)), max_size=60)


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(("instant", "draw")), baskets=BASKETS, prizes=st.integers(1, 4))
def test_a_stranger_finds_the_same_winners(kind: str, baskets: list[tuple[int, int]], prizes: int) -> None:
    rules = rules_of(kind, prizes)
    tickets, beacons = played(rules, baskets)
    found = published(rules, tickets, beacons)
    verdict = verify(found)
    assert verdict.problems == []
    assert verdict.commitment_sha256 == commitment_sha256(commitment(rules, SEED))
    won = Counter(ticket["tier"] for ticket in found["tickets"] if ticket["outcome"] == "won")
    assert len(verdict.winners) == sum(won.values())
    assert all(count <= prizes for count in won.values())
    if kind == "draw":
        in_tier = Counter(ticket.tier for ticket in tickets)
        assert all(won[tier] == min(prizes, in_tier[tier]) for tier in in_tier)


def _flip(found: dict[str, Any]) -> None:
    ticket = next(t for t in found["tickets"] if t["outcome"] == "lost")
    ticket["outcome"] = "won"


def _other_seed(found: dict[str, Any]) -> None:
    found["seed"] = "ff" * 32


def _other_beacon(found: dict[str, Any]) -> None:
    found["rounds"] = [{**each, "value": "00" * 32} for each in found["rounds"]]


def _other_signature(found: dict[str, Any]) -> None:
    signature = b"of nobody"
    value = sha256(signature).hexdigest()
    found["rounds"] = [{**each, "value": value, "signature": signature.hex()} for each in found["rounds"]]


def _twice(found: dict[str, Any]) -> None:
    found["tickets"].append(found["tickets"][0])


def _another_tier(found: dict[str, Any]) -> None:
    ticket = found["tickets"][0]
    ticket["tier"] = "small" if ticket["tier"] == "large" else "large"


def _too_late(found: dict[str, Any]) -> None:
    found["tickets"][0]["at"] = "2027-01-01T00:00:00Z"


def _missing_round(found: dict[str, Any]) -> None:
    found["rounds"].pop()


CHEATS = [_flip, _other_seed, _other_beacon, _other_signature, _twice, _another_tier, _too_late, _missing_round]


@pytest.mark.parametrize("kind", ["instant", "draw"])
@pytest.mark.parametrize("cheat", CHEATS)
def test_whoever_cheats_is_found_out(kind: str, cheat: Callable[[dict[str, Any]], None]) -> None:
    rules = rules_of(kind, 5)
    tickets, beacons = played(rules, [(3000 + 200 * n, n * 1000) for n in range(60)])
    found = published(rules, tickets, beacons)
    assert verify(found).problems == []
    cheat(found)
    assert verify(found).problems


def test_a_ticket_left_out_of_a_sealed_draw_is_missed() -> None:
    rules = rules_of("draw")
    tickets, beacons = played(rules, [(3000, n) for n in range(10)])
    found = published(rules, tickets, beacons)
    found["tickets"] = [ticket for ticket in found["tickets"] if ticket["outcome"] == "won"]
    assert any("sealed" in problem for problem in verify(found).problems)


def test_nobody_is_told_that_it_is_over_while_there_are_prizes() -> None:
    rules = rules_of("instant", 1, Odds(1, 1))
    tickets, beacons = played(rules, [(3000, 1), (3000, 2)])
    assert [ticket.outcome for ticket in tickets] == ["won", "over"]
    early = [tickets[0], msgspec.structs.replace(tickets[1], issued=tickets[0].issued - timedelta(seconds=1))]
    assert any("before it was" in problem for problem in verify(published(rules, early, beacons)).problems)


def test_changed_rules_have_another_hash() -> None:
    kinder, harder = rules_of("instant", odds=Odds(1, 5)), rules_of("instant", odds=Odds(1, 6))
    assert commitment_sha256(commitment(kinder, SEED)) != commitment_sha256(commitment(harder, SEED))
    with pytest.raises(ValueError, match="32 random bytes"):
        commitment(kinder, b"short")


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_void_ticket_changes_nobody_elses_rank(data: st.DataObject) -> None:
    rules = rules_of("draw", 4)
    tickets, beacons = played(rules, [(3000, n) for n in range(20)])
    beacon = next(iter(beacons.values())).value
    before = {t.entry for t in drawn(rules, SEED, beacon, tickets) if t.outcome == "won"}
    gone = data.draw(st.sampled_from(tickets)).entry
    voided = [msgspec.structs.replace(t, void=t.entry == gone) for t in tickets]
    after = {t.entry for t in drawn(rules, SEED, beacon, voided) if t.outcome == "won"}
    assert len(after) == 4 and gone not in after
    assert before - {gone} <= after, "whoever had won still does"


@given(st.permutations(range(15)))
def test_the_order_of_tickets_does_not_matter(order: list[int]) -> None:
    rules = rules_of("draw")
    tickets, beacons = played(rules, [(3000, n) for n in range(15)])
    beacon = next(iter(beacons.values())).value
    shuffled = [tickets[n] for n in order]
    assert {t.entry: t.outcome for t in drawn(rules, SEED, beacon, shuffled)} == {
        t.entry: t.outcome for t in drawn(rules, SEED, beacon, tickets)
    }
    assert sealed_sha256(shuffled) == sealed_sha256(tickets)


WAYS = st.sampled_from(("card", "gift_card", "meal_voucher", "unsaid"))


@given(
    orders=st.lists(WAYS, max_size=20),
    limits=st.dictionaries(WAYS, st.integers(0, 4)),
    most=st.integers(1, 6),
)
def test_no_shopper_has_more_tickets_than_each_limit(orders: list[str], limits: dict[Any, int], most: int) -> None:
    rules = msgspec.structs.replace(rules_of("instant"), tickets_per_shopper=most, tickets_by_payment=limits)
    taken: list[str] = []
    for way in orders:
        if may_play(rules, taken, way):
            taken.append(way)
        else:
            assert len(taken) == most or taken.count(way) == limits[way], "refused for a limit that is reached"
    assert len(taken) <= most and all(taken.count(way) <= limit for way, limit in limits.items())


@given(
    orders=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=30),
    most=st.integers(1, 6) | st.none(),
)
def test_no_household_has_more_tickets_than_its_limit(orders: list[tuple[int, int]], most: int | None) -> None:
    """The same orders come again, from whichever shopper of the household."""
    rules = msgspec.structs.replace(rules_of("instant"), tickets_by_household=UNSET if most is None else most)
    entries: set[str] = set()
    for order, _ in orders:
        entry = entry_of(rules.game, f"order-{order}")
        if household_may_play(rules, entries, entry):
            entries.add(entry)
        else:
            assert entry not in entries and len(entries) == most, "refused for a limit that is reached"
    distinct = {order for order, _ in orders}
    assert len(entries) == (len(distinct) if most is None else min(most, len(distinct))), "who comes first has it"


def test_the_households_limit_is_committed_to_where_there_is_one() -> None:
    without = rules_of("instant")
    with_one = msgspec.structs.replace(without, tickets_by_household=8)
    assert "tickets_by_household" in commitment(with_one, SEED)["rules"]
    assert "tickets_by_household" not in commitment(without, SEED)["rules"], "what was announced before keeps its hash"
    assert commitment_sha256(commitment(with_one, SEED)) != commitment_sha256(commitment(without, SEED))


def test_values_are_even() -> None:
    """Chi-square over 16 equal parts: beyond 37.7 once in a thousand honest seeds; this one is fixed."""
    parts = Counter(value_of(SEED, b"beacon", "g", entry_of("g", str(n))) >> 252 for n in range(16_000))
    assert sum((parts[part] - 1000) ** 2 / 1000 for part in range(16)) < 37.7


@given(wins_in=st.integers(1, 50), of=st.integers(50, 1000))
def test_odds_are_exactly_those_declared(wins_in: int, of: int) -> None:
    tier = Tier("t", 0, 1, Odds(wins_in, of))
    edge = -(-(wins_in << 256) // of)
    assert wins(tier, edge - 1) and (edge >= 1 << 256 or not wins(tier, edge))


@given(after=st.integers(0, 2 * 86_400 - 1), kind=st.sampled_from(("instant", "draw")))
def test_the_round_that_decides_was_not_out_when_the_game_opened(after: int, kind: str) -> None:
    rules = rules_of(kind)
    at = OPENS + timedelta(seconds=after)
    out = rules.beacon.genesis + (round_of(rules, at) - 1) * rules.beacon.period_s
    assert out >= OPENS.timestamp()
    if kind == "draw":
        assert out >= rules.closes.timestamp() + rules.seal_s, "nor while tickets could still be sealed"
    else:
        assert out <= at.timestamp() + rules.beacon.period_s, "a player waits for one round at most"


BAD = {
    "kind: instant": ("kind: lottery", "kind"),
    'closes: "2026-12-15T00:00:00+01:00"': ('closes: "2026-11-15T00:00:00+01:00"', "nobody could play"),
    'opens: "2026-12-01T00:00:00+01:00"': ('opens: "2026-12-01T00:00:00"', "with its offset"),
    "from_cents: 8000": ("from_cents: 2000", "unequal odds"),
    "tier: large": ("tier: small", "its own"),
    "odds: {wins: 1, of: 200}": ("odds: {wins: 3, of: 2}", "more than every ticket"),
    "prize_cap_cents: 15000": ("prize_cap_cents: 150.5", "whole cents"),
    "tickets_by_household: 8": ("tickets_by_household: 4", "fewer chances than one whose do not"),
    "tickets_by_household: 8\n": ("tickets_by_household: 0\n", "tickets_by_household: .* >= 1"),
    "tickets_per_shopper: 5": ("tickets_per_shopper: 5\nlucky: true", "unknown field"),
}


@pytest.mark.parametrize("written", BAD)
def test_rules_that_make_no_sense_are_explained(written: str) -> None:
    wrong, said = BAD[written]
    text = EXAMPLE.read_text()
    assert written in text
    with pytest.raises(InvalidGame, match=said):
        read_rules(text.replace(written, wrong))


def test_a_draw_has_no_odds_and_an_instant_win_has() -> None:
    with pytest.raises(InvalidGame, match="compete for the prizes"):
        read_rules(EXAMPLE.read_text().replace("kind: instant", "kind: draw"))
    with pytest.raises(InvalidGame, match="nobody could tell"):
        read_rules(EXAMPLE.read_text().replace("    odds: {wins: 1, of: 500}\n", ""))


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "layers.game", *arguments], capture_output=True, text=True, check=False
    )


def test_the_commands(tmp_path: Path) -> None:
    checked = _command("check", str(EXAMPLE))
    assert checked.returncode == 0 and "40 prizes, at most 6000.00 in all" in checked.stdout
    assert "5 tickets a shopper, 8 a household" in checked.stdout
    rules = rules_of("instant", 5)
    tickets, beacons = played(rules, [(3000 + 200 * n, n * 1000) for n in range(60)])
    path = tmp_path / "transcript.json"
    path.write_bytes(canonical(transcript(commitment(rules, SEED), SEED, OWN.told(BEACON), beacons.values(), tickets)))
    right = _command(
        "verify-draw", str(path), "--commitment", commitment_sha256(commitment(rules, SEED)), "--order", "order-3"
    )
    assert right.returncode == 0 and "every winner is right" in right.stdout and "your ticket" in right.stdout
    assert "each round was signed" in right.stdout and "NOT public randomness" in right.stderr
    wrong = _command("verify-draw", str(path), "--commitment", "00" * 32)
    assert wrong.returncode == 1 and "rules or the seed were changed" in wrong.stderr
    forged = json.loads(path.read_text())
    first = forged["rounds"][0]
    first["signature"] = "00" * 64
    first["value"] = sha256(bytes(64)).hexdigest()
    path.write_text(json.dumps(forged))
    unsigned = _command("verify-draw", str(path))
    assert unsigned.returncode == 1 and f"round {first['round']} was not signed" in unsigned.stderr
    path.write_text("[]")
    assert _command("verify-draw", str(path)).returncode == 2


def test_the_verifier_needs_python_alone() -> None:
    source = Path("layers/game/verify.py").read_text()
    assert "layers" not in source.split('"""', 2)[2], "a stranger need not trust the rest of the project"
