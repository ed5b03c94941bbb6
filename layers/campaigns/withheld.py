"""Campaigns that are not shown now, though shoppers' parameters still hold offers of them.

Parameters are made once a night; a pause, an end and an empty budget hold within a second or two, by one document a
retailer that whoever decides reads beside the tree. Does not own what is left out of a decision (`layers.tree`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from layers.stores.collections import WITHHELD
from layers.stores.firestore.port import Documents


class Why(StrEnum):
    EXHAUSTED = "exhausted"
    PAUSED = "paused"
    ENDED = "ended"


Reasons = dict[str, dict[str, datetime | None]]
"""By campaign, by `Why`: until when; None for until it is said otherwise."""


def reasons_in(data: Mapping[str, Any] | None) -> Reasons:
    """Of a document of `withheld`, or of none."""
    return {str(name): dict(why) for name, why in (data or {}).get("campaigns", {}).items()}


def withheld_at(data: Mapping[str, Any] | None, at: datetime) -> frozenset[str]:
    """The campaigns that are not shown at that moment."""
    return frozenset(
        campaign
        for campaign, why in reasons_in(data).items()
        if any(until is None or at < until for until in why.values())
    )


def withheld_too(found: Reasons, campaign: str, why: Why, until: datetime | None) -> Reasons:
    return {**found, campaign: {**found.get(campaign, {}), why.value: until}}


def shown_again(found: Reasons, campaign: str, no_longer: Collection[Why]) -> Reasons:
    """Unless another reason stays."""
    left = {why: until for why, until in found.get(campaign, {}).items() if why not in no_longer}
    others = {name: reasons for name, reasons in found.items() if name != campaign}
    return {**others, campaign: left} if left else others


def without_past(found: Reasons, at: datetime) -> Reasons:
    """Reasons that ended say nothing any more."""
    current = {
        name: {why: until for why, until in reasons.items() if until is None or at < until}
        for name, reasons in found.items()
    }
    return {name: reasons for name, reasons in current.items() if reasons}


async def withhold(
    documents: Documents, retailer_id: str, campaign: str, why: Why, until: datetime | None, at: datetime
) -> bool:
    """Whether that is new. Repeating it changes nothing."""
    return await _change(documents, retailer_id, at, lambda found: withheld_too(found, campaign, why, until))


async def show_again(
    documents: Documents, retailer_id: str, campaign: str, no_longer: Collection[Why], at: datetime
) -> bool:
    """Whether that changed something."""
    return await _change(documents, retailer_id, at, lambda found: shown_again(found, campaign, no_longer))


async def _change(documents: Documents, retailer_id: str, at: datetime, changed: Callable[[Reasons], Reasons]) -> bool:
    while True:
        document = await documents.get(WITHHELD, retailer_id)
        before = reasons_in(document.data if document is not None else None)
        after = changed(before)
        if after == before:
            return False
        data = {"retailer": retailer_id, "campaigns": without_past(after, at)}
        if document is None:
            done = await documents.create(WITHHELD, retailer_id, data)
        else:
            done = await documents.replace(WITHHELD, document, data)
        if done:
            return True
