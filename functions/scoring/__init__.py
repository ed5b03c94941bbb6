"""Computes every shopper's parameters from the cold facts, and writes them where decisions read them."""
