"""Dispatch: messages of many records to the functions that listen."""
