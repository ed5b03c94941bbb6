"""Where it takes place: the laptop stack, the officer's door, and what an operator does."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3
import httpx
import msgspec

from emulators.capture import ROOT
from emulators.stack import Stack
from emulators.tokens import handed_on_token
from layers.declarations import SecretKind, settings
from layers.declarations.settings import Settings
from layers.privacy.pseudonym import Pseudonymiser
from layers.privacy.shopper_token import issue
from layers.privacy.signature import decode_key
from layers.retailers import Registry, Retailer
from layers.shell.push import encode_push
from tests.privacy.dump import Dump, plain_client
from tests.privacy.grip import Grip
from tests.privacy.lane import Lane

ERASING = "consent_erasure"
NEEDED = (
    ERASING, "ingest", "cooling", "decisioning", "experiences", "feeds", "rewards", "retention_purge", "scoring",
    "settlement", "tickets",
)  # fmt: skip
"""Every function that keeps something of a shopper when it hears of an event, and those that the course calls."""
ANSWER_S = 300.0
DEAD = "--dead"
_OWNER = {"Authorization": "Bearer owner"}


class Place:
    """Use it with `with`."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say
        self._exits = contextlib.ExitStack()
        self._http = self._exits.enter_context(plain_client())

    def __enter__(self) -> Place:
        with self._exits:
            self.stack = self._exits.enter_context(Stack.up(self._folder, only=NEEDED, say=self._say))
            self._publish_tree()
            self._exits = self._exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exits.close()

    # -- what is where

    @property
    def values(self) -> Settings:
        every = {name: value for f in self.stack.functions for name, value in self.stack.environment(f).items()}
        return Settings({**every, **self.stack.hosts})

    @property
    def retailer(self) -> Retailer:
        return Registry.of_environment(self.values.values, settings.RETAILER_PREFIX).by_id["demo"]

    def token(self, customer: str) -> str:
        """As the shop's own server signs it."""
        return issue(decode_key(self.stack.secret(SecretKind.SIGNING_KEY, "demo")), customer, time.time())

    @property
    def pseudonym(self) -> Callable[[str], str]:
        return Pseudonymiser(self.stack.secret(SecretKind.PSEUDONYM_KEY, "demo"))

    @property
    def ingest(self) -> tuple[str, str]:
        return self.stack.address("ingest"), f"/v1/events?key={self.retailer.write_key}"

    @property
    def experiences(self) -> tuple[str, str]:
        return self.stack.address("experiences"), f"/v1/experiences?key={self.retailer.read_key}"

    def dump(self) -> Dump:
        """Firestore is the one emulator that does not say which databases it has: those of the graph, and the usual
        ones."""
        values = self.values.values
        project = values[settings.PROJECT]
        known = {value for value in values.values() if value.startswith("projects/") and "/databases/" in value}
        usual = {f"projects/{project}/databases/{name}" for name in ("(default)", "rewards")}
        emulators = [pid for name, pid in self.stack.processes().items() if name not in self.stack.functions and pid]
        instance = values[settings.hot_table("events")].partition("/tables/")[0]
        return Dump(self.stack.hosts, project, instance, sorted(known | usual), self._folder, emulators)

    def cold_ids(self) -> set[str]:
        """Event ids in the tables of facts, decisions apart."""
        root = (
            f"http://{self.stack.hosts['BIGQUERY_EMULATOR_HOST']}/bigquery/v2/projects/{self.values[settings.PROJECT]}"
        )
        dataset = self.retailer.dataset
        listed = self._http.get(f"{root}/datasets/{dataset}/tables", params={"maxResults": "1000"}).json()["tables"]
        names = (each["tableReference"]["tableId"] for each in listed if each["type"] == "TABLE")
        parts = " UNION ALL ".join(
            f"SELECT event_id FROM `{self.values[settings.PROJECT]}.{dataset}.{name}`"
            for name in names
            if name.startswith("cooled_") and name != "cooled_decisions"
        )
        sql = f"SELECT DISTINCT event_id FROM ({parts}) AS ids"
        body = {"query": sql, "useLegacySql": False, "maxResults": 1_000_000}
        answer = self._http.post(f"{root}/queries", json=body).raise_for_status().json()
        assert answer.get("jobComplete") and not answer.get("pageToken"), str(answer)[:300]
        return {row["f"][0]["v"] for row in answer.get("rows", ())}

    # -- the officer

    def asks(self, method: str, path: str, body: Any = None, at: str = "") -> httpx.Response:
        """Raises httpx.TransportError where nobody answers.

        Args:
            at: another address than the stack's own.
        """
        address = at or self.stack.address(ERASING)
        token = handed_on_token(self.retailer.compliance[0], address, datetime.now(UTC))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        content = None if body is None else msgspec.json.encode(body)
        return self._http.request(method, f"{address}{path}", content=content, headers=headers, timeout=ANSWER_S)

    def erases(self, reference: str, customers: Sequence[str], at: str = "") -> httpx.Response:
        body = {"retailer": "demo", "reference": reference, "customers": list(customers)}
        return self.asks("POST", "/v1/erasures", body, at)

    def rows_deleted(self) -> int:
        """How often an erasure has deleted the shoppers' rows, by the function's log."""
        return sum(
            '"erasure step done"' in line and '"bigtable:shoppers"' in line
            for line in self.stack.log(ERASING).splitlines()
        )

    def posts(self, body: bytes) -> httpx.Response:
        """One request of a tracker."""
        address, target = self.ingest
        return self._http.post(f"{address}{target}", content=body, headers={"Content-Type": "text/plain"})

    # -- the operator

    def fire(self, job: str) -> tuple[int, str]:
        """Calls a job's function as Scheduler would."""
        return self.stack.fire(job)

    def scores(self, command: str, *more: str) -> str:
        """What an operator's command for scoring prints; empty where it did not end well."""
        asked = [sys.executable, "-m", "functions.scoring", command, "--retailer", "demo", *more]
        environment = {**os.environ, **self.values.values}
        done = subprocess.run(asked, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
        return "" if done.returncode else done.stdout

    def pushes(self, topic: str, attributes: dict[str, str], at: str) -> tuple[int, str]:
        """A message to scoring, delivered at an address by hand."""
        body = encode_push(b"", attributes, "by-hand", datetime.now(UTC), f"scoring--{topic}")
        answer = self._http.post(f"{at}/", content=body, timeout=ANSWER_S)
        return answer.status_code, answer.text

    def deliver(self, key: str, content: bytes) -> None:
        """Into the retailer's bucket, by the retailer."""
        feed = self.retailer.feed
        assert feed is not None
        client = boto3.client(
            "s3",
            endpoint_url=self.stack.hosts["AWS_ENDPOINT_URL_S3"],
            region_name=feed.region,
            aws_access_key_id="retailer",
            aws_secret_access_key="retailer",
        )
        client.put_object(Bucket=feed.bucket, Key=key, Body=content)

    def waiting(self, dead: bool) -> dict[str, int]:
        """Events that nobody has taken yet, by subscription: those of dead letters, or of the others."""
        found: dict[str, int] = {}
        for piece in self.dump().pubsub(lambda name: name.endswith(DEAD) is dead):
            found[piece.place] = found.get(piece.place, 0) + 1
        return found

    @contextlib.contextmanager
    def gives_up(self, messages: int) -> Iterator[None]:
        """When the block ends, so many of the messages since it began lie among decisioning's dead letters too, as if
        Pub/Sub had given them up. Twenty real attempts take the emulator half a minute of a busy machine."""
        root = f"http://{self.stack.hosts['PUBSUB_EMULATOR_HOST']}/v1/projects/{self.values[settings.PROJECT]}"
        ear = f"{root}/subscriptions/privacy-ear"
        topic = self.values[settings.topic("shopper-events")]
        self._http.put(ear, json={"topic": topic}).raise_for_status()
        yield
        dead = f"{root}/topics/decisioning--shopper-events{DEAD}:publish"
        while messages > 0 and (heard := self._pull(ear, min(messages, 100))):
            given_up = [{key: each["message"].get(key) for key in ("data", "attributes")} for each in heard]
            self._http.post(dead, json={"messages": given_up}).raise_for_status()
            heard_of = {"ackIds": [each["ackId"] for each in heard]}
            self._http.post(f"{ear}:acknowledge", json=heard_of).raise_for_status()
            messages -= len(heard)
        self._http.delete(ear).raise_for_status()

    def replays_dead_letters(self) -> tuple[int, int]:
        """Delivers each dead letter to every function that hears its topic, as if all had missed it; how many
        deliveries were taken, and how many refused."""
        project = self.values[settings.PROJECT]
        root = f"http://{self.stack.hosts['PUBSUB_EMULATOR_HOST']}/v1/"
        taken = refused = 0
        listed = self._http.get(f"{root}projects/{project}/subscriptions", params={"pageSize": "1000"}).json()
        names = [each["name"].rpartition("/")[2] for each in listed["subscriptions"]]
        for name in (name for name in names if name.endswith(DEAD)):
            topic = name.removesuffix(DEAD).partition("--")[2]
            hearing = [each for each in names if each.partition("--")[2] == topic]
            address = f"{root}projects/{project}/subscriptions/{name}"
            # As many as are delivered before their lease of ten seconds is over.
            while received := self._pull(address, 20):
                for message in (each["message"] for each in received):
                    for subscription in hearing:
                        body = encode_push(
                            base64.b64decode(message.get("data", "")),
                            message.get("attributes", {}),
                            message["messageId"],
                            datetime.now(UTC),
                            f"projects/{project}/subscriptions/{subscription}",
                        )
                        function = self.stack.address(subscription.partition("--")[0])
                        done = self._http.post(f"{function}/", content=body).is_success
                        taken, refused = taken + done, refused + (not done)
                ids = {"ackIds": [each["ackId"] for each in received]}
                self._http.post(f"{address}:acknowledge", json=ids).raise_for_status()
        return taken, refused

    def lets_go(self, grip: Grip) -> bool:
        """As time would: what a killed instance holds of the dead letters is free at once. Whether there was any."""
        root = f"http://{self.stack.hosts['PUBSUB_EMULATOR_HOST']}/v1"
        messages = grip.messages()
        for subscription, handles in messages.items():
            for start in range(0, len(handles), 500):
                asked = {"ackIds": handles[start : start + 500], "ackDeadlineSeconds": 0}
                self._http.post(f"{root}/{subscription}:modifyAckDeadline", json=asked).raise_for_status()
        if not grip.holder:
            return bool(messages)
        turn = f"http://{self.stack.hosts['FIRESTORE_EMULATOR_HOST']}/v1/{grip.turn}"
        fields = self._http.get(turn, headers=_OWNER).raise_for_status().json()["fields"]
        if fields["holder"].get("stringValue") == grip.holder:
            over = {"fields": {"until": {"timestampValue": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}}}
            only = {"updateMask.fieldPaths": "until"}
            self._http.patch(turn, params=only, json=over, headers=_OWNER).raise_for_status()
        return True

    def _pull(self, address: str, messages: int = 100) -> list[Any]:
        asked = self._http.post(f"{address}:pull", json={"maxMessages": messages, "returnImmediately": True})
        return list(asked.raise_for_status().json().get("receivedMessages", ()))

    # -- other instances

    def lane(self, function: str, number: int) -> Lane:
        """One more process of a function; use it with `with`."""
        return Lane(self.stack, self._folder, function, number)

    def _publish_tree(self) -> None:
        command = [sys.executable, "-m", "layers.tree", "publish", "layers/tree/examples/grocery_basket.yaml"]
        environment = {**os.environ, **self.values.values}
        subprocess.run([*command, "--retailer", "demo"], cwd=ROOT, env=environment, check=True, capture_output=True)


def eventually(what: str, holds: Callable[[], object], patience_s: float = 240.0, every_s: float = 0.5) -> None:
    """Raises:
    AssertionError: when the patience is over; what `holds` gave last is named, of which an empty one is wanted.
    """
    end = time.monotonic() + patience_s
    while left := holds():
        assert time.monotonic() < end, f"{what}: still {str(left)[:400]}"
        time.sleep(every_s)
