"""Everything scoring needs, made once in the serving process: its composition root."""

from __future__ import annotations

from dataclasses import dataclass

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.retailers import Registry
from layers.stores.bigquery.port import Warehouse
from layers.stores.bigtable.port import ShopperRows


@dataclass(frozen=True, slots=True)
class Room:
    registry: Registry
    warehouse: Warehouse
    shopper_rows: ShopperRows


async def make() -> Room:
    from layers.stores.bigquery.warehouse import BigQueryWarehouse
    from layers.stores.bigtable.shoppers import BigtableShopperRows

    values = Settings.of_process()
    registry = Registry.of_environment(values.values, settings.RETAILER_PREFIX)
    return Room(registry, BigQueryWarehouse.of(values), BigtableShopperRows.of(values))
