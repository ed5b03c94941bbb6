"""Texts that anybody can check: one form of JSON, and a signature by a key whose public half is enough to verify it.

Owns the form, the port of whoever signs, and the verification. Does not own what is signed.
"""
