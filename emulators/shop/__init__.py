"""The demo shop: a retailer and its shoppers, played with real purchases against the laptop stack.

`python -m emulators.shop` is what `make demo` runs. Everything enters Gondola as it would in production: files in the
retailer's bucket, events from a tracker, jobs by their schedule, a compliance officer's request. Afterwards the story
reads every store raw and compares with what was sent.

May import `layers` (what a client or an operator knows) and `emulators.stack`; never a function's code.
"""
