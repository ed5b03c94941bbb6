"""The story that `make demo` tells: eight steps, each of which proves something or stops the demo."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as clock_time
from functools import partial
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from emulators.shop import history, learning, offering, report
from emulators.shop.assortment import Assortment
from emulators.shop.audit import Audit
from emulators.shop.background import follow, in_background
from emulators.shop.cold import Cold
from emulators.shop.deliveries import BROKEN
from emulators.shop.erasing import Erased, erase
from emulators.shop.journey_data import LIVE_DAY, live_day_for, moved, shift_for
from emulators.shop.journey_files import read_orders
from emulators.shop.live_day import RECALL_AT, Played, play, recall_of
from emulators.shop.market import Market, Shop, market_day
from emulators.shop.measures import percentile
from emulators.shop.night import LEAST_DAYS, by_hand, night_before
from emulators.shop.prizes import EMAIL
from emulators.shop.purging import purge
from emulators.shop.replaying import replay_day
from emulators.shop.screen import Screen
from emulators.shop.sessions import Session, live_day
from emulators.shop.settling import settle, unsettled
from emulators.shop.stage import DemoFailed, Stage
from emulators.shop.told import Step, changes, most_varied, tell
from emulators.shop.tracker import Front
from layers.declarations import SecretKind, settings
from layers.privacy.pseudonym import Pseudonymiser
from layers.privacy.shopper_token import issue
from layers.privacy.signature import decode_key

POPULAR_DAYS = 28
"""Over which the popular products are counted, as scoring does."""


@dataclass(frozen=True, slots=True)
class Options:
    """Attributes:
    today: in the shops' time zone. history_days, orders: only so many; None for all.
    """

    today: date
    history_days: int | None = None
    orders: int | None = None

    @property
    def whole(self) -> bool:
        return self.history_days is None and self.orders is None


def tell_all(stage: Stage, options: Options, screen: Screen, begun: float) -> report.Results:
    """Plays every step against a stack that has just come up.

    Args:
        begun: `time.monotonic()` when the demo began.

    Raises:
        DemoFailed: a step did not hold.
    """
    day, shift = live_day_for(options.today), shift_for(options.today)
    screen.say(f"dates are moved by {shift.days // 7} weeks: {LIVE_DAY} is told as {day}")
    screen.say(learning.publish_tree(stage))
    with Audit(stage.values, stage.retailer.id) as audit:
        screen.chapter(1, "The past, as the retailer delivers it")
        delivered, assortment = history.deliver(stage, shift, options.history_days, screen)
        screen.say(
            f"{delivered.files} files with {delivered.orders:,} orders of {delivered.first} to {delivered.last} "
            f"(really {delivered.first - shift} to {delivered.last - shift}), {delivered.size / 1e6:.1f} MB"
        )
        taken = history.take(stage, audit, delivered, screen)
        screen.say(
            f"{taken.events:,} orders through the front door in {taken.seconds:.1f} s: "
            f"{taken.events / taken.seconds:,.0f} events/s"
        )
        for line in taken.quarantined:
            screen.say(f"quarantined {line['file']} line {line['line']}: {line['reason']}")
        documents = history.quarantined_documents(stage, next(broken.secret for broken in BROKEN if broken.secret))
        screen.say(f"{documents} quarantine documents, none of which holds what was on its line")

        screen.chapter(2, "Cold, to the row")
        reconciled = history.reconcile(stage, audit, delivered, screen)
        for what, (sent, found) in reconciled.items():
            screen.say(f"{what}: {sent:,} sent, {found:,} found")

        screen.chapter(3, "The night before: models, training, scoring")
        if options.history_days is None or options.history_days >= LEAST_DAYS:
            scored = night_before(stage, day, screen)
        else:
            screen.say(
                f"{options.history_days} days of history teach nothing ({LEAST_DAYS} would), so nothing is learned"
            )
            scored = by_hand(stage, screen)
        screen.say(f"{scored.shoppers:,} shoppers have parameters after {scored.seconds:.1f} s: {scored.told}")

        screen.chapter(4, f"A live day: {day} (really {LIVE_DAY})")
        shoppers = sessions_of(options, assortment)
        front = front_of(stage)
        played, seconds = _play(front, shoppers, screen)
        p50, p95 = (percentile(played.tally.latencies_ms, share) for share in (0.5, 0.95))
        screen.say(
            f"{len(played.tally.sent):,} events in {seconds:.0f} s, {played.tally.retries} requests repeated; from an "
            f"event's POST to its experience p50 {p50:.0f} ms, p95 {p95:.0f} ms"
        )
        followed, decided = settle(stage, audit, delivered.orders, 0, played, unsettled(shoppers), screen)
        dawn = datetime.combine(day, clock_time.min, ZoneInfo(stage.retailer.timezone)).astimezone(UTC)
        popular = Cold(stage.values, stage.retailer).most_bought(dawn, POPULAR_DAYS, RECALL_AT)
        recalled = recall_of(shoppers, played, popular)
        screen.say(f"{followed.sent:,} events sent in all, {followed.cooled:,} cooled, {followed.lost} lost")
        screen.say(
            f"{decided.agreeing:,} of {decided.compared:,} pages showed the node that was logged for their event; "
            f"{decided.revised} decisions were revised after a late event"
        )
        replayed = replay_day(stage, day)
        screen.say(
            f"replay made {replayed.same:,} of {replayed.decisions:,} decisions again from their events, bit for bit: "
            f"{replayed.different} differ, {sum(replayed.excused.values())} are excused"
        )

        screen.chapter(5, f"Today: {options.today}, with a campaign for each kind of experience")
        for said in offering.publish_campaigns(stage, options.today):
            screen.say(said)
        again = by_hand(stage, screen)
        screen.say(f"scored again, so that these campaigns are offered: {again.told}")
        shop = Shop(
            stage, front, screen, _pseudonymiser(stage), options.today, options.orders, assortment,
            [visits[0].shopper for visits in shoppers], options.whole,
        )  # fmt: skip
        market = market_day(shop, audit, followed.acknowledged, decided.count)

    screen.chapter(6, "One shopper's journey")
    customer, pseudonym, steps = journey(stage, (*shoppers, *market.shoppers), played, market)
    _print_journey(screen, steps)

    screen.chapter(7, "One shopper erased")
    erased = erase(stage, customer, pseudonym, f"demo-{day.isoformat()}", EMAIL)
    _print_erasure(screen, erased)

    screen.chapter(8, "The retention purge, with its clock moved on")
    purged = purge(stage, day)
    screen.say(
        f"at {purged.clock:%Y-%m-%d}: {purged.beyond_before:,} rows were beyond their contract, after "
        f"{purged.seconds:.1f} s {purged.beyond_after} are; {purged.kept_orders:,} orders stay"
    )
    return report.Results(
        live_day=day,
        delivered=delivered,
        taken=taken,
        reconciled=reconciled,
        scored=scored,
        orders=sum(len(visits) for visits in shoppers),
        played=played,
        play_seconds=seconds,
        recall=recalled,
        followed=market.followed,
        decided=decided,
        replayed=replayed,
        market=market,
        journey={"nodes": sorted({step.after for step in steps}), "decisions": len(steps)},
        erased=erased,
        purged=purged,
        graph=stage.graph,
        seconds=time.monotonic() - begun,
    )


def sessions_of(options: Options, assortment: Assortment) -> list[list[Session]]:
    """The live day's visits by shopper; the earliest ones, if only some are wanted."""
    shift = shift_for(options.today)
    orders = [moved(order, shift) for order in read_orders(LIVE_DAY, LIVE_DAY)]
    return live_day(orders[: options.orders], assortment)


