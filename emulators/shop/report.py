"""The story in numbers: a table for people, and the same as `summary.json`. Pure but for writing the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rich.table import Table

from emulators.shop import market_told
from emulators.shop.erasing import Erased
from emulators.shop.history import Delivered, Taken
from emulators.shop.journey_data import LIVE_DAY
from emulators.shop.live_day import Played, Recall
from emulators.shop.market import Market
from emulators.shop.measures import percentile
from emulators.shop.night import Scored
from emulators.shop.purging import Purged
from emulators.shop.replaying import Replayed
from emulators.shop.settling import Decided, Followed


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that the story found out."""

    live_day: date
    delivered: Delivered
    taken: Taken
    reconciled: Mapping[str, tuple[int, int]]
    scored: Scored
    orders: int
    played: Played
    play_seconds: float
    recall: Recall
    followed: Followed
    decided: Decided
    replayed: Replayed
    market: Market
    journey: Mapping[str, Any]
    erased: Erased
    purged: Purged
    graph: Mapping[str, int]
    seconds: float


def summary(found: Results) -> dict[str, Any]:
    """What `.demo/summary.json` holds: the contract's keys first, then what explains them."""
    latencies = found.played.tally.latencies_ms
    return {
        "events": {
            "sent": found.followed.sent,
            "acknowledged": found.followed.acknowledged,
            "stored": found.followed.stored,
            "dispatched": found.followed.dispatched,
            "cooled": found.followed.cooled,
            "lost": found.followed.lost,
        },
        "history": {
            "events": found.taken.events,
            "seconds": round(found.taken.seconds, 1),
            "events_per_second": round(found.taken.events / found.taken.seconds, 1),
            "files": found.taken.files,
            "order_lines": found.delivered.lines,
            "first_day": _moved(found.delivered.first, found.live_day),
            "last_day": _moved(found.delivered.last, found.live_day),
            "quarantined": found.taken.quarantined,
            "reconciled": {what: {"sent": s, "found": f} for what, (s, f) in found.reconciled.items()},
        },
        "decisions": {
            "count": found.decided.count,
            "p50_ms": round(percentile(latencies, 0.5), 1),
            "p95_ms": round(percentile(latencies, 0.95), 1),
            "revised": found.decided.revised,
            "answers_compared": found.decided.compared,
            "answers_agreeing": found.decided.agreeing,
        },
        "replay": {
            "decisions": found.replayed.decisions,
            "same": found.replayed.same,
            "different": found.replayed.different,
            "excused": found.replayed.excused,
            "seconds": round(found.replayed.seconds, 1),
        },
        "market_day": market_told.summary(found.market),
        "recall_at_10": _rounded(found.recall.value),
        "recall": {
            "orders": found.recall.orders,
            "orders_without_parameters": found.recall.without_parameters,
            "popular_products_instead": _rounded(found.recall.popular),
        },
        "erasure": {
            "receipt": found.erased.receipt,
            "residue": sum(found.erased.residue.values()),
            "found_before": dict(found.erased.before),
            "seconds": round(found.erased.seconds, 2),
        },
        "purge": {
            "clock": found.purged.clock.isoformat(),
            "beyond_contract_before": found.purged.beyond_before,
            "beyond_contract_after": found.purged.beyond_after,
            "events_kept": found.purged.kept_events,
            "orders_kept": found.purged.kept_orders,
            "seconds": round(found.purged.seconds, 1),
            "report": found.purged.report,
        },
        "graph": dict(found.graph),
        "models": {
            "built": found.scored.models,
            "tests": found.scored.tests,
            "seconds": round(found.scored.modelling_s, 1),
            "training_seconds": round(found.scored.learned_s, 1),
            "auc": dict(found.scored.auc),
        },
        "scoring": {
            "shoppers": found.scored.shoppers,
            "seconds": round(found.scored.seconds, 1),
            "predictor": found.scored.predictor,
        },
        "live_day": {
            **_moved(found.live_day, found.live_day),
            "orders": found.orders,
            "events": len(found.played.tally.sent),
            "seconds": round(found.play_seconds, 1),
            "retries": found.played.tally.retries,
        },
        "journey": dict(found.journey),
        "seconds": round(found.seconds, 1),
    }


