"""Fixtures that every room of the tests may use: single emulators, each started once a session and only when asked for.

An emulator keeps what an earlier test wrote: a test makes its own table, topic, database or bucket, under a name that
no other test has. Ends with the session, also when that is killed.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, settings

from emulators.processes import held_servers
from layers.declarations.settings import EMULATOR_HOSTS

# XGBoost's threads spin while they wait for each other: on two busy cores, trainings of a few hundred rows took seven
# times the CPU. Read when it is loaded, so it is said before anything is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")


# No deadline: a busy machine is no fault of a rule. Properties that need more examples than these say so themselves.
settings.register_profile("short", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", max_examples=1000, deadline=None)
settings.load_profile("short")

# What is imported stays: looking through it for garbage was a sixth of the CPU of tests of rules.
gc.disable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long",
        action="store_true",
        help="the long form of tests that choose: every kill, 1 000 examples of each property that says no number",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--long"):
        settings.load_profile("long")


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture
def long_form(request: pytest.FixtureRequest) -> bool:
    """Whether everything is wanted, and not a choice of it."""
    return bool(request.config.getoption("--long"))


@contextmanager
def _one(name: str, logs: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with held_servers([name], logs.mktemp(f"{name}-log")) as environment:
        yield environment


@pytest.fixture(scope="session")
def bigtable_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of an empty Bigtable."""
    with _one("bigtable", tmp_path_factory) as environment:
        yield environment[EMULATOR_HOSTS["bigtable"]]


@pytest.fixture(scope="session")
def pubsub_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of an empty Pub/Sub."""
    with _one("pubsub", tmp_path_factory) as environment:
        yield environment[EMULATOR_HOSTS["pubsub"]]


@pytest.fixture(scope="session")
def firestore_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of an empty Firestore; any database name works."""
    with _one("firestore", tmp_path_factory) as environment:
        yield environment[EMULATOR_HOSTS["firestore"]]


@pytest.fixture(scope="session")
def bigquery_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """`host:port` of an empty BigQuery: (REST, Storage Write)."""
    with _one("bigquery", tmp_path_factory) as environment:
        yield environment[EMULATOR_HOSTS["bigquery"]], environment[EMULATOR_HOSTS["bigquery_storage"]]


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an empty S3; any credentials work."""
    with _one("s3", tmp_path_factory) as environment:
        yield environment[EMULATOR_HOSTS["s3"]]
