"""The shopper's events: their closed schemas, the envelope they travel in, the record they are kept as.

Owns every rule about what an event may hold, which retention class it falls in and how it is read back. Knows nothing
of HTTP, Bigtable or Pub/Sub. A field that nobody declared refuses its event: that is how a name or an e-mail stays out.
"""
