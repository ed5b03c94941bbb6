"""Everything that lies in the emulators, read with nothing of the project's own in between.

What exists is asked of each emulator, not of a declaration: every Bigtable table with all versions of all cells, every
Firestore document at any depth, every message of every Pub/Sub subscription, every row of every BigQuery table and
every job that it remembers, every S3 object, every file that a process of the stack wrote or holds open.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import grpc
import httpx
from google.cloud.bigtable_admin_v2.types import bigtable_table_admin
from google.cloud.bigtable_v2.types import bigtable
from google.cloud.firestore_v1.types import firestore

from tests.privacy.search import Piece

_UNBOUNDED = [("grpc.max_receive_message_length", -1)]
_PAGE = 20_000
_TIMEOUT_S = 120.0
_ListTablesRequest: Any = bigtable_table_admin.ListTablesRequest.pb()
_ListTablesResponse: Any = bigtable_table_admin.ListTablesResponse.pb()
_ReadRowsRequest: Any = bigtable.ReadRowsRequest.pb()
_ReadRowsResponse: Any = bigtable.ReadRowsResponse.pb()
_FIRESTORE: dict[str, tuple[Any, Any]] = {
    "ListCollectionIds": (firestore.ListCollectionIdsRequest.pb(), firestore.ListCollectionIdsResponse.pb()),
    "ListDocuments": (firestore.ListDocumentsRequest.pb(), firestore.ListDocumentsResponse.pb()),
}


def plain_client() -> httpx.Client:
    """Without certificates, which cost 50 ms to read and which nothing on a laptop asks for."""
    return httpx.Client(timeout=_TIMEOUT_S, verify=False, trust_env=False)


class Dump:
    """Args:
    hosts: the emulators' addresses by environment name. project, instance, databases: where to look.
    folder: the stack's. processes: ids of the emulators. delivered: keys in the retailer's own bucket, put there by
        the retailer, which are not Gondola's to erase.
    """

    def __init__(
        self,
        hosts: Mapping[str, str],
        project: str,
        instance: str,
        databases: Collection[str],
        folder: Path,
        processes: Collection[int],
    ) -> None:
        self._hosts, self._project, self._instance = hosts, project, instance
        self._databases, self._folder, self._processes = databases, folder, processes
        self.delivered: set[str] = set()

    def everything(self) -> Iterator[Piece]:
        yield from self.pubsub()
        yield from self.bigtable()
        yield from self.firestore()
        yield from self.bigquery()
        yield from self.s3()
        yield from self.files()

    # -- Bigtable

    def bigtable(self) -> Iterator[Piece]:
        """A piece is a row; of the journal of arrivals, where a row holds many shoppers, a cell."""
        with grpc.insecure_channel(self._hosts["BIGTABLE_EMULATOR_HOST"], options=_UNBOUNDED) as channel:
            path = "/google.bigtable.admin.v2.BigtableTableAdmin/ListTables"
            ask = channel.unary_unary(path, _ListTablesRequest.SerializeToString, _ListTablesResponse.FromString)
            for table in ask(_ListTablesRequest(parent=self._instance), timeout=_TIMEOUT_S).tables:
                name = table.name.rpartition("/")[2]
                row, key = bytearray(), b""
                for at, cell in self._cells(channel, table.name):
                    if name == "arrivals":
                        yield Piece("bigtable:arrivals", at + b"\n" + cell)
                    elif at != key:
                        if row:
                            yield Piece(f"bigtable:{name}", bytes(row))
                        row, key = bytearray(at + b"\n" + cell), at
                    else:
                        row += b"\n" + cell
                if row:
                    yield Piece(f"bigtable:{name}", bytes(row))

    @staticmethod
    def _cells(channel: Any, table: str) -> Iterator[tuple[bytes, bytes]]:
        """The row's key, and family, qualifier and value of every version of every cell."""
        call = channel.unary_stream(
            "/google.bigtable.v2.Bigtable/ReadRows", _ReadRowsRequest.SerializeToString, _ReadRowsResponse.FromString
        )
        key, family, qualifier, value = b"", "", b"", b""
        for response in call(_ReadRowsRequest(table_name=table), timeout=_TIMEOUT_S):
            for chunk in response.chunks:
                # What does not change is not said again; a long value comes in pieces, all but the last with the size.
                key = chunk.row_key or key
                family = chunk.family_name.value if chunk.HasField("family_name") else family
                qualifier = chunk.qualifier.value if chunk.HasField("qualifier") else qualifier
                value += chunk.value
                if not chunk.value_size:
                    yield key, b"\n".join((family.encode(), qualifier, value))
                    value = b""

    # -- Firestore

    def firestore(self) -> Iterator[Piece]:
        """At any depth; documents that are not there but have children too."""
        with grpc.insecure_channel(self._hosts["FIRESTORE_EMULATOR_HOST"], options=_UNBOUNDED) as channel:
            for database in self._databases:
                yield from self._documents(channel, f"{database}/documents", database.rpartition("/")[2])

    def _documents(self, channel: Any, parent: str, path: str) -> Iterator[Piece]:
        for collection in _every(channel, "ListCollectionIds", "collection_ids", parent=parent, page_size=1000):
            place = f"{path}/{collection}"
            asked = {"parent": parent, "collection_id": collection, "page_size": 50, "show_missing": True}
            for document in _every(channel, "ListDocuments", "documents", **asked):
                yield Piece(f"firestore:{place}", document.SerializeToString())
                yield from self._documents(channel, document.name, f"{place}/*")

    # -- Pub/Sub

    def pubsub(self, wanted: Callable[[str], bool] = lambda _name: True) -> Iterator[Piece]:
        """What no subscriber has taken yet, dead letters included. A push subscription is made a pull one while it is
        read; every message is given back."""
        root = f"http://{self._hosts['PUBSUB_EMULATOR_HOST']}/v1/"
        with plain_client() as client:
            found = client.get(f"{root}projects/{self._project}/subscriptions", params={"pageSize": "1000"})
            for subscription in found.raise_for_status().json().get("subscriptions", ()):
                name, push = subscription["name"], subscription.get("pushConfig") or {}
                if not wanted(name):
                    continue
                with _pulled(client, f"{root}{name}", push):
                    place = f"pubsub:{name.rpartition('/')[2]}"
                    for message in self._messages(client, f"{root}{name}"):
                        attributes = json.dumps(message.get("attributes", {})).encode()
                        for line in base64.b64decode(message.get("data", "")).split(b"\n"):
                            yield Piece(place, attributes + b"\n" + line)

    @staticmethod
    def _messages(client: httpx.Client, address: str) -> Iterator[dict[str, Any]]:
        held: list[str] = []
        empty = 0
        while empty < 2:
            asked = client.post(f"{address}:pull", json={"maxMessages": 200, "returnImmediately": True})
            received = asked.raise_for_status().json().get("receivedMessages", ())
            empty = 0 if received else empty + 1
            held += [each["ackId"] for each in received]
            yield from (each["message"] for each in received)
        if held:
            again = {"ackIds": held, "ackDeadlineSeconds": 0}
            client.post(f"{address}:modifyAckDeadline", json=again).raise_for_status()

    # -- BigQuery

    def bigquery(self) -> Iterator[Piece]:
        root = f"http://{self._hosts['BIGQUERY_EMULATOR_HOST']}/bigquery/v2/projects/{self._project}"
        with plain_client() as client:
            for dataset in _pages(client, f"{root}/datasets", "datasets"):
                name = dataset["datasetReference"]["datasetId"]
                for table in _pages(client, f"{root}/datasets/{name}/tables", "tables"):
                    # A view stores nothing.
                    if table["type"] != "VIEW":
                        id = table["tableReference"]["tableId"]
                        for row in _pages(client, f"{root}/datasets/{name}/tables/{id}/data", "rows"):
                            yield Piece(f"bigquery:{id}", json.dumps(row).encode())
            for job in _pages(client, f"{root}/jobs", "jobs", {"projection": "full", "allUsers": "true"}):
                yield Piece("bigquery:(jobs)", json.dumps(job).encode())

    # -- S3 and files

    def s3(self) -> Iterator[Piece]:
        client = boto3.client(
            "s3",
            endpoint_url=self._hosts["AWS_ENDPOINT_URL_S3"],
            region_name="eu-west-3",
            aws_access_key_id="dump",
            aws_secret_access_key="dump",
        )
        for bucket in client.list_buckets()["Buckets"]:
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
                for each in page.get("Contents", ()):
                    if each["Key"] not in self.delivered:
                        body = client.get_object(Bucket=bucket["Name"], Key=each["Key"])["Body"].read()
                        yield Piece(f"s3:{bucket['Name']}", each["Key"].encode() + b"\n" + body)

    def files(self) -> Iterator[Piece]:
        """The logs of all functions and emulators, whatever else lies in the stack's folder, and every file that an
        emulator or one of its children writes elsewhere."""
        open_ones = set(self._open_files())
        for path in sorted({*(p for p in self._folder.rglob("*") if p.is_file()), *open_ones}):
            # The unpacked archives and their homes' caches hold programs; thousands of them, none written at run time.
            if path.suffix in (".py", ".pyc", ".so") or "site-packages" in path.parts:
                continue
            with contextlib.suppress(OSError):
                yield Piece(f"file:{path.name}", path.read_bytes())

    def _open_files(self) -> Iterator[Path]:
        for pid in self._processes:
            folder = Path(f"/proc/{pid}/fd")
            with contextlib.suppress(OSError):
                for descriptor in folder.iterdir():
                    with contextlib.suppress(OSError):
                        mode = int(
                            (folder.parent / "fdinfo" / descriptor.name).read_text().split("flags:")[1].split()[0], 8
                        )
                        target = descriptor.readlink()
                        if (
                            mode & (os.O_WRONLY | os.O_RDWR)
                            and target.is_file()
                            and not str(target).startswith("/dev/")
                        ):
                            yield target


