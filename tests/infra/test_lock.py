"""The lock's comments are read as uv writes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import lock

ROOT = Path(__file__).resolve().parents[2]


def test_reads_one_or_many_reasons() -> None:
    pins = lock.read(
        "a-b==1.0 \\\n    --hash=sha256:0 \\\n    --hash=sha256:1\n    # via c\n"
        "C[x]==2 ; python_version < '4'\n    # via\n    #   -r layers/l/requirements.txt\n    #   Some_Thing[grpc]\n"
    )
    assert pins["a-b"] == lock.Pin("a-b", "1.0", frozenset({"c"}))
    assert pins["c"] == lock.Pin("c", "2", frozenset({"-r layers/l/requirements.txt", "some-thing"}))


def test_the_real_lock_is_read_whole() -> None:
    text = (ROOT / "requirements.txt").read_text()
    pins = lock.read(text)
    assert len(pins) == sum(1 for line in text.splitlines() if line and line[0].isalnum())
    assert all(pin.via for pin in pins.values())


def test_every_layers_requirements_are_locked() -> None:
    pins = lock.read((ROOT / "requirements.txt").read_text())
    for path in [*ROOT.glob("layers/**/requirements.txt"), *ROOT.glob("functions/*/requirements.txt")]:
        name = path.relative_to(ROOT).as_posix()
        assert lock.closure(pins, {name: path.read_text()}) or not path.read_text().strip()


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30), st.sets(st.integers(0, 9), min_size=1))
def test_the_closure_holds_every_need_and_no_stranger(edges: set[tuple[int, int]], asked: set[int]) -> None:
    """Whatever needs what, in rings too: closed under needs, and each member reached from what was asked for."""
    via = {n: {f"p{parent}" for parent, child in edges if child == n} for n in range(10)}
    pins = {f"p{n}": lock.Pin(f"p{n}", "1", frozenset(via[n] | ({"-r f"} if n in asked else set()))) for n in range(10)}
    found = {line.removesuffix("==1") for line in lock.closure(pins, {"f": "".join(f"p{n}\n" for n in asked)})}
    assert {f"p{n}" for n in asked} <= found
    assert all(f"p{child}" in found for parent, child in edges if f"p{parent}" in found)
    assert all(n in {f"p{a}" for a in asked} or via[int(n[1:])] & found for n in found)


def test_modules_ask_for_the_files_of_the_folders_above_them() -> None:
    known = ["layers/a/requirements.txt", "layers/a/b/requirements.txt", "layers/c/requirements.txt"]
    assert lock.sources(["layers/a/b/x.py"], known) == ["layers/a/b/requirements.txt", "layers/a/requirements.txt"]
    assert lock.sources(["layers/a/__init__.py"], known) == ["layers/a/requirements.txt"]
    assert lock.sources(["layers/__init__.py"], known) == []


def test_a_file_that_the_lock_does_not_know_is_an_error() -> None:
    pins = lock.read("a==1\n    # via -r layers/x/requirements.txt\n")
    with pytest.raises(lock.InvalidLock, match="lock again"):
        lock.closure(pins, {"layers/y/requirements.txt": "a\n"})
