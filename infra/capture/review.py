"""`python -m infra.capture.review`: renews what a reviewer reads.

That is `tests/infra/golden/<stack>.json`, every stack's graph in a form that shows a change of infrastructure and
nothing else, the table in `infra/README.md`, and the register of processing. Tests fail while one of them is not what
the program asks for.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from infra.capture.graph import Graph
from infra.capture.run import capture
from infra.register.made import PAGE as REGISTER
from infra.register.made import made

GOLDEN = "tests/infra/golden"
PAGE = "infra/README.md"
STACKS = ("dev", "preprod", "prod")
BEGIN, END = "<!-- begin: python -m infra.capture.review -->", "<!-- end -->"

_WIDTH = 110
_NAMES = 10
_DIGEST = re.compile(r"(?<=[/:-])(?:[0-9a-f]{64}|[0-9a-f]{16})(?=\.zip|$| )")


def _written(value: Any, indent: int) -> str:
    """JSON that stays on one line while it fits."""
    line = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if len(line) + indent <= _WIDTH or not isinstance(value, dict | list):
        return line
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        parts = [f"{pad}{json.dumps(key)}: {_written(value[key], indent + 1)}" for key in sorted(value)]
        return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + _written(each, indent + 1) for each in value) + "\n" + " " * indent + "]"


def _opened(value: Any) -> Any:
    """Without digests of code, and with the JSON that stands in strings opened, so that a change in it is one line."""
    if isinstance(value, dict):
        return {key: _opened(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_opened(each) for each in value]
    if isinstance(value, str):
        if value.startswith(("[{", '{"')):
            return {"json": json.loads(value)}
        return _DIGEST.sub("<digest>", value)
    return value


def golden(graph: Graph) -> str:
    """A graph as reviewers read it: inputs by type and name; order of creation left out."""
    return _written({f"{r['type']} {r['name']}": _opened(r["inputs"]) for r in graph["resources"]}, 0) + "\n"


def table(graph: Graph) -> str:
    """What exists, by kind, as Markdown."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for resource in graph["resources"]:
        package, path, name = resource["type"].split(":")
        room = path.split("/")[0]
        kinds[f"{package if room == 'index' else room} {name}"].append(resource["name"])
    rows = ["| kind | how many | which |", "|---|---:|---|"]
    for kind, names in sorted(kinds.items()):
        shown = ", ".join(f"`{name}`" for name in sorted(names)[:_NAMES])
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        rows.append(f"| {kind} | {len(names)} | {shown}{more} |")
    return "\n".join(rows)


def page(text: str, graph: Graph) -> str:
    """The page with its table renewed.

    Raises:
        ValueError: the page has lost its marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has lost its marks {BEGIN} and {END}, so its table has no place; put them back.")
    return f"{before}{BEGIN}\n{table(graph)}\n{END}{after}"


def renew(root: Path) -> None:
    """Writes the golden files and the page."""
    for stack in STACKS:
        graph = capture(root, stack)
        file = root / GOLDEN / f"{stack}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(golden(graph))
        print(f"{GOLDEN}/{stack}.json: {len(graph['resources'])} resources")
        if stack == "dev":
            (root / PAGE).write_text(page((root / PAGE).read_text(), graph))
    (root / REGISTER).write_text(made(root))


if __name__ == "__main__":
    renew(Path(__file__).resolve().parents[2])
