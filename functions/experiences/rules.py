"""What an answer holds, and what a request must. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from msgspec import Struct

from layers.tree.catching_up import CaughtUp, Shopper, newest_known
from layers.tree.decision import experience_json
from layers.tree.folding import begins_anew, newest_consent, paused
from layers.tree.journey import Standing, page_now
from layers.tree.showing import default_of
from layers.tree.state import State
from layers.tree.tree import Tree
from layers.tree.wording import Wording

SHOPPER_HEADER = "gondola-shopper"

_CUSTOMER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_EVENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,63}")
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")


class InvalidQuestion(ValueError):
    """A request that cannot be answered. `detail` names the part and its rule, never its value."""

    def __init__(self, kind: str, title: str, detail: str) -> None:
        super().__init__(kind)
        self.kind, self.title, self.detail = kind, title, detail


@dataclass(frozen=True, slots=True)
class Question:
    """Attributes:
    after: the event that the answer must count; None to ask without one.
    """

    customer: str
    after: str | None
    session: str | None


class After(Struct, frozen=True):
    event: str
    counted: bool


class Answer(Struct, frozen=True, kw_only=True):
    """Attributes:
    decision: id of the decision that this shows, for `ExperienceShown.decision`; null before the first event.
    default: the retailer's default experience, for `reason`: `consent`, `no_tree`, `off`, `nothing_to_show` or
        `unavailable`.
    """

    retailer: str
    tree: str = ""
    tree_version: str = ""
    node: str = ""
    decision: str | None = None
    parameters_version: str = ""
    after: After | None = None
    experiences: list[dict[str, object]] = []
    default: bool = False
    reason: str | None = None


def read_question(headers: Mapping[str, str], query: Mapping[str, str]) -> Question:
    """Raises:
    InvalidQuestion: a part is missing or breaks its rule.
    """
    customer = headers.get(SHOPPER_HEADER, "")
    after, session = query.get("after"), query.get("session")
    if not _CUSTOMER.fullmatch(customer):
        raise InvalidQuestion(
            "no-shopper",
            "Which shopper?",
            "The header Gondola-Shopper must hold the retailer's customer id: 1 to 64 letters, digits, dots, dashes or "
            "underscores. It is a header because addresses end up in logs.",
        )
    for name, value, rule in (("after", after, _EVENT), ("session", session, _SESSION)):
        if value is not None and not rule.fullmatch(value):
            raise InvalidQuestion(
                f"invalid-{name}",
                f"`{name}` cannot be read",
                f"The query parameter `{name}` must match {rule.pattern}: the same id that was sent to /v1/events.",
            )
    return Question(customer, after, session)


def counts(state: State | None, question: Question) -> bool:
    """Whether the state holds the event asked for; without one, whatever it holds is enough."""
    return question.after is None or (state is not None and state.has_counted_id(question.after))


def joined(rows: Sequence[Shopper]) -> Shopper:
    """One customer's rows under several pseudonyms, that which is written under first: its state alone, since decisions
    follow from the events under it; the newest consent of all; and its parameters, or what another row has of them
    until they are brought along with the first event (functions/ingest/bringing.py).
    """
    consent = newest_consent([row.consent for row in rows], (2**63, ""))
    parameters = next((row.parameters for row in rows if row.parameters is not None), None)
    return replace(rows[0], consent=consent, parameters=parameters)


def answered(
    retailer_id: str,
    question: Question,
    standing: Standing,
    shopper: Shopper,
    caught_up: CaughtUp,
    now_ms: int,
    wording: Wording,
) -> Answer:
    """The page after the newest event counted."""
    state = caught_up.state
    counted = counts(state, question)
    if state is None or (question.after is not None and counted):
        fresh = state is None
    elif question.session is not None:
        fresh = begins_anew(state, now_ms, question.session, "web")
    else:
        fresh = paused(state.last_ms, now_ms)
    consent = newest_known(shopper, caught_up)
    # Decided while the shopper still agreed: the default page is not what that decision shows.
    unlike = state is not None and not standing.granted(consent) and standing.granted(state.consent)
    tree = standing.tree if state is None or fresh else standing.tree_of(state)
    node, shown, reason = page_now(state, standing, fresh=fresh, consent=consent, wording=wording)
    return Answer(
        retailer=retailer_id,
        tree=tree.id,
        tree_version=tree.version,
        node=node,
        decision=None if state is None or fresh or unlike else state.last_id,
        parameters_version="" if reason == "consent" else standing.parameters_version,
        after=After(question.after, counted) if question.after is not None else None,
        experiences=[experience_json(one) for one in shown],
        default=bool(reason),
        reason=reason or None,
    )


def fallback(retailer_id: str, question: Question, tree: Tree | None, reason: str, wording: Wording) -> Answer:
    """The same for everybody: what is shown when nothing about this shopper can be known."""
    return Answer(
        retailer=retailer_id,
        tree=tree.id if tree else "",
        tree_version=tree.version if tree else "",
        node=tree.root if tree else "",
        after=After(question.after, False) if question.after is not None else None,
        experiences=[experience_json(default_of(tree.definition, wording))] if tree else [],
        default=True,
        reason=reason,
    )