def _moved(day: date, live_day: date) -> dict[str, str]:
    """A day of the story with the day on which it really was."""
    return {"day": day.isoformat(), "original_day": (day - (live_day - LIVE_DAY)).isoformat()}


def receipt_lines(receipt: Mapping[str, Any]) -> list[str]:
    """An erasure's receipt for people; the whole of it is in the summary."""
    lines = [
        f"receipt {receipt['id']} of request {receipt['reference']}, {receipt['customers']} customer, "
        f"finished {receipt['finished']}, fingerprint {', '.join(receipt['fingerprints'])}"
    ]
    lines += [
        f"  {each['store']}: {each['found']} found, {each['deleted']} deleted, {each['remaining']} remaining"
        for each in receipt["stores"]
    ]
    lines += [f"  kept in {each['store']} until {each['until'][:10]}: {each['what']}" for each in receipt["kept"]]
    return lines


def table(numbers: Mapping[str, Any]) -> Table:
    """The summary for people."""
    made = Table(title="The main job, end to end", show_header=False, title_justify="left")
    made.add_column(style="bold")
    made.add_column()
    for name, text in rows(numbers):
        made.add_row(name, text)
    return made


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def rows(numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    events, history, decisions, live = (numbers[name] for name in ("events", "history", "decisions", "live_day"))
    erasure, purged, graph = numbers["erasure"], numbers["purge"], numbers["graph"]
    replayed, models, scoring = numbers["replay"], numbers["models"], numbers["scoring"]
    recalled, popular = (
        "none" if value is None else f"{value:.3f}"
        for value in (numbers["recall_at_10"], numbers["recall"]["popular_products_instead"])
    )
    return [
        (
            "events",
            f"{events['sent']:,} sent, {events['acknowledged']:,} acknowledged, {events['stored']:,} stored, "
            f"{events['dispatched']:,} dispatched, {events['cooled']:,} cooled, {events['lost']} lost",
        ),
        (
            "history",
            f"{history['events']:,} orders ({history['order_lines']:,} lines) in {history['seconds']:.0f} s: "
            f"{history['events_per_second']:,.0f} events/s; {len(history['quarantined'])} bad lines quarantined",
        ),
        (
            "models",
            f"{models['built']} built by dbt, {models['tests']} tests of the data, in {models['seconds']:.0f} s; "
            f"training {models['training_seconds']:.0f} s, AUC "
            + (
                ", ".join(f"{name} {value:.3f}" for name, value in models["auc"].items()) or "none: nothing was learned"
            ),
        ),
        (
            "scoring",
            f"{scoring['shoppers']:,} shoppers in {scoring['seconds']:.0f} s, predictor: {scoring['predictor']}",
        ),
        (
            "live day",
            f"{live['day']} (really {live['original_day']}): {live['orders']} orders, {live['events']:,} events "
            f"in {live['seconds']:.0f} s",
        ),
        (
            "decisions",
            f"{decisions['count']:,}; event to experience p50 {decisions['p50_ms']} ms, p95 {decisions['p95_ms']} ms; "
            f"{decisions['answers_agreeing']:,} of {decisions['answers_compared']:,} pages showed what was logged",
        ),
        (
            "replay",
            f"{replayed['decisions']:,} decisions: {replayed['same']:,} the same bit for bit, {replayed['different']} "
            f"different, {sum(replayed['excused'].values())} excused, in {replayed['seconds']:.1f} s",
        ),
        *market_told.rows(numbers["market_day"]),
        ("recall@10", f"{recalled} over {numbers['recall']['orders']} orders (popular products: {popular})"),
        (
            "erasure",
            f"{sum(erasure['found_before'].values()):,} traces found before, {erasure['residue']} after, "
            f"in {erasure['seconds']:.1f} s",
        ),
        (
            "purge",
            f"at {purged['clock'][:10]}: {purged['beyond_contract_before']:,} rows beyond their contract before, "
            f"{purged['beyond_contract_after']} after {purged['seconds']:.0f} s; {purged['orders_kept']:,} orders kept",
        ),
        ("graph", f"{graph['resources']} resources: {graph['applied']} applied, {graph['not_emulated']} not emulated"),
        ("in all", f"{numbers['seconds']:.0f} s"),
    ]


def write(numbers: Mapping[str, Any], file: Path) -> None:
    """Whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(numbers, indent=2, default=str) + "\n")
    partial.rename(file)
