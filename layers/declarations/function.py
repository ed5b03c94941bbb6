"""The words a declaration is written in. Data only.

Does not own: how a trigger or a need becomes a cloud resource (infra), nor how a client is made (the stores).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from layers.declarations.lawfulness import LegalBasis

_NAME = re.compile(r"^[a-z][a-z0-9_]{1,29}$")
_TOPIC = re.compile(r"^[a-z][a-z0-9-]{2,60}$")


class Access(StrEnum):
    """What a function may do with a store. `WRITE` includes reading: every writer here compares before it sets."""

    READ = "read"
    WRITE = "write"


class SecretKind(StrEnum):
    """The secrets a retailer has, one Secret Manager secret each."""

    PSEUDONYM_KEY = "pseudonym-key"
    SIGNING_KEY = "signing-key"


@dataclass(frozen=True, slots=True)
class Http:
    """Called over HTTPS.

    Args:
        public: anyone may call it; the function itself checks the caller's key. Only what trackers use may be public.
        paths: what it answers, for documentation, the curl examples and the tests.
        callers: stack-configuration key that lists the identities which may call it, when it is not public.
    """

    public: bool
    paths: tuple[str, ...]
    callers: str = ""


@dataclass(frozen=True, slots=True)
class Push:
    """Called by Pub/Sub with each message of `topics`, one push subscription a topic."""

    topics: tuple[str, ...]
    ack_deadline_s: int = 60
    max_delivery_attempts: int = 20


@dataclass(frozen=True, slots=True)
class Schedule:
    """Called by a Cloud Scheduler job of the function's name, with `POST /`.

    Args:
        cron: five fields, in `timezone`.
        attempt_deadline_s: how long Scheduler waits for the answer (15 to 1800).
    """

    cron: str
    timezone: str = "Etc/UTC"
    attempt_deadline_s: int = 1800


Trigger = Http | Push | Schedule


@dataclass(frozen=True, slots=True)
class HotTable:
    """A Bigtable table of `layers.stores.tables`, e.g. `events`."""

    name: str
    access: Access


@dataclass(frozen=True, slots=True)
class Topic:
    """Publishes to this Pub/Sub topic."""

    name: str


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Every subscription that keeps what could not be delivered: takes messages from it and puts others in their place.
    All of them, always: a new one is read by whoever erases without a word more.
    """


@dataclass(frozen=True, slots=True)
class Dataset:
    """The BigQuery dataset of every retailer; `Access.READ` also allows to run queries.

    Args:
        in_bulk: also reads whole tables past SQL (Storage Read), which is a right of its own.
    """

    access: Access
    in_bulk: bool = False


@dataclass(frozen=True, slots=True)
class Documents:
    """A Firestore database. `(default)` holds trees, campaigns and receipts; `rewards` holds contact details."""

    access: Access
    database: str = "(default)"


@dataclass(frozen=True, slots=True)
class RetailerSecret:
    """One secret of every retailer, as an environment value from Secret Manager."""

    kind: SecretKind


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Signs with this key, which nobody can read: `layers.signing`."""

    name: str


@dataclass(frozen=True, slots=True)
class SealingKey:
    """Seals and opens with this key, which nobody can read: `layers.signing.sealing`. Who opens is in KMS's log."""

    name: str


@dataclass(frozen=True, slots=True)
class RetailerBucket:
    """The S3 bucket in which a retailer delivers; read through a federated identity, never with a key."""


@dataclass(frozen=True, slots=True)
class PublicRandomness:
    """Asks a public beacon's relays, which are told a round's number and nothing else: `layers.game.beacon`."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Another function's address; a grant to invoke it as well, unless it is public."""

    function: str


Need = (
    HotTable
    | Topic
    | DeadLetters
    | Dataset
    | Documents
    | RetailerSecret
    | SigningKey
    | SealingKey
    | RetailerBucket
    | PublicRandomness
    | Calls
)


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric of the function's own log lines, those of one message.

    Args:
        name: unique in the function. message: of the lines that count.
        number: the field whose values are collected; without, the lines themselves are counted.
        labels: fields by which the metric can be split; of few values each, and never personal.
    """

    name: str
    message: str
    number: str = ""
    labels: tuple[str, ...] = ()


LONGEST_SILENCE_S = 90_000
"""25 hours: as far as an alert of Cloud Monitoring looks back."""


class Severity(StrEnum):
    """Of an alarm, as Cloud Monitoring spells it."""

    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Somebody is told, when lines are counted or when none are.

    Args:
        name: unique in the function. measure: one that counts lines. says: what is wrong, for the title.
        remedy: what whoever is woken does about it.
        label, among: fires on lines whose `label` is one of `among`; without, on every line.
        silent_s: fires when no line came for so long instead; at most `LONGEST_SILENCE_S`.
    """

    name: str
    measure: str
    severity: Severity
    says: str
    remedy: str
    label: str = ""
    among: tuple[str, ...] = ()
    silent_s: int = 0


@dataclass(frozen=True, slots=True)
class Scale:
    """How the service scales. Defaults suit a job that nobody waits for.

    Args:
        min_instances: kept warm; 1 or more for whatever a shopper waits for.
        concurrency: requests at a time in one instance.
        cpu: vCPUs. memory: Cloud Run notation. timeout_s: of one request.
        cpu_always: CPU stays allocated between requests (background flushes).
        startup_boost: more CPU while starting.
    """

    min_instances: int = 0
    max_instances: int = 10
    concurrency: int = 1
    cpu: int = 1
    memory: str = "512Mi"
    timeout_s: int = 60
    cpu_always: bool = False
    startup_boost: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """One folder, one function, one deployed service.

    Attributes:
        bases: why it may process shoppers' data; the register of processing refuses a function that can read some and
            says nothing.

    Raises:
        ValueError: the name is not a folder name, a need stands twice, or an alarm listens to nothing.
    """

    name: str
    purpose: str
    trigger: Trigger
    needs: tuple[Need, ...] = ()
    scale: Scale = field(default_factory=Scale)
    measures: tuple[Measure, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    bases: tuple[LegalBasis, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise ValueError(f"function name {self.name!r} must match {_NAME.pattern}: it is its folder's name")
        if len(set(self.needs)) != len(self.needs):
            raise ValueError(f"{self.name}: a need stands twice; say each need once")
        topics = [need.name for need in self.needs if isinstance(need, Topic)]
        if isinstance(self.trigger, Push):
            topics += self.trigger.topics
        for topic in topics:
            if not _TOPIC.match(topic):
                raise ValueError(f"{self.name}: topic {topic!r} must match {_TOPIC.pattern}")

        self._check_alarms()

    def _check_alarms(self) -> None:
        measures = {measure.name: measure for measure in self.measures}
        names = [alarm.name for alarm in self.alarms]
        if len(measures) != len(self.measures) or len(set(names)) != len(names):
            raise ValueError(f"{self.name}: two measures or two alarms share a name; give each its own")
        for alarm in self.alarms:
            measure = measures.get(alarm.measure)
            deaf = measure is None or measure.number or (alarm.label and alarm.label not in measure.labels)
            if deaf or alarm.silent_s > LONGEST_SILENCE_S:
                raise ValueError(
                    f"{self.name}: alarm {alarm.name!r} would never fire; it needs a measure of the function that "
                    "counts lines, a label that this measure has, and a silence of 25 hours at most"
                )

    @property
    def service(self) -> str:
        """The Cloud Run service's name: underscores are not allowed there."""
        return self.name.replace("_", "-")
