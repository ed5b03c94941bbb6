"""The laptop stack: the captured resource graph of the Pulumi program, applied to emulators.

Comes in: a graph as plain data (`.local/graph.json`, written by `python -m infra.capture` in a process of its own).
Goes out: running processes, their addresses, and what the plan could not emulate and why. There is no second
description of the wiring here: what the graph does not say does not exist on the laptop.
"""
