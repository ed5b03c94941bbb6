"""The Firestore collections, said once: who writes them, whether a shopper may stand in them, and how long a document
stays. Data only.
"""

from __future__ import annotations

from dataclasses import dataclass

from layers.declarations.lawfulness import LegalBasis
from layers.retailers import Retailer, RetentionClass
from layers.stores.tables import EVENT_CLASSES

LONGEST_CONTRACT_DAYS = 3650
"""What `layers.retailers` allows at most."""

LEDGER_DAYS = 2 * 365
"""A refund may come as long as a product may be returned, two years in the EU (directive 2019/771, article 10)."""

PROOF_DAYS = 5 * 365
"""Proofs of erasure and of purging stay as long as a claim can be brought: five years in France (code civil, article
2224)."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Attributes:
    document: how a document's id is made up.
    holds_shoppers: a pseudonym, or what was made from one, may stand in it, so erasure must have a step for it.
    dated: the field (a datetime) from which its delay counts; a document without it stays. Empty: documents stay for
        good, because they are no record of anything that happened.
    fields: what a document may hold, for the register of processing; a test reads every document of a used stack
        against it.
    basis: why what is in it about a shopper may be kept.
    days: the delay. contract: the delay is each retailer's longest of these classes instead, by the document's
        `retailer`.
    """

    name: str
    meaning: str
    document: str
    holds_shoppers: bool = False
    database: str = "(default)"
    dated: str = ""
    days: int = 0
    contract: tuple[RetentionClass, ...] = ()
    fields: tuple[str, ...] = ()
    basis: LegalBasis | None = None

    def delay_days(self, retailer: Retailer) -> int:
        """How long a document of this retailer stays."""
        return max(map(retailer.contract.days, self.contract)) if self.contract else self.days


