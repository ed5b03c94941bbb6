"""Answers which experience suits a shopper now, counting the event just sent."""
