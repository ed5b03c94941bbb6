"""Who is erased, kept in memory: heard of within a second, remembered while the store is away."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.events.record import milliseconds
from layers.privacy.suppression import DIGITS, digest, digest_prefix, digest_sql, last_erased, suppression_id
from layers.stores.collections import SUPPRESSIONS, Collection
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.firestore.port import Document
from layers.stores.suppressions import (
    FRESH_S,
    NOTED,
    OVERLAP,
    READ_WITHIN_S,
    FakeSuppressions,
    LiveSuppressions,
    Suppressions,
    Unavailable,
)

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
JANE, JOE = "01" + "a" * 32, "01" + "b" * 32


class Store(FakeDocuments):
    """Counts what is read; fails while `down`; waits while `slow` is not set."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[int] = []
        self.down = False
        self.slow: asyncio.Event | None = None

    async def later(self, collection: Collection, field: str, since: datetime, limit: int) -> list[Document]:
        if self.slow is not None:
            await self.slow.wait()
        if self.down:
            raise ConnectionError("down")
        found = await super().later(collection, field, since, limit)
        self.read.append(len(found))
        return found

    async def suppress(self, retailer: str, shopper: str, since: datetime, noted: datetime | None = None) -> None:
        data = {"retailer": retailer, "since": since, NOTED: noted or since}
        await self.put(SUPPRESSIONS, suppression_id(retailer, shopper), data)


