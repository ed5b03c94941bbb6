"""The Shopping Experience Tree: where a shopper stands, and what is therefore shown.

In come a tree (YAML, checked), a shopper's parameters (as scoring wrote them) and events (records). Out come
the journey's state and one decision per event, each with its reason. All of it is pure: no clock, no random, no I/O;
only `live` (which reads the published tree through a port) and the command line touch a store.

Does not own: how parameters are computed (scoring), how events are stored (`layers.stores`), who may read (functions).
"""
