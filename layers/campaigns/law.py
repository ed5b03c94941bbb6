"""How far a promotion may go, by country: the caps that the law sets, each with its source.

France. Article 125, II of loi no 2020-1525 of 7 December 2020 (ASAP), for all products of daily use (L. 441-4 and
D. 441-1 of the code de commerce) since 1 March 2024 by article 7 of loi no 2023-221 of 30 March 2023 (Descrozaille,
EGalim 3), and as changed and prolonged to 15 April 2028 by article 1 of loi no 2025-337 of 14 April 2025:

- in value: advantages granted to the consumer for a given product, added together and whether immediate or deferred,
  are at most 34 % of its price (II, B); 40 % where it is neither food nor petfood (II, B, second paragraph, of 2025);
- in volume: at most 25 % of the turnover or of the volume that the parties agreed beforehand (II, C).

Implemented: both value caps, on promotions of a product, as a share of the price that scoring knows; at most one offer
a product and shopper, so that Gondola's own are never added up; the volume cap on one campaign whose `agreed_units`
says what was agreed. Not implemented, and left to the retailer: advantages that Gondola does not give (a price cut in
the shop, a loyalty account, a coupon), the volume over several campaigns of one agreement, the exemptions
(perishables in danger of spoiling, decrees on seasonal goods), the ban of the word «gratuit» (L. 443-1) in texts.
Money off a whole basket and games are not an advantage «for a given product», and are not capped (DGCCRF, guidelines
on promotions of October 2024).

The regime ends on 15 April 2028 unless it is prolonged. The caps stay here beyond that day, since none was ever let
run out: whoever removes them has read the law that says so. No other country's law is known to this module.
"""

from __future__ import annotations

from dataclasses import dataclass

from layers.campaigns.model import ProductKind


@dataclass(frozen=True, slots=True)
class Caps:
    """Attributes:
    value: by kind of product, the largest share of its price; a kind that is not here has none.
    volume: the largest share of the units agreed.
    source: named to whoever is refused.
    """

    value: dict[ProductKind, float]
    volume: float
    source: str

    @property
    def strictest(self) -> float:
        return min(self.value.values())


CAPS: dict[str, Caps] = {
    "FR": Caps(
        {ProductKind.FOOD: 0.34, ProductKind.PET_FOOD: 0.34, ProductKind.HOUSEHOLD: 0.40},
        volume=0.25,
        source="loi no 2020-1525, article 125, II, as changed by loi no 2025-337",
    )
}


def value_cap(country: str, kind: ProductKind | None) -> float | None:
    """The largest share of a product's price that may be given away; None for no cap.

    Args:
        kind: None where it is not known, which gets the strictest cap of the country.
    """
    caps = CAPS.get(country)
    if caps is None:
        return None
    return caps.strictest if kind is None else caps.value.get(kind)


def volume_cap(country: str, agreed_units: int | None) -> int | None:
    """The most units that may be promoted of those agreed; None for no cap."""
    caps = CAPS.get(country)
    return None if caps is None or agreed_units is None else int(agreed_units * caps.volume)
