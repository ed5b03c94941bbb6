"""A tree ready for use: every expression compiled and checked once, every node found by its id.

Does not own moving in it (`walk`), showing (`showing`), or reading a file (`reading`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import cel
import msgspec

from layers.tree.expressions import Expression, InvalidExpression, compile_expression
from layers.tree.model import Definition, Experience, Node, Promotion
from layers.tree.samples import sample_values
from layers.tree.variables import Values
from layers.tree.wording import problems_of_text

_RESULTS = {
    "product": "a text",
    "generosity": "a number",
    "threshold": "a number",
    "prize": "a number",
    "products": "a list",
}
"""What each value of an experience must be."""


class InvalidTree(ValueError):
    """Attributes:
    problems: each one names the node, the field, what is wrong and what to write instead.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Shown:
    """One experience of a node with its values compiled, by field."""

    definition: Experience
    values: dict[str, Expression]


@dataclass(frozen=True)
class Place:
    """A node, compiled.

    Attributes:
        path: the places from the root to this one, this one last.
        show: its own experiences, or its nearest ancestor's.
    """

    node: Node
    when: Expression | None
    leave: Expression | None
    show: tuple[Shown, ...]
    path: tuple[str, ...]
    children: tuple[str, ...]


@dataclass(frozen=True)
class Tree:
    """Attributes:
    version: 12 hexadecimal digits of the content's hash.
    """

    definition: Definition
    version: str
    places: dict[str, Place]

    @property
    def id(self) -> str:
        return self.definition.tree

    @property
    def root(self) -> str:
        return self.definition.root.id

    @cached_property
    def members(self) -> dict[str, tuple[str, ...]]:
        """Of every variable that some expression reads: its members by its first name, none where it has none."""
        names: set[str] = set()
        for place in self.places.values():
            for expression in (place.when, place.leave, *(v for shown in place.show for v in shown.values.values())):
                names.update(expression.names if expression else ())
        found: dict[str, tuple[str, ...]] = {}
        for name in sorted(names):
            root, _, member = name.partition(".")
            found[root] = (*found.get(root, ()), member) if member else ()
        return found


def _context(values: Values) -> cel.Context:
    return cel.Context(variables=values)


def _undeclared(values: Mapping[str, Expression]) -> list[str]:
    """One product's price must not be shown differently to two shoppers by anything but a campaign's offer."""
    product, generosity = values.get("product"), values.get("generosity")
    if product is None or generosity is None or not generosity.names:
        return []
    if generosity.variable == "offer.generosity":
        if product.variable == "offer.product":
            return []
        return [f"product: `{product.source}` has a price of its own; beside offer.generosity belongs offer.product"]
    return [
        f"generosity: `{generosity.source}` would show one product at another price to each shopper, by no offer that "
        "anybody declared; write offer.generosity (with offer.product and offer.threshold), or a number"
    ]


class _Compiler:
    """Goes through the nodes once, and collects every problem rather than the first."""

    def __init__(self, languages: Sequence[str]) -> None:
        self.problems: list[str] = []
        self.places: dict[str, Place] = {}
        self._languages = languages
        self._samples = [_context(values) for values in sample_values()]

    def _compiled(self, where: str, source: str, result: str) -> Expression | None:
        try:
            return compile_expression(source, self._samples, result)
        except InvalidExpression as error:
            self.problems.append(f"{where}: {error}")
            return None

    def _shown(self, where: str, experience: Experience) -> Shown:
        values: dict[str, Expression] = {}
        for name, result in _RESULTS.items():
            value = getattr(experience, name, None)
            if value is not None:
                # A number in YAML is an amount, so it is one in CEL too: 3 and 3.0 must mean the same here.
                source = value if isinstance(value, str) else repr(float(value))
                expression = self._compiled(f"{where}, {name}", source, result)
                if expression:
                    values[name] = expression
        if isinstance(experience, Promotion):
            self.problems += [f"{where}, {problem}" for problem in _undeclared(values)]
        kind = type(experience).__name__.lower()
        self.problems += [f"{where}, text: {p}" for p in problems_of_text(experience.text, kind, self._languages)]
        return Shown(experience, values)

    def visit(self, node: Node, path: tuple[str, ...], inherited: tuple[Shown, ...]) -> None:
        where = f"node `{node.id}`"
        if node.id in self.places:
            self.problems.append(f"{where}: the id stands twice, so a decision could not name it; give each its own")
            return
        if path and node.when is None:
            self.problems.append(
                f'{where}: has no `when`, so nobody would know who comes here; write `when: "true"` for everybody'
            )
        if not path and (node.when or node.leave):
            self.problems.append(f"{where}: the root has no `when` and no `leave`: every journey starts there")
        if not path and not node.show:
            self.problems.append(f"{where}: the root shows nothing, so a new shopper would see nothing; add a `show`")
        show = tuple(
            self._shown(f"{where}, show {n} ({type(e).__name__.lower()})", e) for n, e in enumerate(node.show, 1)
        )
        self.places[node.id] = Place(
            node=node,
            when=self._compiled(f"{where}, when", node.when, "a condition") if node.when else None,
            leave=self._compiled(f"{where}, leave", node.leave, "a condition") if node.leave else None,
            show=show or inherited,
            path=(*path, node.id),
            children=tuple(child.id for child in node.children),
        )
        for child in node.children:
            self.visit(child, (*path, node.id), show or inherited)


def version_of(definition: Definition) -> str:
    """Of the meaning: two files that differ in comments or layout are the same version."""
    return sha256(msgspec.json.encode(definition)).hexdigest()[:12]


def compile_tree(definition: Definition) -> Tree:
    """Raises:
    InvalidTree: with every problem found.
    """
    compiler = _Compiler(definition.languages)
    compiler.problems += [
        f"default, text: {problem}"
        for problem in problems_of_text(definition.default.text, "default", definition.languages)
    ]
    compiler.visit(definition.root, (), ())
    if compiler.problems:
        raise InvalidTree(compiler.problems)
    return Tree(definition, version_of(definition), compiler.places)


def nodes_of(node: Node, depth: int = 0) -> Iterator[tuple[int, Node]]:
    """(depth, node), parents first, in the order in which they are tried."""
    yield depth, node
    for child in node.children:
        yield from nodes_of(child, depth + 1)
