"""The one Pulumi program: every cloud resource, made from the declarations and the stack's configuration.

Comes in: `functions/*/function.py`, `layers.{declarations,retailers,facts,stores.tables}`, `Pulumi.<stack>.yaml`.
Goes out: resources; and, for the laptop and the tests, the same resources as a captured graph (`capture`).
Nothing imports this package but the tests: the emulators read the graph as plain data.
"""
