"""Closes games when their time has come."""
