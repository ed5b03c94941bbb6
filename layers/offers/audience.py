"""Whom campaigns are for, by what scoring knows of a shopper before any offer is made. Pure.

Where and until when an offer holds, and what its shopper must have agreed to, changes between two scorings: that
travels with the offer (`layers.tree.entitlement`).
"""

from __future__ import annotations

from collections.abc import Iterable

from layers.campaigns.conditions import compiled, holds
from layers.campaigns.model import Campaign
from layers.campaigns.terms import EVERYBODY, Audience, Predicted
from layers.tree.expressions import Expression, InvalidExpression
from layers.tree.parameters import ShopperParameters
from layers.tree.variables import shopper_values

NEW_UNTIL = 1
"""Orders that scoring counted, up to which a shopper is new."""


class Audiences:
    """Of a run's campaigns, read once for all shoppers.

    Attributes:
        unreadable: campaigns of which a condition was taken when it was published, and cannot be read by this code;
            they reach nobody.
    """

    def __init__(self, campaigns: Iterable[Campaign]) -> None:
        self.unreadable: tuple[str, ...] = ()
        self._everybody: set[str] = set()
        self._some: list[tuple[str, Audience, list[Expression]]] = []
        for campaign in campaigns:
            audience = campaign.audience
            if audience == EVERYBODY:
                self._everybody.add(campaign.campaign)
            else:
                try:
                    conditions = [compiled(each) for each in audience.conditions]
                except InvalidExpression:
                    self.unreadable = (*self.unreadable, campaign.campaign)
                    continue
                self._some.append((campaign.campaign, audience, conditions))

    def reaching(self, parameters: ShopperParameters) -> frozenset[str]:
        """The campaigns that are for this shopper.

        Args:
            parameters: with or without offers.
        """
        if not self._some:
            return frozenset(self._everybody)
        values = shopper_values(parameters)
        found = {
            campaign
            for campaign, audience, conditions in self._some
            if _is_for(audience, parameters) and all(holds(each, values) for each in conditions)
        }
        return frozenset(self._everybody | found)


def _is_for(audience: Audience, parameters: ShopperParameters) -> bool:
    if audience.shoppers != "all" and (parameters.trips <= NEW_UNTIL) is not (audience.shoppers == "new"):
        return False
    if audience.segments and parameters.segment not in audience.segments:
        return False
    return not audience.predicted or any(_is_likely(each, parameters) for each in audience.predicted)


def _is_likely(predicted: Predicted, parameters: ShopperParameters) -> bool:
    if predicted.category is not None:
        return parameters.categories.get(predicted.category, 0.0) >= predicted.least
    known = (*parameters.products, *parameters.discoveries)
    return any(each.id == predicted.product and each.probability >= predicted.least for each in known)
