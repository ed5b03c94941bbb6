"""Sees that every retailer's scoring run comes to its end, and resumes the one that does not."""
