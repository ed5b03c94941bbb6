"""The messages of a run: that its models are built, and that a shard is to be scored. Pure.

All of it stands in the attributes, so that who looks at a subscription sees it; the data is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from layers.scoring_runs.shards import InvalidShard, Shard
from layers.stores.pubsub.port import Message

MODELS_BUILT = "models-built"
SHARDS = "scoring-shards"


class InvalidMessage(ValueError):
    """Attributes that name no run or no shard. The message names the attribute, never its value."""


@dataclass(frozen=True, slots=True)
class Built:
    """The models of `retailer_id` are built as of `run`: the moment that the night's job was scheduled for."""

    retailer_id: str
    run: datetime


@dataclass(frozen=True, slots=True)
class ShardDue:
    retailer_id: str
    run: datetime
    shard: Shard


def name_of(run: datetime) -> str:
    """A run's name: its moment, in whole seconds."""
    return f"{run.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def moment_of(name: str) -> datetime:
    """Raises:
    InvalidMessage: no run is named so.
    """
    try:
        return datetime.strptime(name, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidMessage("the attribute `run` is no moment such as 20261122T030000Z") from None


def built_message(built: Built) -> Message:
    return Message(b"", {"retailer": built.retailer_id, "run": name_of(built.run)})


def read_built(attributes: Mapping[str, str]) -> Built:
    """Raises:
    InvalidMessage
    """
    return Built(attributes.get("retailer", ""), moment_of(attributes.get("run", "")))


def shard_message(due: ShardDue) -> Message:
    shard = {"shard": str(due.shard.number), "of": str(due.shard.of)}
    return Message(b"", {"retailer": due.retailer_id, "run": name_of(due.run), **shard})


def read_shard(attributes: Mapping[str, str]) -> ShardDue:
    """Raises:
    InvalidMessage
    """
    built = read_built(attributes)
    number, of = attributes.get("shard", ""), attributes.get("of", "")
    if not (number.isascii() and number.isdigit() and of.isascii() and of.isdigit()):
        raise InvalidMessage("the attributes `shard` and `of` are no numbers")
    try:
        return ShardDue(built.retailer_id, built.run, Shard(int(number), int(of)))
    except InvalidShard:
        raise InvalidMessage("the attributes `shard` and `of` name no shard") from None
