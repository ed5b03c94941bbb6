"""What an offer is worth to whom: uplift, expected incremental margin, thresholds, games, caps and budgets. Pure.

In come predictions and statistics of a shopper, the retailer's running campaigns and house rules, and budget prices
found once for all shoppers; out come the offers that the shopper's parameters hold. Does not own the predictions
(`layers.learning`), what a campaign says (`layers.campaigns`), nor the money (a ledger counts it when it is spent).
"""
