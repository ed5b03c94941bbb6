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
from layers.tree.problem import InvalidTree, Problem, Severity, Step
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
        document: the path to it in the file.
    """

    node: Node
    when: Expression | None
    leave: Expression | None
    show: tuple[Shown, ...]
    path: tuple[str, ...]
    children: tuple[str, ...]
    document: tuple[Step, ...]


def about(
    place: Place, field: str, says: str, *, rule: str, severity: Severity = "error", path: tuple[Step, ...] = ()
) -> Problem:
    """A problem of a node's field. `path`: into the node, where it is not the field itself."""
    where = f"node `{place.node.id}`, {field}"
    return Problem(severity=severity, rule=rule, where=where, path=(*place.document, *(path or (field,))), says=says)


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


def _undeclared(values: Mapping[str, Expression]) -> dict[str, str]:
    """One product's price must not be shown differently to two shoppers by anything but a campaign's offer.

    Returns:
        What is wrong, by field.
    """
    product, generosity = values.get("product"), values.get("generosity")
    if product is None or generosity is None or not generosity.names:
        return {}
    if generosity.variable == "offer.generosity":
        if product.variable == "offer.product":
            return {}
        return {"product": f"`{product.source}` has a price of its own; beside offer.generosity belongs offer.product"}
    return {
        "generosity": f"`{generosity.source}` would show one product at another price to each shopper, by no offer "
        "that anybody declared; write offer.generosity (with offer.product and offer.threshold), or a number"
    }


class _Compiler:
    """Goes through the nodes once, and collects every problem rather than the first."""

    def __init__(self, languages: Sequence[str]) -> None:
        self.problems: list[Problem] = []
        self.places: dict[str, Place] = {}
        self._languages = languages
        self._samples = [_context(values) for values in sample_values()]

    def refuse(self, where: str, path: tuple[Step, ...], says: str, rule: str = "form", at: str = "") -> None:
        self.problems.append(Problem(rule=rule, where=where, path=path, says=says, at=at))

    def _compiled(self, where: str, path: tuple[Step, ...], source: str, result: str) -> Expression | None:
        try:
            return compile_expression(source, self._samples, result)
        except InvalidExpression as error:
            self.refuse(where, path, str(error), "expression", error.at)
            return None

    def text(self, where: str, path: tuple[Step, ...], text: Mapping[str, str], kind: str) -> None:
        for problem in problems_of_text(text, kind, self._languages):
            self.refuse(f"{where}, text", (*path, "text"), problem, "text")

    def _shown(self, where: str, path: tuple[Step, ...], experience: Experience) -> Shown:
        values: dict[str, Expression] = {}
        for name, result in _RESULTS.items():
            value = getattr(experience, name, None)
            if value is not None:
                # A number in YAML is an amount, so it is one in CEL too: 3 and 3.0 must mean the same here.
                source = value if isinstance(value, str) else repr(float(value))
                expression = self._compiled(f"{where}, {name}", (*path, name), source, result)
                if expression:
                    values[name] = expression
        if isinstance(experience, Promotion):
            for name, says in _undeclared(values).items():
                self.refuse(f"{where}, {name}", (*path, name), says, "undeclared_offer")
        self.text(where, path, experience.text, type(experience).__name__.lower())
        return Shown(experience, values)

    def visit(self, node: Node, above: tuple[str, ...], path: tuple[Step, ...], inherited: tuple[Shown, ...]) -> None:
        where = f"node `{node.id}`"
        if node.id in self.places:
            self.refuse(where, (*path, "id"), "the id stands twice, so a decision could not name it; give each its own")
            return
        if above and node.when is None:
            says = 'has no `when`, so nobody would know who comes here; write `when: "true"` for everybody'
            self.refuse(where, path, says)
        if not above and (node.when or node.leave):
            self.refuse(where, path, "the root has no `when` and no `leave`: every journey starts there")
        if not above and not node.show:
            self.refuse(where, path, "the root shows nothing, so a new shopper would see nothing; add a `show`")
        show = tuple(
            self._shown(f"{where}, show {n + 1} ({type(e).__name__.lower()})", (*path, "show", n), e)
            for n, e in enumerate(node.show)
        )
        condition = "a condition"
        self.places[node.id] = Place(
            node=node,
            when=self._compiled(f"{where}, when", (*path, "when"), node.when, condition) if node.when else None,
            leave=self._compiled(f"{where}, leave", (*path, "leave"), node.leave, condition) if node.leave else None,
            show=show or inherited,
            path=(*above, node.id),
            children=tuple(child.id for child in node.children),
            document=path,
        )
        for number, child in enumerate(node.children):
            self._gives_way(child, node.children[:number], (*path, "children", number))
            self.visit(child, (*above, node.id), (*path, "children", number), show or inherited)

    def _gives_way(self, node: Node, before: Sequence[Node], path: tuple[Step, ...]) -> None:
        for number, name in enumerate(node.gives_way_to):
            if name not in {sibling.id for sibling in before}:
                says = (
                    f"`{name}` is no node before this one under the same parent, so it takes nothing from it; remove it"
                )
                self.refuse(f"node `{node.id}`, gives_way_to", (*path, "gives_way_to", number), says)


def version_of(definition: Definition) -> str:
    """Of the meaning: two files that differ in comments or layout are the same version."""
    return sha256(msgspec.json.encode(definition)).hexdigest()[:12]


def compile_tree(definition: Definition) -> Tree:
    """Raises:
    InvalidTree: with every problem found.
    """
    compiler = _Compiler(definition.languages)
    compiler.text("default", ("default",), definition.default.text, "default")
    compiler.visit(definition.root, (), ("root",), ())
    if compiler.problems:
        raise InvalidTree(compiler.problems)
    return Tree(definition, version_of(definition), compiler.places)


def nodes_of(node: Node, depth: int = 0) -> Iterator[tuple[int, Node]]:
    """(depth, node), parents first, in the order in which they are tried."""
    yield depth, node
    for child in node.children:
        yield from nodes_of(child, depth + 1)
