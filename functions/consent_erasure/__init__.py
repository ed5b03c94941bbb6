"""Erases a shopper from every store on the retailer's request, and gives a receipt of it."""
