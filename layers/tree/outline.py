"""A tree as an indented text: what leads to a node, what leads away, what is shown."""

from __future__ import annotations

from layers.tree.model import Experience, Game, Promotion, Recommendation, Tension
from layers.tree.tree import Tree, nodes_of


def told(experience: Experience) -> str:
    """What is shown, by its values."""
    if isinstance(experience, Promotion):
        return f"{experience.generosity} off {experience.product} from {experience.threshold}"
    if isinstance(experience, Game):
        return f"{experience.name} for {experience.prize}"
    if isinstance(experience, Recommendation):
        return f"{experience.limit} of {experience.products}"
    assert isinstance(experience, Tension)
    return f"distance to {experience.threshold}"


def outline(tree: Tree) -> str:
    """Parents above their children, in the order in which they are tried."""
    places = len(tree.places)
    lines = [f"{tree.id}  version {tree.version}  {places} nodes  {', '.join(tree.definition.languages)}"]
    for depth, node in nodes_of(tree.definition.root):
        indent = "    " * depth
        lines.append(f"{indent}● {node.id}{f'  – {node.about}' if node.about else ''}")
        detail = indent + ("│   " if node.children else "    ")
        if node.when:
            lines.append(f"{detail}when   {' '.join(node.when.split())}")
        if node.leave:
            lines.append(f"{detail}leave  {' '.join(node.leave.split())}")
        lines += [f"{detail}shows  {type(experience).__name__.lower()}: {told(experience)}" for experience in node.show]
    return "\n".join(lines)
