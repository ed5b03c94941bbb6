"""Shards are ranges of pseudonyms that hold each shopper once, in Python as in SQL; the messages that name them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.privacy.pseudonym import Pseudonymiser
from layers.scoring_runs.messages import (
    Built,
    InvalidMessage,
    ShardDue,
    built_message,
    read_built,
    read_shard,
    shard_message,
)
from layers.scoring_runs.shards import MOST, InvalidShard, Shard, count, shard_of

powers = st.integers(0, 12).map(lambda power: 2**power)
pseudonyms = st.builds(
    lambda version, code: f"{version:02d}{code:032x}", st.integers(1, 99), st.integers(0, 16**32 - 1)
)


def in_sql(condition: str, shopper: str) -> bool:
    """What BigQuery would say: strings compare by their characters there too."""
    ranges = re.findall(r"\(s >= '(\w+)' AND s < '(\w+)'\)", condition)
    assert "(" + " OR ".join(f"(s >= '{low}' AND s < '{high}')" for low, high in ranges) + ")" == condition
    return any(low <= shopper < high for low, high in ranges)


@given(pseudonyms, powers)
def test_each_shopper_is_in_one_shard_by_every_way_of_asking(shopper: str, of: int) -> None:
    mine = shard_of(shopper, of)
    assert mine.holds(shopper)
    assert any(low <= shopper < high for low, high in mine.ranges())
    assert in_sql(mine.condition("s", [shopper[:2]]), shopper)
    others = [number for number in {0, of - 1, mine.number - 1, mine.number + 1} if 0 <= number < of] or [0]
    for number in set(others) - {mine.number}:
        other = Shard(number, of)
        assert not other.holds(shopper) and not in_sql(other.condition("s", [shopper[:2]]), shopper)
        assert not any(low <= shopper < high for low, high in other.ranges())


@given(powers)
def test_shards_lie_side_by_side_and_leave_nothing_out(of: int) -> None:
    shards = [Shard(number, of) for number in range(of)]
    assert (shards[0].low, shards[-1].high) == ("000", "g")
    assert all(one.high == other.low for one, other in pairwise(shards))


@given(st.integers(0, 10**9), st.integers(1, 10**5))
def test_as_many_as_are_needed_and_no_more(shoppers: int, each: int) -> None:
    shards = count(shoppers, each)
    assert MOST % shards == 0
    assert shards * each >= shoppers or shards == MOST
    assert shards == 1 or shards // 2 * each < shoppers


def test_keyed_codes_spread_evenly_over_shards() -> None:
    """Of 40 000 in 16 shards 2 500 each, give or take four standard deviations."""
    code = Pseudonymiser("c2VjcmV0" * 8)
    found = [0] * 16
    for number in range(40_000):
        found[shard_of(code(f"925{number:010d}"), 16).number] += 1
    assert all(abs(each - 2500) < 4 * 48.5 for each in found)


@pytest.mark.parametrize(("number", "of"), [(-1, 2), (2, 2), (0, 3), (0, 0), (0, 2 * MOST)])
def test_no_such_shard(number: int, of: int) -> None:
    with pytest.raises(InvalidShard):
        Shard(number, of)


@pytest.mark.parametrize("versions", [[], ["0'"], ["ab"]])
def test_nothing_but_digits_comes_into_a_statement(versions: list[str]) -> None:
    with pytest.raises(InvalidShard):
        Shard(0, 2).condition("s", versions)


moments = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)


@given(moments, powers, st.data())
def test_a_message_says_what_was_put_into_it(run: datetime, of: int, data: st.DataObject) -> None:
    assert read_built(built_message(Built("demo", run)).attributes) == Built("demo", run)
    due = ShardDue("demo", run, Shard(data.draw(st.integers(0, of - 1)), of))
    assert read_shard(shard_message(due).attributes) == due


@given(st.dictionaries(st.sampled_from(["retailer", "run", "shard", "of"]), st.text(max_size=20)))
def test_any_other_attributes_are_refused_without_quoting_them(attributes: dict[str, str]) -> None:
    with pytest.raises(InvalidMessage) as refused:
        read_shard(attributes)
    assert str(refused.value) in (
        "the attribute `run` is no moment such as 20261122T030000Z",
        "the attributes `shard` and `of` are no numbers",
    )
