"""Removes from every store what is older than the retailer's contract, and proves that nothing is left."""
