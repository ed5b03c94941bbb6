"""Stores: what exists, how long it stays, what refuses to be deleted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.capture.run import stack_values
from infra.configuration import parse
from layers.facts import TABLES
from layers.retailers import RetentionClass
from layers.stores.collections import COLLECTIONS
from layers.stores.lingering import DOCUMENT_VERSIONS_HOURS
from layers.stores.tables import EVENT_CLASSES, hot_tables

ROOT = Path(__file__).resolve().parents[2]
DAY_MS = 86_400_000


def test_every_family_expires_as_the_contract_says(looked: Any) -> None:
    families = {
        (table["name"], family["family"])
        for table in looked.inputs("gcp:bigtable/table:Table")
        for family in table["columnFamilies"]
    }
    policies = {(p["table"], p["columnFamily"]): p for p in looked.inputs("gCPolicy:GCPolicy")}
    assert set(policies) == families
    contracts = {(c, retailer.contract.days(c)) for retailer in looked.stack.retailers for c in EVENT_CLASSES}
    contracts |= {(c, days) for c, delays in looked.stack.retired_delays.items() for days in delays}
    for retention, days in contracts:
        policy = policies["events", f"{retention.value}_{days}d"]
        assert policy["maxAge"] == {"duration": f"{days * 24}h"}
        assert "maxVersions" not in policy
    assert {family for table, family in families if table == "events"} == {f"{c.value}_{d}d" for c, d in contracts}
    for spec in hot_tables(looked.stack.retailers):
        for family in spec.families:
            if family.max_versions:
                assert policies[spec.name, family.name]["maxVersions"] == [{"number": family.max_versions}]
            elif spec.name != "events":
                assert family.max_age_days
                assert policies[spec.name, family.name]["maxAge"] == {"duration": f"{family.max_age_days * 24}h"}


def test_a_former_contract_keeps_its_family_until_its_events_are_gone() -> None:
    values = {**stack_values(ROOT, "dev"), "gondola:retiredDelays": {"browsing": [30, 395]}}
    stack = parse("dev", values)
    events, *others = hot_tables(stack.retailers, stack.retired_delays)
    ages = {family.name: family.max_age_days for family in events.families}
    # 395 is still somebody's contract too: a family stands once.
    assert ages == {"browsing_30d": 30, "browsing_395d": 395, "consent_1825d": 1825, "transactions_1095d": 1095}
    assert len(events.families) == 4
    assert tuple(others) == hot_tables(stack.retailers)[1:]


def test_every_table_of_every_retailer_expires_as_its_contract_says(looked: Any) -> None:
    tables = {(t["datasetId"], t["tableId"]): t for t in looked.inputs("gcp:bigquery/table:Table")}
    views = {key for key, table in tables.items() if "view" in table}
    expected = set()
    for retailer in looked.stack.retailers:
        for table in TABLES:
            made = tables[retailer.dataset, table.stored_as]
            expected.add((retailer.dataset, table.stored_as))
            if table.cooled:
                expected.add((retailer.dataset, table.name))
                assert (retailer.dataset, table.name) in views
            if table.retention is None:
                assert not table.holds_shoppers
                assert "timePartitioning" not in made
            else:
                days = retailer.contract.days(table.retention)
                expiry = {"type": "DAY", "field": "at", "expirationMs": days * DAY_MS}
                assert made["timePartitioning"] == expiry
                assert made["clusterings"] == ["shopper"]
            assert made["requirePartitionFilter"] is False
    assert set(tables) == expected


def test_columns_are_as_declared_and_say_what_they_mean(looked: Any) -> None:
    older = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
    tables = {(t["datasetId"], t["tableId"]): t for t in looked.inputs("gcp:bigquery/table:Table")}
    for retailer in looked.stack.retailers:
        for table in TABLES:
            made = json.loads(tables[retailer.dataset, table.stored_as]["schema"])
            read = [
                (c["name"], older.get(c["type"], c["type"]), c["mode"] == "REQUIRED", c["description"]) for c in made
            ]
            assert read == [(c.name, c.type.value, c.required, c.meaning) for c in table.columns]


def test_a_view_reads_its_own_table_after_it_exists(looked: Any) -> None:
    made = {(r["inputs"]["datasetId"], r["inputs"]["tableId"]): r for r in looked.of("gcp:bigquery/table:Table")}
    for (dataset, name), resource in made.items():
        if "view" not in resource["inputs"]:
            continue
        assert resource["inputs"]["view"]["useLegacySql"] is False
        assert f"FROM `{looked.stack.project}.{dataset}.cooled_{name}`" in resource["inputs"]["view"]["query"]
        assert made[dataset, f"cooled_{name}"]["urn"] in resource["depends_on"]


def test_what_is_erased_stays_readable_for_two_days_at_most(looked: Any) -> None:
    datasets = {d["datasetId"]: d for d in looked.inputs("dataset:Dataset")}
    assert set(datasets) == {r.dataset for r in looked.stack.retailers}
    for dataset in datasets.values():
        assert dataset["maxTimeTravelHours"] == "48"
        assert dataset["location"] == looked.stack.analytics_location
        # An expiry of the dataset would hide behind each table's own.
        assert "defaultPartitionExpirationMs" not in dataset
        assert "defaultTableExpirationMs" not in dataset


def test_compare_and_set_goes_through_one_cluster(looked: Any) -> None:
    (instance,) = looked.inputs("instance:Instance")
    (cluster,) = instance["clusters"]
    profiles = {p["appProfileId"]: p["singleClusterRouting"] for p in looked.inputs("appProfile:AppProfile")}
    assert set(profiles) == {spec.app_profile for spec in hot_tables(looked.stack.retailers)}
    assert {p["clusterId"] for p in profiles.values()} == {cluster["clusterId"]}
    assert {name for name, p in profiles.items() if p["allowTransactionalWrites"]} == {"arrivals", "shoppers"}


def test_bigtable_scales_as_configured(looked: Any) -> None:
    (cluster,) = looked.inputs("instance:Instance")[0]["clusters"]
    nodes = looked.stack.nodes
    if nodes.fixed:
        assert cluster["numNodes"] == nodes.fixed
        assert "autoscalingConfig" not in cluster
    else:
        assert "numNodes" not in cluster
        assert cluster["autoscalingConfig"]["minNodes"] == nodes.min
        assert cluster["autoscalingConfig"]["maxNodes"] == nodes.max
        assert cluster["autoscalingConfig"]["cpuTarget"] == nodes.cpu_target


def test_contact_details_have_a_database_of_their_own(looked: Any) -> None:
    databases = {d["name"]: d for d in looked.inputs("database:Database")}
    assert set(databases) == {"(default)", "rewards"}
    for database in databases.values():
        assert database["type"] == "FIRESTORE_NATIVE"
    recovery = {name: d["pointInTimeRecoveryEnablement"].rpartition("_")[2] for name, d in databases.items()}
    # Seven days for what must not be lost, one hour for what must be forgotten: the receipts tell these delays.
    assert recovery == {"(default)": "ENABLED", "rewards": "DISABLED"}
    assert DOCUMENT_VERSIONS_HOURS == {"(default)": 168, "rewards": 1}


def test_stores_refuse_to_be_deleted_where_the_stack_is_protected(looked: Any) -> None:
    protected = looked.stack.protected
    assert {i["deletionProtection"] for i in looked.inputs("instance:Instance")} == {protected}
    word = "PROTECTED" if protected else "UNPROTECTED"
    assert {t["deletionProtection"] for t in looked.inputs("gcp:bigtable/table:Table")} == {word}
    stored = [t for t in looked.inputs("gcp:bigquery/table:Table") if "view" not in t]
    assert {t["deletionProtection"] for t in stored} == {protected}
    word = "DELETE_PROTECTION_ENABLED" if protected else "DELETE_PROTECTION_DISABLED"
    assert {d["deleteProtectionState"] for d in looked.inputs("database:Database")} == {word}
    kinds = ("instance:Instance", "gcp:bigtable/table:Table", "dataset:Dataset", "database:Database", "secret:Secret")
    assert {r["protect"] for kind in kinds for r in looked.of(kind)} == {protected}


def test_no_key_changes_by_accident(looked: Any) -> None:
    secrets = {s["secretId"] for s in looked.inputs("secret:Secret")}
    assert secrets == {f"{r.id}-{kind}" for r in looked.stack.retailers for kind in ("pseudonym-key", "signing-key")}
    for resource in looked.of("random:index/randomBytes:RandomBytes"):
        assert resource["protect"]
        assert resource["inputs"]["length"] >= 32
        assert resource["ignore_changes"] == ["keepers", "length"]
    for resource in looked.of("secretVersion:SecretVersion"):
        assert resource["protect"]
        assert resource["ignore_changes"] == ["secretData"]
    for secret in looked.inputs("secret:Secret"):
        assert secret["replication"] == {"userManaged": {"replicas": [{"location": looked.stack.region}]}}


def test_the_keys_sign_or_seal_and_cannot_be_taken_out(looked: Any) -> None:
    sign, seal = ("ASYMMETRIC_SIGN", "EC_SIGN_P256_SHA256"), ("ENCRYPT_DECRYPT", "GOOGLE_SYMMETRIC_ENCRYPTION")
    expected = {"receipts": sign, "claims": sign, "seeds": seal}
    keys = looked.of("cryptoKey:CryptoKey")
    assert {key["inputs"]["name"] for key in keys} == set(expected)
    for key in keys:
        purpose, algorithm = expected[key["inputs"]["name"]]
        assert key["inputs"]["purpose"] == purpose
        assert key["inputs"]["versionTemplate"] == {"algorithm": algorithm, "protectionLevel": "HSM"}
        assert key["protect"] is looked.stack.protected
    (ring,) = looked.inputs("keyRing:KeyRing")
    assert ring["location"] == looked.stack.region


def test_every_retention_class_of_events_has_a_family(looked: Any) -> None:
    assert set(EVENT_CLASSES) <= set(RetentionClass)
    (events,) = [t for t in looked.inputs("gcp:bigtable/table:Table") if t["name"] == "events"]
    classes = {family["family"].rpartition("_")[0] for family in events["columnFamilies"]}
    assert classes == {c.value for c in EVENT_CLASSES}


def test_every_dated_collection_expires_and_none_before_its_time(looked: Any) -> None:
    policies = {(p["database"], p["collection"]): p for p in looked.inputs("field:Field")}
    assert set(policies) == {(c.database, c.name) for c in COLLECTIONS if c.dated}
    for collection in COLLECTIONS:
        if not collection.dated:
            continue
        policy = policies[collection.database, collection.name]
        days = int(policy["ttlConfig"]["expirationOffset"].removesuffix("s")) / 86400
        assert policy["field"] == collection.dated
        # An index config, even an empty one, would take the field's own indexes away.
        assert "indexConfig" not in policy
        if not collection.contract:
            assert days == collection.days
        else:
            contracts = [r.contract.days(each) for r in looked.stack.retailers for each in collection.contract]
            assert days == max(contracts), "by the shortest, one retailer's suppression would go before its time"
