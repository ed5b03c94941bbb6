"""Moves the shopper in the Shopping Experience Tree at each event, and logs every decision with its reason.

In: push deliveries of `shopper-events`. Out: decisions on the topic `decisions`, the shopper's state and consent in
Bigtable, and in `quarantine` where lines stood that are no records. What a decision is, and how a state follows from
events, is `layers.tree`; this function brings the two together and keeps the order of writing.
"""
