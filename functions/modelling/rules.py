"""What a run of the models is: its variables, what its steps say, and what follows from them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from layers.facts.questions import EDITION
from layers.retailers import AbsentConsent, Learning, Retailer
from layers.stores.pubsub.port import Message

HALF_LIFE_TRIPS = 12
"""Trips after which a purchase weighs half."""

EXCLUDED_DEPARTMENTS = ("COUPON",)
"""Lines of a till that are no products."""

TRAINING_WEEKDAY = 6
"""Sunday, when the fewest wait for the night's end."""

TARGET_DAYS = 28
"""How far the targets of a training day look forward, so none lies nearer to the run; also the distance of two."""

TOPIC = "models-built"

LEFTOVER = "__dbt_tmp"
"""How a table ends into which dbt computes before it merges; a run that is killed leaves it."""


class Status(StrEnum):
    """Of a retailer's run.

    BUILT: everything is built and tested. REFUSED: a test of the data failed, so what depends on it was not built.
    FAILED: a statement failed, or dbt did.
    """

    BUILT = "built"
    REFUSED = "refused"
    FAILED = "failed"


class Step(msgspec.Struct, frozen=True):
    """A model that was built, or a test that was run.

    Attributes:
        kind: model or test. status: as dbt calls it. seconds: of the wall clock. rows: written, or of a test those that
            break its rule. bytes: that BigQuery read for it; the emulator says 0. job: BigQuery's own name of it.
    """

    name: str
    kind: str
    status: str
    seconds: float = 0.0
    rows: int = 0
    bytes: int = 0
    job: str = ""


class _Response(msgspec.Struct):
    rows_affected: int | None = None
    bytes_processed: int | None = None
    job_id: str | None = None


class _Result(msgspec.Struct):
    unique_id: str
    status: str
    execution_time: float = 0.0
    failures: int | None = None
    adapter_response: _Response = msgspec.field(default_factory=_Response)


class _Results(msgspec.Struct):
    results: list[_Result]


_results = msgspec.json.Decoder(_Results)

_WELL = {"success", "pass", "warn", "no-op"}
_SKIPPED = "skipped"


def local_day(retailer: Retailer, moment: datetime) -> date:
    return moment.astimezone(ZoneInfo(retailer.timezone)).date()


def training_days(as_of: date, learning: Learning) -> list[date]:
    """The days of which a run makes rows to learn from, earliest first; their targets are known by `as_of`."""
    return [as_of - timedelta(days=TARGET_DAYS * n) for n in range(learning.days, 0, -1)]


def training_share(shoppers: int, learning: Learning) -> float:
    """Of the shoppers, those whose past days are learned from: above 0, at most 1.

    Args:
        shoppers: who ever bought.
    """
    return min(1.0, learning.shoppers / max(1, shoppers))


def learns(as_of: date, trained: str) -> bool:
    """Whether a run also makes rows to learn from: once a week, and while nobody has learned, or from other features.

    Args:
        trained: the version of the newest models; empty where there are none.
    """
    return as_of.weekday() == TRAINING_WEEKDAY or not trained.endswith(EDITION)


def variables(retailer: Retailer, run: datetime, days: Sequence[date], share: float = 1.0) -> dict[str, Any]:
    """What the dbt project is run with.

    Args:
        run: the moment that the run is scheduled for. days: earlier ones to learn from. share: of the shoppers, those
            whose rows of these days are made.
    """
    return {
        "as_of": local_day(retailer, run).isoformat(),
        "training_days": [day.isoformat() for day in days],
        "training_share": share,
        "timezone": retailer.timezone,
        "unknown_consent": retailer.absent_consent is AbsentConsent.GRANTED,
        "oldest": (run - timedelta(days=retailer.contract.transactions)).astimezone(UTC).isoformat(timespec="seconds"),
        "built": run.astimezone(UTC).isoformat(timespec="seconds"),
        "half_life": HALF_LIFE_TRIPS,
        "excluded_departments": list(EXCLUDED_DEPARTMENTS),
    }


def steps(run_results: bytes) -> list[Step]:
    """Of dbt's `run_results.json`.

    Raises:
        msgspec.MsgspecError: it is no such file.
    """
    return [_step(result) for result in _results.decode(run_results).results]


def _step(result: _Result) -> Step:
    kind, _, rest = result.unique_id.partition(".")
    # `model.gondola.trips`, `test.gondola.unique_grain_trips_shopper__day.1f2e3d4c5b`
    name = rest.split(".")[1] if "." in rest else rest
    response = result.adapter_response
    rows = result.failures if kind == "test" else response.rows_affected
    return Step(
        name,
        kind,
        result.status,
        round(result.execution_time, 3),
        rows or 0,
        response.bytes_processed or 0,
        response.job_id or "",
    )


def verdict(succeeded: bool, made: Sequence[Step]) -> Status:
    """Args:
    succeeded: dbt ended by itself and says that all is well. made: its steps.
    """
    if succeeded and made and all(step.status in _WELL for step in made):
        return Status.BUILT
    troubled = [step for step in made if step.status not in _WELL and step.status != _SKIPPED]
    if troubled and all(step.kind == "test" and step.status == "fail" for step in troubled):
        return Status.REFUSED
    return Status.FAILED


def run_name(run: datetime) -> str:
    """As whoever scores names it too: the moment in whole seconds."""
    return f"{run.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def document_id(retailer_id: str, run: datetime) -> str:
    return f"{retailer_id}:{run_name(run)}"


def built_message(retailer_id: str, run: datetime) -> Message:
    """That a retailer's models are built. All of it stands in the attributes."""
    return Message(b"", {"retailer": retailer_id, "run": run_name(run)})


def document(
    retailer: Retailer, run: datetime, status: Status, made: Sequence[Step], given: Mapping[str, Any], ended: datetime
) -> dict[str, Any]:
    """The run's, for `model_runs`: what was built of what, how long it took, what it read."""
    return {
        "retailer": retailer.id,
        "run": run,
        "status": status.value,
        "ended": ended,
        "as_of": given["as_of"],
        "training_days": list(given["training_days"]),
        "bytes": sum(step.bytes for step in made),
        "steps": [msgspec.to_builtins(step) for step in made],
    }
