"""A scoring run: planned, fanned out, each shard harmless when repeated, killed or overtaken."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.scoring import planning
from layers.scoring_runs.ledger import Status
from layers.scoring_runs.messages import MODELS_BUILT, SHARDS, Built, ShardDue, built_message, shard_message
from layers.scoring_runs.shards import Shard
from layers.stores.bigtable.port import ShopperRow
from layers.stores.pubsub.port import Message
from layers.stores.suppressions import Unavailable
from tests.handlers.scoring_site import NOW, OTHER, RUN, SHOP, Rows, Site, pseudonym, shopper

NEXT = RUN + timedelta(days=1)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "SHOPPERS_A_SHARD", 4)


def always(*numbers: int) -> Any:
    return lambda _: [shopper(number) for number in numbers]


async def scored(site: Site, run: datetime = RUN) -> Site:
    site.build(run)
    await site.settle()
    return site


def some(count: int = 25) -> Site:
    site = Site()
    site.warehouse.features["aa"] = always(*range(count))
    return site


async def test_every_shopper_gets_parameters_of_one_version_in_shards() -> None:
    site = await scored(some())
    stored = site.stored()
    assert set(stored) == {pseudonym(number) for number in range(25)}
    assert len({parameters.version for parameters in stored.values()}) == 1
    run = await site.room.ledger.run("aa", RUN)
    assert run is not None and (run.status, run.plan.shards, run.plan.shoppers) == (Status.DONE, 8, 25)
    assert (run.counts.computed, run.counts.written, run.counts.removed) == (25, 25, 0)
    head = await site.room.ledger.head("aa")
    assert head is not None and head.settled
    assert len(site.warehouse.statements) == 1 + 8, "one to plan, one a shard"


async def test_the_clock_is_the_runs_and_retailers_keep_apart() -> None:
    site = some(2)
    site.warehouse.features["bb"] = always(7)
    site.build(RUN, SHOP)
    site.build(RUN, OTHER)
    await site.settle()
    assert {parameters["now"] for _, parameters in site.warehouse.statements} == {RUN}
    zones = {p["timezone"] for _, p in site.warehouse.statements if "timezone" in p}
    assert zones == {"Europe/Paris", "America/New_York"}
    assert set(site.stored(OTHER)) == {pseudonym(7)}
    assert {p.computed_at for p in site.stored().values()} == {RUN}


async def test_what_did_not_change_is_not_written_and_keeps_its_version() -> None:
    site = await scored(some())
    before = site.stored()

    def later(now: datetime) -> Rows:
        return [shopper(number, 22.0 if number else 48.0) for number in range(25)]

    site.warehouse.features["aa"] = later
    await scored(site, NEXT)
    after = site.stored()
    changed = {who for who, parameters in after.items() if parameters.version != before[who].version}
    assert changed == {pseudonym(0)}
    assert after[pseudonym(0)].computed_at == NEXT
    run = await site.room.ledger.run("aa", NEXT)
    assert run is not None
    assert (run.counts.computed, run.counts.written, run.counts.unchanged) == (25, 1, 24)


async def test_who_is_in_no_result_any_more_has_no_parameters_and_keeps_the_rest() -> None:
    site = await scored(some())
    await site.rows.write_consent("aa", pseudonym(3), 1, b"c")
    site.warehouse.features["aa"] = always(*range(3))
    await scored(site, NEXT)
    assert set(site.stored()) == {pseudonym(number) for number in range(3)}
    assert await site.rows.read("aa", pseudonym(3)) == ShopperRow(consent=b"c")
    run = await site.room.ledger.run("aa", NEXT)
    assert run is not None and (run.counts.removed, run.counts.unchanged) == (22, 3)


async def test_when_nobody_is_left_everybodys_parameters_go() -> None:
    site = await scored(some())
    site.warehouse.features["aa"] = always()
    await scored(site, NEXT)
    assert site.stored() == {}


async def test_a_repeated_run_and_a_repeated_shard_do_nothing_again() -> None:
    site = await scored(some())
    before, statements = repr(site.rows.rows), len(site.warehouse.statements)
    await scored(site)
    for number in range(8):
        site.queue.append((SHARDS, shard_message(ShardDue("aa", RUN, Shard(number, 8)))))
    await site.settle()
    assert repr(site.rows.rows) == before
    assert len(site.warehouse.statements) == statements


async def test_a_resumed_run_does_only_the_shards_that_are_missing() -> None:
    site = some()
    site.build()
    await site.deliver(*site.queue.pop(0))
    for _ in range(3):
        await site.deliver(*site.queue.pop(0))
    site.queue.clear()
    site.build()
    await site.deliver(*site.queue.pop(0))
    assert len(site.queue) == 5
    await site.settle()
    assert len(site.stored()) == 25


@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_call_a_run_ends_as_if_nothing_had_happened(after: bool) -> None:
    undisturbed = await scored(some())

    def fewer(_: datetime) -> Rows:
        return [shopper(number, 48.0 if number == 1 else 22.0) for number in range(20)]

    undisturbed.warehouse.features["aa"] = fewer
    first = undisturbed.calls
    await scored(undisturbed, NEXT)
    whole, expected = undisturbed.calls - first, undisturbed.stored()
    killed = 0
    for at in range(1, whole + 1, 3 if after else 2):
        site = await scored(some())
        site.warehouse.features["aa"] = fewer
        site.kill_at, site.after = site.calls + at, after
        await scored(site, NEXT)
        killed += len(site.refusals)
        assert site.stored() == expected, f"killed at call {at}"
        head = await site.room.ledger.head("aa")
        assert head is not None and head.settled, f"killed at call {at}"
    assert killed > 20


def in_turn(now: datetime) -> Rows:
    """The run before, the older and the newer. The older finds shoppers changed which the newer finds as they were, and
    some whom the newer finds no more: the two ways in which an older run could be what stays."""
    if now < RUN:
        return [shopper(number) for number in range(20)]
    if now == RUN:
        return [shopper(number, 48.0) for number in range(20)]
    return [shopper(number, 22.0 if number % 2 else 70.0) for number in range(15)]


async def before_two() -> Site:
    site = Site()
    site.warehouse.features["aa"] = in_turn
    return await scored(site, RUN - timedelta(days=1))


def holds_the_newer(site: Site) -> None:
    stored = site.stored()
    assert set(stored) == {pseudonym(number) for number in range(15)}
    for number in range(15):
        assert stored[pseudonym(number)].threshold == (25 if number % 2 else 80)


@pytest.mark.parametrize("killed", [False, True])
async def test_a_newer_run_that_comes_and_goes_at_any_call_of_an_older_one_stays(killed: bool) -> None:
    """Killed at that very call, the older run cannot take back what it wrote; what it brought back of a shopper who is
    gone, no page shows without a consent, and the next run removes it."""
    undisturbed = await before_two()
    first = undisturbed.calls
    await scored(undisturbed, RUN)
    whole = undisturbed.calls - first
    for at in range(1, whole + 1):
        site, took_place = await before_two(), list[bool]()

        async def newer(site: Site = site, took_place: list[bool] = took_place) -> None:
            waiting = site.queue
            took_place.append(True)
            site.queue = []
            await scored(site, NEXT)
            site.queue = waiting

        site.meanwhile, site.meanwhile_at = newer, site.calls + at
        site.kill_at, site.after = site.meanwhile_at if killed else -1, True
        await scored(site, RUN)
        assert took_place == [True]
        if killed:
            assert {n for n in range(15) if site.stored()[pseudonym(n)].threshold != (25 if n % 2 else 80)} == set()
            await scored(site, NEXT + timedelta(days=1))
        holds_the_newer(site)


@pytest.mark.parametrize("seed", range(20))
async def test_of_two_runs_at_once_the_newer_stays_in_whatever_order(seed: int) -> None:
    site = await before_two()
    for run in (RUN, NEXT, RUN, NEXT):
        site.build(run)
    if seed % 3 == 0:
        site.kill_at, site.after = site.calls + 20 + seed * 7, bool(seed % 2)
    await site.together(seed)
    site.kill_at = -1  # How many calls there are hangs on the order; some seeds end before theirs.
    holds_the_newer(site)
    head = await site.room.ledger.head("aa")
    assert head is not None and (head.run, head.settled) == (NEXT, True)


async def test_a_run_beside_an_unsettled_one_writes_what_is_unchanged_too() -> None:
    site = await scored(some(6))
    site.build(NEXT)
    await site.deliver(*site.queue.pop(0))
    site.queue.clear()
    last = NEXT + timedelta(days=1)
    await scored(site, last)
    assert {parameters.computed_at for parameters in site.stored().values()} == {last}
    await scored(site, last + timedelta(days=1))
    assert {parameters.computed_at for parameters in site.stored().values()} == {last}


async def test_an_older_run_that_comes_late_does_nothing() -> None:
    site = await scored(some(), NEXT)
    before = repr(site.rows.rows)
    site.queue.append((SHARDS, shard_message(ShardDue("aa", RUN, Shard(0, 8)))))
    await scored(site, RUN)
    assert repr(site.rows.rows) == before
    assert await site.room.ledger.run("aa", RUN) is None


async def test_one_shopper_whose_parameters_break_the_contract_costs_no_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    site = await scored(some(6))
    before = site.stored()[pseudonym(2)]

    def one_bad(_: datetime) -> Rows:
        return [shopper(n, 48.0) | ({"usual": -31337.0} if n == 2 else {}) for n in range(6)]

    site.warehouse.features["aa"] = one_bad
    await scored(site, NEXT)
    after = site.stored()
    assert after[pseudonym(2)] == before, "keeps what it had"
    assert {parameters.computed_at for who, parameters in after.items() if who != pseudonym(2)} == {NEXT}
    logged = capsys.readouterr().out
    assert "parameters refused" in logged and '"outcome":"refused"' in logged
    assert "31337" not in logged and pseudonym(2) not in logged


async def test_a_store_that_is_down_costs_a_repetition_and_takes_nothing() -> None:
    site = await scored(some())
    site.rows.down = True
    site.build(NEXT)
    await site.deliver(*site.queue.pop(0))
    with pytest.raises(Exception, match="down"):
        await site.deliver(*site.queue[0])
    site.rows.down = False
    await site.settle()
    assert len(site.stored()) == 25


async def test_who_was_erased_since_the_run_began_is_not_written_and_who_came_back_before_it_is() -> None:
    site = await scored(some(6))
    site.warehouse.features["aa"] = lambda _: [shopper(number, 48.0) for number in range(6)]
    site.suppressions.suppress("aa", pseudonym(1), NEXT + timedelta(seconds=1))
    site.suppressions.suppress("aa", pseudonym(2), NEXT - timedelta(seconds=1))
    site.suppressions.suppress("bb", pseudonym(3), NEXT + timedelta(seconds=1))
    await scored(site, NEXT)
    stored = site.stored()
    assert set(stored) == {pseudonym(number) for number in (0, 2, 3, 4, 5)}
    assert {parameters.computed_at for parameters in stored.values()} == {NEXT}


async def test_while_nobody_knows_who_is_erased_nothing_is_written() -> None:
    site = some()
    site.suppressions.down = True
    site.build()
    await site.deliver(*site.queue.pop(0))
    with pytest.raises(Unavailable):
        await site.deliver(*site.queue[0])
    assert site.rows.rows == {}


@pytest.mark.parametrize(
    "topic, attributes",
    [
        (MODELS_BUILT, {"retailer": "nobody", "run": "20261122T030000Z"}),
        (MODELS_BUILT, {"retailer": "aa", "run": "yesterday"}),
        (MODELS_BUILT, {"retailer": "aa"}),
        (SHARDS, {"retailer": "aa", "run": "20261122T030000Z", "shard": "0"}),
        (SHARDS, {"retailer": "aa", "run": "20261122T030000Z", "shard": "8", "of": "8"}),
        (SHARDS, {"retailer": "aa", "run": "20261122T030000Z", "shard": "0", "of": "7"}),
        (SHARDS, {"retailer": "aa", "run": "20261122T030000Z", "shard": "-1", "of": "8"}),
        (SHARDS, {"retailer": "aa", "run": "20261122T030000Z", "shard": "²", "of": "8"}),
    ],
)
async def test_what_no_repetition_can_mend_is_set_aside(topic: str, attributes: dict[str, str]) -> None:
    site = some()
    for _ in range(2):
        assert await site.deliver(topic, Message(b"", attributes)) == 204
    (document,) = site.documents.collections["quarantine"].values()
    assert document.data["at"] == NOW and "attribute" in document.data["reason"]
    assert site.rows.rows == {} and site.queue == []


async def test_a_shard_that_nobody_planned_comes_again() -> None:
    with pytest.raises(Exception, match="run 20261122T030000Z"):
        await some().deliver(SHARDS, shard_message(ShardDue("aa", RUN, Shard(0, 8))))


async def test_an_unknown_subscription_is_refused() -> None:
    assert await some().deliver("other", built_message(Built("aa", RUN))) == 400
