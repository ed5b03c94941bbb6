"""The fidelity table of the README: what the laptop makes of each type of resource, generated from the plan's
verdicts."""

from __future__ import annotations

from collections.abc import Mapping

from emulators.plan import VERDICTS, Applied, Verdict

BEGIN, END = "<!-- fidelity:begin -->", "<!-- fidelity:end -->"


class NoMarkers(ValueError):
    """The text has no place for the table."""


def _short(type_: str) -> str:
    """`bigquery Dataset` for `gcp:bigquery/dataset:Dataset`."""
    provider, module, name = type_.split(":")
    return f"{provider if provider != 'gcp' else module.split('/')[0]} {name}"


def table(verdicts: Mapping[str, Verdict] = VERDICTS) -> str:
    """The table as Markdown, ending in a newline."""
    applied = [
        f"| {_short(type_)} | applied | {verdict.differs} |"
        for type_, verdict in verdicts.items()
        if isinstance(verdict, Applied)
    ]
    left_out = [
        f"| {_short(type_)} | not emulated | {verdict.because} |"
        for type_, verdict in verdicts.items()
        if not isinstance(verdict, Applied)
    ]
    head = ["| resource | on the laptop | how it differs, or why not |", "| --- | --- | --- |"]
    return "\n".join([*head, *sorted(applied), *sorted(left_out)]) + "\n"


def written_into(text: str, verdicts: Mapping[str, Verdict] = VERDICTS) -> str:
    """The text with the table between its markers.

    Raises:
        NoMarkers: not exactly one pair, in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in after:
        raise NoMarkers(f"the text needs exactly one {BEGIN} and then one {END}; the table goes between them.")
    return f"{before}{BEGIN}\n{table(verdicts)}{END}{after}"
