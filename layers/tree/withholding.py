"""Parameters without the offers that are not shown now. Pure.

What is withheld is an input of a decision, as parameters are; so it stands in the version that the decision names, and
who replays it takes away the same. Only shoppers who hold an offer of such a campaign notice anything.
"""

from __future__ import annotations

from collections.abc import Set

from msgspec.structs import replace

from layers.tree.parameters import ShopperParameters

_BESIDE = "~"
"""Between scoring's version and the campaigns left out; in neither's names."""


def without(parameters: ShopperParameters | None, withheld: Set[str]) -> ShopperParameters | None:
    """The same where none of its offers is of those campaigns; else without them, under a version that says so."""
    if parameters is None or not withheld:
        return parameters
    left_out = sorted({offer.campaign for offer in parameters.offers} & withheld)
    if not left_out:
        return parameters
    offers = tuple(offer for offer in parameters.offers if offer.campaign not in left_out)
    return replace(parameters, version=f"{parameters.version}{_BESIDE}{','.join(left_out)}", offers=offers)


def read_version(version: str) -> tuple[str, frozenset[str]]:
    """Scoring's version, and the campaigns that were left out of a decision that names `version`."""
    scored, _, left_out = version.partition(_BESIDE)
    return scored, frozenset(left_out.split(",")) if left_out else frozenset()
