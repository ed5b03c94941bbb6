"""A tree on recorded sessions, before it goes live: who would come where, what is shown, what it costs. Pure.

Replays what shoppers did, with the same fold as live: it says what this tree would have shown to them, not what they
would have done then (that is what an experiment is for, `layers.experiments`). Does not own reading files (`sessions`)
nor printing (`reckoning`).

Costs, in the retailer's currency. What is given is counted once a journey, at the node that showed it first:
    at_most: everybody who is shown it takes it.
    expected: as scoring expected it of the campaign's offer behind it; nothing where none is.
    claimed: the journey's own order meets it: the product is in it, and the total reaches the threshold. A game's odds
        are not the tree's to know, so nothing is claimed of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from layers.events.model import OrderPaid
from layers.events.record import Record
from layers.tree.decision import Decision
from layers.tree.journey import Standing, advance, in_order
from layers.tree.parameters import ShopperParameters
from layers.tree.showing import ShownExperience, ShownGame, ShownPromotion, ShownTension
from layers.tree.treatment import behind
from layers.tree.tree import Tree


class Reached(msgspec.Struct):
    """How many came to a node or to one below it. `events`: at which somebody stood there itself."""

    shoppers: int = 0
    journeys: int = 0
    events: int = 0


class ShownOften(msgspec.Struct):
    """An experience of a node. `times`: it came up, and was not there the event before."""

    times: int = 0
    journeys: int = 0
    at_most: float = 0.0
    expected: float = 0.0
    claimed: float = 0.0


class _Rule(msgspec.Struct):
    rule: str


@dataclass(frozen=True, slots=True)
class _Given:
    """One promise to a journey, wherever and however often it is shown. `product`: empty for money off the basket."""

    kind: str
    product: str
    threshold: float
    amount: float
    claimable: bool


_rules = msgspec.json.Decoder(list[_Rule])
_shown = msgspec.json.Decoder(list[ShownExperience])


@dataclass(slots=True)
class Simulation:
    """Attributes:
    nodes: by id, all of the tree. shown: by node, kind and slot.
    defaults: events after which the default was shown. unknown: shoppers without parameters.
    """

    tree: Tree
    granted_by_default: bool
    shoppers: int = 0
    unknown: int = 0
    journeys: int = 0
    events: int = 0
    defaults: int = 0
    nodes: dict[str, Reached] = field(default_factory=dict)
    shown: dict[tuple[str, str, str], ShownOften] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes = {name: Reached() for name in self.tree.places}

    def replay(self, records: Sequence[Record], parameters: ShopperParameters | None) -> list[Decision]:
        """All the records of one shopper, once. Linear in them."""
        standing = Standing(self.tree, parameters, granted_by_default=self.granted_by_default)
        _, decisions = advance(None, records, standing)
        if not decisions:
            return decisions
        self.shoppers += 1
        self.unknown += parameters is None
        everywhere: set[str] = set()
        journey = _Journey(self, parameters)
        for record, decision in zip(in_order(records), decisions, strict=True):
            if _rules.decode(decision.reason)[0].rule == "starts":
                self.journeys += 1
                journey = _Journey(self, parameters)
            everywhere.update(self.tree.places[decision.node_after].path)
            journey.goes_on(record, decision)
        for name in everywhere:
            self.nodes[name].shoppers += 1
        self.events += len(decisions)
        return decisions

    def showing(self, node: str) -> str:
        """Whose experiences a node shows: its own, or its nearest ancestor's."""
        path = self.tree.places[node].path
        return next(name for name in reversed(path) if self.tree.places[name].node.show)


class _Journey:
    def __init__(self, simulation: Simulation, parameters: ShopperParameters | None) -> None:
        self._all, self._offers = simulation, parameters.offers if parameters else ()
        self._nodes: set[str] = set()
        self._seen: set[tuple[str, str, str]] = set()
        self._now: set[tuple[str, str, str]] = set()
        self._given: dict[_Given, tuple[str, str, str]] = {}
        self._claimed: set[_Given] = set()

    def goes_on(self, record: Record, decision: Decision) -> None:
        place = self._all.tree.places[decision.node_after]
        self._all.nodes[decision.node_after].events += 1
        for name in place.path:
            if name not in self._nodes:
                self._nodes.add(name)
                self._all.nodes[name].journeys += 1
        # What the order claims was promised before it: what its own page shows comes too late.
        if isinstance(record.event, OrderPaid) and record.channel != "store":
            self._claims(record.event)
        experiences = _shown.decode(decision.shown)
        self._all.defaults += any(one.__struct_config__.tag == "default" for one in experiences)
        now = set()
        for one in experiences:
            kind = str(one.__struct_config__.tag)
            if kind == "default":
                continue
            where = (self._all.showing(decision.node_after), kind, one.slot)
            now.add(where)
            often = self._all.shown.setdefault(where, ShownOften())
            often.times += where not in self._now
            if where not in self._seen:
                self._seen.add(where)
                often.journeys += 1
            self._promises(where, one, often)
        self._now = now

    def _promises(self, where: tuple[str, str, str], one: ShownExperience, often: ShownOften) -> None:
        offer = behind(one, self._offers)
        match one:
            case ShownPromotion():
                given = _Given("promotion", one.product, one.threshold, one.generosity, True)
            case ShownGame():
                given = _Given(f"game {one.name}", "", 0.0, one.prize, False)
            case ShownTension() if offer is not None:
                given = _Given("tension", "", one.threshold, offer.generosity, True)
            case _:
                return
        if given not in self._given:
            self._given[given] = where
            often.at_most += given.amount
            often.expected += offer.expected_cost if offer is not None else 0.0

    def _claims(self, order: OrderPaid) -> None:
        products = {line.product for line in order.lines}
        for given, where in self._given.items():
            bought = not given.product or given.product in products
            if given.claimable and bought and order.total >= given.threshold and given not in self._claimed:
                self._claimed.add(given)
                self._all.shown[where].claimed += given.amount
