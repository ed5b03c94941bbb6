"""Step 3: scoring learns overnight how each shopper buys; and the tree that a marketer publishes for the day after."""

from __future__ import annotations

import time
from dataclasses import dataclass

from emulators.shop.background import follow, in_background
from emulators.shop.cold import Cold
from emulators.shop.hot import shoppers_with_parameters
from emulators.shop.people import type_command
from emulators.shop.screen import Screen
from emulators.shop.stage import DemoFailed, Stage

TREE = "layers/tree/examples/grocery_basket.yaml"


@dataclass(frozen=True, slots=True)
class Scored:
    """`shoppers` have parameters now; it took `seconds`; `told` is what the run says of itself."""

    shoppers: int
    seconds: float
    told: str


def publish_tree(stage: Stage) -> str:
    """Publishes the example tree as a marketer would; what the command said."""
    done = type_command(stage, "layers.tree", "publish", TREE, "--retailer", stage.retailer.id)
    if done.returncode:
        raise DemoFailed(f"the tree was not published, so nothing can be decided: {done.stderr.strip() or 'no reason'}")
    return done.stdout.strip()


def score(stage: Stage, screen: Screen) -> Scored:
    """Asks for a scoring run; every shopper with an order has parameters afterwards.

    Raises:
        DemoFailed: it did not come to its end, or some have none.
    """
    wanted = int(Cold(stage.values, stage.retailer).number("COUNT(DISTINCT shopper)", "orders"))
    begun = time.monotonic()

    def written() -> int:
        return shoppers_with_parameters(stage.values, stage.retailer.id)

    with screen.bar("scoring, shoppers with parameters", wanted) as bar:
        work = in_background(lambda: type_command(stage, "functions.scoring", "run", "--retailer", stage.retailer.id))
        done = follow(work, lambda: bar.at(written()), 2.0)
        seconds = time.monotonic() - begun
        found = written()
        bar.at(found)
    if done.returncode:
        raise DemoFailed(
            f"the scoring run did not end well ({done.stderr.strip() or 'no reason'}), so nobody can be personalised; "
            "see the log of scoring"
        )
    if found != wanted:
        raise DemoFailed(
            f"{found} shoppers have parameters and {wanted} have bought, so some would be treated as strangers; "
            "see the log of scoring"
        )
    return Scored(found, seconds, done.stdout.strip())
