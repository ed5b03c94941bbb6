"""Experiences that give money away by no campaign, so that no budget ends them, or by one that is not there. Pure.

Does not own campaigns (`layers.campaigns`): it is told of each its id and kind; every campaign has a budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from layers.tree.expressions import Expression
from layers.tree.logic import Fact, Formula, read
from layers.tree.problem import Problem, Step
from layers.tree.tree import Place, Shown, Tree, about

Campaigns = Mapping[str, str]
"""The kind of each campaign, by its id."""

_PAID_FROM = {"offer": "promotion", "reward": "tension", "play": "game"}
_GIVES = {"promotion": ("generosity", "offer.generosity"), "game": ("prize", "play.prize")}


def unpaid(tree: Tree, campaigns: Campaigns | None) -> Iterator[Problem]:
    """Args:
    campaigns: of the retailer; None where they are not known, so that only fixed amounts are found.
    """
    for place in tree.places.values():
        if place.node.show:
            for number, shown in enumerate(place.show):
                yield from _of_experience(place, number, shown, campaigns)
        for field, expression in (("when", place.when), ("leave", place.leave)):
            if expression is not None and campaigns is not None:
                yield from _of_condition(place, field, expression, campaigns)


def _of_experience(place: Place, number: int, shown: Shown, campaigns: Campaigns | None) -> Iterator[Problem]:
    kind = type(shown.definition).__name__.lower()
    path: tuple[Step, ...] = ("show", number)
    field, instead = _GIVES.get(kind, ("", ""))
    amount = shown.values.get(field)
    if amount is not None and not amount.names and float(str(getattr(shown.definition, field))) > 0:
        says = (
            f"{amount.source} is given to whoever comes here, and no campaign's budget ends it; write {instead}, which "
            "a campaign pays, or see to it that the shop counts"
        )
        where = f"show {number + 1} ({kind}), {field}"
        yield about(place, where, says, rule="no_budget", severity="warning", path=(*path, field))
    names = {name.partition(".")[0] for value in shown.values.values() for name in value.names}
    for root in sorted(names & _PAID_FROM.keys()):
        if campaigns is not None and _PAID_FROM[root] not in campaigns.values():
            says = f"there is no campaign of kind {_PAID_FROM[root]}, so {root}.* is always empty and this never shown"
            yield about(place, f"show {number + 1} ({kind})", says, rule="no_campaign", severity="warning", path=path)


def _of_condition(place: Place, field: str, expression: Expression, campaigns: Campaigns) -> Iterator[Problem]:
    promotions = sorted(id for id, kind in campaigns.items() if kind == "promotion")
    for name in sorted(_campaigns_in(read(expression.source)) - set(promotions) - {""}):
        known = ", ".join(promotions) or "none"
        says = f"there is no promotion campaign `{name}`, so no budget and no offer of it; there is {known}"
        yield about(place, field, says, rule="no_campaign", severity="warning")


def _campaigns_in(formula: Formula) -> set[str]:
    if isinstance(formula, Fact):
        named = formula.subject == "offer.campaign" and isinstance(formula.value, frozenset)
        return set(formula.value) if named and isinstance(formula.value, frozenset) else set()
    return {name for part in formula.parts for name in _campaigns_in(part)}
