"""Both sides of each contract: the fake in memory, and the real thing on its emulator."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import grpc
import pytest
from google.cloud.bigtable_admin_v2 import BigtableTableAdminClient, ColumnFamily, Table
from google.cloud.bigtable_admin_v2.services.bigtable_table_admin.transports import BigtableTableAdminGrpcTransport

from layers.declarations.settings import Settings
from layers.retailers import Retailer
from layers.stores.bigtable.port import Arrivals, HotEvents, ShopperRows
from layers.stores.tables import hot_tables


@pytest.fixture
def retailer() -> Retailer:
    """A retailer of its own for each test, so that tests share tables and never rows."""
    return Retailer(
        id=f"r{uuid.uuid4().hex[:12]}",
        name="Contract",
        write_key="w" * 16,
        read_key="r" * 16,
        origins=("https://shop.example",),
    )


@pytest.fixture(scope="session")
def bigtable_settings(bigtable_emulator: str) -> Settings:
    """The tables, made as infra declares them."""
    parent = "projects/contract/instances/hot"
    transport = BigtableTableAdminGrpcTransport(channel=grpc.insecure_channel(bigtable_emulator))
    admin = BigtableTableAdminClient(transport=transport)
    values = {"BIGTABLE_EMULATOR_HOST": bigtable_emulator}
    standard = Retailer(id="standard", name="S", write_key="w" * 16, read_key="r" * 16, origins=())
    for spec in hot_tables([standard]):
        families = {family.name: ColumnFamily() for family in spec.families}
        admin.create_table(parent=parent, table_id=spec.name, table=Table(column_families=families))
        values[f"GONDOLA_TABLE_{spec.name.upper()}"] = f"{parent}/tables/{spec.name}"
    transport.close()
    return Settings(values)


@pytest.fixture(params=["fake", pytest.param("bigtable", marks=pytest.mark.emulators)])
async def hot_events(request: pytest.FixtureRequest) -> AsyncIterator[HotEvents]:
    if request.param == "fake":
        from layers.stores.bigtable.fake import FakeHotEvents

        yield FakeHotEvents()
    else:
        from layers.stores.bigtable.events import BigtableHotEvents

        yield BigtableHotEvents.of(request.getfixturevalue("bigtable_settings"))


@pytest.fixture(params=["fake", pytest.param("bigtable", marks=pytest.mark.emulators)])
async def shopper_rows(request: pytest.FixtureRequest) -> AsyncIterator[ShopperRows]:
    if request.param == "fake":
        from layers.stores.bigtable.fake import FakeShopperRows

        yield FakeShopperRows()
    else:
        from layers.stores.bigtable.shoppers import BigtableShopperRows

        yield BigtableShopperRows.of(request.getfixturevalue("bigtable_settings"))


@pytest.fixture(params=["fake", pytest.param("bigtable", marks=pytest.mark.emulators)])
async def arrivals(request: pytest.FixtureRequest) -> AsyncIterator[Arrivals]:
    if request.param == "fake":
        from layers.stores.bigtable.fake import FakeArrivals

        yield FakeArrivals()
    else:
        from layers.stores.bigtable.arrivals import BigtableArrivals

        yield BigtableArrivals.of(request.getfixturevalue("bigtable_settings"))
