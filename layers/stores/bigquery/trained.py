"""Where trained models are kept: the table `trained_models` of each retailer's dataset, every training in parts.

A version is in use from the moment that its last part is there, so a training that is killed half-way changes nothing.
Kept: the newest few, so that going back is dropping one. Does not own: what a model is (`layers.learning`), nor whether
it is good enough (`functions/training`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec

from layers.facts import TRAINED_MODELS
from layers.learning import TrainedModels
from layers.stores.bigquery.port import FactWriter, Warehouse

PART = 900_000
"""Characters of a part: an append is at most 10 MB, and rows of 1 MB are as quick as larger ones."""

KEPT = 5
"""Versions; about 4 MB each."""


@dataclass(frozen=True, slots=True)
class Version:
    """Attributes:
    figures: by question, how good its model was on days that it had not seen.
    """

    name: str
    trained_at: datetime
    trained_until: str
    figures: dict[str, dict[str, float]]


class Trained(Protocol):
    """What was learnt, to be read. Blocking: a handler calls it through `asyncio.to_thread`."""

    def versions(self, dataset: str) -> list[Version]:
        """Those that are whole, the newest first."""

    def read(self, dataset: str, version: str) -> TrainedModels | None:
        """One of those; None where it is not whole, or there no more.

        Raises:
            UnreadableModels: it was trained for another version of the code.
        """


class Shelf(Trained, Protocol):
    """Blocking but for `put`."""

    async def put(self, dataset: str, models: TrainedModels) -> None:
        """In use when it returns. Putting the same version again changes nothing."""

    def newest(self, dataset: str) -> TrainedModels | None:
        """None where no model was ever trained.

        Raises:
            UnreadableModels: they were trained for another version of the code.
        """

    def drop(self, dataset: str, version: str) -> bool:
        """Whether it was there. The one before it is in use from now on."""


class BigQueryTrained:
    """Reads only. A version never changes, so the last one read of each dataset is kept: parsing costs some 0.1 s."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._read: dict[str, TrainedModels] = {}

    def versions(self, dataset: str) -> list[Version]:
        rows = self._warehouse.query(
            f"""
            SELECT m.version, ANY_VALUE(m.trained_at) AS trained_at, ANY_VALUE(m.trained_until) AS trained_until,
              ANY_VALUE(m.figures) AS figures
            FROM `{self._table(dataset)}` AS m
            GROUP BY m.version
            HAVING COUNT(DISTINCT m.part) = ANY_VALUE(m.parts)
            ORDER BY trained_at DESC, m.version DESC
            """
        )
        return [_version(row) for row in rows]

    def read(self, dataset: str, version: str) -> TrainedModels | None:
        known = self._read.get(dataset)
        if known is not None and known.version == version:
            return known
        # An append may be delivered twice, so a part may stand there twice.
        rows = self._warehouse.query(
            f"""
            SELECT m.part, ANY_VALUE(m.text) AS text, ANY_VALUE(m.parts) AS parts
            FROM `{self._table(dataset)}` AS m
            WHERE m.version = @version GROUP BY m.part ORDER BY m.part
            """,
            {"version": version},
        )
        if not rows or len(rows) != rows[0]["parts"]:
            return None
        read = TrainedModels.decode("".join(row["text"] for row in rows).encode())
        self._read[dataset] = read
        return read

    def _table(self, dataset: str) -> str:
        return f"{self._warehouse.full_name(dataset)}.{TRAINED_MODELS.stored_as}"


class BigQueryShelf(BigQueryTrained):
    """Args:
    facts: appends the parts; belongs to the running loop.
    """

    def __init__(self, warehouse: Warehouse, facts: FactWriter) -> None:
        super().__init__(warehouse)
        self._facts = facts

    async def put(self, dataset: str, models: TrainedModels) -> None:
        if any(version.name == models.version for version in await asyncio.to_thread(self.versions, dataset)):
            return
        # What a killed training left of the same version would make it look whole with parts of two.
        await asyncio.to_thread(self.drop, dataset, models.version)
        text = models.encode().decode()
        parts = [text[place : place + PART] for place in range(0, len(text), PART)]
        figures = msgspec.json.encode({name: dict(model.figures) for name, model in models.models.items()}).decode()
        for place, part in enumerate(parts):
            await self._facts.append(
                dataset,
                TRAINED_MODELS,
                {
                    "version": [models.version],
                    "trained_at": [models.trained_at],
                    "trained_until": [models.trained_until],
                    "part": [place],
                    "parts": [len(parts)],
                    "text": [part],
                    "figures": [figures],
                },
            )
        for version in (await asyncio.to_thread(self.versions, dataset))[KEPT:]:
            await asyncio.to_thread(self.drop, dataset, version.name)

    def newest(self, dataset: str) -> TrainedModels | None:
        known = self.versions(dataset)
        return self.read(dataset, known[0].name) if known else None

    def drop(self, dataset: str, version: str) -> bool:
        statement = f"DELETE FROM `{self._table(dataset)}` AS m WHERE m.version = @version"
        self._read.pop(dataset, None)
        return self._warehouse.execute(statement, {"version": version}) > 0


def _version(row: dict[str, Any]) -> Version:
    figures = msgspec.json.decode(row["figures"], type=dict[str, dict[str, float]])
    return Version(row["version"], row["trained_at"], row["trained_until"], figures)


class FakeShelf:
    """In memory, by dataset."""

    def __init__(self) -> None:
        self.kept: dict[str, list[bytes]] = {}

    async def put(self, dataset: str, models: TrainedModels) -> None:
        if all(version.name != models.version for version in self.versions(dataset)):
            self.kept.setdefault(dataset, []).append(models.encode())
            for version in self.versions(dataset)[KEPT:]:
                self.drop(dataset, version.name)

    def _all(self, dataset: str) -> list[TrainedModels]:
        found = [TrainedModels.decode(data) for data in self.kept.get(dataset, [])]
        return sorted(found, key=lambda models: (models.trained_at, models.version), reverse=True)

    def versions(self, dataset: str) -> list[Version]:
        return [
            Version(m.version, m.trained_at, m.trained_until, {k: dict(v.figures) for k, v in m.models.items()})
            for m in self._all(dataset)
        ]

    def read(self, dataset: str, version: str) -> TrainedModels | None:
        return next((models for models in self._all(dataset) if models.version == version), None)

    def newest(self, dataset: str) -> TrainedModels | None:
        return next(iter(self._all(dataset)), None)

    def drop(self, dataset: str, version: str) -> bool:
        kept = self.kept.get(dataset, [])
        left = [data for data in kept if TrainedModels.decode(data).version != version]
        self.kept[dataset] = left
        return len(left) < len(kept)
