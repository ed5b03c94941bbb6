"""From the orders' tickets to refund orders: what pages are told, which winner leaves an address, what is exported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from emulators.shop import games
from emulators.shop.background import follow
from emulators.shop.games import Closed, Opened, Ticket
from emulators.shop.screen import Screen
from emulators.shop.stage import DemoFailed, Stage
from emulators.shop.today import ends
from layers.events.model import Event, OrderPaid

EMAIL, OTHER_EMAIL = "winner@shopper.example", "someone.else@shopper.example"
"""Left by the winner whom the story erases, after whom the first must be nowhere, and by another."""


@dataclass(frozen=True, slots=True)
class Games:
    """Attributes:
    tickets: how many of each game had which outcome, as pages were told after the close. late: orders paid while the
        games were open that were handed on too late to play.
    refunds: cents of each refund order. winner: the customer who left `EMAIL`; None where nobody won.
    """

    tickets: Mapping[tuple[str, str], int]
    late: int
    closed: list[Closed]
    refunds: list[int]
    winner: str | None


def play_out(
    stage: Stage,
    screen: Screen,
    token: Callable[[str], str],
    paid: Mapping[str, tuple[str, OrderPaid]],
    opened: Opened,
    closing: Future[list[Closed]],
    preferred: Collection[str],
    reference: str,
) -> Games:
    """Args:
        token: of a customer's page. paid: customer and payment by order. preferred: customers whose claim is wanted
            rather than another's. reference: of the list of refunds.

    Raises:
        DemoFailed: a part of it did not hold.
    """
    customers = {order: customer for order, (customer, _) in paid.items()}
    expected = must_play({order: event for order, (_, event) in paid.items()}, customers, opened)
    first, late = games.tickets(stage, token, customers, expected, games.taken_until(opened))
    instant = _claimed(stage, first, preferred, EMAIL)
    closed = follow(closing, lambda: None, 1.0)
    for each in closed:
        screen.say(f"{each.game}: {each.tickets} tickets, {each.won} won, {each.void} void; verify-draw: {each.told}")
    last, _ = games.tickets(stage, token, customers, (), opened.closes)
    left = [one for one in last if games.GAMES[one.game] == "draw" and one.customer != instant]
    drawn = _claimed(stage, left, preferred, OTHER_EMAIL if instant else EMAIL)
    refunds = [int(line["cents"]) for line in games.export(stage, reference)[1:]]
    if len(refunds) != sum(customer is not None for customer in (instant, drawn)):
        raise DemoFailed(f"{len(refunds)} refund orders are listed, and not one for each claim; see the log of rewards")
    screen.say(f"{len(refunds)} prizes claimed and exported as refund orders, {sum(refunds) / 100:.2f} in all")
    return Games(Counter((one.game, one.outcome) for one in last), late, closed, refunds, instant or drawn)


def must_play(orders: Mapping[str, Event], customers: Mapping[str, str], opened: Opened) -> list[tuple[str, str]]:
    """Game and order of each ticket that there must be: of an order paid while the games are open that is not
    cancelled later, unless its shopper has as many as one may.
    """
    found: list[tuple[str, str]] = []
    had: Counter[str] = Counter()
    for order, event in sorted(orders.items(), key=lambda each: each[1].at):
        if opened.opens <= event.at < opened.closes:
            had[customers[order]] += 1
            if had[customers[order]] <= games.TICKETS_PER_SHOPPER and ends(order) == ("delivered",):
                found.append(("evening_draw", order))
    return found


def _claimed(stage: Stage, tickets: Sequence[Ticket], preferred: Collection[str], email: str) -> str | None:
    """Who left the address; nobody where nobody won. Of an order that ends in no other way than its delivery."""
    claimable = [one for one in tickets if one.claim and ends(one.order) == ("delivered",)]
    won = sorted(claimable, key=lambda one: (one.customer not in preferred, one.order))
    if not won:
        return None
    games.claim(stage, won[0], email)
    return won[0].customer
