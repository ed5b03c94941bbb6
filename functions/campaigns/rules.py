"""What a request asks for, by its method and path, and what a campaign looks like in an answer. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from layers.campaigns.model import Campaign
from layers.campaigns.published import State
from layers.campaigns.reading import InvalidCampaign, pointers_of

PATH = "/v1/campaigns"
MAX_BODY_BYTES = 64 * 1024

What = Literal["list", "read", "put", "publish", "pause", "resume", "end", "report"]

BECOMES: Mapping[str, State] = {"pause": State.PAUSED, "resume": State.LIVE, "end": State.ENDED}

_PATH = re.compile(r"/v1/campaigns(?:/(?P<id>[a-z][a-z0-9_]{1,47})(?:/(?P<verb>publish|pause|resume|end|report))?)?")
_VERSION = re.compile(r"[0-9a-f]{12}")


class NoSuchPath(LookupError):
    """Nothing is here, or the id is none."""


class OtherMethod(ValueError):
    """The path is one, but not with this method. `allowed` are."""

    def __init__(self, allowed: str) -> None:
        super().__init__(allowed)
        self.allowed = allowed


class NoVersion(ValueError):
    """`publish` names no version."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`version` is empty but for `publish`, `campaign` for `list`."""

    what: What
    campaign: str = ""
    version: str = ""


def read_question(method: str, path: str, query: Mapping[str, str]) -> Asked:
    """Raises:
    NoSuchPath, OtherMethod, NoVersion: see there.
    """
    found = _PATH.fullmatch(path.rstrip("/"))
    if found is None:
        raise NoSuchPath
    campaign, verb = found["id"] or "", found["verb"] or ""
    if not campaign:
        allowed: Mapping[str, str] = {"GET": "list"}
    elif not verb:
        allowed = {"GET": "read", "PUT": "put"}
    else:
        allowed = {"GET" if verb == "report" else "POST": verb}
    if method not in allowed:
        raise OtherMethod(", ".join(allowed))
    version = query.get("version", "")
    if verb == "publish" and not _VERSION.fullmatch(version):
        raise NoVersion
    return Asked(cast(What, allowed[method]), campaign, version if verb == "publish" else "")


def refused(error: InvalidCampaign) -> list[dict[str, str]]:
    """What is wrong, each with the field's JSON pointer; a rule between fields stands once for each of them."""
    return [
        {"pointer": f"#{pointer}", "detail": problem.partition(": ")[2] or problem}
        for problem in error.problems
        for pointer in pointers_of(problem)
    ]


def told(
    campaign: Campaign | None, version: str, state: str, versions: Sequence[tuple[str, datetime]]
) -> dict[str, object]:
    """Args:
    campaign: None for a draft, of which `versions` alone are told.
    """
    return {
        "state": state,
        "version": version or None,
        "campaign": campaign,
        "versions": [{"version": name, "at": at} for name, at in versions],
    }
