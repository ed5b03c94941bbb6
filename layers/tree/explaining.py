"""A shopper's path in plain words: at each event, where they went and why, what was shown and what not. Pure.

Says what the fold did, with the same functions; it decides nothing. A shopper's own words are counted, not quoted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import cel
import msgspec

from layers.events.model import Searched, type_name
from layers.events.record import Record
from layers.tree.expressions import RUNTIME_ERRORS, Expression, split
from layers.tree.journey import Standing, advance, in_order
from layers.tree.model import Game, Promotion, Recommendation
from layers.tree.showing import ShownExperience, filled
from layers.tree.state import State
from layers.tree.treatment import is_treatment
from layers.tree.tree import Shown, Tree
from layers.tree.variables import PRIVATE, values_of
from layers.tree.walk import Moment, Reason

_reasons = msgspec.json.Decoder(list[Reason])


def explained(records: Iterable[Record], standing: Standing) -> Iterator[str]:
    """Lines, event by event, in their order.

    Args:
        records: of one shopper, in any order.
    """
    state: State | None = None
    for record in in_order(records):
        state, [decision] = advance(state, [record], standing)
        assert state is not None
        tree = standing.tree_of(state)
        reasons = _reasons.decode(decision.reason)
        if reasons[0].rule == "starts":
            yield f"A journey begins, at `{tree.root}`."
        yield f"{record.event.at:%H:%M:%S}  {_done(record)}"
        if any(reason.rule == "refused" for reason in reasons):
            yield "    no consent to personalisation: nothing is evaluated, and the default is shown as to everybody"
            continue
        moment = Moment(tree)
        moment.becomes(values_of(state, standing.parameters))
        yield from (f"    {line}" for line in _moved(tree, reasons, decision.node_before, decision.node_after, moment))
        yield from (f"    {line}" for line in _shown(tree, decision.node_after, moment, standing.control))


def _done(record: Record) -> str:
    event = record.event
    told = [type_name(event)]
    if isinstance(event, Searched):
        told.append(f"for {len(event.query)} characters")
    for name in ("kind", "category", "product", "quantity", "price", "total", "node", "order", "status"):
        value = getattr(event, name, None)
        if value is not None and value is not msgspec.UNSET:
            told.append(f"{name} {value}")
    return f"{told[0]}  {', '.join(told[1:])}".rstrip() + (f"  ({record.channel})" if record.channel != "web" else "")


def _moved(tree: Tree, reasons: Sequence[Reason], before: str, after: str, moment: Moment) -> Iterator[str]:
    yield f"stays at `{after}`" if before == after else f"`{before}` → `{after}`"
    for reason in reasons:
        if reason.rule in ("when", "leave"):
            verb = "comes to" if reason.rule == "when" else "leaves"
            yield f"  {verb} `{reason.node}`: {' '.join(reason.condition.split())}   [{_with(reason.values)}]"
        elif reason.rule == "failed":
            yield f"  fails, so it does not hold: {reason.condition} of `{reason.node}`   [{_with(reason.values)}]"
    entered = [reason.node for reason in reasons if reason.rule == "when"]
    for name in entered:
        siblings = tree.places[tree.places[name].path[-2]].children
        yield from _passed(tree, siblings[: siblings.index(name)], moment)
    yield from _passed(tree, tree.places[after].children, moment)


def _passed(tree: Tree, names: Iterable[str], moment: Moment) -> Iterator[str]:
    """Why none of these was entered."""
    for name in names:
        place = tree.places[name]
        assert place.when is not None
        if moment.holds(place.when, name, []):
            assert place.leave is not None
            why = f"its leave holds, too: {' '.join(place.leave.source.split())}   [{_values(place.leave, moment)}]"
        else:
            why = f"untrue: {'; '.join(_untrue(place.when, moment))}   [{_values(place.when, moment)}]"
        yield f"  not to `{name}`: {why}"


def _untrue(condition: Expression, moment: Moment) -> list[str]:
    """The parts of a condition joined by `&&` that do not hold; all of it where it is not such a one."""
    parts = split(condition.source, ("&&",)) if len(split(condition.source, ("||", "?"))) == 1 else []
    found = []
    for part in parts:
        alone = Expression(part, cel.compile(part), condition.names, condition.roots, None)
        if not moment.holds(alone, "", []):
            found.append(" ".join(part.split()))
    return found or [" ".join(condition.source.split())]


def _values(expression: Expression, moment: Moment) -> str:
    return _with(moment.reason("", "when", expression).values)


def _with(values: dict[str, object]) -> str:
    return ", ".join(f"{name} = {value if name in PRIVATE else repr(value)}" for name, value in values.items())


def _shown(tree: Tree, node: str, moment: Moment, control: bool) -> Iterator[str]:
    found = {id(shown): one for shown, one in filled(tree, node, moment)}
    any_shown = False
    for shown in tree.places[node].show:
        kind = type(shown.definition).__name__.lower()
        one = found.get(id(shown))
        if one is None:
            yield f"not shown: {kind} in {shown.definition.slot}, {_lacking(shown, moment)}"
        elif control and is_treatment(shown):
            yield f"not shown: {kind} in {shown.definition.slot}, the shopper is in the control group"
        else:
            any_shown = True
            yield f"shows {kind} in {shown.definition.slot}: {_told(one)}"
    if not any_shown:
        yield "shows the default, the same for everybody"


def _told(one: ShownExperience) -> str:
    plain: dict[str, object] = msgspec.to_builtins(one)
    return ", ".join(
        f"{name} {', '.join(map(str, value)) if isinstance(value, list | tuple) else value}"
        for name, value in plain.items()
        if name not in ("kind", "slot", "text")
    )


def _lacking(shown: Shown, moment: Moment) -> str:
    fields = {Promotion: ("product", "generosity"), Game: ("prize",), Recommendation: ("products",)}
    for field in fields.get(type(shown.definition), ("threshold",)):
        expression = shown.values[field]
        try:
            value = moment(expression)
        except RUNTIME_ERRORS:
            return f"its {field} cannot be computed: {expression.source}   [{_values(expression, moment)}]"
        if not value:
            return f"its {field} is empty or 0: {expression.source}   [{_values(expression, moment)}]"
    return "it has nothing to show"
