"""Firestore: the databases, and who may use which.

Firestore has no grant on a database, only on the project; a condition on the resource's name narrows it to one.
"""

from __future__ import annotations

from typing import Any

import pulumi_gcp as gcp

from infra import apis
from infra.apis import Apis
from infra.configuration import Stack
from infra.declared import DATABASES, needs
from layers.declarations import Access, Documents, Function
from layers.stores.collections import COLLECTIONS, Collection
from layers.stores.lingering import DOCUMENT_VERSIONS_HOURS

ROLES = {Access.READ: "roles/datastore.viewer", Access.WRITE: "roles/datastore.user"}


_RECOVERY = {1: "POINT_IN_TIME_RECOVERY_DISABLED", 7 * 24: "POINT_IN_TIME_RECOVERY_ENABLED"}


def label(database: str) -> str:
    """A database's name where brackets are not allowed."""
    return database.strip("()")


def firestore(stack: Stack, on: Apis) -> dict[str, Any]:
    """The databases by name."""
    return {
        name: gcp.firestore.Database(
            label(name),
            project=stack.project,
            name=name,
            location_id=stack.documents_location,
            type="FIRESTORE_NATIVE",
            database_edition="STANDARD",
            concurrency_mode="PESSIMISTIC",
            app_engine_integration_mode="DISABLED",
            point_in_time_recovery_enablement=_RECOVERY[DOCUMENT_VERSIONS_HOURS[name]],
            delete_protection_state="DELETE_PROTECTION_ENABLED" if stack.protected else "DELETE_PROTECTION_DISABLED",
            deletion_policy="ABANDON" if stack.protected else "DELETE",
            opts=on.on(apis.FIRESTORE, protect=stack.protected),
        )
        for name in DATABASES
    }


def expiry(stack: Stack, on: Apis, databases: dict[str, Any]) -> list[Any]:
    """Documents go when their delay is over, counted from the field that dates them; Google says within a day.

    A policy has one delay for a collection. Where each retailer's contract is the delay, the longest stands here, and
    the nightly purge removes by the others.
    """
    return [
        gcp.firestore.Field(
            f"{label(collection.database)}-{collection.name}-{collection.dated}",
            project=stack.project,
            database=databases[collection.database].name,
            collection=collection.name,
            field=collection.dated,
            ttl_config=gcp.firestore.FieldTtlConfigArgs(expiration_offset=f"{delay_days(stack, collection) * 86400}s"),
            opts=on.on(apis.FIRESTORE),
        )
        for collection in COLLECTIONS
        if collection.dated
    ]


def delay_days(stack: Stack, collection: Collection) -> int:
    """The delay of a dated collection; of several, the longest."""
    return max(collection.delay_days(retailer) for retailer in stack.retailers)


def grants(stack: Stack, on: Apis, databases: dict[str, Any], function: Function, member: Any) -> list[Any]:
    """One grant for each database that the function needs, on that database."""
    return [
        gcp.projects.IAMMember(
            f"{function.service}-{label(need.database)}",
            project=stack.project,
            role=ROLES[need.access],
            member=member,
            condition=gcp.projects.IAMMemberConditionArgs(
                title=f"only-database-{label(need.database)}",
                description=f"Only the Firestore database {need.database}",
                expression=databases[need.database].id.apply(lambda name: f'resource.name == "{name}"'),
            ),
            opts=on.on(apis.PROJECTS),
        )
        for need in needs(function, Documents)
    ]
