"""Who plays with which orders, and how often: a shopper by its own document, a household by one of all its shoppers.

Each write is of one document that is written over what was read. A shopper's comes first and names the household, so
that an erasure finds its entries there; an order that the household has no room for is taken from the shopper's again.
Who finds an order in between, since its delivery was killed or goes on at the same time, ends it before it counts it.
Owns no limit (rules.py).
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from functions.rewards.rules import Paid, household_may_play, may_play
from layers.game.model import GameRules
from layers.stores.collections import HOUSEHOLDS, PLAYERS
from layers.stores.firestore.port import Documents
from layers.stores.households import ATTEMPTS, Contended, household_id, joined, leave


async def plays(documents: Documents, paid: Paid, rules: GameRules, entry: str) -> bool:
    """Notes the order as this shopper's; False beyond a limit: the shopper's, its way of payment's, its household's."""
    player = await _noted(documents, paid, rules, entry)
    if player is None:
        return False
    # Not the event's: an order that is told twice, of two households, is that of which it was first.
    household = player["households"].get(entry)
    if household is None or await _joins(documents, paid, rules, household, entry):
        return True
    await _forget(documents, paid, rules, household, entry)
    return False


def _id(paid: Paid, rules: GameRules) -> str:
    return f"{paid.retailer}:{rules.game}:{paid.shopper}"


async def _noted(documents: Documents, paid: Paid, rules: GameRules, entry: str) -> dict[str, Any] | None:
    """The shopper's document with this order in it; None beyond a limit."""
    bounded = rules.tickets_by_household is not UNSET and paid.household is not None
    for _ in range(ATTEMPTS):
        held = await documents.get(PLAYERS, _id(paid, rules))
        if held is not None and entry in held.data["orders"]:
            return held.data
        before: dict[str, Any] = {} if held is None else held.data
        payments = before.get("payments", {})
        if not may_play(rules, list(payments.values()), paid.payment):
            if await _has_given_back(documents, paid, rules, before):
                continue
            return None
        if bounded and not household_may_play(rules, await _entries(documents, paid, rules), entry):
            return None
        data = {
            "retailer": paid.retailer,
            "game": rules.game,
            "shopper": paid.shopper,
            "at": max(before.get("at", paid.at), paid.at),
            "orders": {**before.get("orders", {}), entry: paid.order},
            "payments": {**payments, entry: paid.payment},
            "households": {**before.get("households", {}), **({entry: paid.household} if bounded else {})},
        }
        if held is None:
            done = await documents.create(PLAYERS, _id(paid, rules), data)
        else:
            done = await documents.replace(PLAYERS, held, data)
        if done:
            return data
    raise Contended


async def _has_given_back(documents: Documents, paid: Paid, rules: GameRules, player: dict[str, Any]) -> bool:
    """Ends what is half done: an order that its household has not taken yet joins it, or is the shopper's no longer."""
    households: dict[str, str] = player.get("households", {})
    taken = {entry for _, own in (await joined(documents, player)).values() for entry in own}
    gone = False
    for entry in households.keys() - taken:
        if not await _joins(documents, paid, rules, households[entry], entry):
            await _forget(documents, paid, rules, households[entry], entry)
            gone = True
    return gone


async def _entries(documents: Documents, paid: Paid, rules: GameRules) -> list[str]:
    held = await documents.get(HOUSEHOLDS, household_id(paid.retailer, rules.game, paid.household or ""))
    return [] if held is None else list(held.data["entries"])


async def _joins(documents: Documents, paid: Paid, rules: GameRules, household: str, entry: str) -> bool:
    """Puts the entry among those of its household; False where that has no room, or the shopper was erased."""
    id = household_id(paid.retailer, rules.game, household)
    for _ in range(ATTEMPTS):
        held = await documents.get(HOUSEHOLDS, id)
        entries = [] if held is None else list(held.data["entries"])
        if entry in entries:
            return True
        if not household_may_play(rules, entries, entry):
            return False
        data = {
            "retailer": paid.retailer,
            "game": rules.game,
            "household": household,
            "at": paid.at if held is None else max(held.data["at"], paid.at),
            "entries": sorted([*entries, entry]),
        }
        if held is None:
            done = await documents.create(HOUSEHOLDS, id, data)
        else:
            done = await documents.replace(HOUSEHOLDS, held, data)
        if done:
            return await _is_still_there(documents, paid, rules, household, entry)
    raise Contended


async def _is_still_there(documents: Documents, paid: Paid, rules: GameRules, household: str, entry: str) -> bool:
    """An erasure that overtook this order did not find the entry: it goes again."""
    player = await documents.get(PLAYERS, _id(paid, rules))
    if player is not None and entry in player.data["orders"]:
        return True
    await _leaves(documents, paid, rules, household, entry)
    return False


async def _leaves(documents: Documents, paid: Paid, rules: GameRules, household: str, entry: str) -> None:
    mine = {"retailer": paid.retailer, "game": rules.game, "households": {entry: household}}
    await leave(documents, mine)


async def _forget(documents: Documents, paid: Paid, rules: GameRules, household: str, entry: str) -> None:
    """The household as well: the same order, delivered twice at once, may have had its place by now."""
    for _ in range(ATTEMPTS):
        held = await documents.get(PLAYERS, _id(paid, rules))
        if held is None or entry not in held.data["orders"]:
            return
        kept = {
            name: {each: said for each, said in held.data[name].items() if each != entry}
            for name in ("orders", "payments", "households")
        }
        if not kept["orders"]:
            done = await documents.remove(PLAYERS, held)
        else:
            done = await documents.replace(PLAYERS, held, {**held.data, **kept})
        if done:
            await _leaves(documents, paid, rules, household, entry)
            return
    raise Contended