def _every(channel: Any, method: str, member: str, **asked: Any) -> Iterator[Any]:
    """All pages of a method of Firestore's."""
    ask, answer = _FIRESTORE[method]
    # The emulator takes this for the owner's own; without it, rules for browsers would apply.
    owner = [("authorization", "Bearer owner")]
    call = channel.unary_unary(f"/google.firestore.v1.Firestore/{method}", ask.SerializeToString, answer.FromString)
    token = ""
    while True:
        asking = ask(**asked, page_token=token)
        page = _again(partial(call, asking, timeout=_TIMEOUT_S, metadata=owner))
        yield from getattr(page, member)
        token = page.next_page_token
        if not token:
            return


def _again(read: Callable[[], Any], times: int = 5) -> Any:
    """After ten thousand writes the emulator answered a page of large documents with UNKNOWN, once; it collects its
    garbage, and answers."""
    for left in reversed(range(times)):
        try:
            return read()
        except grpc.RpcError as error:
            if not left or error.code() is not grpc.StatusCode.UNKNOWN:
                raise
            time.sleep(1)
    raise AssertionError("never")


@contextlib.contextmanager
def _pulled(client: httpx.Client, address: str, push: Mapping[str, Any]) -> Iterator[None]:
    if not push.get("pushEndpoint"):
        yield
        return
    client.post(f"{address}:modifyPushConfig", json={"pushConfig": {}}).raise_for_status()
    try:
        yield
    finally:
        client.post(f"{address}:modifyPushConfig", json={"pushConfig": push}).raise_for_status()


def _pages(client: httpx.Client, url: str, member: str, query: Mapping[str, str] | None = None) -> Iterator[Any]:
    token = ""
    while True:
        asked = {**(query or {}), "maxResults": str(_PAGE), **({"pageToken": token} if token else {})}
        page = client.get(url, params=asked).raise_for_status().json()
        yield from page.get(member, ())
        token = page.get("pageToken") or page.get("nextPageToken") or ""
        if not token:
            return
