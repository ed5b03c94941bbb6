"""Documents: trees, ledgers, erasure requests and receipts. Small, few, never on the path of every event."""
