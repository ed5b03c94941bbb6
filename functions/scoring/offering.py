"""From what is foreseen of a shopper to the parameters with offers and the experiment's group. Pure.

Does not own what an offer is worth (`layers.offers`), nor who is in which group (`layers.experiments`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import replace as replace_view

from msgspec.structs import replace

from functions.scoring.rules import Computed, Refused, checked
from layers.experiments.assignment import group_propensity, in_control
from layers.offers.model import Setting, ShopperView
from layers.offers.personal import offers_of
from layers.tree.offer import drawn
from layers.tree.parameters import ShopperParameters


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One shopper before any offer: the parameters so far, and what offers are worked out from."""

    parameters: ShopperParameters
    view: ShopperView

    @property
    def shopper(self) -> str:
        return self.view.shopper

    def reached(self, setting: Setting) -> ShopperView:
        """The view, with the campaigns that are for this shopper."""
        return replace_view(self.view, reached=setting.audiences.reaching(self.parameters))

    def paid_for(self, setting: Setting) -> ShopperView:
        """The view as budgets are concerned: what the control group holds is shown to nobody, and costs nothing."""
        if in_control(setting.retailer_id, self.shopper, setting.rules.control):
            return replace_view(self.view, reached=frozenset())
        return self.reached(setting)


def with_offers(foreseen: Foreseen, setting: Setting) -> ShopperParameters:
    """The control group holds offers too: what it would have been shown is what it is compared by. It is shown none.

    Raises:
        ValueError: what is known of the shopper contradicts itself; the message holds no value.
    """
    share, shopper = setting.rules.control, foreseen.shopper
    control = in_control(setting.retailer_id, shopper, share)
    return replace(
        foreseen.parameters,
        offers=offers_of(foreseen.reached(setting), setting),
        control=control,
        group_propensity=group_propensity(control, share),
    )


@dataclass(frozen=True, slots=True)
class Scored:
    """Attributes:
    result: as it is stored, or why it is not. offered: an offer was drawn that the shopper may be shown.
    promised: by campaign, what the offers are expected to give away in a week, over all that may be drawn.
    """

    result: Computed | Refused
    offered: bool = False
    control: bool = False
    promised: Mapping[str, float] = field(default_factory=dict)


def scored(foreseen: Foreseen, setting: Setting | None) -> Scored:
    """One shopper to the end. A shopper who cannot be computed costs no other.

    Args:
        setting: None of a run that was planned before there were any: without offers and without groups.
    """
    try:
        made = foreseen.parameters if setting is None else with_offers(foreseen, setting)
    except ValueError as error:
        return Scored(Refused(foreseen.shopper, str(error)))
    result = checked(foreseen.shopper, made)
    if made.control:
        return Scored(result, control=True)
    promised: dict[str, float] = {}
    for offer in made.offers:
        given = offer.propensity * offer.expected_cost * foreseen.view.trips_per_week
        promised[offer.campaign] = promised.get(offer.campaign, 0.0) + given
    return Scored(result, bool(drawn(made.offers)), promised=promised)
