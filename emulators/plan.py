"""What the laptop makes of each resource of the graph. Pure: a graph in, verdicts out.

Each type has one of three verdicts: applied by an applier, with what differs from the cloud; not emulated, because …;
or unknown, which is an error: a resource that nobody thought about must not vanish silently. The table in the README is
made from `VERDICTS`, so it cannot be out of date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emulators.graph import Graph, Resource


@dataclass(frozen=True, slots=True)
class Applied:
    """Made locally by `emulators/appliers/<applier>.py`. `differs` says what is not as in the cloud."""

    applier: str
    differs: str


@dataclass(frozen=True, slots=True)
class NotEmulated:
    """Left out, and what that means: who checks it instead."""

    because: str


Verdict = Applied | NotEmulated

_GRANT = NotEmulated("no emulator checks who calls; tests/infra proves every grant on the captured graph")
_IDENTITY = NotEmulated("local processes act under no account; tests/infra checks who may act as whom")

VERDICTS: dict[str, Verdict] = {
    "gcp:bigquery/dataset:Dataset": Applied("bigquery", "no time travel; bqemulator runs one query at a time"),
    "gcp:bigquery/table:Table": Applied(
        "bigquery", "partitions do not expire (the purge deletes); NULL in a REQUIRED column is accepted"
    ),
    "gcp:bigtable/gCPolicy:GCPolicy": Applied(
        "bigtable", "collection runs within seconds instead of days; an intersection of rules is not applied"
    ),
    "gcp:bigtable/table:Table": Applied("bigtable", "in memory only; no replication, no backup, no change stream"),
    "gcp:cloudrunv2/service:Service": Applied(
        "services", "one instance, never scaled, not behind IAM; the built archive under functions-framework, no image"
    ),
    "gcp:cloudscheduler/job:Job": Applied(
        "scheduler", "no clock: a job runs when it is fired, once, without Scheduler's retries"
    ),
    "gcp:firestore/database:Database": Applied(
        "firestore", "exists by being used; no TTL, no check of indexes; a contended transaction waits 4 s"
    ),
    "gcp:kms/cryptoKey:CryptoKey": Applied(
        "secrets", "a key of this machine on the same curve, in the secrets' file, handed to the function that signs"
    ),
    "gcp:pubsub/subscription:Subscription": Applied(
        "pubsub",
        "no identity token on a push, two deliveries at a time, no retry policy: a second attempt comes at once",
    ),
    "gcp:pubsub/topic:Topic": Applied("pubsub", "in memory only; the storage region means nothing"),
    "gcp:secretmanager/secret:Secret": Applied("secrets", "in a file that only its owner can read"),
    "gcp:secretmanager/secretVersion:SecretVersion": Applied("secrets", "32 random bytes of this machine, one version"),
    "gcp:storage/bucketObject:BucketObject": Applied("services", "the archive is unpacked from where it was built"),
    "random:index/randomBytes:RandomBytes": Applied("secrets", "drawn once for each state folder"),
    "command:local:Command": NotEmulated(
        "it has Cloud Run build an image; here each function runs from the archive that the image would be built from"
    ),
    "gcp:artifactregistry/repository:Repository": NotEmulated(
        "no image is built: each function runs from its archive, so a missing layer fails here too"
    ),
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": _GRANT,
    "gcp:bigquery/datasetIamMember:DatasetIamMember": _GRANT,
    "gcp:bigtable/appProfile:AppProfile": NotEmulated(
        "the emulator takes any profile's name; tests/infra checks that compare-and-set has one cluster"
    ),
    "gcp:bigtable/instance:Instance": NotEmulated("the emulator takes any instance's name and has no nodes to scale"),
    "gcp:bigtable/tableIamMember:TableIamMember": _GRANT,
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember": _GRANT,
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": _GRANT,
    "gcp:kms/keyRing:KeyRing": NotEmulated("the folder that the keys lie in; one key is one entry of a file"),
    "gcp:firestore/field:Field": NotEmulated(
        "the emulator expires no document: the nightly purge removes what these policies would; tests/infra compares "
        "each with its collection"
    ),
    "gcp:logging/metric:Metric": NotEmulated(
        "nobody collects a laptop's logs; tests/handlers checks that a function writes the lines that it measures"
    ),
    "gcp:logging/projectExclusion:ProjectExclusion": NotEmulated(
        "nobody logs a laptop's requests; tests/infra checks that the public services are named in it"
    ),
    "gcp:monitoring/alertPolicy:AlertPolicy": NotEmulated(
        "nobody is on call for a laptop; logs are in the state folder"
    ),
    "gcp:projects/iAMMember:IAMMember": _GRANT,
    "gcp:projects/service:Service": NotEmulated("an emulator needs no API to be switched on"),
    "gcp:projects/serviceIdentity:ServiceIdentity": _IDENTITY,
    "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember": _GRANT,
    "gcp:pubsub/topicIAMMember:TopicIAMMember": _GRANT,
    "gcp:secretmanager/secretIamMember:SecretIamMember": _GRANT,
    "gcp:serviceaccount/account:Account": _IDENTITY,
    "gcp:serviceaccount/iAMMember:IAMMember": _GRANT,
    "gcp:storage/bucket:Bucket": NotEmulated("it holds archives only, which lie on this machine already"),
    "gcp:storage/bucketIAMMember:BucketIAMMember": _GRANT,
}


class UnknownResource(LookupError):
    """The graph holds a type without a verdict. Names the types and what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Each resource with its verdict, in the graph's order."""

    graph: Graph
    verdicts: tuple[tuple[Resource, Verdict], ...]

    def of(self, applier: str) -> tuple[Resource, ...]:
        """The resources that this applier makes."""
        return tuple(r for r, verdict in self.verdicts if isinstance(verdict, Applied) and verdict.applier == applier)

    def summary(self) -> dict[str, int]:
        """How many resources there are, how many are applied, how many are not emulated."""
        applied = sum(isinstance(verdict, Applied) for _, verdict in self.verdicts)
        return {
            "resources": len(self.verdicts),
            "applied": applied,
            "not_emulated": len(self.verdicts) - applied,
        }


def plan(graph: Graph, verdicts: Mapping[str, Verdict] = VERDICTS) -> Plan:
    """Gives every resource its verdict.

    Raises:
        UnknownResource: some types have none.
    """
    unknown = sorted({resource.type for resource in graph.resources} - verdicts.keys())
    if unknown:
        raise UnknownResource(
            f"the graph holds {', '.join(unknown)}, of which the laptop knows nothing, so nothing was started: what is "
            "left out must be left out on purpose. Add each to VERDICTS in emulators/plan.py, either applied (and "
            "write or extend an applier) or not emulated with its reason, then `python -m emulators plan "
            "--write README.md`."
        )
    return Plan(graph, tuple((resource, verdicts[resource.type]) for resource in graph.resources))


def lines(made: Plan) -> list[str]:
    """The plan for people: one line a resource, those that are applied first."""
    texts = [
        (0, f"{verdict.applier:<10} {resource.type.split(':')[-1]:<16} {resource.name}")
        if isinstance(verdict, Applied)
        else (1, f"{'-':<10} {resource.type.split(':')[-1]:<16} {resource.name}: {verdict.because}")
        for resource, verdict in made.verdicts
    ]
    return [text for _, text in sorted(texts)]
