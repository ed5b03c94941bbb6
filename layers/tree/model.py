"""A tree as it is written: nodes, their conditions, and what is shown there. Data only, closed.

Does not own whether its expressions make sense (`expressions`, `tree`) nor how a file is read (`reading`).
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
"""Of a tree, a node, a slot, a game."""

Condition = Annotated[str, Meta(min_length=1, max_length=1000)]
"""A CEL expression that is true or false."""

Value = Annotated[str, Meta(min_length=1, max_length=1000)] | float | int
"""A CEL expression, or a number."""

Text = dict[Annotated[str, Meta(pattern=r"^[a-z]{2}$")], Annotated[str, Meta(min_length=1, max_length=300)]]
"""By language. `{name}` stands for a value of the same experience."""


class _Experience(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", kw_only=True):
    """What every kind has. `slot` is where on the page it belongs, as the retailer names its places."""

    text: Text
    slot: Name = "main"


class Promotion(_Experience, frozen=True, tag="promotion"):
    """`generosity` off `product` once the basket reaches `threshold`. Not shown without a product, or if the generosity
    is 0."""

    product: Value
    generosity: Value
    threshold: Value


class Game(_Experience, frozen=True, tag="game"):
    """A game for a `prize`: for shoppers whom no discount is needed for. Not shown if the prize is 0."""

    name: Name
    prize: Value


class Recommendation(_Experience, frozen=True, tag="recommendation"):
    """The first `limit` of `products`. Not shown without any."""

    products: Value
    limit: Annotated[int, Meta(ge=1, le=30)] = 10


class Tension(_Experience, frozen=True, tag="tension"):
    """The distance from the basket's total to `threshold`. Not shown if the threshold is 0."""

    threshold: Value


Experience = Promotion | Game | Recommendation | Tension


class Default(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is shown to a shopper who refused personalisation, or where nothing else can be: texts only.

    It has no expression at all, so it cannot depend on who reads it.
    """

    text: Text
    slot: Name = "main"
    products: Annotated[tuple[str, ...], Meta(max_length=30)] = ()


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A place where a shopper stands.

    Attributes:
        when: holds, so a shopper who stands on the parent comes here. Every node but the root has one.
        leave: holds, so a shopper who stands here, or anywhere below, goes back to the parent.
        show: the experiences; a node without any shows what its parent shows.
        children: tried in this order.
        gives_way_to: nodes before it under the same parent that take its shoppers where both conditions hold, and are
            meant to: `check` says nothing of them.
    """

    id: Name
    about: Annotated[str, Meta(max_length=300)] = ""
    when: Condition | None = None
    leave: Condition | None = None
    show: Annotated[tuple[Experience, ...], Meta(max_length=8)] = ()
    children: Annotated[tuple[Node, ...], Meta(max_length=50)] = ()
    gives_way_to: Annotated[tuple[Name, ...], Meta(max_length=50)] = ()


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole tree.

    Attributes:
        languages: every text must have each of them; the first stands in for a language that is not here.
    """

    tree: Name
    languages: Annotated[tuple[Annotated[str, Meta(pattern=r"^[a-z]{2}$")], ...], Meta(min_length=1)]
    default: Default
    root: Node
