"""Hot data: events and shopper rows, read by key in milliseconds."""
