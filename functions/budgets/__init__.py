"""Keeps the budgets' books in order: ends what was killed, frees what expired, and shows again what has room again.

In: a Scheduler job. Out: the ledger's documents, `withheld`, and a line of each budget. Counting is `layers.ledger`'s.
"""