TREES = Collection(
    "trees",
    "Tree versions, immutable.",
    "<retailer>:<tree id>:<version>",
    fields=("retailer", "tree", "version", "definition", "source"),
)
LIVE_TREES = Collection(
    "live_trees",
    "Which tree version a retailer shows from when on, and which of its people said so.",
    "<retailer>",
    fields=("retailer", "aired", "off", "steps"),
)
CAMPAIGNS = Collection(
    "campaigns",
    "What retailers and brands agreed to offer: the version that is offered, and whether it is paused or ended.",
    "<retailer>:<campaign>",
    fields=("retailer", "campaign", "version", "definition", "source", "state"),
)
CAMPAIGN_VERSIONS = Collection(
    "campaign_versions",
    "Versions of campaigns, immutable, published or not.",
    "<retailer>:<campaign>:<version>",
    fields=("retailer", "campaign", "version", "definition", "source", "at"),
)
WITHHELD = Collection(
    "withheld",
    "Campaigns whose offers are not shown now, whatever was scored: paused, ended, or their budget is used up.",
    "<retailer>",
    fields=("retailer", "campaigns"),
)
HOUSE_RULES = Collection(
    "house_rules",
    "What holds for all campaigns of a retailer: its law, its control group, its limits.",
    "<retailer>",
    fields=("retailer", "version", "definition", "source"),
)
# An object that is forgotten while it still lies in the bucket would be taken again, and bring back who was erased;
# after the longest contract the front door refuses all that it holds.
FEED_FILES = Collection(
    "feed_files",
    "What feeds took of each delivered object.",
    "<retailer>:<digest of object>",
    dated="at",
    days=LONGEST_CONTRACT_DAYS,
    fields=("retailer", "file", "version", "status", "lines", "orders", "quarantined", "failure", "at"),
)
QUARANTINE = Collection(
    "quarantine",
    "Messages and lines that no retry can mend: where they stood and why, never what.",
    "<digest>",
    dated="at",
    days=90,
    fields=("source", "retailer", "message", "file", "version", "line", "reason", "at"),
)
# `finished` is missing while a request runs: it stays until it is complete.
ERASURES = Collection(
    "erasures",
    "Erasure requests and their progress.",
    "<erasure id>",
    holds_shoppers=True,
    dated="finished",
    days=PROOF_DAYS,
    basis=LegalBasis.OBLIGATION,
    fields=(
        "retailer",
        "reference",
        "request",
        "customers",
        "status",
        "requested",
        "due",
        "stores",
        "finished",
        "receipt",
    ),
)
RECEIPTS = Collection(
    "receipts",
    "Receipts of erasures, signed, each naming the one before.",
    "<retailer>:<number>",
    holds_shoppers=True,
    dated="finished",
    days=PROOF_DAYS,
    basis=LegalBasis.OBLIGATION,
    fields=("retailer", "erasure", "number", "sha256", "finished", "text"),
)
RECEIPT_HEADS = Collection(
    "receipt_heads",
    "Where each retailer's chain of receipts ends; without it a receipt could be given a number that was used.",
    "<retailer>",
    fields=("number", "sha256"),
)
# As long as ingest may still accept an event from before the erasure: by the longest contract of any class of events.
# By that for transactions alone, a consent of three years ago came back where consents are kept for five.
SUPPRESSIONS = Collection(
    "suppressions",
    "Shoppers erased, and since when.",
    "<retailer>:<digest of pseudonym>",
    holds_shoppers=True,
    dated="since",
    contract=EVENT_CLASSES,
    basis=LegalBasis.OBLIGATION,
    fields=("retailer", "since", "noted"),
)
PURGES = Collection(
    "purges",
    "What each retention run removed.",
    "<scheduled time>:<retailer>, or the time alone for the collections",
    dated="scheduled",
    days=PROOF_DAYS,
    fields=("scheduled", "retailer", "removed", "done", "report"),
)
# An hour is compared for the last time a day after it; what it found is in the metrics for longer.
RECONCILIATIONS = Collection(
    "reconciliations",
    "Of each hour's arrivals, how many are stored and cooled, and how often what was missing was dispatched again.",
    "<retailer>_<hour>",
    dated="hour",
    days=14,
    fields=(
        "retailer",
        "hour",
        "status",
        "attempts",
        "last",
        "compared",
        "stored",
        "cooled",
        "missing",
        "most_missing",
        "dispatched",
    ),
)
TURNS = Collection(
    "turns",
    "Who is alone at work on something, by a number drawn anew each time, and until when at the latest.",
    "<work>",
    fields=("holder", "until"),
)
# One a retailer, written over by each run: it says whose turn it is, so it stays.
# No shopper: moments alone.
AUDITS = Collection(
    "ledger_audits",
    "How far promises, reservations and budgets were gone through, and promises compared with orders.",
    "<retailer>:orders, promises, reservations or budgets",
    fields=("until",),
)
SCORING_HEADS = Collection(
    "scoring_heads",
    "The newest scoring run of each retailer: an older one must not write any more.",
    "<retailer>",
    fields=("retailer", "run", "settled", "careful"),
)
SCORING_RUNS = Collection(
    "scoring_runs",
    "What each scoring run planned and did, in numbers.",
    "<retailer>:<scheduled moment>",
    dated="planned",
    days=90,
    fields=(
        "retailer",
        "models",
        "run",
        "planned",
        "version",
        "shoppers",
        "shards",
        "key_versions",
        "status",
        "finished",
        "groups",
        "setting",
    ),
)
SCORING_SETTINGS = Collection(
    "scoring_settings",
    "What a scoring run's offers are worked out from: campaigns, house rules, prices of products and of budgets.",
    "<retailer>:<scheduled moment>:<digest>:<part>",
    dated="planned",
    days=90,
    fields=("retailer", "run", "planned", "part", "parts", "text"),
)
# A run has at most 64 of them: one document for the states of 64 shards is written 64 times in a night.
SCORING_SHARDS = Collection(
    "scoring_shards",
    "Which shards of a scoring run are done, and what each did, in numbers.",
    "<retailer>:<scheduled moment>:<group>",
    dated="planned",
    days=14,
    fields=("retailer", "run", "planned", "group", "shards"),
)

BUDGETS = Collection(
    "budgets",
    "What a campaign, a brand, a store or a day may give away at most.",
    "<retailer>:<budget>",
    fields=("retailer", "budget", "parts", "local", "until"),
)
BUDGET_SHARDS = Collection(
    "budget_shards",
    "The parts of a budget: what is free, held and spent of each.",
    "<retailer>:<budget>:<number>",
    fields=("retailer", "budget", "number", "allotment", "spent", "entries", "sent", "received"),
)
# No shopper: a reservation's key is a digest of a decision's id, which names nobody once the decision is erased.
RESERVATIONS = Collection(
    "reservations",
    "What was promised from which budgets, and what became of it.",
    "<retailer>:<key>",
    dated="at",
    days=LEDGER_DAYS,
    fields=("retailer", "key", "claims", "status", "until", "at", "refused_by"),
)
# What a model reads grows slowly: three months show it.
MODEL_RUNS = Collection(
    "model_runs",
    "Each run of the models: what was built and tested, how long it took, what it read.",
    "<retailer>:<run>",
    dated="run",
    days=92,
    fields=("retailer", "run", "status", "ended", "as_of", "training_days", "bytes", "steps"),
)
PROMISES = Collection(
    "promises",
    "What a shopper was shown of campaigns with budgets, which order used it, and what was earned.",
    "<retailer>:<digest of pseudonym>",
    holds_shoppers=True,
    dated="at",
    contract=(RetentionClass.REWARDS,),
    basis=LegalBasis.CONTRACT,
    fields=("retailer", "at", "promises"),
)

