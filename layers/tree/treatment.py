"""What of an experience is a treatment: shown to some and not to others, so that its effect can be measured. Pure.

A treatment is a promotion, a game, or a tension towards a total that is the shopper's own; the permanent control group
is shown none of them. Everything else (recommendations, the distance to a free delivery) is the same for both groups.

Does not own who is in which group, or what is drawn (`layers.experiments`, `layers.offers`): both stand in the
parameters, with their probabilities, so that a decision stays a pure function of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from layers.tree.entitlement import entitled
from layers.tree.model import Game, Promotion, Tension
from layers.tree.offer import ShopperOffer
from layers.tree.parameters import ShopperParameters
from layers.tree.showing import ShownExperience, ShownGame, ShownPromotion, ShownTension
from layers.tree.state import State
from layers.tree.tree import Shown

_PERSONAL = ("shopper.", "offer.", "reward.", "play.")


class LoggedOffer(msgspec.Struct, frozen=True, omit_defaults=True):
    """An offer as a decision logs it: what is needed to judge another policy on it. `group` is the parameters'
    `group_propensity`; they have the rest, under their version."""

    campaign: str
    offer: str
    product: str = ""
    generosity: float = 0.0
    threshold: float = 0.0
    probability: float = 0.0
    uplift: float = 0.0
    expected_margin: float = 0.0
    expected_cost: float = 0.0
    propensity: float = 1.0
    drawn: bool = False
    group: float = 1.0


@dataclass(frozen=True, slots=True)
class Treatment:
    """Attributes:
    control: whether the shopper is in the control group; None without parameters.
    propensity: probability of what was chosen: of the shopper's group, times that of every offer shown.
    offers: at a journey's start all that the shopper holds, later those that are shown, each with what could have been
        drawn instead; JSON, None for none.
    """

    control: bool | None = None
    propensity: float = 1.0
    offers: str | None = None


def is_treatment(shown: Shown) -> bool:
    definition = shown.definition
    if isinstance(definition, Tension):
        return any(name.startswith(_PERSONAL) for name in shown.values["threshold"].names)
    return isinstance(definition, Promotion | Game)


def seen(found: Sequence[tuple[Shown, ShownExperience]], control: bool) -> tuple[ShownExperience, ...]:
    """What of a node's filled experiences is shown: to the control group, no treatment."""
    return tuple(experience for shown, experience in found if not (control and is_treatment(shown)))


def behind(experience: ShownExperience, offers: Iterable[ShopperOffer]) -> ShopperOffer | None:
    """The drawn offer that an experience shows; None for what the tree shows by itself."""
    for offer in offers:
        if not offer.drawn:
            continue
        same: bool
        match experience:
            case ShownPromotion():
                same = (offer.kind, offer.product, offer.generosity) == (
                    "promotion",
                    experience.product,
                    experience.generosity,
                )
            case ShownTension():
                same = (offer.kind, offer.threshold) == ("tension", experience.threshold)
            case ShownGame():
                same = (offer.kind, offer.generosity) == ("game", experience.prize)
            case _:
                same = False
        if same:
            return offer
    return None


_encoder = msgspec.json.Encoder()


def _logged(parameters: ShopperParameters, branches: Iterable[tuple[str, str]] | None) -> str | None:
    """Args:
    branches: (campaign, product) of those to log, None for all.
    """
    among = None if branches is None else set(branches)
    found = [
        LoggedOffer(
            o.campaign, o.offer, o.product, o.generosity, o.threshold, o.probability, o.uplift, o.expected_margin,
            o.expected_cost, o.propensity, o.drawn, parameters.group_propensity,
        )
        for o in parameters.offers
        if among is None or (o.campaign, o.product) in among
    ]  # fmt: skip
    return _encoder.encode(found).decode() if found else None


def treatment_of(
    parameters: ShopperParameters | None,
    treatments: Sequence[ShownExperience],
    *,
    starts: bool,
    state: State | None = None,
) -> Treatment:
    """What a decision logs of the experiment.

    Args:
        treatments: those of the node, shown or, for the control group, kept back.
        starts: the journey's first decision. It logs every offer that the shopper holds, so that what happens on the
            journey can be laid to what was drawn, whether or not the shopper came to where it is shown.
        state: at the decision, which says what of the offers holds; without, all of them.
    """
    if parameters is None:
        return Treatment()
    offers = parameters.offers if state is None else entitled(parameters.offers, state)
    found = {
        (offer.campaign, offer.product): offer.propensity
        for offer in (behind(one, offers) for one in treatments)
        if offer is not None
    }
    propensity = parameters.group_propensity if treatments else 1.0
    if not parameters.control:
        for each in found.values():
            propensity *= each
    return Treatment(parameters.control, propensity, _logged(parameters, None if starts else found))


_decoder = msgspec.json.Decoder(tuple[LoggedOffer, ...])


def read_logged(offers: str | None) -> tuple[LoggedOffer, ...]:
    """Raises msgspec.MsgspecError: not what a decision logs."""
    return _decoder.decode(offers) if offers else ()
