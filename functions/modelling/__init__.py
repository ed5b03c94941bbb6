"""Runs the models of the cold data."""
