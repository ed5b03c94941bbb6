"""Everything training needs, made once in the serving process: its composition root."""

from __future__ import annotations

from dataclasses import dataclass

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.retailers import Registry
from layers.scoring_runs.messages import MODELS_BUILT
from layers.stores.bigquery.port import TableRows, Warehouse
from layers.stores.bigquery.trained import Shelf
from layers.stores.pubsub.port import Publisher


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    warehouse: says of when the tables are. built: the topic on which a scoring run is begun.
        effort: of the usual number of trees; less in tests.
    """

    registry: Registry
    rows: TableRows
    shelf: Shelf
    warehouse: Warehouse
    built: Publisher
    effort: float = 1.0


async def make() -> Room:
    from layers.stores.bigquery.rows import BigQueryRows
    from layers.stores.bigquery.trained import BigQueryShelf
    from layers.stores.bigquery.warehouse import BigQueryWarehouse
    from layers.stores.bigquery.writer import BigQueryFacts
    from layers.stores.pubsub.publisher import PubsubPublisher

    values = Settings.of_process()
    registry = Registry.of_environment(values.values, settings.RETAILER_PREFIX)
    warehouse = BigQueryWarehouse.of(values)
    shelf = BigQueryShelf(warehouse, BigQueryFacts.of(values))
    return Room(registry, BigQueryRows.of(values), shelf, warehouse, PubsubPublisher.of(values, MODELS_BUILT))