# The database `rewards`. Who plays is known there by a digest of the pseudonym alone; what is published holds an order
# only as a digest of its number.
GAMES = Collection(
    "games",
    "Games: their rules, what was published before they opened, how far they are, which rounds decided.",
    "<retailer>:<game>",
    database="rewards",
    dated="closes",
    contract=(RetentionClass.REWARDS,),
    fields=(
        "retailer",
        "game",
        "rules",
        "commitment_sha256",
        "announced",
        "closes",
        "status",
        "sealed",
        "sealed_sha256",
        "void",
        "rounds",
        "seed_sha256",
        "sealed_seed",
        "seed",
    ),
)
TICKETS = Collection(
    "tickets",
    "One chance of one order, which stands in it as a digest: what its basket came to, when, and what it won.",
    "<retailer>:<entry>",
    database="rewards",
    dated="at",
    contract=(RetentionClass.REWARDS,),
    fields=("retailer", "game", "entry", "tier", "basket_cents", "at", "issued", "outcome", "void", "cancelled"),
)
PRIZES = Collection(
    "prizes",
    "Of each tier of an instant win, which tickets have won and when: never more than it has prizes.",
    "<retailer>:<game>:<tier>",
    database="rewards",
    dated="closes",
    contract=(RetentionClass.REWARDS,),
    fields=("retailer", "game", "tier", "closes", "won"),
)
PLAYERS = Collection(
    "players",
    "Who plays with which orders, by a digest of the pseudonym.",
    "<retailer>:<game>:<digest of pseudonym>",
    holds_shoppers=True,
    database="rewards",
    dated="at",
    contract=(RetentionClass.REWARDS,),
    basis=LegalBasis.CONSENT,
    fields=("retailer", "game", "shopper", "at", "orders", "payments", "households"),
)
# Which entry is whose stands in `players` alone; found from there (households.py).
HOUSEHOLDS = Collection(
    "households",
    "Which orders of a household play, each as a digest of its number; the household by a digest of the retailer's.",
    "<retailer>:<game>:<digest of household>",
    holds_shoppers=True,
    database="rewards",
    dated="at",
    contract=(RetentionClass.REWARDS,),
    basis=LegalBasis.CONSENT,
    fields=("retailer", "game", "household", "at", "entries"),
)
CONTACTS = Collection(
    "contacts",
    "Where a winner is reached: the e-mail address that the winner left.",
    "<retailer>:<entry>",
    holds_shoppers=True,
    database="rewards",
    dated="given",
    contract=(RetentionClass.REWARDS,),
    basis=LegalBasis.CONSENT,
    fields=("retailer", "game", "entry", "shopper", "order", "email", "given"),
)
REFUNDS = Collection(
    "refunds",
    "Refund orders as they went out, each list naming the one before: which tickets, and how much; nobody's address.",
    "<retailer>:<number>",
    database="rewards",
    dated="made",
    days=PROOF_DAYS,
    fields=("retailer", "number", "reference", "previous", "sha256", "made", "orders"),
)

COLLECTIONS = (
    TREES,
    LIVE_TREES,
    CAMPAIGNS,
    CAMPAIGN_VERSIONS,
    WITHHELD,
    HOUSE_RULES,
    FEED_FILES,
    QUARANTINE,
    ERASURES,
    RECEIPTS,
    RECEIPT_HEADS,
    SUPPRESSIONS,
    PURGES,
    RECONCILIATIONS,
    MODEL_RUNS,
    TURNS,
    BUDGETS,
    BUDGET_SHARDS,
    RESERVATIONS,
    AUDITS,
    SCORING_HEADS,
    SCORING_RUNS,
    SCORING_SETTINGS,
    SCORING_SHARDS,
    PROMISES,
    GAMES,
    TICKETS,
    PRIZES,
    PLAYERS,
    HOUSEHOLDS,
    CONTACTS,
    REFUNDS,
)
