"""A scoring run: which shoppers each of its shards holds, what its documents say, and the messages that carry it.

Shared by who models, who scores and who watches over a run. Does not own what is computed (functions/scoring).
"""
