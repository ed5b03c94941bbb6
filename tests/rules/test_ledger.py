"""A budget cannot be over-spent, whatever happens in whatever order."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.ledger import rules
from layers.ledger.books import Books, LimitLowered
from layers.ledger.healing import Balance, balance, heal
from layers.ledger.ledger import Ledger, UnknownBudget, Wish
from layers.ledger.model import Budget, Claim, Entry, Part, Reservation, Shard, Status, Use
from layers.ledger.transfers import finish_transfers
from tests.rules.interleaving import SteppedDocuments, Turn, Work, alone, interleaved

SHOP = "demo"
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SOON, LATER = NOW + timedelta(minutes=30), NOW + timedelta(days=60)


class Till:
    """A ledger on stepped documents, its clock, and what may be asked of it at every moment."""

    def __init__(self, **budgets: tuple[int, int]) -> None:
        self.documents = SteppedDocuments()
        self.books = Books(self.documents)
        self.clock = NOW
        self.ledger = Ledger(self.books, lambda: self.clock, self._pause)
        self.limits = {name: units for name, (units, _) in budgets.items()}
        for name, (units, shards) in budgets.items():
            alone(self.books.open(SHOP, name, units, shards))

    async def _pause(self, _: int) -> None:
        await Turn()

    def shards(self, budget: str) -> list[Shard]:
        kept = self.documents.held.collections["budget_shards"].values()
        found = [msgspec.convert(each.data, Shard) for each in kept]
        return [shard for shard in found if shard.budget == budget]

    def never_over(self) -> None:
        for name, limit in self.limits.items():
            shards = self.shards(name)
            on_the_way = {
                transfer: sent.amount
                for shard in shards
                for transfer, sent in shard.sent.items()
                if not any(transfer in each.received for each in shards)
            }
            assert all(0 <= shard.used <= shard.allotment for shard in shards)
            assert sum(shard.allotment for shard in shards) + sum(on_the_way.values()) == limit

    def healed(self, budget: str) -> Balance:
        """After everybody was killed and everything expired: as often as a job would need at most."""
        self.clock = LATER
        for _ in range(3):
            alone(heal(self.books, self.ledger, alone(self.books.budget(SHOP, budget)).value, self.clock))
        found: Balance = alone(balance(self.books, alone(self.books.budget(SHOP, budget)).value))
        return found

    def reservation(self, key: str) -> Reservation | None:
        kept = alone(self.books.reservation(SHOP, key))
        return None if kept is None else kept.value


def test_everything_or_nothing() -> None:
    till = Till(campaign=(1000, 2), brand=(300, 1))
    wishes = [Wish("campaign", 200), Wish("brand", 200)]
    first = alone(till.ledger.reserve(SHOP, "a", wishes, SOON))
    second = alone(till.ledger.reserve(SHOP, "b", wishes, SOON))
    assert (first.status, second.status, second.refused_by) == (Status.RESERVED, Status.REFUSED, "brand")
    assert sum(shard.used for shard in till.shards("campaign")) == 200, "what the refused one held is free again"


def test_the_same_key_is_the_same_reservation() -> None:
    till = Till(campaign=(100, 1))
    for _ in range(3):
        assert alone(till.ledger.reserve(SHOP, "a", [Wish("campaign", 60)], SOON)).status is Status.RESERVED
    assert till.shards("campaign")[0].used == 60


def test_what_was_delivered_is_what_is_spent() -> None:
    till = Till(campaign=(100, 1))
    alone(till.ledger.reserve(SHOP, "a", [Wish("campaign", 60)], SOON))
    committed = alone(till.ledger.commit(SHOP, "a", {"campaign": 45}))
    assert (committed.status, committed.claims[0].settled) == (Status.COMMITTED, 45)
    assert till.healed("campaign") == Balance("campaign", 100, spent=45, held=0, free=55)
    assert alone(till.ledger.release(SHOP, "a")).status is Status.COMMITTED, "too late: it is spent"
    for _ in range(2):
        assert alone(till.ledger.refund(SHOP, "a")).status is Status.REFUNDED
    assert till.healed("campaign") == Balance("campaign", 100, spent=0, held=0, free=100)


def test_a_part_that_comes_back_is_free_again_and_the_rest_too_in_the_end() -> None:
    for healed in (False, True):
        till = Till(campaign=(100, 1), count=(9, 1))
        alone(till.ledger.reserve(SHOP, "a", [Wish("campaign", 60), Wish("count", 1)], SOON))
        alone(till.ledger.commit(SHOP, "a"))
        for remains, spent in ((45, 45), (45, 45), (50, 45), (10, 10), (0, 0)):
            lowered = alone(till.ledger.lower(SHOP, "a", {"campaign": remains}))
            assert (lowered.status, lowered.claims[0].settled, lowered.claims[1].settled) == (
                Status.COMMITTED, spent, 1,
            )  # fmt: skip
            assert till.shards("campaign")[0].used == spent
            if healed:
                assert till.healed("campaign") == Balance("campaign", 100, spent=spent, held=0, free=100 - spent)
        assert alone(till.ledger.refund(SHOP, "a")).status is Status.REFUNDED
        assert alone(till.ledger.lower(SHOP, "a", {"campaign": 0})).status is Status.REFUNDED, "too late"
        for name, limit in till.limits.items():
            assert till.healed(name) == Balance(name, limit, spent=0, held=0, free=limit)


def test_a_delivery_worth_more_than_was_reserved_is_paid_as_reserved() -> None:
    till = Till(campaign=(100, 1))
    alone(till.ledger.reserve(SHOP, "a", [Wish("campaign", 60)], SOON))
    assert alone(till.ledger.commit(SHOP, "a", {"campaign": 90})).claims[0].settled == 60


def test_what_expired_is_free_again_and_a_commit_too_late_says_so() -> None:
    till = Till(campaign=(100, 1))
    alone(till.ledger.reserve(SHOP, "a", [Wish("campaign", 60)], SOON))
    assert till.healed("campaign").free == 100
    assert alone(till.ledger.commit(SHOP, "a")).status is Status.RELEASED


def test_an_extended_reservation_does_not_expire() -> None:
    till = Till(campaign=(100, 1))
    alone(till.ledger.reserve(SHOP, "a", [Wish("campaign", 60)], SOON))
    alone(till.ledger.extend(SHOP, "a", LATER + timedelta(days=1)))
    assert till.healed("campaign").held == 60


def test_the_last_cents_are_given_away_though_no_shard_has_them_alone() -> None:
    till = Till(campaign=(100, 7))
    outcomes = [alone(till.ledger.reserve(SHOP, f"k{n}", [Wish("campaign", 9)], SOON)).status for n in range(12)]
    assert outcomes == [Status.RESERVED] * 11 + [Status.REFUSED]
    assert alone(till.ledger.reserve(SHOP, "rest", [Wish("campaign", 1)], SOON)).status is Status.RESERVED
    till.never_over()


def test_a_budget_grows_and_never_shrinks() -> None:
    till = Till(campaign=(10, 2))
    assert alone(till.books.open(SHOP, "campaign", 25, 4)).parts == (Part(10, 2), Part(15, 4))
    assert alone(till.books.open(SHOP, "campaign", 25, 4)).limit == 25, "repeated, nothing is added"
    assert sum(shard.allotment for shard in till.shards("campaign")) == 25
    with pytest.raises(LimitLowered, match="cannot shrink to 24"):
        alone(till.books.open(SHOP, "campaign", 24, 1))


@pytest.mark.parametrize("wishes", [[], [Wish("a", 1), Wish("a", 2)], [Wish("a", 0)]])
def test_what_is_no_reservation(wishes: list[Wish]) -> None:
    with pytest.raises(ValueError, match="each budget once"):
        alone(Till(a=(10, 1)).ledger.reserve(SHOP, "k", wishes, SOON))


def test_a_budget_that_was_never_opened() -> None:
    with pytest.raises(UnknownBudget, match="never opened"):
        alone(Till(a=(10, 1)).ledger.reserve(SHOP, "k", [Wish("b", 1)], SOON))


def _redemption(till: Till, key: str, draw: random.Random) -> list[Work]:
    """One shopper's redemption, with what goes wrong around it: repeats, cancels, refunds, a late settlement."""
    wishes = [Wish("campaign", draw.choice((1, 3, 7, 10))), Wish("brand", 1)]

    async def redeem() -> object:
        reserved = await till.ledger.reserve(SHOP, key, wishes, SOON)
        if reserved.status is Status.RESERVED:
            return await till.ledger.commit(SHOP, key, {"campaign": wishes[0].amount - draw.randrange(2)})
        return reserved

    async def reserve_only() -> object:
        return await till.ledger.reserve(SHOP, key, wishes, SOON)

    others = (
        redeem,
        reserve_only,
        lambda: till.ledger.release(SHOP, key),
        lambda: till.ledger.commit(SHOP, key),
        lambda: till.ledger.refund(SHOP, key),
        lambda: till.ledger.lower(SHOP, key, {"campaign": draw.randrange(4)}),
    )
    return [redeem(), *(draw.choice(others)() for _ in range(draw.randrange(4)))]


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32), kills=st.sampled_from((0.0, 0.01, 0.05)))
def test_never_over_spent_and_exact_in_the_end(seed: int, kills: float) -> None:
    draw = random.Random(seed)
    till = Till(campaign=(40, draw.randrange(1, 5)), brand=(8, draw.randrange(1, 3)))
    work = [each for n in range(12) for each in _redemption(till, f"k{n}", draw)]

    async def job() -> None:
        for name in till.limits:
            budget = await till.books.budget(SHOP, name)
            assert budget is not None
            await heal(till.books, till.ledger, budget.value, draw.choice((NOW, LATER)))

    interleaved([*work, job(), job()], draw, kills, till.never_over)
    # Whoever was killed comes again; then the job alone.
    interleaved([each for n in range(12) for each in _redemption(till, f"k{n}", draw)], draw, 0.0, till.never_over)
    for name, limit in till.limits.items():
        found = till.healed(name)
        reservations = [till.reservation(f"k{n}") for n in range(12)]
        committed = [r for r in reservations if r is not None and r.status is Status.COMMITTED]
        spent = sum(claim.settled for r in committed for claim in r.claims if claim.budget == name)
        assert found == Balance(name, limit, spent=spent, held=0, free=limit - spent)
        assert all(not shard.entries and not shard.sent and not shard.received for shard in till.shards(name))
    till.never_over()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_all_of_a_budget_can_be_given_away(seed: int) -> None:
    """Nobody is refused while there is room: thirty want one of twenty, twenty get it."""
    draw = random.Random(seed)
    till = Till(campaign=(20, 4))
    work: list[Work] = [till.ledger.reserve(SHOP, f"k{n}", [Wish("campaign", 1)], SOON) for n in range(30)]
    interleaved(work, draw, 0.0, till.never_over)
    assert sum(shard.used for shard in till.shards("campaign")) == 20


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), kills=st.sampled_from((0.0, 0.02)))
def test_units_on_their_way_between_shards_arrive_once(seed: int, kills: float) -> None:
    """Each wish is larger than any shard, so that every one of them gathers."""
    draw = random.Random(seed)
    till = Till(campaign=(18, 6))

    async def wish(key: str, amount: int) -> object:
        await till.ledger.reserve(SHOP, key, [Wish("campaign", amount)], SOON)
        return await till.ledger.release(SHOP, key) if draw.random() < 0.5 else None

    async def job() -> None:
        budget = await till.books.budget(SHOP, "campaign")
        assert budget is not None
        await finish_transfers(till.books, budget.value)

    interleaved([*(wish(f"k{n}", draw.randrange(4, 8)) for n in range(6)), job(), job()], draw, kills, till.never_over)
    assert till.healed("campaign") == Balance("campaign", 18, spent=0, held=0, free=18)
    assert all(not shard.sent and not shard.received for shard in till.shards("campaign"))
    till.never_over()


