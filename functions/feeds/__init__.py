"""Takes each new file of a retailer's bucket exactly once and sends its orders through the front door."""
