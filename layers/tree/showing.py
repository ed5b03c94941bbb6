"""What is shown: a node's experiences with this shopper's values, as a decision keeps them and as a page gets them."""

from __future__ import annotations

import msgspec

from layers.tree.expressions import RUNTIME_ERRORS
from layers.tree.model import Default, Definition, Game, Promotion, Recommendation, Tension
from layers.tree.tree import Shown, Tree
from layers.tree.variables import cents, value_of
from layers.tree.walk import Moment
from layers.tree.wording import Wording


class _Experience(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """`text` only where a page reads it: a decision's tree version says which words they were."""

    slot: str
    text: str = ""


class ShownPromotion(_Experience, frozen=True, tag="promotion"):
    """Amounts in the retailer's currency."""

    product: str
    generosity: float
    threshold: float


class ShownGame(_Experience, frozen=True, tag="game"):
    name: str
    prize: float


class ShownRecommendation(_Experience, frozen=True, tag="recommendation"):
    """Product ids, best first."""

    products: tuple[str, ...]


class ShownTension(_Experience, frozen=True, tag="tension"):
    """`missing` to the threshold; `progress` from 0.0 to 1.0."""

    threshold: float
    missing: float
    progress: float


class ShownDefault(_Experience, frozen=True, tag="default"):
    """The same for everybody."""

    default: bool = True
    products: tuple[str, ...] = ()

    # `default` must be seen by the page, which omit_defaults would hide.
    def marked(self) -> dict[str, object]:
        return {"kind": "default", "default": True, "slot": self.slot, "products": self.products, "text": self.text}


ShownExperience = ShownPromotion | ShownGame | ShownRecommendation | ShownTension | ShownDefault


def default_of(definition: Definition, wording: Wording | None = None) -> ShownDefault:
    """What a shopper sees who refused, or for whom nothing could be found."""
    default: Default = definition.default
    text = wording(default.text, definition.languages, {}) if wording else ""
    return ShownDefault(slot=default.slot, text=text, products=default.products)


def _number(value: object) -> float:
    return cents(float(value)) if isinstance(value, int | float) else 0.0


def _one(tree: Tree, shown: Shown, moment: Moment, wording: Wording | None) -> ShownExperience | None:
    """None if it has nothing to show; so does one whose value cannot be computed."""
    try:
        values = {name: moment(expression) for name, expression in shown.values.items()}
    except RUNTIME_ERRORS:
        return None
    definition = shown.definition
    threshold = _number(values.get("threshold", 0.0))
    missing = cents(max(0.0, threshold - _number(value_of(moment.values, "basket.total"))))
    amounts = {"threshold": threshold, "missing": missing}
    for name in ("generosity", "prize"):
        if name in values:
            amounts[name] = _number(values[name])

    def text() -> str:
        return wording(definition.text, tree.definition.languages, amounts) if wording else ""

    if isinstance(definition, Promotion):
        product = str(values["product"])
        if not product or amounts["generosity"] <= 0:
            return None
        return ShownPromotion(
            slot=definition.slot, text=text(), product=product, generosity=amounts["generosity"], threshold=threshold
        )
    if isinstance(definition, Game):
        if amounts["prize"] <= 0:
            return None
        return ShownGame(slot=definition.slot, text=text(), name=definition.name, prize=amounts["prize"])
    if isinstance(definition, Recommendation):
        found = values["products"]
        products = tuple(str(p) for p in found)[: definition.limit] if isinstance(found, list) else ()
        return ShownRecommendation(slot=definition.slot, text=text(), products=products) if products else None
    if isinstance(definition, Tension):
        if threshold <= 0:
            return None
        progress = round(1 - missing / threshold, 3)
        return ShownTension(slot=definition.slot, text=text(), threshold=threshold, missing=missing, progress=progress)
    raise AssertionError(f"a kind of experience without a rule: {type(definition).__name__}")


def filled(
    tree: Tree, node: str, moment: Moment, wording: Wording | None = None
) -> list[tuple[Shown, ShownExperience]]:
    """The node's experiences that have something to show, each beside its definition.

    Args:
        wording: for a page; None for a decision, which keeps values only.
    """
    found = ((shown, _one(tree, shown, moment, wording)) for shown in tree.places[node].show)
    return [(shown, one) for shown, one in found if one is not None]
