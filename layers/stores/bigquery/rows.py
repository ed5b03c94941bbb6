"""Rows of a table in bulk, as Arrow, through the Storage Read API.

A page of rows over REST is JSON: 300 000 rows of 70 numbers would be minutes of parsing, here they are seconds. Reads a
whole table or what a restriction leaves of it, columns and rows; runs no SQL. Blocking, as `warehouse` is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import pyarrow as pa
from google.api_core.exceptions import GoogleAPICallError, InvalidArgument, NotFound, PermissionDenied, RetryError
from google.auth.credentials import AnonymousCredentials
from google.cloud.bigquery_storage_v1 import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport
from google.cloud.bigquery_storage_v1.types import DataFormat, ReadSession

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.stores.bigquery.port import Unavailable

_MESSAGE = ("grpc.max_receive_message_length", -1)
"""BigQuery sends at most 128 MB at a time; the emulator a whole table, however large."""
STREAMS = 10
"""Read one after the other; the emulator sends each in one message, so more are smaller ones."""
START_WITHIN_S = 60.0


class BigQueryRows:
    """Args:
    client: of the Storage Read API. project: that holds the datasets, and pays.
    """

    def __init__(self, client: Any, project: str) -> None:
        self._client = client
        self._project = project

    @classmethod
    def of(cls, values: Settings) -> BigQueryRows:
        emulator = values.emulator("bigquery_storage")
        if emulator is None:
            return cls(BigQueryReadClient(), values[settings.PROJECT])
        channel = grpc.insecure_channel(emulator, options=[_MESSAGE])
        transport = BigQueryReadGrpcTransport(channel=channel, credentials=AnonymousCredentials())
        return cls(BigQueryReadClient(transport=transport), values[settings.PROJECT])

    def batches(self, dataset: str, table: str, columns: Sequence[str], restriction: str = "") -> Iterator[Any]:
        """Record batches of `columns`, in no order.

        Args:
            restriction: a condition over the table's columns, as in WHERE, without functions; constants of our own,
                never of a request.

        Raises:
            LookupError: no such table: no model has made it yet.
            Unavailable: a later call may succeed; what was yielded before must be read again.
        """
        session = ReadSession(
            table=f"projects/{self._project}/datasets/{dataset}/tables/{table}",
            data_format=DataFormat.ARROW,
            read_options=ReadSession.TableReadOptions(selected_fields=list(columns), row_restriction=restriction),
        )
        try:
            opened = self._client.create_read_session(
                parent=f"projects/{self._project}",
                read_session=session,
                max_stream_count=STREAMS,
                timeout=START_WITHIN_S,
            )
            schema = pa.ipc.read_schema(pa.py_buffer(opened.arrow_schema.serialized_schema))
            for stream in opened.streams:
                for message in self._client.read_rows(stream.name):
                    rows = message.arrow_record_batch.serialized_record_batch
                    yield pa.ipc.read_record_batch(pa.py_buffer(rows), schema).select(list(columns))
        except NotFound:
            raise LookupError(f"{table} does not exist in {dataset}; the models have not run yet") from None
        except (InvalidArgument, PermissionDenied):
            raise
        except (GoogleAPICallError, RetryError) as error:
            raise Unavailable(f"BigQuery cannot hand out {table} now ({type(error).__name__})") from error
