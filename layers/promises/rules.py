"""Which shown offers are promises, and which promise a shopper holds already. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import msgspec
from msgspec.structs import replace

from layers.campaigns.budgets import PaidFrom, cents, paid_from
from layers.campaigns.known import Known
from layers.campaigns.model import Campaign
from layers.ledger.ledger import Wish
from layers.promises.limits import Limit, limits_of
from layers.promises.model import HELD_FOR, MOST_PROMISES, Fate, Promise, Promises
from layers.tree.decision import Decision
from layers.tree.offer import ShopperOffer
from layers.tree.showing import ShownExperience
from layers.tree.treatment import behind

_shown = msgspec.json.Decoder(tuple[ShownExperience, ...])


@dataclass(frozen=True, slots=True)
class Wanted:
    """A promise to be made, the budgets that it is paid from, and what its shopper may have in all."""

    promise: Promise
    budgets: tuple[PaidFrom, ...]
    limits: tuple[Limit, ...] = ()

    @property
    def wishes(self) -> list[Wish]:
        return [Wish(paid.budget, self.promise.cents if paid.unit == "cents" else 1) for paid in self.budgets]


def wanted(
    retailer_id: str,
    decisions: Iterable[Decision],
    offers: Sequence[ShopperOffer],
    known: Known,
    now: datetime,
    store: str = "",
) -> list[Wanted]:
    """What these decisions show of campaigns with budgets, each offer once.

    Args:
        store: where the shopper is, if that is known.

    A game is no promise of this kind: its prizes are fixed before it opens. Nor is what was decided so long ago that
    nobody looks at the page any more.
    """
    found: dict[tuple[str, str, str], Wanted] = {}
    for decision in decisions:
        if not any(offer.drawn for offer in offers) or decision.at + HELD_FOR <= now:
            continue
        for shown in _shown.decode(decision.shown):
            offer = behind(shown, offers)
            campaign = known.campaigns.get(offer.campaign) if offer is not None else None
            if offer is None or campaign is None or offer.kind == "game" or offer.generosity <= 0:
                continue
            budgets = paid_from(campaign, known.rules, decision.at, store)
            local = store if campaign.stores or any(paid.local for paid in budgets) else ""
            one = _promise(retailer_id, decision, offer, campaign, budgets, local)
            same = (offer.campaign, offer.offer, offer.product)
            found.setdefault(same, Wanted(one, budgets, limits_of(campaign, known.rules, decision.at)))
    return list(found.values())


def _promise(
    retailer_id: str,
    decision: Decision,
    offer: ShopperOffer,
    campaign: Campaign,
    budgets: Sequence[PaidFrom],
    store: str,
) -> Promise:
    # A level that was taken out of the campaign since was of money, for all that is known: what was shown holds.
    level = next((level for level in campaign.generosity if level.id == offer.offer), None)
    parts = (retailer_id, decision.shopper, decision.event_id, offer.campaign, offer.offer, offer.product)
    assert offer.kind != "game"
    return Promise(
        # The same decision, delivered again, reserves the same; and the key tells nothing of whom it is made of.
        key=sha256("\n".join(parts).encode()).hexdigest()[:32],
        campaign=offer.campaign,
        offer=offer.offer,
        kind=offer.kind,
        product=offer.product,
        cents=cents(offer.generosity),
        threshold=cents(offer.threshold),
        percent=(level.percent or 0.0) if level is not None else 0.0,
        substitutes=tuple(product for product in campaign.substitutes if product != offer.product),
        money=tuple(paid.budget for paid in budgets if paid.unit == "cents"),
        at=decision.at,
        until=decision.at + HELD_FOR,
        store=store,
        exclusive=campaign.exclusive,
        combines=campaign.combines,
    )


def held(promises: Promises | None, wish: Promise) -> bool:
    """Whether the shopper holds this already, by this decision or by an earlier one that is still open."""
    return promises is not None and any(
        one.key == wish.key
        or (
            one.fate is Fate.OPEN
            and one.until > wish.at
            and (one.campaign, one.offer, one.product) == (wish.campaign, wish.offer, wish.product)
        )
        for one in promises.promises
    )


def added(retailer_id: str, promises: Promises | None, new: Promise, now: datetime) -> Promises:
    kept = [*(promises.promises if promises is not None else ()), new]
    return Promises(retailer=retailer_id, at=now, promises=_shortened(kept))


def changed(promises: Promises, by_key: dict[str, Promise], now: datetime) -> Promises:
    """With these in the place of those of the same key."""
    return replace(promises, at=now, promises=tuple(by_key.get(one.key, one) for one in promises.promises))


def _shortened(promises: Sequence[Promise]) -> tuple[Promise, ...]:
    over = len(promises) - MOST_PROMISES
    forgotten = {one.key for one in [one for one in promises if one.is_settled][: max(0, over)]}
    return tuple(one for one in promises if one.key not in forgotten)