def _killed_transfer(till: Till) -> Budget:
    """Two units left shard 1 for shard 0, and whoever moved them died."""
    source = alone(till.books.shard(SHOP, "campaign", 1))
    alone(till.books.write(source, rules.send(source.value, "t", 0, 2)))
    budget: Budget = alone(till.books.budget(SHOP, "campaign")).value
    return budget


@pytest.mark.parametrize("asleep", range(12))
def test_a_transfer_that_a_straggler_ends_again_brings_nothing_twice(asleep: int) -> None:
    till = Till(campaign=(10, 2))
    budget = _killed_transfer(till)
    straggler = finish_transfers(till.books, budget)
    over = False
    for _ in range(asleep):
        try:
            straggler.send(None)
        except StopIteration:
            over = True
            break
    for _ in range(2):
        alone(finish_transfers(till.books, budget))
        till.never_over()
    if not over:
        alone(straggler)
    till.never_over()
    assert [shard.allotment for shard in till.shards("campaign")] == [7, 3]


def test_units_that_a_killed_transfer_left_between_shards_can_still_be_had() -> None:
    till = Till(campaign=(10, 2))
    _killed_transfer(till)
    assert alone(till.ledger.reserve(SHOP, "a", [Wish("campaign", 10)], SOON)).status is Status.RESERVED


