"""The tree that a marketer publishes for the live day."""

from __future__ import annotations

from emulators.shop.people import must_type
from emulators.shop.stage import Stage

TREE = "layers/tree/examples/grocery_basket.yaml"


def publish_tree(stage: Stage) -> str:
    """Publishes the example tree as a marketer would; what the command said."""
    retailer = stage.retailer.id
    return must_type(stage, "nothing can be decided", "layers.tree", "publish", TREE, "--retailer", retailer)
