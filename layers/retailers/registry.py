"""The registry entry of a retailer, and the registry a function starts with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated

import msgspec

_ID = r"^[a-z][a-z0-9]{1,19}$"
_KEY = r"^[A-Za-z0-9_-]{16,64}$"
_ORIGIN = r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$"

Days = Annotated[int, msgspec.Meta(ge=1, le=3650)]


class RetentionClass(StrEnum):
    """What a contract sets a delay for. Each has its own Bigtable family and BigQuery partition expiry."""

    BROWSING = "browsing"
    TRANSACTIONS = "transactions"
    DECISIONS = "decisions"
    CONSENT = "consent"
    REWARDS = "rewards"


class AbsentConsent(StrEnum):
    """What holds for a shopper of whom no `ConsentChanged` is known."""

    REFUSED = "refused"
    GRANTED = "granted"


class ShopperTokens(StrEnum):
    """Who may ask what a shopper is shown."""

    REQUIRED = "required"
    """Whoever has a token of the retailer's server."""
    OPTIONAL = "optional"
    """Also whoever knows a customer id: for a shop that is still building its server's part."""


class InvalidRetailer(ValueError):
    """A registry entry that breaks a rule. The message names the retailer, the rule and the remedy."""


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days that each class of data may be kept, counted from the event's time."""

    browsing: Days = 395
    transactions: Days = 1095
    decisions: Days = 395
    consent: Days = 1825
    rewards: Days = 1095

    def days(self, retention: RetentionClass) -> int:
        return int(getattr(self, retention.value))


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the retailer delivers its files: an S3 bucket, read under `role_arn` by federation."""

    bucket: Annotated[str, msgspec.Meta(min_length=3, max_length=63)]
    region: str = "eu-west-3"
    role_arn: str = ""
    orders_prefix: str = "orders/"
    catalogue_key: str = "catalogue/products.ndjson.gz"


class Learning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From how much of the past models learn. Everybody is scored, whoever they learned from.

    Attributes:
        days: earlier days, four weeks apart; the newest of them judges what the others taught.
        shoppers: about so many, drawn by their pseudonyms. A shopper is some hundred rows a day, and training holds all
            rows of a question in memory (functions/training).
    """

    days: Annotated[int, msgspec.Meta(ge=2, le=12)] = 4
    shoppers: Annotated[int, msgspec.Meta(ge=200, le=20_000)] = 5_000


class PseudonymKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pseudonym key in use.

    Attributes:
        version: the two digits that its pseudonyms begin with.
        since: the day from which it writes; none for the first key, and for one that is only looked under yet.
    """

    version: Annotated[int, msgspec.Meta(ge=1, le=99)] = 1
    since: date | None = None


_GRANTED = (
    "`absent_consent` is granted, and under a new pseudonym key a shopper's refusal is not known at once, so it would "
    "be a grant; set `absent_consent` to refused before the rotation"
)


class Retailer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tenant.

    Attributes:
        id: 2 to 20 lower-case letters and digits; part of every row key, so it never changes.
        write_key: public, in the tracker's page; may only write events.
        read_key: public, in the tracker's page; may only read experiences.
        origins: the web origins from which a browser may call with these keys. A request without an Origin header (an
            app, a server) is not bound to them.
        timezone: IANA name; the retailer's day.
        compliance: e-mail addresses of the identities that may ask for erasure in this retailer's name.
        marketing: e-mail addresses of the identities that may publish, pause and end its campaigns.
        absent_consent: what holds where no consent is known.
        shopper_tokens: whether a page must prove whose it is.
        learning: from how much of the past its models learn.
        events_per_second: the most that one instance of the event API takes of it; more is answered 429. None for no
            limit.
        pseudonym_keys: one, or two from the day a rotation is prepared until the older may go, oldest first
            (layers/privacy/README.md).
    """

    id: Annotated[str, msgspec.Meta(pattern=_ID)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    write_key: Annotated[str, msgspec.Meta(pattern=_KEY)]
    read_key: Annotated[str, msgspec.Meta(pattern=_KEY)]
    origins: tuple[Annotated[str, msgspec.Meta(pattern=_ORIGIN)], ...]
    timezone: str = "Europe/Paris"
    locale: str = "fr-FR"
    currency: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$")] = "EUR"
    contract: Contract = Contract()
    compliance: tuple[str, ...] = ()
    marketing: tuple[str, ...] = ()
    absent_consent: AbsentConsent = AbsentConsent.REFUSED
    shopper_tokens: ShopperTokens = ShopperTokens.REQUIRED
    feed: Feed | None = None
    learning: Learning = Learning()
    events_per_second: Annotated[int, msgspec.Meta(ge=1)] | None = None
    pseudonym_keys: Annotated[tuple[PseudonymKey, ...], msgspec.Meta(min_length=1, max_length=2)] = (PseudonymKey(),)

    def __post_init__(self) -> None:
        first, *more = self.pseudonym_keys
        if first.version > 1 and first.since is None:
            raise ValueError(f"pseudonym key {first.version} writes: say `since` which day")
        if first.version == 1 and first.since is not None:
            raise ValueError("pseudonym key 1 has no `since`: nothing wrote before it")
        for key in more:
            if key.version != first.version + 1:
                raise ValueError(f"after pseudonym key {first.version} comes {first.version + 1}, not {key.version}")
            if first.since and key.since and key.since < first.since:
                raise ValueError(f"pseudonym key {key.version} cannot have written before {first.version} did")
            if self.absent_consent is AbsentConsent.GRANTED:
                raise ValueError(_GRANTED)

    @property
    def writing_key(self) -> int:
        """The version of the pseudonym key under which what is new is written."""
        first, *more = self.pseudonym_keys
        return next((key.version for key in more if key.since), first.version)

    @property
    def dataset(self) -> str:
        """Its BigQuery dataset's id."""
        return f"retailer_{self.id}"

    def to_json(self) -> str:
        return msgspec.json.encode(self, order="sorted").decode()

    @classmethod
    def parse(cls, data: str | bytes | Mapping[str, object], where: str) -> Retailer:
        """Reads an entry and checks every rule.

        Args:
            where: named in the error: an environment value, or a line of stack configuration.

        Raises:
            InvalidRetailer: with the field, the rule it breaks, and what to do.
        """
        try:
            if isinstance(data, str | bytes):
                return msgspec.json.decode(data, type=cls)
            return msgspec.convert(data, type=cls)
        except msgspec.MsgspecError as error:
            raise InvalidRetailer(
                f"{where}: {error}; the retailer is not accepted, so nothing is deployed for it. "
                "Correct that field (layers/retailers/registry.py lists every field and its rule)."
            ) from None


def family(retention: RetentionClass, days: int) -> str:
    """The Bigtable column family whose garbage-collection rule is this delay.

    Retailers share the table but not the contract, and a rule belongs to a family; so the delay is in its name.
    """
    return f"{retention.value}_{days}d"


class Registry:
    """The retailers of this stack, by id and by key.

    Raises:
        InvalidRetailer: two retailers share an id or a key.
    """

    def __init__(self, retailers: Iterable[Retailer]) -> None:
        self.by_id: dict[str, Retailer] = {}
        self.by_write_key: dict[str, Retailer] = {}
        self.by_read_key: dict[str, Retailer] = {}
        for entry in retailers:
            for index, key, label in (
                (self.by_id, entry.id, "id"),
                (self.by_write_key, entry.write_key, "write key"),
                (self.by_read_key, entry.read_key, "read key"),
            ):
                if key in index:
                    raise InvalidRetailer(
                        f"retailers {index[key].id!r} and {entry.id!r} share the same {label}: events of one would "
                        "be taken for the other's. Give each its own."
                    )
                index[key] = entry

    def __iter__(self) -> Iterator[Retailer]:
        return iter(self.by_id.values())

    def __len__(self) -> int:
        return len(self.by_id)

    @classmethod
    def of_environment(cls, values: Mapping[str, str], prefix: str) -> Registry:
        """Reads every value whose name starts with `prefix`.

        Raises:
            InvalidRetailer: an entry breaks a rule, or there is none.
        """
        found = [Retailer.parse(value, name) for name, value in sorted(values.items()) if name.startswith(prefix)]
        if not found:
            raise InvalidRetailer(
                f"no environment value starts with {prefix}: this function serves no retailer. "
                "Add one to the stack's configuration and deploy again."
            )
        return cls(found)
