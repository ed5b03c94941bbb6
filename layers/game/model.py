"""A game as it is written and as it is committed to. Data only, closed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from layers.events.model import Payment

GameId = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{1,47}$(?!\n)")]
Cents = Annotated[int, Meta(ge=0, le=100_000_000)]
Moment = Annotated[datetime, Meta(tz=True)]
Paid = Payment | Literal["unsaid"]
"""How a ticket's order was paid; `unsaid` where its event does not tell."""

Outcome = Literal["lost", "won", "over", "waiting"]


class Odds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of each ticket of a tier: `wins` in `of`. Whole numbers, so that everybody computes the same."""

    wins: Annotated[int, Meta(ge=1)]
    of: Annotated[int, Meta(ge=1, le=10_000_000)]


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Baskets that have the same chance.

    Attributes:
        from_cents: the smallest basket of the tier, with VAT; it ends where the next one begins.
        prizes: fixed before the game opens.
        odds: of an instant win; a draw has none of its own, since all its tickets compete for the prizes.
    """

    tier: GameId
    from_cents: Cents
    prizes: Annotated[int, Meta(ge=1, le=100_000)]
    odds: Odds | None = None


class Beacon(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Public randomness in rounds, the first at `genesis` (seconds of the epoch), one each `period_s`."""

    source: Annotated[str, Meta(min_length=1, max_length=200)]
    genesis: Annotated[int, Meta(ge=0)]
    period_s: Annotated[int, Meta(ge=1, le=86_400)]

    def first_round_from(self, at: datetime) -> int:
        """The first round that is not out before `at`."""
        since = int(at.timestamp()) + (at.microsecond > 0) - self.genesis
        return max(1, -(-since // self.period_s) + 1)


class GameRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a retailer promises to everybody before the game opens.

    Attributes:
        kind: `instant`: each ticket is told at once; `draw`: all are told after the game has closed.
        prize_cap_cents: the prize is the basket's value, up to this.
        tickets_per_shopper: in the whole game; one order is one ticket at most.
        tickets_by_payment: of each shopper, at most so many from orders that were paid this way; 0: none. A way that is
            not named is bound by `tickets_per_shopper` alone.
        tickets_by_household: of all shoppers of a household together, in the whole game. Orders that tell no household
            are not bound by it. Unsaid: no such limit, and no household is kept.
        beacon: randomness that nobody has while the rules are made.
        epoch_s: of an instant win: how long one round of the beacon serves.
        seal_s: of a draw: so long after closing, the list of tickets is published at the latest, and only then the
            round is out that decides.
        terms: the rules in words, by language.
    """

    game: GameId
    kind: Literal["instant", "draw"]
    opens: Moment
    closes: Moment
    tiers: Annotated[tuple[Tier, ...], Meta(min_length=1, max_length=10)]
    prize_cap_cents: Annotated[int, Meta(ge=1, le=1_000_000)]
    tickets_per_shopper: Annotated[int, Meta(ge=1, le=1000)]
    tickets_by_payment: dict[Paid, Annotated[int, Meta(ge=0, le=1000)]] = {}
    tickets_by_household: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    beacon: Beacon
    epoch_s: Annotated[int, Meta(ge=60, le=86_400)] = 3600
    seal_s: Annotated[int, Meta(ge=1, le=86_400)] = 600
    terms: dict[Annotated[str, Meta(pattern=r"^[a-z]{2}$")], Annotated[str, Meta(min_length=1, max_length=20_000)]]

    def tier_of(self, basket_cents: int) -> Tier | None:
        """None: the basket is too small to play."""
        fitting = [tier for tier in self.tiers if basket_cents >= tier.from_cents]
        return max(fitting, key=lambda tier: tier.from_cents, default=None)

    @property
    def most_cents(self) -> int:
        """What the game can cost at most."""
        return self.prize_cap_cents * sum(tier.prizes for tier in self.tiers)


class Ticket(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One order's chance.

    Attributes:
        entry: `layers.game.chance.entry_of` the order: whoever has the order's id finds the ticket, nobody else does.
        basket_cents: what was paid, with VAT. at: when; it says which round of the beacon decides.
        issued: when the ticket was made.
        outcome: `over` was issued after the tier's last prize was won; `waiting` for a draw.
        void: the order was cancelled, so the ticket never counts.
    """

    entry: str
    tier: str
    basket_cents: Cents
    at: Moment
    issued: Moment
    outcome: Outcome
    void: bool = False
