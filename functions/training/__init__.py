"""Trains the models that shoppers are scored with, and takes them into use only when they are no worse."""
