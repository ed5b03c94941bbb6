"""Moves the shopper in the Shopping Experience Tree at each event, and logs every decision with its reason."""
