"""SQL through the official client. Blocking, so handlers run it in a thread.

Does not own: any statement. Retries are our own and short: the client's default repeats a server error for ten minutes,
and the emulator answers 500 to a statement that it cannot translate.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import (
    BadGateway,
    GoogleAPICallError,
    InternalServerError,
    RetryError,
    ServerError,
    ServiceUnavailable,
    TooManyRequests,
)
from google.api_core.retry import Retry, if_exception_type
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import Timeout

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.facts import Table
from layers.stores.bigquery.port import Job, Parameter, Row, Unavailable, Value

_PASSING = (TooManyRequests, InternalServerError, BadGateway, ServiceUnavailable, NoConnection, Timeout)

PATIENCE_S = 8.0
"""How long a call that finds BigQuery down is repeated."""

QUERY_WITHIN_S = 600.0
"""A statement that takes longer is given up."""

_TYPES: tuple[tuple[type, str], ...] = (
    # bool is an int in Python, so it stands first.
    (bool, "BOOL"),
    (int, "INT64"),
    (float, "FLOAT64"),
    (str, "STRING"),
    (datetime, "TIMESTAMP"),
)


def bound(parameters: Mapping[str, Parameter]) -> list[Any]:
    """Query parameters of their BigQuery types; a sequence is an array of strings."""
    found: list[Any] = []
    for name, value in parameters.items():
        kind = next((kind for python, kind in _TYPES if isinstance(value, python)), None)
        if kind is not None:
            found.append(bigquery.ScalarQueryParameter(name, kind, value))
        elif isinstance(value, Sequence):
            found.append(bigquery.ArrayQueryParameter(name, "STRING", list(value)))
        else:
            raise TypeError(f"parameter {name}: {type(value).__name__} has no BigQuery type here; see `Parameter`")
    return found


class BigQueryWarehouse:
    """Args:
    client: of the project that holds the datasets. patience_s: how long a call that finds BigQuery down is repeated.
    """

    def __init__(self, client: bigquery.Client, patience_s: float = PATIENCE_S) -> None:
        self._client = client
        self._retry = Retry(predicate=if_exception_type(*_PASSING), initial=0.2, maximum=2.0, timeout=patience_s)

    @classmethod
    def of(cls, values: Settings, patience_s: float = PATIENCE_S) -> BigQueryWarehouse:
        project = values[settings.PROJECT]
        emulator = values.emulator("bigquery")
        if emulator is None:
            return cls(bigquery.Client(project), patience_s)
        options = ClientOptions(api_endpoint=f"http://{emulator}")
        return cls(bigquery.Client(project, AnonymousCredentials(), client_options=options), patience_s)

    def full_name(self, dataset: str) -> str:
        return f"{self._client.project}.{dataset}"

    def names(self, dataset: str) -> frozenset[str]:
        try:
            found = self._client.list_tables(self.full_name(dataset), retry=self._retry)
            return frozenset(table.table_id for table in found)
        except (RetryError, ServerError, TooManyRequests, NoConnection, Timeout) as error:
            raise Unavailable(f"BigQuery cannot list tables now ({_kind(error)})") from error

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> list[dict[str, Any]]:
        return [row for page in self.pages(sql, parameters, page_size=None) for row in page]

    def pages(
        self, sql: str, parameters: Mapping[str, Parameter] | None = None, page_size: int | None = 1000
    ) -> Iterator[list[dict[str, Any]]]:
        for page in self._done(sql, parameters, page_size)[1].pages:
            yield [dict(row.items()) for row in page]

    def execute(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> int:
        return int(self._done(sql, parameters)[0].num_dml_affected_rows or 0)

    def job(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> Job:
        job, result = self._done(sql, parameters)
        id = f"{job.project}:{job.location}.{job.job_id}"
        if job.num_dml_affected_rows is not None:
            return Job(id, int(job.num_dml_affected_rows), [])
        return Job(id, 0, [dict(row.items()) for page in result.pages for row in page])

    def _done(
        self, sql: str, parameters: Mapping[str, Parameter] | None, page_size: int | None = None
    ) -> tuple[Any, Any]:
        """A finished job, and its rows."""
        config = bigquery.QueryJobConfig(query_parameters=bound(parameters or {}))
        try:
            # Not `query_and_wait`: the emulator's answer to it leaves a failed statement's error out, and no rows come.
            job = self._client.query(sql, job_config=config, retry=self._retry, job_retry=None)
            return job, job.result(page_size=page_size, retry=self._retry, timeout=QUERY_WITHIN_S, job_retry=None)
        except (RetryError, ServerError, TooManyRequests, NoConnection, Timeout, TimeoutError) as error:
            raise Unavailable(f"BigQuery cannot run a statement now ({_kind(error)})") from error

    def replace(self, dataset: str, table: Table, rows: Sequence[Row]) -> None:
        name = f"{self.full_name(dataset)}.{table.stored_as}"
        if not rows:
            # The client cannot upload an empty file to the emulator, and BigQuery's table ends up the same.
            self.execute(f"TRUNCATE TABLE `{name}`")
            return
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            schema=[
                bigquery.SchemaField(
                    column.name,
                    column.type.value,
                    mode="REQUIRED" if column.required else "NULLABLE",
                    description=column.meaning,
                )
                for column in table.columns
            ],
        )
        names = [column.name for column in table.columns]
        encoder = msgspec.json.Encoder(decimal_format="string")
        lines = b"\n".join(encoder.encode({name: _plain(row.get(name)) for name in names}) for row in rows)
        try:
            self._client.load_table_from_file(
                io.BytesIO(lines),
                name,
                job_config=config,
                num_retries=2,
                timeout=60,
            ).result(retry=self._retry, timeout=QUERY_WITHIN_S)
        except (RetryError, ServerError, TooManyRequests, NoConnection, Timeout, TimeoutError) as error:
            raise Unavailable(f"BigQuery cannot load {table.name} now ({_kind(error)})") from error


def _plain(value: Value) -> str | int | float | bool | Decimal | None:
    return value.isoformat() if isinstance(value, datetime) else value


def _kind(error: BaseException) -> str:
    code = error.code if isinstance(error, GoogleAPICallError) else None
    return f"{type(error).__name__} {code}" if code else type(error).__name__
