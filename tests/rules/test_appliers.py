"""What the appliers read out of a graph, before anything is made: pure, so without an emulator."""

from __future__ import annotations

import base64
import json
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.appliers import bigquery, bigtable, pubsub, s3, scheduler, secrets, services
from emulators.graph import InvalidGraph, Resource, localised
from emulators.tokens import handed_on_token
from layers.signing.keys import PublicKey
from layers.signing.local import LocalSigner

HERE = {"https://ingest.run.invalid": "http://127.0.0.1:4001", "https://feeds.run.invalid": "http://127.0.0.1:4002"}


def resource(type_: str, **inputs: Any) -> Resource:
    return Resource(f"urn:{type_}", type_, "r", {"project": "p", **inputs})


def subscription(**inputs: Any) -> Resource:
    return resource(pubsub.SUBSCRIPTION, **{"name": "cooling--events", "topic": "events", **inputs})


json_values = st.recursive(
    st.text() | st.integers() | st.booleans() | st.sampled_from([f"{there}/x" for there in HERE]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_no_address_of_the_graph_is_left_and_nothing_else_changes(value: Any) -> None:
    here = json.dumps(localised(value, HERE))
    assert not any(there in here for there in HERE)
    back = json.loads(here)
    assert localised(back, {local: there for there, local in HERE.items()}) == value


class TestPubsub:
    def test_a_push_goes_to_the_local_address_without_the_retries_that_would_stop_it(self) -> None:
        retry = {"minimumBackoff": "1s", "maximumBackoff": "60s"}
        dead = {"deadLetterTopic": "projects/p/topics/dead", "maxDeliveryAttempts": 20}
        push = {"pushEndpoint": "https://ingest.run.invalid", "oidcToken": {"audience": "https://ingest.run.invalid"}}
        asked = subscription(pushConfig=push, retryPolicy=retry, deadLetterPolicy=dead, ackDeadlineSeconds=60)
        topics, (made,) = pubsub.wanted([resource(pubsub.TOPIC, name="events"), asked], HERE)
        assert topics == ["projects/p/topics/events"]
        assert made.name == "projects/p/subscriptions/cooling--events"
        assert made.endpoint == "http://127.0.0.1:4001"
        assert made.body == {
            "topic": "projects/p/topics/events",
            "deadLetterPolicy": dead,
            "ackDeadlineSeconds": 60,
        }

    def test_whom_it_pushes_to_is_told_by_the_address_in_the_graph(self) -> None:
        push = subscription(pushConfig={"pushEndpoint": "https://ingest.run.invalid/v1"})
        assert pubsub.pushes_to(push, ["https://ingest.run.invalid"])
        assert not pubsub.pushes_to(push, ["https://ingest.run.invalid2", "https://feeds.run.invalid"])
        assert not pubsub.pushes_to(subscription(), ["https://ingest.run.invalid"])
        assert not pubsub.pushes_to(resource(pubsub.TOPIC, name="events"), ["https://ingest.run.invalid"])

    def test_one_without_a_push_is_pulled(self) -> None:
        _, (made,) = pubsub.wanted([subscription(topic="projects/q/topics/other")], HERE)
        assert made.endpoint is None
        assert made.body["topic"] == "projects/q/topics/other"

    def test_a_filter_is_refused_since_the_emulator_would_ignore_it(self) -> None:
        with pytest.raises(InvalidGraph, match="filter"):
            pubsub.wanted([subscription(filter='attributes.retailer = "demo"')], HERE)

    def test_a_push_out_of_this_machine_is_refused(self) -> None:
        with pytest.raises(InvalidGraph, match="no service of this graph"):
            pubsub.wanted([subscription(pushConfig={"pushEndpoint": "https://elsewhere.example"})], HERE)


def table(*families: str) -> Resource:
    inputs = {"name": "events", "instanceName": "i", "columnFamilies": [{"family": name} for name in families]}
    return resource(bigtable.TABLE, **inputs)


def policy(**inputs: Any) -> Resource:
    return resource(bigtable.POLICY, table="events", columnFamily="f", **inputs)


class TestBigtable:
    def test_each_family_gets_its_rule(self) -> None:
        (made,) = bigtable.wanted([table("f", "g"), policy(maxAge={"duration": "48h"})])
        assert made.full == "projects/p/instances/i/tables/events"
        assert made.families == {"f": bigtable.Rule(max_age_s=172_800), "g": bigtable.Rule()}
        (made,) = bigtable.wanted([policy(maxVersions=[{"number": 3}]), table("f")])
        assert made.families == {"f": bigtable.Rule(max_versions=3)}

    @pytest.mark.parametrize(
        "inputs",
        [
            {"maxAge": {"duration": "1h"}, "maxVersions": [{"number": 1}]},
            {"maxAge": {"duration": "1h"}, "maxVersions": [{"number": 1}], "mode": "INTERSECTION"},
            {"gcRules": "{}"},
        ],
    )
    def test_a_rule_that_the_emulator_would_not_apply_is_refused(self, inputs: dict[str, Any]) -> None:
        with pytest.raises(InvalidGraph, match="does not apply"):
            bigtable.wanted([table("f"), policy(**inputs)])

    def test_a_rule_of_no_family_is_refused(self) -> None:
        with pytest.raises(InvalidGraph, match="no table"):
            bigtable.wanted([table("g"), policy(maxAge={"duration": "1h"})])

    @given(st.integers(0, 99_999), st.integers(0, 59), st.integers(0, 59))
    def test_a_duration_in_go_is_read(self, hours: int, minutes: int, seconds: int) -> None:
        written = f"{hours}h{minutes}m{seconds}s"
        assert bigtable.seconds(written) == timedelta(hours=hours, minutes=minutes, seconds=seconds).total_seconds()

    @pytest.mark.parametrize("text", ["", "5", "5d", "1.5h", "h", "-1h"])
    def test_what_is_no_duration_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidGraph, match="duration"):
            bigtable.seconds(text)


class TestBigquery:
    def test_a_table_keeps_schema_partitions_and_clustering(self) -> None:
        schema = [{"name": "at", "type": "TIMESTAMP", "mode": "REQUIRED"}]
        asked = resource(
            bigquery.TABLE,
            datasetId="d",
            tableId="t",
            schema=json.dumps(schema),
            clusterings=["shopper"],
            timePartitioning={"type": "DAY", "field": "at", "expirationMs": 86_400_000},
        )
        assert bigquery.table_body(asked) == {
            "tableReference": {"projectId": "p", "datasetId": "d", "tableId": "t"},
            "schema": {"fields": schema},
            "clustering": {"fields": ["shopper"]},
            "timePartitioning": {"type": "DAY", "field": "at", "expirationMs": "86400000"},
        }

    def test_views_come_after_what_they_read(self) -> None:
        view = resource(bigquery.TABLE, datasetId="d", tableId="a", view={"query": "SELECT 1", "useLegacySql": False})
        stored = resource(bigquery.TABLE, datasetId="d", tableId="b", schema="[]")
        dataset = resource(bigquery.DATASET, datasetId="d")
        assert bigquery.in_order([view, stored, dataset]) == [dataset, stored, view]
        assert bigquery.table_body(view)["view"] == {"query": "SELECT 1", "useLegacySql": False}


def version(value: Any) -> Resource:
    return resource(secrets.VERSION, secret="projects/p/secrets/demo-pseudonym-key", secretData=value)


class TestSecrets:
    def test_a_secret_is_drawn_once_and_only_its_owner_reads_it(self, tmp_path: Path) -> None:
        file = tmp_path / "secrets.json"
        drawn = secrets.apply([version({"secret": "urn"})], file)
        assert [len(base64.b64decode(value)) for value in drawn.values()] == [32, 32]
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert set(drawn) == {"demo-pseudonym-key", secrets.OWN_BEACON}
        assert secrets.apply([version({"secret": "urn"})], file) == drawn
        assert secrets.apply([version({"secret": "urn"})], tmp_path / "other.json") != drawn

    async def test_a_signing_key_is_drawn_once_and_is_one_that_signs(self, tmp_path: Path) -> None:
        asked = resource(secrets.KEY, keyRing="projects/p/locations/l/keyRings/gondola", name="receipts")
        file = tmp_path / "secrets.json"
        secret = secrets.apply([version({"secret": "urn"})], file)
        drawn = secrets.apply([version({"secret": "urn"}), asked], file)
        key = "projects/p/locations/l/keyRings/gondola/cryptoKeys/receipts"
        assert drawn == {**secret, key: drawn[key]}, "a stack that is up keeps the secrets it has"
        assert secrets.apply([asked], file) == drawn
        signer = LocalSigner.of(drawn[key])
        assert PublicKey(await signer.public_key()).verifies(await signer.sign(b"text"), b"text")

    def test_a_key_that_seals_is_no_key_that_signs(self, tmp_path: Path) -> None:
        ring = "projects/p/locations/l/keyRings/gondola"
        asked = resource(secrets.KEY, keyRing=ring, name="seeds", purpose="ENCRYPT_DECRYPT")
        drawn = secrets.apply([asked], tmp_path / "secrets.json")
        assert len(base64.b64decode(drawn[f"{ring}/cryptoKeys/seeds"])) == 32
        assert (secrets.signing_keys([asked]), secrets.sealing_keys([asked])) == ([], [f"{ring}/cryptoKeys/seeds"])

    def test_a_value_in_the_graph_is_refused_without_being_repeated(self) -> None:
        with pytest.raises(InvalidGraph) as caught:
            secrets.wanted([version("hunter2")])
        assert "hunter2" not in str(caught.value)


def service(**more: Any) -> list[Resource]:
    envs = [
        {"name": "GONDOLA_URL_INGEST", "value": "https://ingest.run.invalid"},
        {"name": "GONDOLA_SECRET_X", "valueSource": {"secretKeyRef": {"secret": "demo-x", "version": "1"}}},
    ]
    return [
        resource(
            services.SERVICE,
            name="retention-purge",
            buildConfig={"functionTarget": "retention_purge", "sourceLocation": "gs://b/o.zip"},
            template={"containers": [{"envs": envs}]},
            **more,
        ),
        resource(services.OBJECT, bucket="b", name="o.zip", source={"asset": ".local/archives/o.zip"}),
    ]


class TestServices:
    def test_a_function_sees_the_graphs_values_and_the_emulators_and_nothing_else(self) -> None:
        (made,) = services.wanted(service())
        assert (made.function, made.archive) == ("retention_purge", ".local/archives/o.zip")
        assert made.address_in_graph == "https://retention-purge.run.invalid"
        hosts = {"PUBSUB_EMULATOR_HOST": "127.0.0.1:1"}
        assert services.environment(made, {"demo-x": "s3cret"}, hosts, HERE, 4003) == {
            "GONDOLA_URL_INGEST": "http://127.0.0.1:4001",
            "GONDOLA_SECRET_X": "s3cret",
            "PUBSUB_EMULATOR_HOST": "127.0.0.1:1",
            "PORT": "4003",
            "PYTHONUNBUFFERED": "1",
            "GONDOLA_LONGEST_REQUEST_S": "1",
            "OMP_WAIT_POLICY": "passive",
            "GONDOLA_PATIENCE_S": "2",
        }

    def test_who_is_told_of_a_key_is_handed_it(self) -> None:
        (made,) = services.wanted(service())
        seals, signs = ("projects/p/locations/l/keyRings/gondola/cryptoKeys/" + name for name in ("seeds", "claims"))
        named = {"SEALS": seals, "SIGNS": f"{signs}/cryptoKeyVersions/1", "PLAIN": "demo-x"}
        asking = replace(made, environment=named, secrets={})
        seen = services.environment(asking, {seals: "32 bytes", signs: "a key", "demo-x": "s3cret"}, {}, HERE, 4003)
        assert (seen["SEALS_LOCAL"], seen["SIGNS_LOCAL"]) == ("32 bytes", "a key") and "PLAIN_LOCAL" not in seen

    def test_who_asks_a_beacon_is_handed_this_machines_own(self) -> None:
        (made,) = services.wanted(service())
        asking = replace(made, environment={"GONDOLA_BEACON_RELAYS": "https://relay.example"}, secrets={})
        seen = services.environment(asking, {secrets.OWN_BEACON: "key"}, {}, HERE, 4003)
        assert seen["GONDOLA_OWN_BEACON_KEY"] == "key"

    def test_a_secret_without_a_version_is_refused(self) -> None:
        (made,) = services.wanted(service())
        with pytest.raises(InvalidGraph, match="demo-x"):
            services.environment(made, {}, {}, HERE, 4003)

    def test_an_archive_that_no_object_holds_is_refused(self) -> None:
        with pytest.raises(InvalidGraph, match="archive"):
            services.wanted(service()[:1])

    def test_other_code_or_another_value_is_another_fingerprint(self, tmp_path: Path) -> None:
        (made,) = services.wanted(service())
        archive = tmp_path / "o.zip"
        archive.write_bytes(b"one")
        first = services.fingerprint(made, {"A": "1", "B": "2"}, archive)
        assert services.fingerprint(made, {"B": "2", "A": "1"}, archive) == first
        assert services.fingerprint(made, {"A": "1", "B": "3"}, archive) != first
        archive.write_bytes(b"two")
        assert services.fingerprint(made, {"A": "1", "B": "2"}, archive) != first


def test_buckets_are_those_of_the_retailers() -> None:
    entry = {"id": "demo", "feed": {"bucket": "demo-deliveries", "region": "eu-west-3"}}
    values = {"GONDOLA_RETAILER_DEMO": json.dumps(entry), "GONDOLA_RETAILER_SHY": '{"id": "shy"}', "OTHER": "x"}
    assert s3.wanted([values, values, {}]) == {"demo-deliveries": "eu-west-3"}


class TestScheduler:
    JOB = resource(
        "gcp:cloudscheduler/job:Job",
        name="retention-purge",
        attemptDeadline="1800s",
        httpTarget={
            "uri": "https://feeds.run.invalid",
            "httpMethod": "POST",
            "oidcToken": {"serviceAccountEmail": "job@p.iam", "audience": "https://feeds.run.invalid"},
        },
    )

    def test_a_job_is_found_by_its_own_name_and_by_its_functions(self) -> None:
        jobs = scheduler.wanted([self.JOB], HERE)
        assert scheduler.find(jobs, "retention_purge") is scheduler.find(jobs, "retention-purge")
        assert scheduler.find(jobs, "retention_purge").url == "http://127.0.0.1:4002"
        assert scheduler.find(jobs, "retention_purge").deadline_s == 1800
        with pytest.raises(scheduler.UnknownJob, match="retention-purge"):
            scheduler.find(jobs, "purge")

    def test_the_clock_is_the_one_that_was_asked_for_in_utc(self) -> None:
        job = scheduler.find(scheduler.wanted([self.JOB], HERE), "retention_purge")
        at = datetime(2027, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
        assert scheduler.headers(job, at)["X-CloudScheduler-ScheduleTime"] == "2027-01-01T00:00:00Z"


def test_a_token_says_who_and_is_no_proof() -> None:
    header, claims, signature = handed_on_token("c@demo.example", "aud", datetime(2026, 1, 1, tzinfo=UTC)).split(".")
    read = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert read["email"] == "c@demo.example"
    assert read["exp"] > read["iat"]
    assert signature == "SIGNATURE_REMOVED_BY_GOOGLE"
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["typ"] == "JWT"