@pytest.mark.parametrize("asleep", range(30))
def test_a_claim_that_comes_back_to_a_shard_is_not_tidied_away_by_a_straggler(asleep: int) -> None:
    """The job has read a stray entry, sleeps, and removes it when the same reservation holds the same shard again."""
    till = Till(campaign=(20, 2))
    shard = alone(till.books.shard(SHOP, "campaign", 0))
    stray = rules.hold(shard.value, "k_0", 5)
    assert stray is not None
    alone(till.books.write(shard, stray))
    alone(till.ledger.reserve(SHOP, "b", [Wish("campaign", 10)], LATER + timedelta(days=1)))  # b's home is shard 0
    claim = Claim("campaign", 5, shard=1, attempt=1)
    full = alone(till.books.shard(SHOP, "campaign", 1))
    alone(till.books.write(full, msgspec.structs.replace(full.value, spent=full.value.allotment - full.value.used)))
    waiting = Reservation(
        retailer=SHOP, key="k", claims=(claim,), status=Status.CLAIMING, until=LATER + timedelta(days=1), at=NOW
    )
    alone(till.books.begin(waiting))
    budget = alone(till.books.budget(SHOP, "campaign")).value
    job = heal(till.books, till.ledger, budget, NOW)
    over = False
    for _ in range(asleep):
        try:
            job.send(None)
        except StopIteration:
            over = True
            break
    alone(till.ledger.finish(SHOP, "k"))
    if not over:
        alone(job)
    found = till.reservation("k")
    assert found is not None
    if found.status is Status.RESERVED:
        assert alone(till.ledger.commit(SHOP, "k")).status is Status.COMMITTED


