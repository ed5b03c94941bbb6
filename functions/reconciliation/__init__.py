"""Compares what is stored with what is cooled, hour by hour, and dispatches again what is missing."""
