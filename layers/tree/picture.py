"""A tree as a picture (SVG): a card a node, the root at the left, children right of it in the order of trial. Pure.

Lays out by itself, since Graphviz is on few machines. Does not own the words for what is shown (`outline`), nor where
the traffic comes from (`simulation`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from layers.tree.cards import BETWEEN, WIDTH, Card, card
from layers.tree.model import Node
from layers.tree.tree import Tree

_MARGIN, _HEAD, _APART = 32, 92, 84
_INK, _FAINT, _LINE, _PAPER = "#1f2933", "#616e7c", "#9aa5b1", "#f5f7fa"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What comes to a node. `share`: 0 to 1, of all. `told`: the figures, for people."""

    share: float
    told: str


@dataclass(frozen=True, slots=True)
class _Placed:
    card: Card
    x: float
    y: float
    number: int
    parent: str


def picture(tree: Tree, traffic: Mapping[str, Traffic] | None = None) -> str:
    """An SVG document that needs nothing else."""
    placed: dict[str, _Placed] = {}
    bottom = _place(tree, tree.definition.root, _MARGIN, _MARGIN + _HEAD, 0, "", traffic or {}, placed)
    width = max(one.x for one in placed.values()) + WIDTH + _MARGIN
    height = bottom - BETWEEN + _MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" font-family="Helvetica, Arial, sans-serif">',
        f"<title>{escape(tree.id)} {tree.version}</title>",
        f'<rect width="100%" height="100%" fill="{_PAPER}"/>',
        *_heading(tree),
    ]
    for node, one in placed.items():
        if one.parent:
            share = traffic[node].share if traffic and node in traffic else 0.0
            lines += _edge(placed[one.parent], one, 1.5 + 8 * share)
    for one in placed.values():
        lines += [f'<g transform="translate({one.x:g} {one.y:g})">', *one.card.lines, "</g>"]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _place(
    tree: Tree,
    node: Node,
    x: float,
    y: float,
    number: int,
    parent: str,
    traffic: Mapping[str, Traffic],
    placed: dict[str, _Placed],
) -> float:
    """Places a node and all below it; the first child stands level with its parent.

    Returns:
        Where the next one may begin.
    """
    come = traffic.get(node.id)
    drawn = card(node, tree.definition.languages[0], come.share if come else None, come.told if come else "")
    placed[node.id] = _Placed(drawn, x, y, number, parent)
    below = y
    for position, child in enumerate(node.children, 1):
        below = _place(tree, child, x + WIDTH + _APART, below, position, node.id, traffic, placed)
    return max(below, y + drawn.height + BETWEEN)


def _heading(tree: Tree) -> Iterator[str]:
    languages: Sequence[str] = tree.definition.languages
    default = tree.definition.default.text[languages[0]]
    rows = (
        (24, 22, _INK, "bold", tree.id),
        (46, 13, _FAINT, "normal", f"version {tree.version} · {len(tree.places)} nodes · {', '.join(languages)}"),
        (
            68, 13, _FAINT, "normal",
            f"Without consent, or with nothing to show: “{default}”.  Numbers: the order in which children are tried.",
        ),
    )  # fmt: skip
    for y, size, colour, weight, words in rows:
        yield (
            f'<text x="{_MARGIN}" y="{_MARGIN - 8 + y}" font-size="{size}" font-weight="{weight}" fill="{colour}">'
            f"{escape(words)}</text>"
        )


def _edge(parent: _Placed, child: _Placed, width: float) -> Iterator[str]:
    """From the parent's title to the child's, with the child's number at its end."""
    start, y1 = parent.x + WIDTH, parent.y + 20
    end, y2 = child.x, child.y + 20
    turn = start + 26
    path = f"M{start:g} {y1:g}H{end - 12:g}"
    if y2 > y1:
        path = f"M{start:g} {y1:g}H{turn - 10:g}q10 0 10 10V{y2 - 10:g}q0 10 10 10H{end - 12:g}"
    yield f'<path d="{path}" fill="none" stroke="{_LINE}" stroke-width="{width:.1f}"/>'
    yield f'<circle cx="{end - 14:g}" cy="{y2:g}" r="11" fill="{_INK}"/>'
    yield (
        f'<text x="{end - 14:g}" y="{y2 + 4:g}" font-size="12" fill="#fff" text-anchor="middle">{child.number}</text>'
    )
