"""Experiments: who is in the permanent control group, what is drawn for whom, and what a policy would have brought.

Assignment is a stable hash: no store, no random, the same answer at every replay. `judging` reads what was decided and
estimates what another policy is worth before it ships. Does not own what an offer is (`layers.offers`).
"""
