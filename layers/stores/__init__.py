"""Where data is kept, one room a store. Each room has a port (what the functions need of it, as a Protocol), the real
thing, and a fake that passes the same contract suite (`tests/contracts`).

`tables` declares the Bigtable tables; BigQuery's are in `layers.facts`.
"""
