"""Bigtable: one instance, the tables of `layers.stores.tables`, their families' expiry, and who may use them.

One cluster, because compare-and-set is only safe where one cluster takes the writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi_gcp as gcp

from infra import apis
from infra.apis import Apis
from infra.configuration import Stack
from infra.declared import needs
from layers.declarations import Access, Function, HotTable
from layers.stores.tables import Family, HotTableSpec

INSTANCE = "gondola"
ROLES = {Access.READ: "roles/bigtable.reader", Access.WRITE: "roles/bigtable.user"}


@dataclass(frozen=True, slots=True)
class Bigtable:
    """`tables` by name; `names` as the data API spells them."""

    tables: dict[str, Any]
    names: dict[str, Any]


def bigtable(stack: Stack, on: Apis, specs: tuple[HotTableSpec, ...]) -> Bigtable:
    cluster = f"{INSTANCE}-{stack.zone}"
    nodes = stack.nodes
    instance = gcp.bigtable.Instance(
        INSTANCE,
        project=stack.project,
        name=INSTANCE,
        display_name="Gondola hot data",
        edition="ENTERPRISE",
        clusters=[
            gcp.bigtable.InstanceClusterArgs(
                cluster_id=cluster,
                zone=stack.zone,
                storage_type="SSD",
                node_scaling_factor="NodeScalingFactor1X",
                num_nodes=nodes.fixed,
                autoscaling_config=None
                if nodes.fixed
                else gcp.bigtable.InstanceClusterAutoscalingConfigArgs(
                    min_nodes=nodes.min, max_nodes=nodes.max, cpu_target=nodes.cpu_target, storage_target=2560
                ),
            )
        ],
        force_destroy=False,
        deletion_protection=stack.protected,
        opts=on.on(apis.BIGTABLE_ADMIN, protect=stack.protected),
    )
    tables, names = {}, {}
    for spec in specs:
        table = gcp.bigtable.Table(
            spec.name,
            project=stack.project,
            instance_name=instance.name,
            name=spec.name,
            column_families=[gcp.bigtable.TableColumnFamilyArgs(family=each.name) for each in spec.families],
            # Also refuses to drop a family: a contract that got shorter must not take its old events with it unseen.
            deletion_protection="PROTECTED" if stack.protected else "UNPROTECTED",
            opts=on.on(apis.BIGTABLE_ADMIN, protect=stack.protected),
        )
        for each in spec.families:
            _expiry(stack, on, instance, table, f"{spec.name}-{each.name}", each)
        gcp.bigtable.AppProfile(
            spec.app_profile,
            project=stack.project,
            instance=instance.name,
            app_profile_id=spec.app_profile,
            description=f"Clients of the table {spec.name}",
            single_cluster_routing=gcp.bigtable.AppProfileSingleClusterRoutingArgs(
                cluster_id=cluster, allow_transactional_writes=spec.swaps
            ),
            standard_isolation=gcp.bigtable.AppProfileStandardIsolationArgs(priority="PRIORITY_HIGH"),
            ignore_warnings=False,
            opts=on.on(apis.BIGTABLE_ADMIN, protect=stack.protected),
        )
        tables[spec.name], names[spec.name] = table, table.id
    return Bigtable(tables, names)


def _expiry(stack: Stack, on: Apis, instance: Any, table: Any, name: str, held: Family) -> None:
    gcp.bigtable.GCPolicy(
        name,
        project=stack.project,
        instance_name=instance.name,
        table=table.name,
        column_family=held.name,
        max_age=gcp.bigtable.GCPolicyMaxAgeArgs(duration=f"{held.max_age_days * 24}h") if held.max_age_days else None,
        max_versions=[gcp.bigtable.GCPolicyMaxVersionArgs(number=held.max_versions)] if held.max_versions else None,
        deletion_policy="DELETE",
        ignore_warnings=False,
        opts=on.on(apis.BIGTABLE_ADMIN),
    )


def grants(stack: Stack, on: Apis, store: Bigtable, function: Function, member: Any) -> list[Any]:
    """One grant for each table that the function needs, on that table."""
    return [
        gcp.bigtable.TableIamMember(
            f"{function.service}-{need.name}",
            project=stack.project,
            instance_name=store.tables[need.name].instance_name,
            table=store.tables[need.name].name,
            role=ROLES[need.access],
            member=member,
            opts=on.on(apis.BIGTABLE_ADMIN),
        )
        for need in needs(function, HotTable)
    ]
