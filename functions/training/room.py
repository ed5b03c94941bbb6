"""Everything training needs, made once in the serving process: its composition root."""

from __future__ import annotations

from dataclasses import dataclass

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.retailers import Registry
from layers.stores.bigquery.port import TableRows
from layers.stores.bigquery.trained import Shelf


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    effort: of the usual number of trees; less in tests.
    """

    registry: Registry
    rows: TableRows
    shelf: Shelf
    effort: float = 1.0


async def make() -> Room:
    from layers.stores.bigquery.rows import BigQueryRows
    from layers.stores.bigquery.trained import BigQueryShelf
    from layers.stores.bigquery.warehouse import BigQueryWarehouse
    from layers.stores.bigquery.writer import BigQueryFacts

    values = Settings.of_process()
    registry = Registry.of_environment(values.values, settings.RETAILER_PREFIX)
    shelf = BigQueryShelf(BigQueryWarehouse.of(values), BigQueryFacts.of(values))
    return Room(registry, BigQueryRows.of(values), shelf)
