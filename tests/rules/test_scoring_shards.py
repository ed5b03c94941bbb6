"""Shards are ranges of pseudonyms that hold each shopper once, in Python as in SQL; the messages that name them."""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.privacy.pseudonym import LENGTH, Pseudonymiser
from layers.scoring_runs.messages import (
    Built,
    InvalidMessage,
    ShardDue,
    built_message,
    read_built,
    read_shard,
    shard_message,
)
from layers.scoring_runs.shards import CROWD, MOST, InvalidShard, Shard, count, shard_of

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


@st.composite
def parts(draw: st.DrawFn) -> tuple[Shard, list[list[str]]]:
    """A shard, and all whom it holds under one key version in parts, in their order."""
    of = draw(powers)
    shard, width = Shard(draw(st.integers(0, of - 1)), of), 16**32 // of
    lone = st.sets(st.integers(0, width - 1), min_size=1, max_size=60)
    beside = st.builds(
        lambda start, step, many: {(start + step * number) % width for number in range(many)},
        st.integers(0, width - 1),
        st.one_of(st.just(1), st.integers(1, width)),
        st.integers(1, 60),
    )
    codes = sorted(draw(lone | beside))
    version, size = draw(st.integers(1, 99)), draw(st.integers(1, 25))
    people = [f"{version:02d}{shard.number * width + code:032x}" for code in codes]
    return shard, [people[at : at + size] for at in range(0, len(people), size)]


@given(parts())
def test_a_part_of_a_shard_is_told_by_digits_and_holds_everybody_of_it(among: tuple[Shard, list[list[str]]]) -> None:
    shard, pages = among
    many = 0
    for page in pages:
        many += len(page)
        low, high = shard.around(page[0], page[-1], many)
        assert all(low <= shopper < high for shopper in page)
        assert max(len(low), len(high)) < LENGTH, "no whole pseudonym"
        ((begins, ends),) = shard.ranges([page[0][:2]])
        whole, part = [[each.ljust(LENGTH, "0") for each in pair] for pair in ((begins, ends), (low, high))]
        assert whole[0] <= part[0] < part[1] <= whole[1], "nobody of another shard, nor under another key"
        assert many >= CROWD or part == whole, "too few to hide among"


@pytest.mark.parametrize("of", [1, 4])
def test_a_part_of_a_shard_holds_few_others_and_its_digits_are_those_of_many(of: int) -> None:
    """Of 40 000, in parts of 500: some 5 % are read beside them, and nobody is alone at an end."""
    code = Pseudonymiser("c2VjcmV0" * 8)
    people = sorted(code(f"925{number:010d}") for number in range(40_000))
    for shard in [Shard(number, of) for number in range(of)]:
        mine = [shopper for shopper in people if shard.holds(shopper)]
        beside = list[int]()
        for at in range(0, len(mine), 500):
            part, many = mine[at : at + 500], min(at + 500, len(mine))
            low, high = shard.around(part[0], part[-1], many)
            beside.append(bisect_left(people, high) - bisect_left(people, low) - len(part))
            # One end is shared by whom the same digits would name, the other by all of the last one's own part.
            sharing = [one for one in mine[max(0, at - 99) : at + 99] if shard.around(one, part[-1], many)[0] == low]
            beginning, _ = shard.around(part[-1], part[-1], many)
            assert min(len(sharing), bisect_left(mine, high) - bisect_left(mine, beginning)) >= CROWD // 2
        assert min(beside) >= 0 and sum(beside) / len(beside) < 2 * CROWD


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
