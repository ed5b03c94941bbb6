"""BigQuery on the laptop: bqemulator in an environment of its own, started by a launcher that mends it.

An environment of its own because it pins an older grpc and pydantic than the functions' clients ask for. Comes in: two
ports. Goes out: the REST API and the Storage Write API of BigQuery, held in memory. Nothing here knows a table of ours.
"""
