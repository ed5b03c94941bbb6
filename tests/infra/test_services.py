"""Services: who they run as, what they are told, who reaches them, how they scale."""

from __future__ import annotations

import json
from typing import Any

from layers.declarations import (
    Access,
    Calls,
    DeadLetters,
    Documents,
    HotTable,
    Http,
    PublicRandomness,
    Push,
    RetailerSecret,
    SealingKey,
    SigningKey,
    Topic,
    settings,
)
from layers.stores.suppressions import LONGEST_REQUEST_S
from layers.stores.topics import TOPICS


def _services(looked: Any) -> dict[str, dict[str, Any]]:
    return {inputs["name"]: inputs for inputs in looked.inputs("gcp:cloudrunv2/service:Service")}


def _envs(service: dict[str, Any]) -> list[dict[str, Any]]:
    return list(service["template"]["containers"][0]["envs"])


def test_one_service_a_function(looked: Any) -> None:
    assert set(_services(looked)) == {f.service for f in looked.functions}


def test_every_service_has_an_account_of_its_own(looked: Any) -> None:
    accounts = {f"{i['accountId']}@{i['project']}.iam.gserviceaccount.com" for i in looked.inputs("account:Account")}
    used = [service["template"]["serviceAccount"] for service in _services(looked).values()]
    assert len(set(used)) == len(used)
    assert set(used) <= accounts
    builders = {service["buildConfig"]["serviceAccount"].rpartition("/")[2] for service in _services(looked).values()}
    assert builders <= accounts - set(used)


def test_the_environment_is_what_the_needs_promise(looked: Any) -> None:
    project = looked.stack.project
    services = _services(looked)
    for function in looked.functions:
        expected: dict[str, str] = {
            "FUNCTION_USE_ASGI": "true",
            settings.PROJECT: project,
            settings.STACK: looked.stack.name,
        }
        expected |= {settings.retailer(r.id): r.to_json() for r in looked.stack.retailers}
        secret: dict[str, str] = {}
        for need in function.needs:
            match need:
                case HotTable():
                    table = f"projects/{project}/instances/gondola/tables/{need.name}"
                    expected[settings.hot_table(need.name)] = table
                    if need == HotTable("events", Access.WRITE):
                        former = {c.value: list(days) for c, days in looked.stack.retired_delays.items()}
                        expected[settings.RETIRED_DELAYS] = json.dumps(former, separators=(",", ":"))
                case Topic():
                    expected[settings.topic(need.name)] = f"projects/{project}/topics/{need.name}"
                case DeadLetters():
                    every = looked.inputs("subscription:Subscription")
                    dead = sorted(each["name"] for each in every if "pushConfig" not in each)
                    expected[settings.DEAD_LETTERS] = json.dumps(
                        {f"projects/{project}/subscriptions/{d}": f"projects/{project}/topics/{d}" for d in dead}
                    )
                case Documents():
                    database = f"projects/{project}/databases/{need.database}"
                    expected[settings.documents(need.database)] = database
                case Calls():
                    expected[settings.url(need.function)] = f"https://{need.function}.run.invalid"
                case PublicRandomness():
                    expected[settings.BEACON_RELAYS] = " ".join(looked.stack.beacon_relays)
                case SigningKey():
                    ring = f"projects/{project}/locations/{looked.stack.region}/keyRings/gondola"
                    key = f"{ring}/cryptoKeys/{need.name}/cryptoKeyVersions/1"
                    expected[settings.signing_key(need.name)] = key
                case SealingKey():
                    ring = f"projects/{project}/locations/{looked.stack.region}/keyRings/gondola"
                    expected[settings.sealing_key(need.name)] = f"{ring}/cryptoKeys/{need.name}"
                case RetailerSecret():
                    secret |= {
                        settings.secret(need.kind, r.id): f"{r.id}-{need.kind.value}" for r in looked.stack.retailers
                    }
        envs = _envs(services[function.service])
        assert {e["name"]: e["value"] for e in envs if "value" in e} == expected
        references = {e["name"]: e["valueSource"]["secretKeyRef"]["secret"] for e in envs if "valueSource" in e}
        assert references == secret
        assert len({e["name"] for e in envs}) == len(envs)


def test_no_secret_in_a_plain_value(looked: Any) -> None:
    for service in _services(looked).values():
        for env in _envs(service):
            if "SECRET" in env["name"]:
                assert "value" not in env
                # A number, never `latest`: a new version reaches functions by a deployment that shows it.
                assert env["valueSource"]["secretKeyRef"]["version"].isdigit()
            else:
                assert "secret" not in json.dumps(env["value"]).lower()


def test_no_value_of_a_secret_anywhere_in_the_graph(looked: Any) -> None:
    versions = looked.of("secretVersion:SecretVersion")
    made = {r["urn"] for r in looked.of("random:index/randomBytes:RandomBytes")}
    assert {tuple(v["inputs"]["secretData"]) for v in versions} == {("secret",)}
    assert {v["inputs"]["secretData"]["secret"] for v in versions} == made


