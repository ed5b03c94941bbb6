"""The handler shell: what every function does around its decision. Problem documents, push envelopes, the schedule's
clock, logs without anything personal, clients made once in the serving process.

Owns no business fact. A handler imports this room, the stores and its own rules, and nothing else.
"""
