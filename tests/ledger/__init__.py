"""The budget ledger on the Firestore emulator, from processes that are killed: `python -m tests.ledger --help`."""