class Time:
    """Both clocks, which go together."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.s - 1000)


class TestOnAll:
    """What the fake and the live ones both promise."""

    @pytest.fixture(params=["fake", "live"])
    def make(self, request: pytest.FixtureRequest) -> Callable[[datetime], Awaitable[Suppressions]]:
        async def made(since: datetime) -> Suppressions:
            if request.param == "fake":
                fake = FakeSuppressions()
                fake.suppress("demo", JANE, since)
                return fake
            store = Store()
            await store.suppress("demo", JANE, since)
            return LiveSuppressions(store, Time(), Time().now)

        return made

    async def test_one_shopper_of_one_retailer_is_erased(
        self, make: Callable[[datetime], Awaitable[Suppressions]]
    ) -> None:
        suppressions = await make(NOON)
        await suppressions.fresh()
        assert suppressions.known()
        assert suppressions.erased_at("demo", JANE) == NOON.replace(microsecond=123999)
        assert suppressions.erased_at("demo", JOE) is None
        assert suppressions.erased_at("other", JANE) is None


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_an_event_and_its_key_lie_on_the_same_side(since: datetime, at: datetime) -> None:
    assert (at <= last_erased(since)) == (milliseconds(at) <= milliseconds(since))
    assert since <= last_erased(since)


async def test_a_new_suppression_is_heard_of_after_a_second() -> None:
    store, time = Store(), Time()
    live = LiveSuppressions(store, time, time.now)
    await live.fresh()
    assert live.erased_at("demo", JANE) is None
    await store.suppress("demo", JANE, time.now())
    await live.fresh()
    assert live.erased_at("demo", JANE) is None and len(store.read) == 1, "read a moment ago"
    time.s += FRESH_S
    await live.fresh()
    assert live.erased_at("demo", JANE) == last_erased(NOON)


async def test_what_was_asked_for_long_ago_and_is_written_now_is_heard_of() -> None:
    """A saga that was killed before its first step is resumed a week later."""
    store, time = Store(), Time()
    await store.suppress("demo", JOE, NOON)
    live = LiveSuppressions(store, time, time.now)
    await live.fresh()
    time.s += 600
    await store.suppress("demo", JANE, NOON - timedelta(days=7), noted=time.now())
    await live.fresh()
    assert live.erased_at("demo", JANE) == last_erased(NOON - timedelta(days=7))


async def test_a_write_that_took_long_is_not_missed() -> None:
    store, time = Store(), Time()
    live = LiveSuppressions(store, time, time.now)
    await live.fresh()
    time.s += OVERLAP.total_seconds() / 2
    await live.fresh()
    await store.suppress("demo", JANE, NOON, noted=NOON + timedelta(seconds=1))
    time.s += FRESH_S
    await live.fresh()
    assert live.erased_at("demo", JANE) is not None


async def test_only_what_is_new_is_read_again() -> None:
    store, time = Store(), Time()
    for number in range(20):
        await store.suppress("demo", f"01{number:032x}", NOON - timedelta(days=1))
    live = LiveSuppressions(store, time, time.now)
    await live.fresh()
    time.s += FRESH_S
    await live.fresh()
    assert store.read == [20, 0]


async def test_the_first_read_goes_by_pages_and_misses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layers.stores.suppressions.PAGE", 3)
    store, time = Store(), Time()
    shoppers = [f"01{number:032x}" for number in range(10)]
    for number, shopper in enumerate(shoppers):
        await store.suppress("demo", shopper, NOON, noted=NOON - timedelta(hours=1, seconds=number // 2))
    live = LiveSuppressions(store, time, time.now)
    await live.fresh()
    assert all(live.erased_at("demo", shopper) for shopper in shoppers)
    assert len(store.read) > 3


async def test_the_later_of_two_erasures_holds() -> None:
    store, time = Store(), Time()
    live = LiveSuppressions(store, time, time.now)
    await store.suppress("demo", JANE, NOON)
    await live.fresh()
    time.s += FRESH_S
    await store.suppress("demo", JANE, NOON - timedelta(days=1), noted=time.now())
    await live.fresh()
    assert live.erased_at("demo", JANE) == last_erased(NOON), "what was erased once is never taken again"


async def test_nobody_is_told_from_an_erased_shopper_before_the_first_read() -> None:
    store, time = Store(), Time()
    store.down = True
    await store.suppress("demo", JANE, NOON)
    live = LiveSuppressions(store, time, time.now)
    with pytest.raises(Unavailable):
        await live.fresh()
    assert not live.known()
    store.down = False
    time.s += FRESH_S
    await live.fresh()
    assert live.known() and live.erased_at("demo", JANE) is not None


async def test_what_is_known_is_used_while_the_store_is_away() -> None:
    store, time = Store(), Time()
    await store.suppress("demo", JANE, NOON)
    live = LiveSuppressions(store, time, time.now)
    await live.fresh()
    store.down = True
    for _ in range(5):
        time.s += FRESH_S
        await live.fresh()
        assert live.known() and live.erased_at("demo", JANE) is not None
    store.down = False
    await store.suppress("demo", JOE, time.now())
    time.s += FRESH_S
    await live.fresh()
    assert live.erased_at("demo", JOE) is not None


async def test_while_it_is_read_anew_nobody_who_is_in_a_hurry_waits() -> None:
    store, time = Store(), Time()
    live = LiveSuppressions(store, time, time.now)
    await live.fresh()
    store.slow = asyncio.Event()
    time.s += FRESH_S
    assert live.known() and live.known()
    await asyncio.sleep(0)
    await store.suppress("demo", JANE, time.now())
    store.slow.set()
    await live.fresh()
    assert live.erased_at("demo", JANE) is not None
    assert len(store.read) == 2, "all of them waited for the same read"


async def test_who_comes_after_a_long_pause_waits() -> None:
    store, time = Store(), Time()
    live = LiveSuppressions(store, time, time.now)
    await live.fresh()
    time.s += FRESH_S + READ_WITHIN_S
    assert not live.known()
    await live.fresh()
    assert live.known()


async def test_a_caller_who_is_cancelled_leaves_the_others_their_read() -> None:
    store, time = Store(), Time()
    store.slow = asyncio.Event()
    live = LiveSuppressions(store, time, time.now)
    gone, stays = asyncio.create_task(live.fresh()), asyncio.create_task(live.fresh())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    store.slow.set()
    await stays
    assert store.read == [0]


_NAMES_A_SHOPPER = re.compile(r"\bshopper`?\s*(?:=|IN)\s*(?:UNNEST\s*\(\s*)?@", re.IGNORECASE)


def test_no_statement_is_bound_with_a_pseudonym() -> None:
    """BigQuery keeps parameters for half a year: whoever asks for a shopper does so by `digest_sql`."""
    assert _NAMES_A_SHOPPER.search("WHERE shopper IN UNNEST(@shoppers)") and _NAMES_A_SHOPPER.search("t.shopper = @s")
    root = Path(__file__).parents[2]
    files = [path for place in ("functions", "layers") for path in (root / place).rglob("*")]
    read = [path for path in files if path.suffix in (".py", ".sql")]
    assert len(read) > 100
    assert not [str(path) for path in read if _NAMES_A_SHOPPER.search(path.read_text())]


@given(st.text(max_size=40), st.from_regex(r"[a-z][a-z0-9]{1,19}", fullmatch=True))
def test_the_digest_in_sql_is_of_the_same_text(shopper: str, retailer: str) -> None:
    """That BigQuery computes it so is tested on the emulator (tests/contracts/test_removal.py)."""
    assert f"SHA256(CONCAT(@prefix, shopper))), 1, {DIGITS})" in digest_sql("shopper")
    assert digest(retailer, shopper) == sha256((digest_prefix(retailer) + shopper).encode()).hexdigest()[:DIGITS]
