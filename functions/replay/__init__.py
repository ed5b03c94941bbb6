"""Decides the day before again, from stored events and versions, and says whether every decision is the same."""
