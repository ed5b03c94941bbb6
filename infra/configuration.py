"""What a stack says of itself in `Pulumi.<stack>.yaml`, checked before the first resource is made.

Owns the keys, their rules, and errors that name the file, the key and the remedy. Does not own a retailer's fields:
`layers.retailers` reads those, by the same rules in the cloud and here.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import msgspec

from layers.retailers import InvalidRetailer, Registry, Retailer, RetentionClass
from layers.stores.collections import PROOF_DAYS

_GCP_ID = r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$"
_REGION = r"^[a-z]+-[a-z]+[0-9]+$"

Relay = Annotated[str, msgspec.Meta(pattern=r"^https://[a-z0-9.-]+(:[0-9]+)?$")]

Days = Annotated[int, msgspec.Meta(ge=1, le=3650)]

ACCEPTED_DAYS = {RetentionClass.BROWSING: 760, RetentionClass.DECISIONS: 760, RetentionClass.TRANSACTIONS: 1096}
"""The longest delays that the CNIL accepts without a case of one's own.

25 months for what a tracker collects to measure an audience: recommended for trackers that need no consent, with 13
months for the tracker itself, on the CNIL's page "Cookies : solutions pour les outils de mesure d'audience" of 4 July
2025 (cnil.fr/fr/node/167364). For browsing that was consented to, nothing more precise was found: it is the nearest
measure, and no limit by law. Decisions follow from browsing.

3 years after the last activity for a customer or prospect: reference framework for managing commercial activities,
deliberation no. 2021-131 of 23 September 2021 (JO of 10 April 2022). It is indicative: the CNIL calls it a reference
for what is appropriate, and a controller may justify another delay. For a grocer, deliberation no. SAN-2020-008 of 18
November 2020 (Carrefour France; its point 31 says what counts as an activity) found 4 years too long, and 3 years for
inactive customers justified by how that company's data are joined; to have opened an e-mail is no activity.

Looked up on 2026-11-22: the page's title and date, the dates and numbers of both deliberations and what the second
found, in copies and in commentaries of law firms; the framework's own text and the page's 25 months at second hand.

A contract counts from the event; the nightly purge also counts three years from the last activity, which matters only
to a contract that is longer than that."""


class InvalidConfiguration(ValueError):
    """A stack file that breaks a rule. The message names the file, the key, and what to do."""


class Nodes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Bigtable nodes: `fixed`, or autoscaling between `min` and `max` at `cpu_target` per cent."""

    fixed: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    min: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    max: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    cpu_target: Annotated[int, msgspec.Meta(ge=10, le=80)] = 60

    def __post_init__(self) -> None:
        if (self.fixed is None) == (self.min is None and self.max is None):
            raise ValueError("say either `fixed`, or `min` and `max`")
        if self.fixed is None and (self.min is None or self.max is None or self.min > self.max):
            raise ValueError("`min` and `max` are both needed, and `min` is at most `max`")


class _Plain(msgspec.Struct, frozen=True):
    """The keys that are no retailers, by their names in the file."""

    project: Annotated[str, msgspec.Meta(pattern=_GCP_ID)] = msgspec.field(name="gcp:project")
    region: Annotated[str, msgspec.Meta(pattern=_REGION)] = msgspec.field(name="gcp:region")
    zone: Annotated[str, msgspec.Meta(pattern=_REGION[:-1] + "-[a-z]$")] = msgspec.field(name="gondola:bigtableZone")
    nodes: Nodes = msgspec.field(name="gondola:bigtableNodes")
    analytics_location: str = msgspec.field(name="gondola:analyticsLocation")
    documents_location: str = msgspec.field(name="gondola:documentsLocation")
    protected: bool = msgspec.field(name="gondola:protected")
    notification_channels: tuple[str, ...] = msgspec.field(name="gondola:notificationChannels")
    retired_delays: dict[RetentionClass, tuple[Days, ...]] = msgspec.field(name="gondola:retiredDelays")
    beacon_relays: Annotated[tuple[Relay, ...], msgspec.Meta(min_length=1, max_length=6)] = msgspec.field(
        name="gondola:beaconRelays"
    )


RETAILERS_KEY = "gondola:retailers"
KEYS = (*(field.encode_name for field in msgspec.structs.fields(_Plain)), RETAILERS_KEY)
"""Every key that a stack file holds, all required: a default nobody wrote is a default nobody chose."""


class Stack(msgspec.Struct, frozen=True):
    """One deployment.

    Attributes:
        name: of the Pulumi stack. project, region: Google Cloud's.
        zone: of the Bigtable cluster. nodes: how it scales.
        analytics_location: of the BigQuery datasets. documents_location: of the Firestore databases.
        protected: whether stores refuse to be deleted.
        notification_channels: who hears of an alert; full names of Cloud Monitoring channels.
        retired_delays: days of former contracts, by retention class, whose families still hold events.
        beacon_relays: who is asked for rounds of public randomness, one after the other; believed nothing.
        retailers: in the file's order.
    """

    name: str
    project: str
    region: str
    zone: str
    nodes: Nodes
    analytics_location: str
    documents_location: str
    protected: bool
    notification_channels: tuple[str, ...]
    retired_delays: dict[RetentionClass, tuple[int, ...]]
    beacon_relays: tuple[str, ...]
    retailers: tuple[Retailer, ...]


