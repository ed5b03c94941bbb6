"""Which kinds of experience pages showed, to how many shoppers, of which campaign. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from emulators.shop.tracker import Answer, Shown

BRANCHES = {"brand_offer": "brand_week", "stretching": "one_more_step", "playing": "basket_back"}
"""Nodes of `market_day/tree.yaml` that show what a campaign offers, and which campaign that is."""

BY_CHANCE = ("tension one_more_step", "game basket_back")
"""Few shoppers hold one, and which do is drawn anew each week: a day of a hundred visits may have none of them."""

_TREATMENTS = frozenset({"promotion", "tension", "game"})


@dataclass(frozen=True, slots=True)
class Seen:
    """One kind, of one campaign or game, or of nobody's (`of` is empty).

    Attributes:
        reason: why it is the default. shoppers, pages: that showed it. page: one of them, as JSON, cut to what matters.
    """

    kind: str
    of: str
    reason: str
    shoppers: int
    pages: int
    page: str


def campaign_of(answer: Answer, shown: Shown) -> str:
    """The campaign behind an experience; empty for what the tree shows by itself."""
    return BRANCHES.get(answer.node or "", "") if shown.kind in _TREATMENTS else ""


def of_campaign(answer: Answer) -> tuple[str, Shown] | None:
    """The first experience of a campaign on a page, and whose it is."""
    found = ((campaign_of(answer, shown), shown) for shown in answer.experiences)
    return next(((campaign, shown) for campaign, shown in found if campaign), None)


def seen(answers: Mapping[str, Answer], whose: Mapping[str, str]) -> list[Seen]:
    """Every kind that came up, treatments first.

    Args:
        answers: by the event that each follows. whose: the shopper of each event.
    """
    shoppers: dict[tuple[str, str, str], set[str]] = {}
    pages: dict[tuple[str, str, str], list[tuple[Answer, Shown]]] = {}
    for event, answer in answers.items():
        for shown in answer.experiences:
            of = shown.name if shown.kind == "game" else campaign_of(answer, shown)
            key = (shown.kind, of, answer.reason or "" if shown.kind == "default" else "")
            shoppers.setdefault(key, set()).add(whose[event])
            pages.setdefault(key, []).append((answer, shown))
    order = ("promotion", "tension", "game", "recommendation", "default")
    return [
        Seen(*key, len(shoppers[key]), len(pages[key]), page(*pages[key][0]))
        for key in sorted(pages, key=lambda key: (order.index(key[0]), not key[1], key))
    ]


def page(answer: Answer, shown: Shown) -> str:
    """What a page got of one experience, with where its shopper stands, in a line."""
    experience = msgspec.to_builtins(shown)
    products = experience.get("products", ())
    if len(products) > 3:
        experience["products"] = [*products[:3], f"and {len(products) - 3} more"]
    told = {"tree": answer.tree, "node": answer.node, "experience": experience}
    if answer.default:
        told |= {"default": True, "reason": answer.reason}
    return msgspec.json.encode(told).decode()


def missing(found: Iterable[Seen]) -> list[str]:
    """What should come up in a day, and did not: a campaign, a game, recommendations, the default."""
    there = {(each.kind, each.of) for each in found}
    wanted = [
        ("promotion", "brand_week"),
        ("tension", "one_more_step"),
        ("game", "basket_back"),
        ("game", "evening_draw"),
    ]
    return [" ".join(one).strip() for one in [*wanted, ("recommendation", ""), ("default", "")] if one not in there]
