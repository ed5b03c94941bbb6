"""Campaigns and house rules in Firestore: published by people, read by whoever works out offers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from layers.campaigns.model import Campaign, HouseRules, default_rules
from layers.campaigns.reading import campaign_kept, kept, rules_kept, version_of
from layers.retailers import Retailer
from layers.shell.log import failure
from layers.stores.collections import CAMPAIGNS, HOUSE_RULES
from layers.stores.firestore.port import Documents


@dataclass(frozen=True, slots=True)
class Published:
    """Attributes:
    withdrawn: no longer offered, whatever its dates say.
    """

    campaign: Campaign
    version: str
    withdrawn: bool


async def publish_campaign(documents: Documents, retailer_id: str, campaign: Campaign, source: str) -> bool:
    """Puts a campaign in the place of the one of the same id. Repeating it changes nothing.

    Returns:
        Whether something changed.
    """
    id = f"{retailer_id}:{campaign.campaign}"
    document = {
        "retailer": retailer_id,
        "campaign": campaign.campaign,
        "version": version_of(campaign),
        "definition": kept(campaign),
        "source": source,
        "withdrawn": False,
    }
    known = await documents.get(CAMPAIGNS, id)
    if known is not None and known.data["version"] == document["version"] and not known.data["withdrawn"]:
        return False
    await documents.put(CAMPAIGNS, id, document)
    return True


async def withdraw(documents: Documents, retailer_id: str, campaign_id: str) -> bool:
    """Ends a campaign before its date; its document stays, since decisions name it. False if there is none."""
    known = await documents.get(CAMPAIGNS, f"{retailer_id}:{campaign_id}")
    if known is None:
        return False
    if not known.data["withdrawn"]:
        await documents.put(CAMPAIGNS, known.id, {**known.data, "withdrawn": True})
    return True


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
        found.append(Published(campaign, str(document.data["version"]), bool(document.data["withdrawn"])))
    return found


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
