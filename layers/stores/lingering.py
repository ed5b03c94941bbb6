"""How long a store still holds what was deleted from it, said once: infra sets what can be set, an erasure's receipt
tells all of it with dates. Data only.

Pub/Sub's delays stand in `layers.stores.topics`. No backup is made of any store by this program.
"""

from __future__ import annotations

TIME_TRAVEL_HOURS = 48
"""BigQuery. As short as it allows: what is erased must not stay readable for the usual seven days."""

FAIL_SAFE_DAYS = 7
"""BigQuery, after time travel; only Google can restore it, and nobody can shorten it («Time travel and fail-safe»)."""

JOB_RECORD_DAYS = 180
"""BigQuery. Text and parameters of each statement that ran, for who may list the project's jobs («Managing jobs»: six
months; «JOBS view»: 180 days). `jobs.delete` takes one away, but needs a right over every job of the project, and a
receipt names jobs so that they can be looked up. So no statement names a pseudonym instead."""

QUERY_RESULTS_HOURS = 24
"""BigQuery. The result of each query lies about a day in a hidden table that only the account which asked can read
(«Using cached query results»); not to use the cache, as a statement may, does not keep it from being written."""

COMPACTION_DAYS = 7
"""Bigtable. Deleted cells leave the disks with a compaction, which comes within a week («Garbage collection»)."""

DOCUMENT_VERSIONS_HOURS = {"(default)": 7 * 24, "rewards": 1}
"""Firestore, earlier versions of documents, by database: seven days with point-in-time recovery, one hour without
(«Point-in-time recovery»); there is nothing between. `(default)` holds suppressions, whose loss would let the erased
back in, and no pseudonym; `rewards` holds contact details, so it forgets as soon as Firestore can."""
