"""How a shopper stays unknown and a sender is proved: pseudonyms, and signatures of the retailer's server.

Owns the cryptography of the door. Does not own where secrets come from (`layers.declarations.settings`) or what may be
in an event (`layers.events`).
"""
