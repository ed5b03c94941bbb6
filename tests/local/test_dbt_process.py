"""dbt's process: what is left of it when it falls over, or when whoever waits for it goes."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from functions.modelling.building import DbtBuilder
from functions.modelling.rules import variables
from layers.retailers import Retailer

SHOP = Retailer(id="demo", name="Demo", write_key="w" * 16, read_key="r" * 16, origins=())
GIVEN = variables(SHOP, datetime(2026, 11, 22, 3, tzinfo=UTC), [])


def unheard(_name: str, _status: str) -> None: ...


def running(folder: Path) -> list[str]:
    """Processes whose command names the folder."""
    found = []
    for process in Path("/proc").iterdir():
        # A process may end while it is read.
        with contextlib.suppress(OSError):
            if process.name.isdigit() and str(folder) in (process / "cmdline").read_bytes().decode(errors="replace"):
                found.append(process.name)
    return found


async def test_a_project_that_dbt_cannot_read_has_no_results(tmp_path: Path) -> None:
    source, folder = tmp_path / "project", tmp_path / "runs"
    source.mkdir()
    folder.mkdir()
    (source / "dbt_project.yml").write_text("name: gondola\nprofile: gondola\nmodel-paths: [{]\n")
    ran = await DbtBuilder("p", "127.0.0.1:1", source, folder=folder).build("retailer_demo", GIVEN, unheard)
    assert (ran.succeeded, ran.results) == (False, None)
    assert not list(folder.iterdir())


async def test_whoever_stops_waiting_stops_dbt_too(tmp_path: Path) -> None:
    builder = DbtBuilder("p", "127.0.0.1:1", folder=tmp_path)
    waiting = asyncio.create_task(builder.build("retailer_demo", GIVEN, unheard))
    while not running(tmp_path):
        await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not running(tmp_path)
    assert not list(tmp_path.iterdir()), "nothing of the run is left"
