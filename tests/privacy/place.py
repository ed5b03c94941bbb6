"""Where it takes place: the laptop stack, the officer's door, and gates before consent_erasure when it is killed."""

from __future__ import annotations

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

from emulators.appliers import services
from emulators.capture import ROOT
from emulators.processes import Running, ready, start
from emulators.processes.control import kill, stop
from emulators.stack import Stack
from emulators.tokens import handed_on_token
from layers.declarations import SecretKind, settings
from layers.declarations.settings import EMULATOR_HOSTS, Settings
from layers.privacy.pseudonym import Pseudonymiser
from layers.retailers import Registry, Retailer
from layers.shell.push import encode_push
from tests.privacy.dump import Dump
from tests.privacy.gate import Gate, Trap

ERASING = "consent_erasure"
GATED = ("firestore", "bigtable", "pubsub")
READY_S = 90.0
ANSWER_S = 300.0
DEAD = "--dead"


class Place:
    """Use it with `with`."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say
        self._exits = contextlib.ExitStack()
        self._gated: Running | None = None
        self.trap = Trap()

    def __enter__(self) -> Place:
        with self._exits:
            self.stack = self._exits.enter_context(Stack.up(self._folder, say=self._say))
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

    def cold_ids(self, tables: Sequence[str]) -> set[str]:
        """Event ids in these BigQuery tables."""
        project, dataset = self.values[settings.PROJECT], self.retailer.dataset
        parts = " UNION ALL ".join(f"SELECT event_id FROM `{project}.{dataset}.{table}`" for table in tables)
        url = f"http://{self.stack.hosts['BIGQUERY_EMULATOR_HOST']}/bigquery/v2/projects/{project}/queries"
        sql = f"SELECT DISTINCT event_id FROM ({parts}) AS ids"
        body = {"query": sql, "useLegacySql": False, "maxResults": 1_000_000}
        answer = httpx.post(url, json=body, timeout=120).raise_for_status().json()
        assert answer.get("jobComplete") and not answer.get("pageToken"), str(answer)[:300]
        return {row["f"][0]["v"] for row in answer.get("rows", ())}

    # -- the officer

    def asks(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Raises httpx.TransportError where nobody answers."""
        address = self.stack.address(ERASING)
        token = handed_on_token(self.retailer.compliance[0], address, datetime.now(UTC))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        content = None if body is None else msgspec.json.encode(body)
        return httpx.request(method, f"{address}{path}", content=content, headers=headers, timeout=ANSWER_S)

    def erases(self, reference: str, customers: Sequence[str]) -> httpx.Response:
        body = {"retailer": "demo", "reference": reference, "customers": list(customers)}
        return self.asks("POST", "/v1/erasures", body)

    # -- the operator

    def fire(self, job: str) -> tuple[int, str]:
        return self.stack.fire(job)

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

    def replays_dead_letters(self) -> tuple[int, int]:
        """Delivers each dead letter to its function again; how many were taken, and how many refused and left."""
        project = self.values[settings.PROJECT]
        root = f"http://{self.stack.hosts['PUBSUB_EMULATOR_HOST']}/v1/"
        taken = refused = 0
        listed = httpx.get(f"{root}projects/{project}/subscriptions", params={"pageSize": "1000"}, timeout=60).json()
        for name in (each["name"] for each in listed["subscriptions"] if each["name"].endswith(DEAD)):
            source = name.rpartition("/")[2].removesuffix(DEAD)
            function = source.partition("--")[0]
            while True:
                asked = httpx.post(
                    f"{root}{name}:pull", json={"maxMessages": 100, "returnImmediately": True}, timeout=60
                )
                received = asked.raise_for_status().json().get("receivedMessages", ())
                if not received:
                    break
                for each in received:
                    message = each["message"]
                    body = encode_push(
                        msgspec.convert(message.get("data", ""), bytes, strict=False),
                        message.get("attributes", {}),
                        message["messageId"],
                        datetime.now(UTC),
                        f"projects/{project}/subscriptions/{source}",
                    )
                    done = httpx.post(f"{self.stack.address(function)}/", content=body, timeout=120).is_success
                    taken, refused = taken + done, refused + (not done)
                    if done:
                        ids = {"ackIds": [each["ackId"]]}
                        httpx.post(f"{root}{name}:acknowledge", json=ids, timeout=60).raise_for_status()
        return taken, refused

    # -- who kills it

    @contextlib.contextmanager
    def gated(self) -> Iterator[None]:
        """consent_erasure behind gates for as long as the block runs."""
        with contextlib.ExitStack() as exits:
            gates = {
                name: exits.enter_context(Gate(name, self.stack.hosts[EMULATOR_HOSTS[name]], self.trap))
                for name in GATED
            }
            self._hosts = {EMULATOR_HOSTS[name]: gate.address for name, gate in gates.items()}
            exits.callback(self._ungated)
            self.stack.kill(ERASING)
            self.serve()
            yield

    def _ungated(self) -> None:
        if self._gated is not None:
            stop([self._gated])
        self._gated = None
        self.stack.restart(ERASING)

    def serve(self) -> None:
        """Starts consent_erasure behind the gates, at its own address, and waits until it answers."""
        service = self.stack.wiring.service(ERASING)
        values = self.stack.environment(ERASING)
        folder = services.unpack(ROOT / service.archive, self._folder / "functions")
        home = self._folder / "functions" / "home" / f"{ERASING}-gated"
        home.mkdir(parents=True, exist_ok=True)
        environment, log = {**values, **self._hosts}, self.stack.log_file(ERASING)
        self._gated = start(services.start_of(service, folder, home.resolve(), environment, log, held=True))
        port = int(values["PORT"])
        ready.wait(self._gated, lambda: ready.answers(port, services.READY_PATH, (404,)), READY_S)

    def kill(self) -> None:
        """SIGKILL to all processes of the gated function; returns when they are gone."""
        assert self._gated is not None
        kill([self._gated])
        self.trap.release()

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
