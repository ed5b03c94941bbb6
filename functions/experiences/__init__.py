"""Answers which experience suits a shopper now, counting the event just sent.

In: `GET /v1/experiences` of a retailer's page. Out: JSON; the experiences of the node where the shopper stands. Reads
one row, and the newest events where the row does not count the event yet; writes nothing.
"""
