"""What a simulation found, as a table for people, as JSON for programs, and as traffic for a picture. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from layers.tree.picture import Traffic
from layers.tree.simulation import Reached, ShownOften, Simulation

_NONE, _NEVER = Reached(), ShownOften()


def traffic(simulation: Simulation) -> dict[str, Traffic]:
    """Of all journeys."""
    whole = max(1, simulation.journeys)
    return {
        name: Traffic(
            reached.journeys / whole,
            f"{_count(reached.journeys)} of {_count(simulation.journeys)} journeys · {reached.journeys / whole:.1%}",
        )
        for name, reached in simulation.nodes.items()
    }


def as_json(simulation: Simulation) -> dict[str, object]:
    return {
        "tree": simulation.tree.id,
        "version": simulation.tree.version,
        "shoppers": simulation.shoppers,
        "shoppers_without_parameters": simulation.unknown,
        "journeys": simulation.journeys,
        "events": simulation.events,
        "events_with_default": simulation.defaults,
        "nodes": simulation.nodes,
        "shown": [
            {"node": node, "kind": kind, "slot": slot, "figures": often}
            for (node, kind, slot), often in sorted(simulation.shown.items())
        ],
    }


def told(new: Simulation, old: Simulation | None = None, differing: int = 0) -> Iterator[str]:
    """Args:
    old: the tree that it is set against, on the same sessions. differing: events after which they show differently.
    """
    yield (
        f"{new.tree.id} {new.tree.version}: {_count(new.shoppers)} shoppers ({_count(new.unknown)} of them without "
        f"parameters), {_count(new.journeys)} journeys, {_count(new.events)} events; the default after "
        f"{_share(new.defaults, new.events)} of them"
    )
    if old is not None:
        yield (
            f"against {old.tree.id} {old.tree.version} (in brackets): the default after "
            f"{_share(old.defaults, old.events)}; they differ after {_share(differing, new.events)} of the events"
        )
    yield ""
    yield from _nodes(new, old)
    yield ""
    yield from _experiences(new, old)


def _nodes(new: Simulation, old: Simulation | None) -> Iterator[str]:
    names = [*new.nodes, *(name for name in (old.nodes if old else ()) if name not in new.nodes)]
    rows = []
    for name in names:
        here, there = new.nodes.get(name, _NONE), old.nodes.get(name, _NONE) if old else None
        depth = len(new.tree.places[name].path) - 1 if name in new.tree.places else 0
        rows.append(
            (
                "  " * depth + name + ("" if name in new.tree.places else "  (no longer there)"),
                _both(_count(here.shoppers), _count(there.shoppers) if there else None),
                _both(_share(here.shoppers, new.shoppers), None),
                _both(_count(here.journeys), _count(there.journeys) if there else None),
                _both(_count(here.events), _count(there.events) if there else None),
            )
        )
    yield from _table(("node, or one below it", "shoppers", "", "journeys", "events there"), rows)


def _experiences(new: Simulation, old: Simulation | None) -> Iterator[str]:
    keys = sorted({*new.shown, *(old.shown if old else ())})
    rows = []
    for key in keys:
        here, there = new.shown.get(key, _NEVER), old.shown.get(key, _NEVER) if old else None
        rows.append((f"{key[0]}: {key[1]} in {key[2]}", *_figures(here, there)))
    rows.append(("all", *_figures(_sum(new), _sum(old) if old else None)))
    yield from _table(("shown", "times", "journeys", "cost at most", "expected", "claimed"), rows)


def _sum(simulation: Simulation) -> ShownOften:
    every = simulation.shown.values()
    return ShownOften(
        sum(one.times for one in every), sum(one.journeys for one in every), sum(one.at_most for one in every),
        sum(one.expected for one in every), sum(one.claimed for one in every),
    )  # fmt: skip


def _figures(here: ShownOften, there: ShownOften | None) -> tuple[str, ...]:
    return (
        _both(_count(here.times), _count(there.times) if there else None),
        _both(_count(here.journeys), _count(there.journeys) if there else None),
        _both(f"{here.at_most:.2f}", f"{there.at_most:.2f}" if there else None),
        _both(f"{here.expected:.2f}", f"{there.expected:.2f}" if there else None),
        _both(f"{here.claimed:.2f}", f"{there.claimed:.2f}" if there else None),
    )


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def _both(here: str, there: str | None) -> str:
    return here if there is None else f"{here} ({there})"


def _count(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "0.0%"
