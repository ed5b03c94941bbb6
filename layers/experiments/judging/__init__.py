"""What another policy would have brought, judged on the decisions of the one that ran. Pure, but for the command line.

Does not own who is in which group or what is drawn (`layers.experiments.assignment`), nor what an offer is worth before
anybody has seen it (`layers.offers`).
"""
