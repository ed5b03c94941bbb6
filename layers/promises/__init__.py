"""What a shopper was promised and what becomes of it: shown, ordered, delivered or not.

Owns which offers of a decision are promises, which order keeps one, and what was earned by what was delivered. Does not
own the money (`layers.ledger` holds it) nor who is offered what (`layers.offers`).
"""
