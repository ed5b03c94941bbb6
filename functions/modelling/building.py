"""dbt, in a process of its own, in a folder of its own.

As a process and not as a library: dbt keeps the adapter, its flags and the variables in globals, so that two retailers'
runs in one process are not two runs; it takes 250 MB that a process gives back; and a process can be stopped.
Does not decide what a run means (rules.py).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from layers.declarations import settings
from layers.declarations.settings import Settings

PROJECT = Path(__file__).with_name("project")

_COMMAND = ("-c", "from dbt.cli.main import cli; cli()")
_STOPS_WITHIN_S = 10.0
_LONGEST_LINE = 1 << 20

Told = Callable[[str, str], None]
"""Called with the name and status of each step, as it ends."""


@dataclass(frozen=True, slots=True)
class Ran:
    """Attributes:
    succeeded: dbt ended with 0. results: its `run_results.json`; None where it did not come so far.
    """

    succeeded: bool
    results: bytes | None


class Builder(Protocol):
    async def build(self, dataset: str, variables: Mapping[str, Any], told: Told) -> Ran:
        """Builds and tests every model in a dataset. Stops dbt when it is cancelled.

        Args:
            dataset: the retailer's. variables: `rules.variables`.
        """


def profile(project: str, dataset: str, emulator: str | None) -> dict[str, Any]:
    """dbt's profile: the warehouse, by the account that the function runs as; on the laptop the emulator.

    One retry of a statement: Scheduler repeats the whole run, which is cheaper than to wait here.
    """
    where: dict[str, Any] = {
        "type": "bigquery",
        "project": project,
        "schema": dataset,
        "threads": 4,
        "job_retries": 1,
        "job_execution_timeout_seconds": 900,
    }
    if emulator is None:
        where["method"] = "oauth"
    else:
        # One query at a time is all that the emulator runs.
        where |= {"method": "oauth-secrets", "token": "none", "api_endpoint": f"http://{emulator}", "threads": 1}
    return {"gondola": {"target": "run", "outputs": {"run": where}}}


class DbtBuilder:
    """Args:
    project: of the datasets. emulator: `host:port`, None in the cloud. source: the dbt project's folder. select:
        of its models, in dbt's words; all of them without. folder: where each run makes its own, and removes it.
    """

    def __init__(
        self,
        project: str,
        emulator: str | None,
        source: Path = PROJECT,
        select: tuple[str, ...] = (),
        folder: Path | None = None,
    ) -> None:
        self._project, self._emulator, self._source = project, emulator, source
        self._select, self._folder = select, folder

    @classmethod
    def of(cls, values: Settings) -> DbtBuilder:
        return cls(values[settings.PROJECT], values.emulator("bigquery"))

    async def build(self, dataset: str, variables: Mapping[str, Any], told: Told) -> Ran:
        with tempfile.TemporaryDirectory(prefix="models-", dir=self._folder, ignore_cleanup_errors=True) as folder:
            home = Path(folder)
            # JSON is YAML.
            profiles = json.dumps(profile(self._project, dataset, self._emulator))
            await asyncio.to_thread((home / "profiles.yml").write_text, profiles)
            succeeded = await self._run(home, variables, told)
            results = home / "target" / "run_results.json"
            return Ran(succeeded, await asyncio.to_thread(results.read_bytes) if results.is_file() else None)

    async def _run(self, home: Path, variables: Mapping[str, Any], told: Told) -> bool:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *_COMMAND,
            *("--log-format", "json", "--log-level-file", "none", "--no-use-colors", "--no-version-check"),
            *("--no-send-anonymous-usage-stats", "--no-partial-parse", "build"),
            *("--project-dir", str(self._source), "--profiles-dir", str(home)),
            *("--target-path", str(home / "target"), "--log-path", str(home / "logs")),
            *("--vars", json.dumps(variables)),
            # Cautious: a test that also asks a model which is not selected would ask a table that is not there.
            *(("--indirect-selection", "cautious", "--select", *self._select) if self._select else ()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            # Its errors come as lines on stdout too; what Python prints as it dies may quote a row.
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "DO_NOT_TRACK": "1"},
            limit=_LONGEST_LINE,
        )
        try:
            assert process.stdout is not None
            async for line in process.stdout:
                _tell(line, told)
            return await process.wait() == 0
        finally:
            await _stop(process)


def _tell(line: bytes, told: Told) -> None:
    """A line of dbt's log as a step that ended. Messages are not passed on: an error of BigQuery may quote a row."""
    if b"LogModelResult" not in line and b"LogTestResult" not in line:
        return
    try:
        data = json.loads(line)["data"]
        told(str(data["node_info"]["node_name"]), str(data["node_info"]["node_status"]))
    except (ValueError, KeyError, TypeError):
        return


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ends dbt where it runs still. It stays in the function's process group, so that whoever ends that ends it too."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOPS_WITHIN_S)
    except TimeoutError:
        process.kill()
        await process.wait()
