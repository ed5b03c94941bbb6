"""The register of processing (GDPR article 30) and the data map, made from the declarations.

Comes in: what functions, tables, collections, topics and retailers say of themselves. Goes out: one Markdown page.
Does not own any of those facts, and holds no wording about a store or a function: whoever adds one describes it there,
or the register refuses to be written. Legal advice is no part of it: the retailer is the controller, and its own
register refers to this one.
"""
