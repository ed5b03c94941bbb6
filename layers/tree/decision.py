"""A decision as it is published: one JSON line, with exactly the columns of `layers.facts.DECISIONS`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from layers.events.record import Record
from layers.tree.showing import ShownDefault, ShownExperience
from layers.tree.treatment import Treatment
from layers.tree.walk import Reason

_encoder = msgspec.json.Encoder()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What one event led to. Its id is its event's.

    Attributes:
        revision: how many events were counted, this one included, since the last pause of over six hours. A late event
            raises it for every decision after it, so the largest revision is the best informed.
        consent_at: of the consent that counted; None while none was known. Of one revision's decisions the latest is
            the best informed: a consent that arrives late for a time before the stretch raises no revision.
        reason: list of `walk.Reason` as JSON. shown: list of experiences as JSON, without texts.
        propensity, control, offers: as in `treatment.Treatment`.
    """

    event_id: str
    position: int = 0
    shopper: str
    session: str
    channel: str
    at: datetime
    received: datetime
    revision: int
    consent_at: datetime | None = None
    tree: str
    tree_version: str
    parameters_version: str
    node_before: str
    node_after: str
    reason: str
    shown: str
    propensity: float = 1.0
    control: bool | None = None
    offers: str | None = None


def experience_json(experience: ShownExperience) -> dict[str, object]:
    """As a page and a decision read it."""
    if isinstance(experience, ShownDefault):
        return experience.marked()
    plain: dict[str, object] = msgspec.to_builtins(experience)
    return plain


def decide(
    record: Record,
    *,
    revision: int,
    consent_ms: int | None,
    tree: str,
    tree_version: str,
    parameters_version: str,
    node_before: str,
    node_after: str,
    reasons: Sequence[Reason],
    shown: Sequence[ShownExperience],
    treatment: Treatment,
) -> Decision:
    return Decision(
        event_id=record.event.id,
        shopper=record.shopper,
        session=record.session,
        channel=record.channel,
        at=record.event.at.astimezone(UTC),
        received=record.received.astimezone(UTC),
        revision=revision,
        consent_at=None if consent_ms is None else _EPOCH + timedelta(milliseconds=consent_ms),
        tree=tree,
        tree_version=tree_version,
        parameters_version=parameters_version,
        node_before=node_before,
        node_after=node_after,
        reason=_encoder.encode(reasons).decode(),
        shown=_encoder.encode([experience_json(one) for one in shown]).decode(),
        propensity=treatment.propensity,
        control=treatment.control,
        offers=treatment.offers,
    )


def encode_decisions(decisions: Iterable[Decision]) -> bytes:
    """Lines of JSON: the data of one message."""
    return b"\n".join(_encoder.encode(decision) for decision in decisions)


_decoder = msgspec.json.Decoder(Decision)


def decode_decision(line: bytes) -> Decision:
    """Raises msgspec.MsgspecError: not a decision."""
    return _decoder.decode(line)
