"""The campaigns and house rules of a retailer, kept for a while by whoever promises their offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from layers.campaigns.model import Campaign, HouseRules
from layers.campaigns.published import campaigns_of, rules_of
from layers.retailers import Retailer
from layers.stores.firestore.port import Documents

FRESH_S = 30.0
"""A budget that grew is found at the next refusal or half a minute later; a pause is told by `withheld`, at once."""


@dataclass(frozen=True, slots=True)
class Known:
    """`campaigns` by id: all that were published, whatever their state."""

    campaigns: Mapping[str, Campaign]
    rules: HouseRules


class KnownCampaigns:
    """Args:
    clock: monotonic seconds.
    """

    def __init__(self, documents: Documents, clock: Callable[[], float], fresh_s: float = FRESH_S) -> None:
        self._documents, self._clock, self._fresh_s = documents, clock, fresh_s
        self._kept: dict[str, tuple[float, Known]] = {}

    async def of(self, retailer: Retailer) -> Known:
        """Whatever the store raises, where nothing is kept from a moment ago."""
        kept = self._kept.get(retailer.id)
        if kept is not None and self._clock() < kept[0]:
            return kept[1]
        found = await campaigns_of(self._documents, retailer.id)
        known = Known({one.campaign.campaign: one.campaign for one in found}, await rules_of(self._documents, retailer))
        self._kept[retailer.id] = (self._clock() + self._fresh_s, known)
        return known
