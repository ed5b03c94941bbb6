"""Parameters without the offers that are not shown now. Pure.

What is withheld is an input of a decision, as parameters are; so it stands in the version that the decision names, and
who replays it takes away the same. Only shoppers who hold an offer of such a campaign notice anything.

Two things are withheld: campaigns, from everybody (`layers.campaigns.withheld`); and single offers from one shopper who
may not have more of them before some moment (`layers.promises`). The second stand in the version with that moment: so
the shopper's state carries them from decision to decision, over sessions too, and whoever reads it knows when they end.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec.structs import replace

from layers.events.record import milliseconds
from layers.tree.offer import ShopperOffer
from layers.tree.parameters import ShopperParameters

_BESIDE = "~"
"""Between scoring's version, the campaigns left out, and the shopper's own offers left out; in nobody's names."""

Own = Mapping[tuple[str, str], datetime]
"""By (campaign, product), until when the offer is withheld from one shopper, to the second."""


@dataclass(frozen=True, slots=True)
class Named:
    """What a decision's parameters version says: scoring's own, and what was left out."""

    scored: str
    campaigns: frozenset[str] = frozenset()
    own: Own = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return not self.campaigns and not self.own


def without(
    parameters: ShopperParameters | None, withheld: Set[str], own: Own | None = None
) -> ShopperParameters | None:
    """The same where none of its offers is among those; else without them, under a version that says so."""
    own = own or {}
    if parameters is None or not (withheld or own):
        return parameters
    campaigns = sorted({offer.campaign for offer in parameters.offers} & withheld)
    mine = sorted({_name(o) for o in parameters.offers if o.campaign not in campaigns} & own.keys())
    if not campaigns and not mine:
        return parameters
    offers = tuple(o for o in parameters.offers if o.campaign not in campaigns and _name(o) not in mine)
    version = f"{parameters.version}{_BESIDE}{','.join(campaigns)}"
    if mine:
        version += _BESIDE + ",".join(f"{c}/{product}@{milliseconds(own[c, product]) // 1000}" for c, product in mine)
    return replace(parameters, version=version, offers=offers)


def _name(offer: ShopperOffer) -> tuple[str, str]:
    return offer.campaign, offer.product


def read_version(version: str) -> Named:
    scored, *left_out = version.split(_BESIDE)
    campaigns = left_out[0].split(",") if left_out and left_out[0] else []
    own = {}
    for each in left_out[1].split(",") if len(left_out) > 1 else []:
        name, _, until = each.rpartition("@")
        campaign, _, product = name.partition("/")
        own[campaign, product] = datetime.fromtimestamp(int(until), UTC)
    return Named(scored, frozenset(campaigns), own)


def still_own(version: str, now: datetime) -> Own:
    """What a state's version says is withheld from its shopper, and still is."""
    if _BESIDE not in version:
        return {}
    return {name: until for name, until in read_version(version).own.items() if now < until}
