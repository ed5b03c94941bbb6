"""Campaigns and house rules in Firestore: published by people, read by whoever works out offers.

A version is written, immutable, before the campaign's document that names it. What is paused or ended is withheld at
once, and left out of the next scoring.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from layers.campaigns.model import Campaign, HouseRules, default_rules
from layers.campaigns.reading import campaign_kept, kept, rules_kept, version_of
from layers.campaigns.withheld import Why, show_again, withhold
from layers.retailers import Retailer
from layers.shell.log import failure
from layers.stores.collections import CAMPAIGN_VERSIONS, CAMPAIGNS, HOUSE_RULES
from layers.stores.firestore.port import Documents

FORGOTTEN_AFTER = timedelta(days=3)
"""By then every shopper's parameters were made anew, without what was ended."""


class State(StrEnum):
    """Of a campaign that was published; before, it is a draft, and has versions only."""

    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"


class NoSuchVersion(LookupError):
    """The version was never kept; nothing is changed."""


class NotPublished(LookupError):
    """There is no such campaign, or it is a draft; nothing is changed."""


class WasEnded(ValueError):
    """An ended campaign is neither paused nor resumed; nothing is changed."""


@dataclass(frozen=True, slots=True)
class Published:
    campaign: Campaign
    version: str
    state: State = State.LIVE

    @property
    def withdrawn(self) -> bool:
        """No longer offered, whatever its dates say."""
        return self.state is not State.LIVE


async def keep_version(
    documents: Documents, retailer_id: str, campaign: Campaign, source: str, at: datetime
) -> tuple[str, bool]:
    """The version's name, and whether it is new. Kept for good, and offered to nobody until it is published."""
    version = version_of(campaign)
    document = {
        "retailer": retailer_id,
        "campaign": campaign.campaign,
        "version": version,
        "definition": kept(campaign),
        "source": source,
        "at": at,
    }
    new = await documents.create(CAMPAIGN_VERSIONS, f"{retailer_id}:{campaign.campaign}:{version}", document)
    return version, new


async def version_kept(documents: Documents, retailer_id: str, campaign_id: str, version: str) -> Campaign:
    """Raises:
    NoSuchVersion: see there. msgspec.MsgspecError: kept by code that knew other fields.
    """
    document = await documents.get(CAMPAIGN_VERSIONS, f"{retailer_id}:{campaign_id}:{version}")
    if document is None:
        raise NoSuchVersion(f"campaign {campaign_id!r} has no such version; put it first, or look which it has")
    return campaign_kept(str(document.data["definition"]))


async def publish_version(documents: Documents, retailer_id: str, campaign_id: str, version: str, at: datetime) -> bool:
    """Offers a version that is kept, from the next scoring on, in the place of the one before.

    Returns:
        Whether something changed.

    Raises:
        NoSuchVersion: nothing is changed.
    """
    found = await documents.get(CAMPAIGN_VERSIONS, f"{retailer_id}:{campaign_id}:{version}")
    if found is None:
        raise NoSuchVersion(f"campaign {campaign_id!r} has no such version; put it first, or look which it has")
    fields = ("retailer", "campaign", "version", "definition", "source")
    document = {**{name: found.data[name] for name in fields}, "state": State.LIVE.value}
    changed = await _write(documents, retailer_id, campaign_id, document)
    return await show_again(documents, retailer_id, campaign_id, (Why.PAUSED, Why.ENDED), at) or changed


async def _write(documents: Documents, retailer_id: str, campaign_id: str, data: dict[str, Any]) -> bool:
    id = f"{retailer_id}:{campaign_id}"
    while True:
        known = await documents.get(CAMPAIGNS, id)
        if known is not None and known.data == data:
            return False
        if known is None:
            done = await documents.create(CAMPAIGNS, id, data)
        else:
            done = await documents.replace(CAMPAIGNS, known, data)
        if done:
            return True


async def publish_campaign(
    documents: Documents, retailer_id: str, campaign: Campaign, source: str, at: datetime | None = None
) -> bool:
    """Keeps a version and offers it. Repeating it changes nothing.

    Returns:
        Whether something changed.
    """
    at = at or datetime.now(UTC)
    version, _ = await keep_version(documents, retailer_id, campaign, source, at)
    return await publish_version(documents, retailer_id, campaign.campaign, version, at)


