"""Step 7: the retention purge run by its job, with the clock past the contract for browsing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any

from emulators.shop.cold import Cold
from emulators.shop.hot import census
from emulators.shop.stage import DemoFailed, Stage
from layers.retailers import RetentionClass

MIDNIGHT = time_of_day()


@dataclass(frozen=True, slots=True)
class Purged:
    """Attributes:
    clock: at which the job was fired. report: the function's own, after `seconds`.
    beyond_before, beyond_after: rows older than their contract at that clock, in both stores.
    kept_events, kept_orders: what no contract asked to remove.
    """

    clock: datetime
    report: dict[str, Any]
    seconds: float
    beyond_before: int
    beyond_after: int
    kept_events: int
    kept_orders: int


def clock_past(live_day: date, days: int) -> datetime:
    """Two days after the contract of `days` has ended for the live day, so that no time zone matters."""
    return datetime.combine(live_day, MIDNIGHT, UTC) + timedelta(days=days + 2)


def purge(stage: Stage, live_day: date) -> Purged:
    """Fires the job and looks what is left.

    Raises:
        DemoFailed: there was nothing to remove, something is left, or more went than had to.
    """
    cold = Cold(stage.values, stage.retailer)
    clock = clock_past(live_day, stage.retailer.contract.days(RetentionClass.BROWSING))

    stored, hot_before = census(stage.values, stage.retailer, clock)
    orders, cold_before = cold.count("orders"), cold.beyond_contract(clock)
    begun = time.monotonic()
    report = stage.report_of("retention-purge", clock)
    seconds = time.monotonic() - begun
    kept, hot_after = census(stage.values, stage.retailer, clock)
    purged = Purged(
        clock,
        report,
        seconds,
        hot_before + cold_before,
        hot_after + cold.beyond_contract(clock),
        kept,
        cold.count("orders"),
    )
    if not purged.beyond_before:
        raise DemoFailed("nothing was beyond its contract, so the purge proves nothing; was the live day sent?")
    if purged.beyond_after:
        raise DemoFailed(
            f"{purged.beyond_after} rows are still older than their contract, so the purge broke it; see its log"
        )
    if purged.kept_events != stored - hot_before or purged.kept_orders != orders:
        raise DemoFailed(
            f"the purge left {purged.kept_events} events and {purged.kept_orders} orders where "
            f"{stored - hot_before} and {orders} were still within their contract: it removed what it must keep"
        )
    return purged
