"""One module a store or service: how its resources of the graph come to be on the laptop.

Each reads its resources (pure) and then makes what is not there yet, so applying twice changes nothing. None starts a
process but `services`, and none knows the others.
"""
