"""Shared code, one small room per meaning. A layer may import another layer, never a function, infra or the emulators.

Each layer that needs a third-party package lists it in a requirements.txt of its own; a function's archive carries only
the layers that the function imports and installs only what these layers list.
"""
