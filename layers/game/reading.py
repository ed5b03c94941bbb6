"""Reads a game's rules: YAML as people write them. Every error teaches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import UNSET

from layers.game.model import GameRules
from layers.handwritten.yaml_file import NotReadable, read_strictly


class InvalidGame(ValueError):
    """Attributes:
    problems: each names the field, the consequence and the remedy.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def read_rules(text: str) -> GameRules:
    """Raises:
    InvalidGame: with every problem between fields, or the first of its form.
    """
    try:
        rules = msgspec.convert(read_strictly(text), GameRules)
    except NotReadable as error:
        raise InvalidGame([str(error)]) from None
    except msgspec.ValidationError as error:
        rule, _, path = str(error).partition(" - at `$")
        where = path.rstrip("`").lstrip(".") or "the file"
        taught = ""
        if "timezone" in rule or "datetime" in rule:
            taught = "; write a moment with its offset, in quotes: '2026-12-01T00:00:00+01:00'"
        elif "`int`" in rule:
            taught = "; amounts are whole cents, without a fraction"
        raise InvalidGame([f"{where}: {rule}{taught}"]) from None
    problems = list(_problems(rules))
    if problems:
        raise InvalidGame(problems)
    return rules


def _problems(rules: GameRules) -> Iterator[str]:
    if rules.opens >= rules.closes:
        yield "closes: it is not after `opens`, so nobody could play; swap or correct them"
    if len({tier.tier for tier in rules.tiers}) != len(rules.tiers):
        yield "tiers: two have one id, so a ticket could be of either; give each its own"
    if len({tier.from_cents for tier in rules.tiers}) != len(rules.tiers):
        yield "tiers: two begin at the same basket, so equal baskets would have unequal odds; merge them"
    for tier in rules.tiers:
        if rules.kind == "instant" and tier.odds is None:
            yield f"tiers.{tier.tier}.odds: missing, so nobody could tell a ticket's chance; say `wins` in `of`"
        if rules.kind == "draw" and tier.odds is not None:
            yield f"tiers.{tier.tier}.odds: a draw has none, since its tickets compete for the prizes; remove them"
        if tier.odds is not None and tier.odds.wins > tier.odds.of:
            yield f"tiers.{tier.tier}.odds: {tier.odds.wins} in {tier.odds.of} is more than every ticket; correct it"
    most = rules.tickets_by_household
    if most is not UNSET and most < rules.tickets_per_shopper:
        yield (
            "tickets_by_household: fewer than `tickets_per_shopper`, so a shopper whose orders tell a household would "
            "have fewer chances than one whose do not; raise it, or lower that"
        )
    if not rules.terms:
        yield "terms: missing, so players could not know the rules; write them in each language of the shop"
