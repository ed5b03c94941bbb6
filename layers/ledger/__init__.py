"""Budgets that cannot be over-spent: reserve, commit, release and refund, each safe to repeat and to be killed.

Owns the arithmetic and the order of writes that keep it true. Does not own what a budget is for (`layers.campaigns`),
when an offer is reserved or settled (the functions), nor how a document is stored (`layers.stores.firestore`).
"""
