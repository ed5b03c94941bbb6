"""What a retailer and a brand agreed, and the retailer's own house rules, as people write them and as they are kept.

In comes a YAML file; out come closed, checked values in Firestore, with no shopper in them. Does not own what an
offer is worth to whom (`layers.offers`), nor how it is shown (`layers.tree`).
"""
