"""One node as a card of a picture: its id, what it is about, when one comes and leaves, what is shown. Pure.

Does not own where cards stand (`picture`). Widths are estimated, since fonts differ: a text never fills its line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from layers.tree.model import Experience, Node
from layers.tree.outline import told

WIDTH, BETWEEN = 396, 22
_PADDING, _LABEL = 16, 58
_MONO, _SANS = 6.65, 6.5
"""Pixels a character: of 11 px monospace, and of 12 px sans as it comes out at most for sentences."""

_COLOURS = {
    "promotion": "#c2410c", "game": "#7e22ce", "recommendation": "#1d4ed8", "tension": "#0f766e",
    "when": "#15803d", "leave": "#b91c1c",
}  # fmt: skip
_INK, _FAINT = "#1f2933", "#616e7c"


@dataclass(frozen=True, slots=True)
class Card:
    """`lines`: SVG with its corner at 0, 0. `height`: in pixels."""

    lines: tuple[str, ...]
    height: float


class _Sheet:
    """Writes from top to bottom."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.y = 0.0

    def text(self, x: float, words: str, size: int, colour: str, style: str = "") -> None:
        self.lines.append(
            f'<text x="{x:g}" y="{self.y:g}" font-size="{size}" fill="{colour}"{style}>{escape(words)}</text>'
        )

    def paragraph(self, words: str, style: str = "", x: float = _PADDING, most: int = 4) -> None:
        for line in _wrapped(words, int((WIDTH - x - _PADDING) / _SANS), most):
            self.y += 16
            self.text(x, line, 12, _FAINT, style)

    def labelled(self, label: str, words: str) -> None:
        self.y += 6
        for number, line in enumerate(_wrapped(words, int((WIDTH - _LABEL - _PADDING) / _MONO), 9)):
            self.y += 15
            if number == 0:
                self.text(_PADDING, label, 11, _COLOURS[label], ' font-weight="bold"')
            self.text(_LABEL, line, 11, _INK, _MONOSPACE)


_MONOSPACE = " font-family=\"Menlo, Consolas, 'DejaVu Sans Mono', monospace\""


def _wrapped(words: str, width: int, most: int) -> list[str]:
    lines = textwrap.wrap(" ".join(words.split()), width, break_on_hyphens=False) or [""]
    return lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1][: width - 2] + " …"]


def card(node: Node, language: str, share: float | None = None, told_traffic: str = "") -> Card:
    """Args:
    language: of the texts quoted. share: 0 to 1, of what comes to the node; None for a picture without traffic.
    """
    sheet = _Sheet()
    sheet.y = 26
    sheet.text(_PADDING, node.id, 15, _INK, ' font-weight="bold"')
    if share is not None:
        sheet.lines += _bar(share)
        sheet.y += 28
        sheet.text(_PADDING, told_traffic, 12, _INK)
    if node.about:
        sheet.paragraph(node.about, ' font-style="italic"')
    if node.when:
        sheet.labelled("when", node.when)
    if node.leave:
        sheet.labelled("leave", node.leave)
    for experience in node.show:
        _experience(sheet, experience, language)
    if not node.show:
        sheet.y += 6
        sheet.paragraph("shows what its parent shows")
    height = sheet.y + 16
    frame = f'<rect width="{WIDTH}" height="{height:g}" rx="10" fill="#fff" stroke="#cbd2d9"/>'
    return Card((frame, *sheet.lines), height)


def _bar(share: float) -> Iterator[str]:
    full = WIDTH - 2 * _PADDING
    yield f'<rect x="{_PADDING}" y="33" width="{full}" height="4" rx="2" fill="#e4e7eb"/>'
    if share > 0:
        yield f'<rect x="{_PADDING}" y="33" width="{max(2.0, full * share):.1f}" height="4" rx="2" fill="#2563eb"/>'


def _experience(sheet: _Sheet, experience: Experience, language: str) -> None:
    kind = type(experience).__name__.lower()
    sheet.y += 12
    top = sheet.y
    sheet.y += 13
    sheet.text(_PADDING + 12, kind, 12, _COLOURS[kind], ' font-weight="bold"')
    sheet.text(WIDTH - _PADDING, f"in {experience.slot}", 11, _FAINT, ' text-anchor="end"')
    for line in _wrapped(told(experience), int((WIDTH - _PADDING * 2 - 12) / _MONO), 3):
        sheet.y += 15
        sheet.text(_PADDING + 12, line, 11, _INK, _MONOSPACE)
    sheet.paragraph(f"“{experience.text[language]}”", x=_PADDING + 12, most=2)
    tall = sheet.y - top + 2
    sheet.lines.append(
        f'<rect x="{_PADDING}" y="{top + 2:g}" width="4" height="{tall:g}" rx="2" fill="{_COLOURS[kind]}"/>'
    )
