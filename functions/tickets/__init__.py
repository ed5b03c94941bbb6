"""Paid orders become tickets; cancelled ones void them."""
