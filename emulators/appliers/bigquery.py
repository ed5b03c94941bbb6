"""Datasets, tables from their API schemas, and views.

Limits that shaped it: made by DDL, bqemulator's tables lose their clustering, turn NUMERIC to three decimals and JSON
to STRING; so they are made through the REST API. It ignores partition expiry: the retention purge deletes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from emulators.appliers.rest import call
from emulators.graph import InvalidGraph, Resource

DATASET, TABLE = "gcp:bigquery/dataset:Dataset", "gcp:bigquery/table:Table"


def table_body(resource: Resource) -> dict[str, Any]:
    """The API's body of a table or view. Pure."""
    project, dataset, table = resource.text("project"), resource.text("datasetId"), resource.text("tableId")
    body: dict[str, Any] = {"tableReference": {"projectId": project, "datasetId": dataset, "tableId": table}}
    if view := resource.get("view"):
        return {**body, "view": {"query": view["query"], "useLegacySql": bool(view.get("useLegacySql"))}}
    body["schema"] = {"fields": json.loads(resource.text("schema"))}
    if partitions := resource.get("timePartitioning"):
        body["timePartitioning"] = {
            key: str(value) if key == "expirationMs" else value for key, value in partitions.items()
        }
    if columns := resource.get("clusterings"):
        body["clustering"] = {"fields": columns}
    return body


def in_order(resources: Iterable[Resource]) -> list[Resource]:
    """Datasets, then tables, then views: a view is checked against its table when it is made."""
    return sorted(resources, key=lambda r: (r.type != DATASET, r.get("view") is not None, r.name))


def apply(resources: Iterable[Resource], host: str) -> None:
    """Makes them; what is there is left as it is.

    Raises:
        InvalidGraph: a table is there with other columns. Refused: the emulator says no.
    """
    for resource in in_order(resources):
        datasets = f"http://{host}/bigquery/v2/projects/{resource.text('project')}/datasets"
        dataset = resource.text("datasetId")
        if resource.type == DATASET:
            reference = {"datasetId": dataset, "projectId": resource.text("project")}
            body = {"datasetReference": reference, "location": resource.get("location", default="US")}
            call("POST", datasets, body, accept=(409,))
            continue
        body = table_body(resource)
        status, _ = call("POST", f"{datasets}/{dataset}/tables", body, accept=(409,))
        if status == 409 and "schema" in body:
            _, there = call("GET", f"{datasets}/{dataset}/tables/{resource.text('tableId')}")
            _same_columns(resource, body["schema"]["fields"], there["schema"]["fields"])


def _same_columns(resource: Resource, asked: list[dict[str, Any]], there: list[dict[str, Any]]) -> None:
    if [(c["name"], c["type"]) for c in asked] != [(c["name"], c["type"]) for c in there]:
        raise InvalidGraph(
            f"table {resource.text('tableId')} is there with other columns than the graph asks for; the emulator "
            "cannot change them. Start again: `python -m emulators down`, then `up` (what it holds is lost)."
        )