@given(
    st.integers(0, 50),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 30)), max_size=12),
)
def test_a_shard_never_gives_what_it_does_not_have(allotment: int, asked: list[tuple[str, int]]) -> None:
    shard = Shard(retailer=SHOP, budget="b", number=0, allotment=allotment)
    for entry, amount in asked:
        held = rules.hold(shard, entry, amount)
        if held is None:
            assert amount > shard.free
            continue
        shard = held
        assert rules.hold(shard, entry, amount) == shard
    assert 0 <= shard.used <= allotment


def test_documents_that_contradict_each_other_change_nothing() -> None:
    empty = Shard(retailer=SHOP, budget="b", number=0, allotment=5)
    spent = msgspec.structs.replace(empty, entries={"k_0": Entry(3, Use.SPENT)})
    with pytest.raises(rules.LedgerBroken):
        rules.spend(empty, "k_0", 1)
    with pytest.raises(rules.LedgerBroken):
        rules.drop(spent, "k_0")


@given(units=st.integers(0, 1000), shards=st.integers(1, 20), more=st.integers(0, 100))
def test_shards_hold_exactly_the_limit(units: int, shards: int, more: int) -> None:
    budget = Budget(retailer=SHOP, budget="b", parts=(Part(units, shards), Part(more, 3)))
    assert len(budget.allotments()) == budget.shards
    assert sum(budget.allotments()) == budget.limit
