"""Decisions as BigQuery has them, as arrays that can be judged. Pure, but for reading its own statement.

A visit holds an offer of several campaigns at most, drawn apart from each other. Each is judged by itself, the others
as they ran: one row for each visit and branch, and all rows of a shopper count as one in the errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from layers.experiments.judging.logged import ARM_FEATURES, NOTHING, Logged
from layers.tree.treatment import LoggedOffer, read_logged

SQL = (Path(__file__).parent / "replayed.sql").read_text(encoding="utf-8")
HORIZON_DAYS = 7
"""Orders of the week after the visit are laid to what was shown on it: what was drawn holds for a week."""

MEMORY_DAYS = 91


@dataclass(frozen=True, slots=True)
class Replayed:
    """Attributes:
    visits: that began with parameters. without: of these, those that held no offer. unreadable: whose log of offers
        cannot be read, or whose propensities cannot be right; they are left out.
    """

    logged: Logged
    visits: int
    without: int
    unreadable: int


def binding(since: datetime, until: datetime, now: datetime, unknown_consent: bool) -> dict[str, Any]:
    """What `replayed.sql` is bound with; visits whose outcome is not known yet are left out."""
    return {
        "since": since,
        "until": min(until, now - timedelta(days=HORIZON_DAYS)),
        "horizon": HORIZON_DAYS,
        "memory": MEMORY_DAYS,
        "unknown_consent": unknown_consent,
    }


def earned(paid: float, discount: float, basket_margin: float) -> float:
    """What a shopper's orders brought: the margin of their value before discounts, and the discounts off it."""
    return basket_margin * (paid + discount) - discount


def replayed(rows: Iterable[Mapping[str, Any]], basket_margin: float, campaign: str | None = None) -> Replayed:
    """Args:
    rows: of `replayed.sql`. campaign: judged alone; None for all.
    """
    units: list[tuple[str, Mapping[str, Any], list[LoggedOffer]]] = []
    visits = without = unreadable = 0
    for row in rows:
        visits += 1
        try:
            offers = read_logged(row["offers"])
        except msgspec.MsgspecError:
            unreadable += 1
            continue
        by_branch: dict[tuple[str, str], list[LoggedOffer]] = {}
        for offer in offers:
            if campaign in (None, offer.campaign):
                by_branch.setdefault((offer.campaign, offer.product), []).append(offer)
        without += not by_branch
        for arms in by_branch.values():
            if _possible(arms, bool(row["control"])):
                units.append((str(row["shopper"]), row, arms))
            else:
                unreadable += 1
    return Replayed(_arrays(units, basket_margin), visits, without, unreadable)


def _possible(arms: list[LoggedOffer], control: bool) -> bool:
    """Whether the propensities are probabilities of something that could be drawn as it was."""
    total = sum(arm.propensity for arm in arms)
    return (
        all(0 < arm.propensity <= 1 for arm in arms)
        and total <= 1 + 1e-6
        and sum(arm.drawn for arm in arms) <= 1
        and 0 < arms[0].group <= 1
        # Nothing was drawn though something had to be.
        and (any(arm.drawn for arm in arms) or total < 1 - 1e-9)
        and not (control and arms[0].group >= 1)
    )


def _arrays(units: list[tuple[str, Mapping[str, Any], list[LoggedOffer]]], basket_margin: float) -> Logged:
    n = len(units)
    a = 1 + max((len(arms) for _, _, arms in units), default=0)
    features = np.zeros((n, a, len(ARM_FEATURES)))
    there = np.zeros((n, a), dtype=np.bool_)
    probabilities = np.zeros((n, a))
    chosen = np.full(n, NOTHING, dtype=np.int64)
    visits = np.zeros((n, 3))
    rewards = np.zeros(n)
    shoppers: dict[str, int] = {}
    numbers = np.zeros(n, dtype=np.int64)
    for number, (shopper, row, arms) in enumerate(units):
        control = bool(row["control"])
        treated = 1 - arms[0].group if control else arms[0].group
        there[number, : len(arms) + 1] = True
        for place, arm in enumerate(arms, 1):
            features[number, place] = (
                1.0,
                arm.generosity,
                float(arm.threshold > 0),
                arm.probability,
                arm.uplift,
                arm.expected_margin,
                arm.expected_cost,
            )
            probabilities[number, place] = treated * arm.propensity
            if arm.drawn and not control:
                chosen[number] = place
        probabilities[number, NOTHING] = max(0.0, 1 - probabilities[number].sum())
        visits[number] = arms[0].probability, float(row["spent_before"]), float(row["orders_before"])
        rewards[number] = earned(float(row["paid"]), float(row["discount"]), basket_margin)
        numbers[number] = shoppers.setdefault(shopper, len(shoppers))
    return Logged(features, visits, there, probabilities, chosen, rewards, numbers)
