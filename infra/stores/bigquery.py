"""BigQuery: a dataset for each retailer, the tables and views of `layers.facts`, who may use them.

No table demands a filter on its partition: erasure must find one shopper in every partition, and clustering by shopper
already makes that a small read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from infra import apis
from infra.apis import Apis
from infra.configuration import Stack
from infra.declared import needs
from layers.declarations import Access, Dataset, Function
from layers.facts import TABLES, Table, view_sql
from layers.retailers import Retailer
from layers.stores.lingering import TIME_TRAVEL_HOURS

ROLES = {Access.READ: "roles/bigquery.dataViewer", Access.WRITE: "roles/bigquery.dataEditor"}
JOBS = "roles/bigquery.jobUser"
SESSIONS = "roles/bigquery.readSessionUser"
_DAY_MS = 24 * 60 * 60 * 1000
_SCHEMA_NAMES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}
"""The API answers with its older names, so writing them keeps the next preview empty."""


@dataclass(frozen=True, slots=True)
class BigQuery:
    """Each retailer's dataset by the retailer's id."""

    datasets: dict[str, Any]


def schema(table: Table) -> str:
    """The table's schema as the API takes it."""
    return json.dumps(
        [
            {
                "name": column.name,
                "type": _SCHEMA_NAMES.get(column.type, column.type),
                "mode": "REQUIRED" if column.required else "NULLABLE",
                "description": column.meaning,
            }
            for column in table.columns
        ]
    )


def bigquery(stack: Stack, on: Apis) -> BigQuery:
    return BigQuery({retailer.id: _dataset(stack, on, retailer) for retailer in stack.retailers})


def _dataset(stack: Stack, on: Apis, retailer: Retailer) -> Any:
    dataset = gcp.bigquery.Dataset(
        retailer.id,
        project=stack.project,
        dataset_id=retailer.dataset,
        friendly_name=retailer.name,
        description=f"Cold facts of {retailer.name}",
        location=stack.analytics_location,
        max_time_travel_hours=str(TIME_TRAVEL_HOURS),
        storage_billing_model="LOGICAL",
        default_collation="",
        is_case_insensitive=False,
        delete_contents_on_destroy=not stack.protected,
        opts=on.on(apis.BIGQUERY, protect=stack.protected),
    )
    for table in TABLES:
        stored = gcp.bigquery.Table(
            f"{retailer.id}-{table.stored_as}",
            project=stack.project,
            dataset_id=dataset.dataset_id,
            table_id=table.stored_as,
            description=table.meaning,
            schema=schema(table),
            clusterings=["shopper" if table.holds_shoppers else table.columns[0].name],
            time_partitioning=_partitions(table, retailer),
            require_partition_filter=False,
            deletion_protection=stack.protected,
            opts=on.on(apis.BIGQUERY, protect=stack.protected),
        )
        if table.cooled:
            gcp.bigquery.Table(
                f"{retailer.id}-{table.name}",
                project=stack.project,
                dataset_id=dataset.dataset_id,
                table_id=table.name,
                description=f"{table.meaning} Each row once.",
                view=gcp.bigquery.TableViewArgs(
                    query=view_sql(table, f"{stack.project}.{retailer.dataset}"), use_legacy_sql=False
                ),
                deletion_protection=False,
                opts=on.on(apis.BIGQUERY, [stored]),
            )
    return dataset


def _partitions(table: Table, retailer: Retailer) -> Any:
    """A partition a day, gone when the contract says so; None for what is about no shopper."""
    if table.retention is None:
        return None
    return gcp.bigquery.TableTimePartitioningArgs(
        type="DAY", field="at", expiration_ms=retailer.contract.days(table.retention) * _DAY_MS
    )


def grants(stack: Stack, on: Apis, store: BigQuery, function: Function, member: Any) -> list[Any]:
    """A grant on each retailer's dataset, and the rights to run jobs and to read in bulk, which exist for a whole
    project only: they let nobody read anything, they let them pay for it."""
    made: list[pulumi.Resource] = []
    for need in needs(function, Dataset):
        made += [
            gcp.bigquery.DatasetIamMember(
                f"{function.service}-{retailer_id}",
                project=stack.project,
                dataset_id=dataset.dataset_id,
                role=ROLES[need.access],
                member=member,
                opts=on.on(apis.BIGQUERY),
            )
            for retailer_id, dataset in store.datasets.items()
        ]
        made += [
            gcp.projects.IAMMember(
                f"{function.service}-{name}",
                project=stack.project,
                role=role,
                member=member,
                opts=on.on(apis.PROJECTS),
            )
            for name, role in (("jobs", JOBS), *([("read-sessions", SESSIONS)] if need.in_bulk else []))
        ]
    return made
