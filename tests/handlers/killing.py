"""Which calls of a run are struck, one after the other, to see that the next run mends it.

`pytest --long` strikes every one. Else of each kind of call the first two, the last two and a few between: a run makes
the same calls for each of some forty stores, and `make privacy` kills real processes at every deed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

BETWEEN = 2
"""Of a kind, beside the first two and the last two."""


def struck(made: Sequence[str], long: bool) -> list[int]:
    """Numbers of calls, from 1 on; the same ones for the same calls.

    Args:
        made: the kind of each call of an undisturbed run, in order.
    """
    assert made, "nothing was called, so nothing is proved"
    if long:
        return list(range(1, len(made) + 1))
    chance = random.Random(len(made))
    places: dict[str, list[int]] = {}
    for number, kind in enumerate(made, start=1):
        places.setdefault(kind, []).append(number)
    chosen: set[int] = set()
    for of_kind in places.values():
        between = of_kind[2:-2]
        chosen.update(of_kind[:2], of_kind[-2:], chance.sample(between, min(BETWEEN, len(between))))
    return sorted(chosen)
