"""Step 5: today, with a campaign for each kind of experience, published, played, paused, settled and accounted for.

Owns the order of things. What is offered is `offering`, who visits `today`, how games are played `games`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from emulators.shop import games, offering
from emulators.shop.assortment import Assortment
from emulators.shop.audit import Audit
from emulators.shop.background import follow, in_background
from emulators.shop.games import Opened
from emulators.shop.kinds import BY_CHANCE, Seen, missing, seen
from emulators.shop.learning import TREE as LIVE_TREE
from emulators.shop.live_day import Played, sight_id
from emulators.shop.market_told import account_lines, kind_lines
from emulators.shop.prizes import Games, play_out
from emulators.shop.promised import Kept, kept, promises_of
from emulators.shop.replaying import Replayed, replay_day
from emulators.shop.screen import Screen
from emulators.shop.sessions import Session
from emulators.shop.settling import Decided, Followed, settle
from emulators.shop.stage import DemoFailed, Stage
from emulators.shop.stopping import CampaignProbe, Looker, Paused, tree_paused
from emulators.shop.today import paid, play_today, visits, whose
from emulators.shop.tracker import Front, Tally, Tracker
from layers.promises.model import Promise

SETTLES_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Shop:
    """What every part of the day needs.

    Attributes:
        pseudonym: of a customer. orders: at most so many, None for all. visited: customers of the live day, who may
            have been promised something, if that was yesterday. whole: the story is not cut short, so every kind of
            experience must come up.
    """

    stage: Stage
    front: Front
    screen: Screen
    pseudonym: Callable[[str], str]
    today: date
    orders: int | None
    assortment: Assortment
    visited: Collection[str]
    whole: bool


@dataclass(frozen=True, slots=True)
class Market:
    """What came of it."""

    day: date
    simulated: offering.Simulated
    orders: int
    seconds: float
    seen: list[Seen]
    paused: list[Paused]
    kept: list[Kept]
    audited: Mapping[str, Any]
    games: Games
    followed: Followed
    decided: Decided
    replayed: Replayed
    shoppers: list[list[Session]]
    played: Played


def market_day(shop: Shop, audit: Audit, events: int, decisions: int) -> Market:
    """Plays it.

    Args:
        events, decisions: of the story so far.

    Raises:
        DemoFailed: a part of it did not hold.
    """
    stage, screen = shop.stage, shop.screen
    simulated, starts = _scheduled(shop)
    opened = games.announce(stage)
    # Whoever decides reads what is shown once a second.
    time.sleep(max(0.0, (starts - datetime.now(UTC)).total_seconds() + 1.5))
    screen.say(f"two games announced, open until {opened.closes:%H:%M:%S} UTC, bound by {_bound(opened)}")
    closing = in_background(partial(games.close, stage, opened))
    shoppers = visits(shop.today, shop.orders, shop.assortment)
    probe = CampaignProbe(partial(offering.change, stage))
    played, seconds = _play(shop, shoppers, probe)
    found = seen(played.answers, whose(shoppers))
    for line in kind_lines(found):
        screen.say(line)
    never = missing(found) if shop.whole else []
    if must := [each for each in never if each not in BY_CHANCE]:
        raise DemoFailed(f"nobody was shown {', '.join(must)}, so nothing is proved of it; see the log of scoring")
    for rare in never:
        screen.say(f"nobody was shown {rare}: by chance none of today's visitors holds it, so nothing is proved of it")
    paused = [each for each in (probe.paused, _everything_paused(shop, shoppers, played)) if each is not None]
    for each in paused:
        screen.say(
            f"{each.what} paused: off the page {each.gone_s:.1f} s later; resumed: back after {each.back_s:.1f} s"
        )
    followed, decided = settle(stage, audit, events, decisions, played, _unsure(played, probe), screen)
    promises = _settled(shop, shoppers)
    accounts = kept((one for several in promises.values() for one in several), offering.budgets(stage))
    for line in account_lines(accounts):
        screen.say(line)
    audited = stage.report_of("budgets")["audit"]
    screen.say(
        f"the job `budgets` compared {audited['promises']} promises with reservations and events: "
        f"{audited['repaired']} repaired, {audited['unrepaired']} left to people"
    )
    payments = paid(shoppers, played)
    promised_to = [customer for customer, pseudonym in _pseudonyms(shop, shoppers).items() if pseudonym in promises]
    reference = f"market-day-{shop.today.isoformat()}"
    played_for = play_out(stage, screen, shop.front.token, payments, opened, closing, promised_to, reference)
    replayed = _replayed(shop, played)
    screen.say(
        f"replay made {replayed.same:,} of today's {replayed.decisions:,} decisions again, bit for bit: "
        f"{replayed.different} differ, {sum(replayed.excused.values())} are excused"
    )
    orders = sum(map(len, shoppers))
    return Market(
        shop.today, simulated, orders, seconds, found, paused, accounts, audited, played_for, followed, decided,
        replayed, shoppers, played,
    )  # fmt: skip


def _scheduled(shop: Shop) -> tuple[offering.Simulated, datetime]:
    """The tree, once it is known what it would have done; and when it goes live."""
    said, simulated = offering.tried(shop.stage, shop.today, LIVE_TREE)
    for line in said:
        shop.screen.say(line)
    kinds = ", ".join(f"{kind} on {journeys:,} journeys" for kind, journeys in sorted(simulated.shown.items()))
    shop.screen.say(
        f"simulated on the live day, {simulated.shoppers:,} shoppers: {kinds}; promotions and tensions would have cost "
        f"{simulated.claimed:,.2f} by the day's orders, {simulated.at_most:,.2f} at most"
    )
    starts = offering.schedule_tree(shop.stage)
    shop.screen.say(f"scheduled for {starts:%H:%M:%S} UTC")
    return simulated, starts


def _bound(opened: Opened) -> str:
    return ", ".join(f"{name} {sha256[:12]}…" for name, sha256 in opened.commitments.items())


def _play(shop: Shop, shoppers: list[list[Session]], probe: CampaignProbe) -> tuple[Played, float]:
    begun = time.monotonic()
    events = sum(len(session.events) for visits in shoppers for session in visits)
    with shop.screen.bar("market day, actions", events) as bar:
        work = in_background(lambda: asyncio.run(play_today(shop.front, shoppers, bar.at, probe)))
        played = follow(work, lambda: None, 1.0)
    return played, time.monotonic() - begun


def _pseudonyms(shop: Shop, shoppers: Iterable[Iterable[Session]]) -> dict[str, str]:
    customers = {session.shopper for theirs in shoppers for session in theirs}.union(shop.visited)
    return {customer: shop.pseudonym(customer) for customer in sorted(customers)}


def _everything_paused(shop: Shop, shoppers: list[list[Session]], played: Played) -> Paused | None:
    """After the visits: what is decided while everything is off is decided later, which no page should wait for."""
    sessions = [session for visits in shoppers for session in visits if not played.first[session.order.id].default]
    if not sessions:
        return None
    session = sessions[-1]
    stage = shop.stage

    async def looked() -> Paused:
        tracker = Tracker(shop.front, Tally())
        try:
            see = Looker(tracker, session.shopper, session.events[-1].id)
            return await tree_paused(see, partial(offering.direct, stage))
        finally:
            tracker.close()

    return asyncio.run(looked())


def _unsure(played: Played, probe: CampaignProbe) -> set[str]:
    """Events sent while one function may have known of a pause and another not yet."""
    found = {id for id, event in played.events.items() if any(start <= event.at <= end for start, end in probe.unsure)}
    return found | {sight_id(id) for id in found}


def _settled(shop: Shop, shoppers: list[list[Session]]) -> dict[str, tuple[Promise, ...]]:
    """Promises by pseudonym, once they are what the events make of them.

    Raises:
        DemoFailed: they never are.
    """
    pseudonyms = list(_pseudonyms(shop, shoppers).values())
    end = time.monotonic() + SETTLES_WITHIN_S
    while True:
        found, late = promises_of(shop.stage, pseudonyms)
        if not late:
            return found
        if time.monotonic() > end:
            raise DemoFailed(f"{late} promises are not what their orders make of them; see the log of settlement")
        time.sleep(1)


def _replayed(shop: Shop, played: Played) -> Replayed:
    """Today's decisions; where midnight passed meanwhile, of both days."""
    zone = ZoneInfo(shop.stage.retailer.timezone)
    days = sorted({event.at.astimezone(zone).date() for event in played.events.values()})
    found = [replay_day(shop.stage, day) for day in days]
    whole = found[0]
    for one in found[1:]:
        excused = Counter(whole.excused) + Counter(one.excused)
        whole = Replayed(
            whole.decisions + one.decisions, whole.same + one.same, whole.different + one.different, dict(excused),
            whole.seconds + one.seconds,
        )  # fmt: skip
    return whole
