"""The marketer's endpoint: campaigns kept, published, paused and ended, and what their budgets have left.

In: requests of identities that a retailer's `marketing` list names. Out: versions and states in Firestore. What a
campaign is and what the law allows is `layers.campaigns`; money is counted by `layers.ledger`.
"""
