"""What a retailer shows and will show: which tree from when on, whether nothing at all, and who said so. Pure.

Versions of trees are immutable; this is the one thing about them that changes, and it is written whole. Does not own
how it is stored and how soon it is seen (`live`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

KEPT_VERSIONS, KEPT_STEPS = 50, 200
"""Of what was shown, and of who said what: about 40 kB, where a document may have 1 MiB."""

Running = Literal["migrate", "finish"]
"""What becomes of journeys that began under the version before: they go on in the new one, folded anew from their
events, or they end in the one they began in."""

Moment = Annotated[datetime, Meta(tz=True)]

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


class Refused(ValueError):
    """A change that makes no sense now. The message says why, and what to do."""


class Aired(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A version, shown from `since` on."""

    tree: str
    version: str
    since: Moment
    running: Running = "migrate"


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who said what, and when. `starts`: of a version that is to come."""

    at: Moment
    who: str
    what: Literal["publish", "schedule", "unschedule", "pause", "resume", "stop", "rollback"]
    tree: str = ""
    version: str = ""
    starts: Moment | None = None


class Programme(msgspec.Struct, frozen=True, kw_only=True):
    """Of one retailer.

    Attributes:
        aired: by `since`; those to come are among them.
        off: every shopper gets the retailer's default, whatever is aired.
        steps: the newest.
    """

    retailer: str
    aired: tuple[Aired, ...] = ()
    off: bool = False
    steps: tuple[Step, ...] = ()

    def now(self, at: datetime) -> Aired | None:
        return max((one for one in self.aired if one.since <= at), key=lambda one: one.since, default=None)

    def before(self, at: datetime) -> Aired | None:
        """What was shown before what is shown now."""
        current = self.now(at)
        return None if current is None else self.now_before(current)

    def now_before(self, current: Aired) -> Aired | None:
        return max((one for one in self.aired if one.since < current.since), key=lambda one: one.since, default=None)

    def to_come(self, at: datetime) -> tuple[Aired, ...]:
        return tuple(one for one in self.aired if one.since > at)


def publish(programme: Programme, tree: str, version: str, at: datetime, who: str, running: Running) -> Programme:
    """Shown from now on, also where it was off. What is to come stays. The same again changes nothing."""
    current = programme.now(at)
    if current is not None and (current.tree, current.version) == (tree, version) and not programme.off:
        return programme
    shown = _with(programme, Aired(tree=tree, version=version, since=at, running=running))
    return _said(replace(shown, off=False), Step(at=at, who=who, what="publish", tree=tree, version=version))


def schedule(
    programme: Programme, tree: str, version: str, starts: datetime, at: datetime, who: str, running: Running
) -> Programme:
    """Shown from `starts` on, in place of what was to come at that very moment."""
    if starts <= at:
        raise Refused("that moment is past, so nothing is scheduled; publish it instead, or name a later moment")
    coming = _with(programme, Aired(tree=tree, version=version, since=starts, running=running))
    if coming == programme:
        return programme
    return _said(coming, Step(at=at, who=who, what="schedule", tree=tree, version=version, starts=starts))


def unschedule(programme: Programme, at: datetime, who: str) -> Programme:
    """Nothing is to come."""
    if not programme.to_come(at):
        return programme
    return _said(replace(programme, aired=_past(programme, at)), Step(at=at, who=who, what="unschedule"))


def pause(programme: Programme, at: datetime, who: str) -> Programme:
    """The default for everybody, until `resume`; what is to come stays to come."""
    return programme if programme.off else _said(replace(programme, off=True), Step(at=at, who=who, what="pause"))


def resume(programme: Programme, at: datetime, who: str) -> Programme:
    if programme.now(at) is None:
        raise Refused("nothing was ever published, so there is nothing to resume; publish a tree")
    return _said(replace(programme, off=False), Step(at=at, who=who, what="resume")) if programme.off else programme


def stop(programme: Programme, at: datetime, who: str) -> Programme:
    """The default for everybody, and nothing is to come either: only a publish, a resume or a rollback ends that."""
    if programme.off and not programme.to_come(at):
        return programme
    return _said(replace(programme, off=True, aired=_past(programme, at)), Step(at=at, who=who, what="stop"))


def rollback(programme: Programme, at: datetime, who: str) -> Programme:
    """Shows what was shown before, and takes every running shopper there: what is rolled back may be broken."""
    current, before = programme.now(at), programme.before(at)
    if current is None or before is None:
        raise Refused("nothing else was shown before, so there is nothing to go back to; stop it, or publish another")
    shown = _with(programme, replace(before, since=at, running="migrate"))
    step = Step(at=at, who=who, what="rollback", tree=before.tree, version=before.version)
    return _said(replace(shown, off=False), step)


def _with(programme: Programme, one: Aired) -> Programme:
    others = [each for each in programme.aired if each.since != one.since]
    aired = sorted([*others, one], key=lambda each: each.since)
    return replace(programme, aired=tuple(aired[-KEPT_VERSIONS:]))


def _past(programme: Programme, at: datetime) -> tuple[Aired, ...]:
    return tuple(one for one in programme.aired if one.since <= at)


def _said(programme: Programme, step: Step) -> Programme:
    return replace(programme, steps=(*programme.steps, step)[-KEPT_STEPS:])


def written(programme: Programme) -> dict[str, Any]:
    """As it is stored."""
    return dict(msgspec.to_builtins(programme, builtin_types=(datetime,)))


def read(retailer: str, data: Mapping[str, Any] | None) -> Programme:
    """Of a document, or of none. One that names but a tree and a version was written before there were programmes."""
    if data is None:
        return Programme(retailer=retailer)
    if "aired" not in data:
        always = Aired(tree=str(data["tree"]), version=str(data["version"]), since=_ALWAYS)
        return Programme(retailer=retailer, aired=(always,))
    return msgspec.convert(dict(data), Programme)


def told(programme: Programme, at: datetime) -> str:
    """For people: what is shown, what is to come, and who said so."""
    current = programme.now(at)
    if current is None:
        lines = [f"{programme.retailer} shows nothing: no tree was published"]
    elif programme.off:
        lines = [f"{programme.retailer} shows its default to everybody; {current.tree} {current.version} is off"]
    else:
        lines = [f"{programme.retailer} shows {current.tree} {current.version} since {_moment(current.since)}"]
    for one in programme.to_come(at):
        lines.append(f"  to come: {one.tree} {one.version} from {_moment(one.since)}, running journeys {one.running}")
    for step in reversed(programme.steps[-10:]):
        what = f"{step.what} {step.tree} {step.version}".rstrip()
        lines.append(f"  {_moment(step.at)}  {what}, by {step.who}")
    return "\n".join(lines)


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
