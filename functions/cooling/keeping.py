"""How rows are kept when BigQuery refuses some of them for good: the others are written, those are named.

Does not own which rows there are (rules.py), nor what is remembered of a refused one (handler.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from functions.cooling.rules import Cooled
from layers.stores.bigquery.port import FactWriter, RowsRefused

Refused = tuple[int, str]
"""The place in the message of the record or line whose row was refused, from 0, and the rule it breaks."""


async def keep(facts: FactWriter, dataset: str, cooled: Iterable[Cooled]) -> list[Refused]:
    """Appends every table's rows at the same time.

    Returns:
        What was refused for good; everything else is durable.

    Raises:
        Unavailable: some rows may not be durable; repeat all of it.
    """
    # All of them are waited for, so that nothing is still on its way when the message is refused and comes again.
    results = await asyncio.gather(*(_append(facts, dataset, one) for one in cooled), return_exceptions=True)
    refused: list[Refused] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        refused += result
    return sorted(refused)


async def _append(facts: FactWriter, dataset: str, cooled: Cooled) -> list[Refused]:
    try:
        await facts.append(dataset, cooled.table, cooled.columns)
        return []
    except RowsRefused as error:
        many = len(cooled.sources)
        if many == 1:
            return [(cooled.sources[0], str(error))]
        bad = [row for row in dict.fromkeys(error.rows) if row < many]
        if bad:
            rest = cooled.rows(row for row in range(many) if row not in set(bad))
            named = [(cooled.sources[row], str(error)) for row in bad]
            return named + (await _append(facts, dataset, rest) if rest.sources else [])
        # Nobody says which: the half that is good is written whole, and the other is halved again.
        halves = (cooled.rows(range(many // 2)), cooled.rows(range(many // 2, many)))
        return [refused for half in halves for refused in await _append(facts, dataset, half)]
