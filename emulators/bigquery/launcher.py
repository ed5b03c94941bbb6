"""Starts bqemulator 1.4.0 with five mends. Run by `.venv-bqemulator/bin/python`, never imported by anything of ours.

Limits that shaped it, each measured: see the reason beside each mend. Does not own: tables (made by the applier from
the captured graph), ports (chosen by whoever starts it).
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import threading
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
from bqemulator.api.routes import jobs as routes
from bqemulator.config import Settings
from bqemulator.domain.events import TableDataChanged
from bqemulator.jobs import executor
from bqemulator.server import run_forever
from bqemulator.sql.rewriter import create_table_schema_ctas
from bqemulator.storage.engine import DuckDBEngine
from bqemulator.versioning.snapshots import SnapshotManager
from sqlglot import exp

MENDED_VERSION = "1.4.0"
"""The mends replace private methods, so they hold for this version only."""


def load_bundled_spatial(engine: Any) -> None:
    """In place of `DuckDBEngine._load_spatial`, which downloads the extension at every first start.

    A laptop may be offline and a build must not depend on a download that no lock file pins. The same extension stands
    in the wheel of duckdb-extension-spatial, signed for exactly this duckdb.
    """
    wheel = importlib.util.find_spec("duckdb_extension_spatial")
    folder = Path(wheel.origin).parent if wheel and wheel.origin else Path()
    extension = folder / "extensions" / f"v{duckdb.__version__}" / "spatial.duckdb_extension"
    if not extension.is_file():
        raise SystemExit(
            f"no spatial extension for duckdb {duckdb.__version__}: the emulator cannot start. Give duckdb and "
            "duckdb-extension-spatial the same version in emulators/bigquery/requirements.in, then lock again."
        )
    engine.connection.execute(f"LOAD '{extension}'")


def announce_change(snapshots: Any, project_id: str, dataset_id: str, table_id: str) -> None:
    """In place of `SnapshotManager.record_change`, which copies the whole table at every write and keeps it 7 days.

    One insert into a table of 1 M rows cost 190 ms and 67 MB, and an erased shopper's rows stayed in the copies.
    Without it `FOR SYSTEM_TIME AS OF` reads the present; nothing of ours uses it on the laptop.
    """
    snapshots._events.publish(TableDataChanged(project_id, dataset_id, table_id))


class ConnectionPerThread:
    """In place of `DuckDBEngine.connection`, which hands one connection to every thread.

    Storage Write runs in gRPC's threads while queries run in the event loop's: on one connection the two deadlock
    within seconds, and a lock around execute did not help. A cursor is a second connection to the same database.
    """

    def __init__(self) -> None:
        self._own = threading.local()

    def of(self, engine: Any) -> Any:
        opened = engine._connection
        if opened is None or threading.current_thread() is threading.main_thread():
            return opened
        cursor = getattr(self._own, "cursor", None)
        if cursor is None:
            cursor = opened.cursor()
            # A cursor starts with the machine's time zone, and BigQuery's is UTC.
            cursor.execute("SET TimeZone = 'UTC'")
            self._own.cursor = cursor
        return cursor


class Recent(dict[str, Any]):
    """In place of the dict in which bqemulator keeps every query's result for as long as it lives.

    150 results of 50 000 rows took 700 MB, and an erased shopper's rows stayed in them. The most recently read ones are
    kept, so that a client may go on paging while others ask.
    """

    KEPT = 256

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()  # pages are read in threads

    def __setitem__(self, job: str, result: Any) -> None:
        with self._lock:
            self.pop(job, None)
            super().__setitem__(job, result)
            while len(self) > self.KEPT:
                del self[next(iter(self))]

    def __getitem__(self, job: str) -> Any:
        with self._lock:
            result = self.pop(job)
            super().__setitem__(job, result)
            return result

    def get(self, job: str, default: Any = None) -> Any:
        with self._lock:
            try:
                return self[job]
            except KeyError:
                return default


def first_select(body: Any) -> Any:
    """In place of the rewriter's `_first_select`, which does not look into brackets.

    dbt writes `CREATE TABLE t (columns) AS (SELECT …)` for every model with a contract; left as it was, DuckDB's parser
    refuses the statement. With the brackets opened, the emulator casts each column to its declared type. NOT NULL is
    lost on the way: on the laptop such a table takes absent values.
    """
    if isinstance(body, exp.Subquery):
        return first_select(body.this)
    if isinstance(body, exp.Union):
        return first_select(body.this)
    return body if isinstance(body, exp.Select) else None


def mend() -> None:
    """Applies the five mends.

    Raises:
        SystemExit: another version is installed, for which nobody has checked them.
    """
    installed = version("bqemulator")
    if installed != MENDED_VERSION:
        raise SystemExit(
            f"bqemulator {installed} is installed, but the launcher's mends were checked with {MENDED_VERSION}: it "
            "might lose rows silently. Install emulators/bigquery/requirements.txt, or check each mend and raise "
            "MENDED_VERSION."
        )
    DuckDBEngine._load_spatial = load_bundled_spatial
    SnapshotManager.record_change = announce_change
    DuckDBEngine.connection = property(ConnectionPerThread().of)
    create_table_schema_ctas._first_select = first_select
    # Both names, as the routes took a copy of the reference.
    executor.JOB_RESULTS = routes.JOB_RESULTS = Recent()


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="launcher.py", description=__doc__)
    parser.add_argument("--rest-port", type=int, required=True)
    parser.add_argument("--grpc-port", type=int, required=True)
    options = parser.parse_args(arguments)
    mend()
    run_forever(
        Settings(
            rest_port=options.rest_port,
            grpc_port=options.grpc_port,
            # It would download DuckDB's avro extension; every load of ours is Arrow, NDJSON or Parquet.
            enable_format_extensions=False,
            # Its Storage Read answers a stream in one message and bounds messages by this. BigQuery itself refuses an
            # append above 10 MB; `MOST_ROWS` of the writer keeps ours below.
            write_api_max_request_bytes=1024 * 1024 * 1024,
            log_level="warning",
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
