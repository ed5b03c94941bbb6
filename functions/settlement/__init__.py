"""Settles what shoppers were promised on their orders: kept when paid, given when delivered, freed when cancelled.

In: push deliveries of `shopper-events`. Out: `promises` and the ledger's documents in Firestore. What an order earns is
`layers.promises`; how money is counted is `layers.ledger`.
"""
