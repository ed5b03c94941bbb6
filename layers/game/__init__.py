"""The game for the value of the basket: its rules, what binds them, and who wins, so that anyone can recompute it.

Pure, and without a clock or a store. Does not own where seeds are sealed or tickets kept (a function), nor who is shown
a game (`layers.tree`). `verify.py` is a second, independent reading of the same rules, for strangers: standard library
only, and nothing of this project imported.
"""