def parse(name: str, values: Mapping[str, object], today: date | None = None) -> Stack:
    """Checks a stack's values.

    Args:
        name: of the stack. values: by key, as plain data. today: of which day; only a pseudonym key that was dropped
            is judged by it.

    Raises:
        InvalidConfiguration: a key is missing, unknown or wrong, or a retailer breaks a rule.
    """
    file = f"Pulumi.{name}.yaml"
    unknown = sorted(key for key in values if key.startswith("gondola:") and key not in KEYS)
    if unknown:
        raise InvalidConfiguration(
            f"{file}: nobody reads {', '.join(unknown)}, so it would change nothing; "
            f"correct the name or remove it. Known keys: {', '.join(KEYS)}."
        )
    missing = [key for key in KEYS if values.get(key) is None]
    if missing:
        raise InvalidConfiguration(
            f"{file}: {', '.join(missing)} is missing, so nothing can be deployed; add it (Pulumi.dev.yaml shows each)."
        )
    try:
        plain = msgspec.convert({key: values[key] for key in KEYS if key != RETAILERS_KEY}, type=_Plain)
    except msgspec.ValidationError as error:
        raise InvalidConfiguration(
            f"{file}: {error}; nothing is deployed. infra/configuration.py lists every key and its rule."
        ) from None
    retailers = _retailers(file, values[RETAILERS_KEY], plain)
    for retailer in retailers:
        _check_dropped_key(file, retailer, plain, today or datetime.now(UTC).date())
    return Stack(name=name, retailers=retailers, **msgspec.structs.asdict(plain))


def _retailers(file: str, entries: object, plain: _Plain) -> tuple[Retailer, ...]:
    if not isinstance(entries, list) or not entries:
        raise InvalidConfiguration(
            f"{file}: {RETAILERS_KEY} holds no retailer, so no function would serve anybody; add a list of entries."
        )
    found: list[Retailer] = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            raise InvalidConfiguration(f"{file}, {RETAILERS_KEY}[{index}]: write a mapping of fields, not {entry!r}.")
        where = f"{file}, {RETAILERS_KEY}[{index}] (retailer {entry.get('id', 'without an id')!r})"
        try:
            retailer = Retailer.parse(entry, where)
        except InvalidRetailer as error:
            raise InvalidConfiguration(str(error)) from None
        if retailer.timezone not in zoneinfo.available_timezones():
            raise InvalidConfiguration(
                f"{where}: timezone {retailer.timezone!r} is no IANA name, so its days have no limits; "
                "write one such as Europe/Paris."
            )
        if retailer.feed and not retailer.feed.role_arn:
            raise InvalidConfiguration(
                f"{where}: feed.role_arn is missing, so its bucket could only be read with a key, which Gondola never "
                f"holds; write the AWS role that trusts {plain.project}'s `feeds` account."
            )
        found.append(retailer)
    try:
        Registry(found)
    except InvalidRetailer as error:
        raise InvalidConfiguration(f"{file}, {RETAILERS_KEY}: {error}") from None
    return tuple(found)


def key_needed_days(retailer: Retailer, retired: Mapping[RetentionClass, Iterable[int]]) -> int:
    """How long a pseudonym key is needed after the last write under it: until nothing that stands under it is left by
    contract, by a former one whose families still hold events, or as the proof of an erasure.
    """
    former = [days for delays in retired.values() for days in delays]
    return max(*map(retailer.contract.days, RetentionClass), *former, PROOF_DAYS)


def _check_dropped_key(file: str, retailer: Retailer, plain: _Plain, today: date) -> None:
    first = retailer.pseudonym_keys[0]
    if first.since is None:
        return
    days = key_needed_days(retailer, plain.retired_delays)
    needed_until = first.since + timedelta(days=days)
    if today <= needed_until:
        raise InvalidConfiguration(
            f"{file}, retailer {retailer.id!r}: pseudonym key {first.version - 1} is not listed any more, and is "
            f"needed until {needed_until}, {days} days after key {first.version} took its place: without it no "
            "erasure, no access and no refusal would find what was written under it. List it again."
        )


def warnings(stack: Stack) -> tuple[str, ...]:
    """What is allowed and yet unwise: a contract longer than the CNIL accepts without a case of one's own."""
    return tuple(
        f"Pulumi.{stack.name}.yaml, retailer {retailer.id!r}: contract.{retention.value} is "
        f"{retailer.contract.days(retention)} days, beyond the {longest} that the CNIL accepts; "
        "shorten it, or keep the retailer's own legal case at hand."
        for retailer in stack.retailers
        for retention, longest in ACCEPTED_DAYS.items()
        if retailer.contract.days(retention) > longest
    )


def read(name: str, get: Callable[[str, str], object]) -> Stack:
    """Reads the stack that Pulumi runs.

    Args:
        get: the value of (namespace, key) as plain data, None where there is none.
    """
    return parse(name, {key: get(*key.split(":", 1)) for key in KEYS})