def _token(key: bytes, customer: str) -> str:
    """As the shop's own server makes it, for the page that it renders."""
    return issue(key, customer, time.time())


def front_of(stage: Stage) -> Front:
    """The shop's pages, and its server that signs their tokens."""
    retailer = stage.retailer
    return Front(
        stage.addresses["ingest"],
        stage.addresses["experiences"],
        retailer.write_key,
        retailer.read_key,
        retailer.origins[0],
        partial(_token, decode_key(stage.values[settings.secret(SecretKind.SIGNING_KEY, retailer.id)])),
    )


def _pseudonymiser(stage: Stage) -> Pseudonymiser:
    return Pseudonymiser(stage.values[settings.secret(SecretKind.PSEUDONYM_KEY, stage.retailer.id)])


def _play(front: Front, shoppers: Sequence[Sequence[Session]], screen: Screen) -> tuple[Played, float]:
    events = sum(len(session.events) for visits in shoppers for session in visits)
    begun = time.monotonic()
    with screen.bar("live day, actions", events) as bar:
        played = follow(in_background(lambda: play(front, shoppers, bar.at)), lambda: None, 1.0)
    return played, time.monotonic() - begun


def journey(
    stage: Stage, shoppers: Sequence[Sequence[Session]], played: Played, market: Market
) -> tuple[str, str, list[Step]]:
    """The journey of who won and left an address, or else the one that visits the most nodes: whose it is (customer
    id, pseudonym), and its steps.

    Raises:
        DemoFailed: there is no decision.
    """
    cold = Cold(stage.values, stage.retailer)
    decisions = cold.rows(f"SELECT * FROM `{cold.dataset}.decisions`")
    pseudonym = _pseudonymiser(stage)
    pseudonyms = {pseudonym(visits[0].shopper): visits[0].shopper for visits in shoppers}
    chosen = pseudonym(market.games.winner) if market.games.winner else most_varied(decisions)
    if chosen is None or chosen not in pseudonyms:
        raise DemoFailed("no decision of the live day is logged, so no journey can be told; see the log of decisioning")
    events = played.events | market.played.events
    steps = tell((row for row in decisions if row["shopper"] == chosen), events)
    return pseudonyms[chosen], chosen, steps


def _print_journey(screen: Screen, steps: Sequence[Step]) -> None:
    kept, others = changes(steps)
    made = Table(show_lines=True)
    for title in ("at (UTC)", "event", "from", "what held", "to", "shown"):
        made.add_column(title, overflow="fold")
    for step in kept:
        cells = (
            f"{step.at:%H:%M:%S}",
            step.event,
            step.before,
            "\n".join(step.held),
            step.after,
            "\n".join(step.shown),
        )
        # As texts: a condition's brackets are no markup.
        made.add_row(*(Text(cell) for cell in cells))
    screen.console.print(made)
    screen.say(f"and {others} more events at which the shopper stayed where they were")


def _print_erasure(screen: Screen, erased: Erased) -> None:
    for line in report.receipt_lines(erased.receipt):
        screen.say(line)
    found = ", ".join(f"{number:,} in {store}" for store, number in sorted(erased.before.items()))
    screen.say(f"every store searched before: {found}")
    if erased.residue:
        raise DemoFailed(f"the shopper is still in {erased.residue}, so the receipt is not true; see consent_erasure")
    screen.say(f"every store searched after {erased.seconds:.1f} s: the shopper is nowhere")
    screen.say("the receipt, verified offline with the public key alone (one changed digit, and it is refused):")
    for line in erased.verdict:
        screen.say(f"  {line}")