def test_what_a_shopper_waits_for_is_warm_and_starts_fast(looked: Any) -> None:
    services = _services(looked)
    for name in ("ingest", "experiences", "decisioning"):
        template = services[name]["template"]
        assert template["scaling"]["minInstanceCount"] >= 1
        assert template["containers"][0]["resources"]["startupCpuBoost"] is True
        assert template["containers"][0]["startupProbe"]["periodSeconds"] == 1


def test_scale_is_as_declared(looked: Any) -> None:
    services = _services(looked)
    for function in looked.functions:
        template, scale = services[function.service]["template"], function.scale
        container = template["containers"][0]
        assert template["scaling"] == {"minInstanceCount": scale.min_instances, "maxInstanceCount": scale.max_instances}
        assert template["maxInstanceRequestConcurrency"] == scale.concurrency
        assert template["timeout"] == f"{scale.timeout_s}s"
        assert container["resources"] == {
            "limits": {"cpu": str(scale.cpu), "memory": scale.memory},
            "cpuIdle": not scale.cpu_always,
            "startupCpuBoost": scale.startup_boost,
        }


def test_only_https_functions_are_reached_from_outside(looked: Any) -> None:
    services = _services(looked)
    for function in looked.functions:
        outside = isinstance(function.trigger, Http)
        expected = "INGRESS_TRAFFIC_ALL" if outside else "INGRESS_TRAFFIC_INTERNAL_ONLY"
        assert services[function.service]["ingress"] == expected
        assert services[function.service]["invokerIamDisabled"] is False


def test_a_service_runs_the_image_of_its_own_archive_once_built(looked: Any) -> None:
    objects = {r["inputs"]["name"]: r["inputs"] for r in looked.of("bucketObject:BucketObject")}
    builds = {r["name"]: r for r in looked.of("command:local:Command")}
    for resource in looked.of("gcp:cloudrunv2/service:Service"):
        service, build = resource["inputs"], resource["inputs"]["buildConfig"]
        name = build["sourceLocation"].removeprefix(f"gs://{looked.stack.project}-archives/")
        assert objects[name]["source"]["asset"].startswith(f".local/archives/{build['functionTarget']}-")
        image = service["template"]["containers"][0]["image"]
        assert image == build["imageUri"]
        digest = name.rpartition("/")[2].removesuffix(".zip")
        assert digest.startswith(image.rpartition(":")[2])
        made = builds[f"build-{service['name']}"]
        assert made["urn"] in resource["depends_on"]
        assert f"--image={image} " in made["inputs"]["create"]
        assert f"--object={name} " in made["inputs"]["create"]


def test_a_service_starts_only_once_it_may_use_what_it_needs(looked: Any) -> None:
    grants = [
        r
        for r in looked.graph["resources"]
        if "member" in r["inputs"] and not r["type"].startswith("gcp:cloudrunv2") and "run-" in r["inputs"]["member"]
    ]
    assert grants
    services = {r["inputs"]["template"]["serviceAccount"]: r for r in looked.of("gcp:cloudrunv2/service:Service")}
    for grant in grants:
        holder = services[grant["inputs"]["member"].removeprefix("serviceAccount:")]
        assert grant["urn"] in holder["depends_on"]


def test_every_resource_names_its_project_and_its_api(looked: Any) -> None:
    without = {
        # These take the project from the resource they stand on, or stand in no cloud.
        "gcp:bigtable/table",
        "gcp:kms/cryptoKey:CryptoKey",
        "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
        "gcp:secretmanager/secretVersion:SecretVersion",
        "gcp:serviceaccount/iAMMember:IAMMember",
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        "gcp:storage/bucketObject:BucketObject",
        "random:index/randomBytes:RandomBytes",
        "command:local:Command",
    }
    apis = {r["urn"] for r in looked.of("gcp:projects/service:Service")}
    for resource in looked.graph["resources"]:
        if resource["type"] not in without:
            assert resource["inputs"]["project"] == looked.stack.project, resource["urn"]
        if resource["urn"] not in apis:
            assert apis & set(resource["depends_on"]), resource["urn"]


def test_an_erasure_waits_for_the_longest_request_that_may_bring_an_event_in(looked: Any) -> None:
    """Feeds and reconciliation hand on to these; what else runs longer never writes an event or a fact of one. Scoring
    asks who is erased before each page that it writes.
    """
    holding = {"shopper-events", "decisions"}
    assert holding == {name for name, meaning in TOPICS.items() if "pseudonym" in meaning}
    entrances = [
        function
        for function in looked.functions
        if (isinstance(function.trigger, Push) and holding & set(function.trigger.topics))
        # A page's stream lasts longer, and brings nothing in.
        or (isinstance(function.trigger, Http) and function.trigger.public and function.name != "experiences")
    ]
    assert {function.name for function in entrances} >= {"ingest", "cooling", "decisioning"}
    assert max(function.scale.timeout_s for function in entrances) <= LONGEST_REQUEST_S
