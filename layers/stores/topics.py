"""What travels on each Pub/Sub topic and how long Pub/Sub keeps it, said once: infra makes the topics, the register of
processing tells of them. Data only.
"""

from __future__ import annotations

KEPT_DAYS = 7
"""After delivery too: a consumer that was wrong for a week can be corrected and run again from the past."""

DEAD_LETTER_DAYS = 31
"""The longest that Pub/Sub offers."""

DEAD_LETTER_LEASE_S = 10
"""How long whoever pulls a dead letter has it alone. As short as Pub/Sub allows, because a sweep that was killed keeps
the next one from seeing what it held; every client library, and the sweep itself, extends a lease while it works."""

TOPICS = {
    "shopper-events": "Events as they were taken, under pseudonyms: about 100 a message.",
    "decisions": "Decisions as they were made, under pseudonyms.",
    "models-built": "That a retailer's models of the cold data are built: its id and the run's moment, no shopper.",
    "scoring-shards": "That a part of a retailer's shoppers is to be scored: which part, no shopper.",
}
"""By name, what a message holds."""
