"""How soon a pause is seen: a campaign's in the midst of a visit, and the whole tree's; each measured on a page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from emulators.shop.kinds import of_campaign
from emulators.shop.sessions import Session
from emulators.shop.stage import DemoFailed
from emulators.shop.today import now_ms
from emulators.shop.tracker import Answer, Tracker
from layers.events.model import Event

LOOK_EVERY_S = 0.05
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Paused:
    """`gone_s`: from when the pause was said to the first page without it; `back_s`: the same of its end."""

    what: str
    gone_s: float
    back_s: float


@dataclass(slots=True)
class CampaignProbe:
    """A watch (`live_day.Watch`): on the first page with a campaign's experience it pauses that campaign.

    Attributes:
        change: pauses or resumes (second argument) a campaign (first), as a marketer does.
        unsure: spans in which one function may know of the change and another not yet.
    """

    change: Callable[[str, str], object]
    paused: Paused | None = None
    unsure: list[tuple[datetime, datetime]] = field(default_factory=list)
    _begun: bool = False

    async def __call__(self, tracker: Tracker, session: Session, event: Event, answer: Answer) -> None:
        found = of_campaign(answer)
        if self._begun or found is None:
            return
        self._begun = True
        campaign, shown = found
        see = Looker(tracker, session.shopper, event.id)
        gone = await self._changes(campaign, "pause", see, lambda page: shown not in page.experiences)
        back = await self._changes(campaign, "resume", see, lambda page: shown in page.experiences)
        self.paused = Paused(campaign, gone, back)

    async def _changes(self, campaign: str, what: str, see: Looker, holds: Callable[[Answer], bool]) -> float:
        begun = now_ms()
        await asyncio.to_thread(self.change, campaign, what)
        seconds = await see.until(f"{what} of {campaign}", holds)
        # Whoever else decides knows it within a second of this page.
        self.unsure.append((begun, now_ms() + timedelta(seconds=2)))
        return seconds


@dataclass(frozen=True, slots=True)
class Looker:
    """Looks at one shopper's page after an event, again and again."""

    tracker: Tracker
    shopper: str
    after: str
    patience_s: float = PATIENCE_S

    async def until(self, what: str, holds: Callable[[Answer], bool]) -> float:
        """Seconds until a page is as it should be.

        Raises:
            DemoFailed: it never was.
        """
        begun = time.monotonic()
        while time.monotonic() - begun < self.patience_s:
            page = await self.tracker.look(self.shopper, self.after)
            if page is not None and holds(page):
                return time.monotonic() - begun
            await asyncio.sleep(LOOK_EVERY_S)
        raise DemoFailed(
            f"{self.patience_s:.0f} s after the {what} pages show what they showed; see the log of experiences"
        )


async def tree_paused(see: Looker, direct: Callable[[str], datetime]) -> Paused:
    """Pauses all that the retailer shows, and ends that, looking all the while: a command takes longer to end than to
    be seen.

    Args:
        direct: does `pause` or `resume`; the moment at which that was said.
    """
    gone = await _seen_after(see, direct, "pause", lambda page: page.default and page.reason == "off")
    return Paused("everything", gone, await _seen_after(see, direct, "resume", lambda page: not page.default))


async def _seen_after(
    see: Looker, direct: Callable[[str], datetime], what: str, holds: Callable[[Answer], bool]
) -> float:
    async def looked() -> datetime:
        await see.until(f"{what} of the tree", holds)
        return datetime.now(UTC)

    said, seen = await asyncio.gather(asyncio.to_thread(direct, what), looked())
    return max(0.0, (seen - said).total_seconds())
