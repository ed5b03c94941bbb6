"""What an answer holds, and what a request must. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from msgspec import Struct

from layers.privacy.shopper_token import InvalidToken, customer_of
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
_SLOT = r"[a-z][a-z0-9_]{0,47}"
_SLOTS = re.compile(rf"{_SLOT}(,{_SLOT}){{0,15}}")
_LOCALE = re.compile(r"[a-z]{2}(-[A-Z]{2})?")
_LONGEST_ID = 64
PARTS = (
    ("after", _EVENT, "the same id that was sent to /v1/events"),
    ("session", _SESSION, "the same id that was sent to /v1/events"),
    ("slot", _SLOTS, "the page's places, with commas between them"),
    ("locale", _LOCALE, "a language, and a country if it matters, as in fr-FR"),
)


class InvalidQuestion(ValueError):
    """A request that cannot be answered. `detail` names the part and its rule, never its value."""

    def __init__(self, kind: str, title: str, detail: str, status: int = 400) -> None:
        super().__init__(kind)
        self.kind, self.title, self.detail, self.status = kind, title, detail, status


@dataclass(frozen=True, slots=True)
class Door:
    """How a retailer's pages prove whose they are.

    Attributes:
        key: the signing key, which the retailer's server has too. required: a customer id alone is not enough.
    """

    key: bytes
    required: bool

    def customer(self, said: str, now: float) -> str:
        """Raises:
        InvalidQuestion: nobody, or not proved.
        """
        customer = said
        # An id has 64 characters at most, and a token has more.
        if len(said) > _LONGEST_ID:
            try:
                customer = customer_of(self.key, said, now)
            except InvalidToken as error:
                raise InvalidQuestion("shopper-token", "The shopper's token is not valid", f"{error}.", 401) from None
        elif said and self.required:
            raise InvalidQuestion(
                "shopper-token",
                "A shopper's token is needed",
                "The header Gondola-Shopper must hold a token that the shop's own server signed: a customer id alone "
                "would let anybody ask in another's name. functions/experiences/README.md says how to make one.",
                401,
            )
        if not _CUSTOMER.fullmatch(customer):
            raise InvalidQuestion(
                "no-shopper",
                "Which shopper?",
                "The header Gondola-Shopper must name the retailer's customer id: 1 to 64 letters, digits, dots, "
                "dashes or underscores. It is a header because addresses end up in logs.",
            )
        return customer


@dataclass(frozen=True, slots=True)
class Question:
    """Attributes:
    after: the event that the answer must count; None to ask without one.
    slots: of the page; empty for all. locale: of the texts; empty for the retailer's.
    """

    customer: str
    after: str | None
    session: str | None
    slots: frozenset[str] = frozenset()
    locale: str = ""


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


def read_question(headers: Mapping[str, str], query: Mapping[str, str], door: Door, now: float) -> Question:
    """Args:
        now: Unix seconds.

    Raises:
        InvalidQuestion: a part is missing or breaks its rule.
    """
    customer = door.customer(headers.get(SHOPPER_HEADER, ""), now)
    for name, rule, meaning in PARTS:
        value = query.get(name)
        if value is not None and not rule.fullmatch(value):
            raise InvalidQuestion(
                f"invalid-{name}",
                f"`{name}` cannot be read",
                f"The query parameter `{name}` must match {rule.pattern}: {meaning}.",
            )
    slots = frozenset(query["slot"].split(",")) if "slot" in query else frozenset()
    return Question(customer, query.get("after"), query.get("session"), slots, query.get("locale", ""))


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
        experiences=[experience_json(one) for one in shown if not question.slots or one.slot in question.slots],
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