_FROM: dict[State, Collection[State]] = {
    State.LIVE: (State.PAUSED,),
    State.PAUSED: (State.LIVE,),
    State.ENDED: (State.LIVE, State.PAUSED),
}


async def become(documents: Documents, retailer_id: str, campaign_id: str, state: State, at: datetime) -> bool:
    """Pauses, resumes or ends. It holds within a second or two where pages are decided.

    Returns:
        Whether something changed.

    Raises:
        NotPublished, WasEnded: nothing is changed.
    """
    while True:
        known = await documents.get(CAMPAIGNS, f"{retailer_id}:{campaign_id}")
        if known is None:
            raise NotPublished(f"campaign {campaign_id!r} was never published; publish a version of it first")
        before = _state_of(known.data)
        if before is not state and before not in _FROM[state]:
            raise WasEnded(f"campaign {campaign_id!r} was ended; publish a version of it to offer it again")
        # What is not to be shown is withheld first: killed in between, nobody is shown more than was asked for.
        if state is State.PAUSED:
            changed = await withhold(documents, retailer_id, campaign_id, Why.PAUSED, None, at)
        elif state is State.ENDED:
            changed = before is not state and await withhold(
                documents, retailer_id, campaign_id, Why.ENDED, at + FORGOTTEN_AFTER, at
            )
        else:
            changed = False
        data = {name: value for name, value in known.data.items() if name != "withdrawn"} | {"state": state.value}
        if data != known.data:
            if not await documents.replace(CAMPAIGNS, known, data):
                continue
            changed = True
        if state is State.LIVE:
            changed = await show_again(documents, retailer_id, campaign_id, (Why.PAUSED,), at) or changed
        return changed


async def withdraw(documents: Documents, retailer_id: str, campaign_id: str, at: datetime | None = None) -> bool:
    """Ends a campaign before its date; its document stays, since decisions name it. False if there is none."""
    try:
        await become(documents, retailer_id, campaign_id, State.ENDED, at or datetime.now(UTC))
    except NotPublished:
        return False
    return True


def _state_of(data: dict[str, Any]) -> State:
    """A document without was written before campaigns had states."""
    return State(data["state"]) if "state" in data else State.ENDED if data.get("withdrawn") else State.LIVE


async def publish_rules(documents: Documents, retailer_id: str, rules: HouseRules, source: str) -> bool:
    """Whether something changed."""
    document = {"retailer": retailer_id, "version": version_of(rules), "definition": kept(rules), "source": source}
    known = await documents.get(HOUSE_RULES, retailer_id)
    if known is not None and known.data["version"] == document["version"]:
        return False
    await documents.put(HOUSE_RULES, retailer_id, document)
    return True


async def campaigns_of(documents: Documents, retailer_id: str) -> list[Published]:
    """All that were published, by id. One that cannot be read is left out and logged: it costs no other."""
    found = []
    for document in await documents.find(CAMPAIGNS, retailer=retailer_id):
        try:
            campaign = campaign_kept(str(document.data["definition"]))
        except (msgspec.MsgspecError, KeyError) as error:
            failure("a campaign cannot be read and is not offered; publish it again", error)
            continue
        found.append(Published(campaign, str(document.data["version"]), _state_of(document.data)))
    return found


async def versions_of(documents: Documents, retailer_id: str, campaign_id: str) -> list[tuple[str, datetime]]:
    """Each version and when it was kept, oldest first."""
    found = await documents.find(CAMPAIGN_VERSIONS, retailer=retailer_id, campaign=campaign_id)
    return sorted(((str(d.data["version"]), d.data["at"]) for d in found), key=lambda one: (one[1], one[0]))


async def running(documents: Documents, retailer_id: str, at: datetime) -> tuple[Campaign, ...]:
    """Those that are offered at this moment, by id."""
    found = await campaigns_of(documents, retailer_id)
    return tuple(one.campaign for one in found if not one.withdrawn and one.campaign.runs(at))


async def rules_of(documents: Documents, retailer: Retailer) -> HouseRules:
    """The retailer's, or what its country asks for where it published none.

    Raises:
        msgspec.MsgspecError: what is kept cannot be read. Offers without the caps that it says would be unlawful.
    """
    document = await documents.get(HOUSE_RULES, retailer.id)
    return default_rules(retailer.locale) if document is None else rules_kept(str(document.data["definition"]))
