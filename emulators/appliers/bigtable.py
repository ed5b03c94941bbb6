"""Bigtable tables, their families and garbage-collection rules.

Limits that shaped it: the emulator has no REST and no instance admin, so tables are made over gRPC under any instance's
name. Its collector starts only when a family is modified after the table was made, hence the update of every family
that changes nothing. It does not apply an intersection of rules, so one is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc

from emulators.graph import InvalidGraph, Resource

TABLE, POLICY = "gcp:bigtable/table:Table", "gcp:bigtable/gCPolicy:GCPolicy"
_SERVICE = "/google.bigtable.admin.v2.BigtableTableAdmin/"
_UNITS_S = {"h": 3600, "m": 60, "s": 1}
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Rule:
    """A family's rule: cells go when older than `max_age_s` seconds, or beyond `max_versions`; None keeps them."""

    max_age_s: int | None = None
    max_versions: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table's full name and its families' rules."""

    parent: str
    name: str
    families: dict[str, Rule] = field(default_factory=dict)

    @property
    def full(self) -> str:
        return f"{self.parent}/tables/{self.name}"


def seconds(duration: str) -> int:
    """Seconds of a Go duration such as `9480h` or `1h30m`.

    Raises:
        InvalidGraph: not one.
    """
    parts = re.findall(r"(\d+)([hms])", duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise InvalidGraph(f"{duration!r} is no duration in whole hours, minutes and seconds.")
    return sum(int(number) * _UNITS_S[unit] for number, unit in parts)


def wanted(resources: Iterable[Resource]) -> list[Table]:
    """The tables with their families. Pure.

    Raises:
        InvalidGraph: a rule that the emulator would not apply, or of a family that is not there.
    """
    resources = list(resources)
    tables = {
        resource.text("name"): Table(
            f"projects/{resource.text('project')}/instances/{resource.text('instanceName')}",
            resource.text("name"),
            {each["family"]: Rule() for each in resource.get("columnFamilies", default=())},
        )
        for resource in resources
        if resource.type == TABLE
    }
    for policy in (resource for resource in resources if resource.type == POLICY):
        table, family = tables.get(policy.text("table")), policy.text("columnFamily")
        if table is None or family not in table.families:
            raise InvalidGraph(f"rule {policy.name!r} is about a family that no table of the graph has.")
        versions = policy.get("maxVersions", default=())
        age = policy.get("maxAge", "duration")
        if policy.get("gcRules") or (age and versions and policy.get("mode") != "UNION"):
            raise InvalidGraph(
                f"rule {policy.name!r} is an intersection or nested, which the emulator does not apply: data would "
                "stay here that goes in the cloud. Say it as one age or one number of versions, or as a UNION."
            )
        table.families[family] = Rule(seconds(age) if age else None, int(versions[0]["number"]) if versions else None)
    return list(tables.values())


def apply(resources: Iterable[Resource], host: str) -> None:
    """Makes the tables and families that are not there, then sets every family's rule.

    Raises:
        grpc.RpcError: the emulator says no.
    """
    # Imported here: it takes a second of CPU, which a command that applies nothing should not pay.
    from google.cloud.bigtable_admin_v2 import types

    with grpc.insecure_channel(host) as channel:
        for table in wanted(resources):
            there = _families(channel, types, table)
            if there is None:
                request = types.CreateTableRequest(parent=table.parent, table_id=table.name, table=types.Table())
                _call(channel, "CreateTable", request, types.Table)
            changes = [_change(types, name, rule, name in (there or ())) for name, rule in table.families.items()]
            _call(
                channel,
                "ModifyColumnFamilies",
                types.ModifyColumnFamiliesRequest(name=table.full, modifications=changes),
                types.Table,
            )
            again = [_change(types, name, rule, True) for name, rule in table.families.items()]
            _call(
                channel,
                "ModifyColumnFamilies",
                types.ModifyColumnFamiliesRequest(name=table.full, modifications=again),
                types.Table,
            )


def _families(channel: grpc.Channel, types: Any, table: Table) -> set[str] | None:
    """The families that are there, None where the table is not."""
    try:
        return set(_call(channel, "GetTable", types.GetTableRequest(name=table.full), types.Table).column_families)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return None
        raise


def _change(types: Any, name: str, rule: Rule, there: bool) -> Any:
    rules = []
    if rule.max_age_s is not None:
        rules.append(types.GcRule(max_age={"seconds": rule.max_age_s}))
    if rule.max_versions is not None:
        rules.append(types.GcRule(max_num_versions=rule.max_versions))
    gc_rule = types.GcRule(union=types.GcRule.Union(rules=rules)) if len(rules) > 1 else (rules or [None])[0]
    family = types.ColumnFamily(gc_rule=gc_rule)
    kind = "update" if there else "create"
    return types.ModifyColumnFamiliesRequest.Modification(id=name, **{kind: family})


def _call(channel: grpc.Channel, method: str, request: Any, answer: Any) -> Any:
    stub = channel.unary_unary(_SERVICE + method, type(request).serialize, answer.deserialize)
    return stub(request, timeout=_TIMEOUT_S)
