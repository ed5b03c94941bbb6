"""`python -m tests.fuzz.guided`: a coverage-guided fuzzer (atheris, libFuzzer) on every reader of bytes from outside.

It mutates the examples, keeps what reaches new code of ours, and stops at the first input for which an invariant does
not hold; that input is then left in the folder.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples" / "events.json"
AVAILABLE = importlib.util.find_spec("atheris") is not None
_WORDS = [
    '"type":"',
    '"lines":[',
    '"product":"',
    "\\ud83d",
    "a@b.c",
    "%40",
    " - at `$.",
    "2026-11-22T10:00:00Z",
    "1e999",
]


def _seeds() -> list[bytes]:
    """An input begins with a byte that chooses the reader."""
    found = json.loads(EXAMPLES.read_text())
    events = [json.dumps(event).encode() for event in [*found["valid"], *(case["event"] for case in found["refused"])]]
    head = b'{"shopper":"900","session":"s","channel":"web",'
    push = b'{"message":{"data":"aGk=","messageId":"1","publishTime":"2026-11-22T10:00:00Z"},"subscription":"s"}'
    return [
        *(b"\0" + event for event in events),
        *(b"\1" + head + b'"events":[' + event + b"]}" for event in events),
        *(b"\2" + head + b'"received":"2026-11-22T10:00:00Z","event":' + event + b"}" for event in events),
        b"\3" + push,
        b"\4msg_1\n1000000\nv1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        b"\5demo#01" + b"ab" * 16 + b"#8204668741999#event-0001",
        *(b"\6" + case["raw"].encode() for case in found["scrubbed"]),
    ]


def _readers() -> list[Callable[[bytes], None]]:
    from tests.fuzz import invariants

    def signature(data: bytes) -> None:
        message_id, timestamp, offered, *_ = [*data.decode("latin-1").split("\n", 2), "", ""]
        invariants.check_signature(message_id, timestamp, offered, data, 1_000_000.5)

    def text(data: bytes) -> None:
        page = data.decode(errors="replace")
        invariants.check_text(page)
        invariants.check_limits(page)

    return [
        invariants.check_event,
        invariants.check_body,
        invariants.check_lines,
        invariants.check_push,
        signature,
        invariants.check_row_key,
        text,
    ]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description="Fuzzes every reader of bytes.")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=int, default=0, help="how long; default: until it is stopped")
    length.add_argument("--runs", type=int, default=-1, help="how many inputs")
    parser.add_argument("--seed", type=int, help="of its chance; default: a new one, which libFuzzer prints")
    parser.add_argument("--folder", type=Path, help="for inputs that reached new code; default: a temporary one")
    options = parser.parse_args(arguments)
    import atheris

    with atheris.instrument_imports(include=["layers.events", "layers.privacy.signature", "layers.shell.push"]):
        readers = _readers()

    def one(data: bytes) -> None:
        if data:
            readers[data[0] % len(readers)](data[1:])

    folder = options.folder or Path(tempfile.mkdtemp(prefix="gondola-fuzz-"))
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(_seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(json.dumps(word) + "\n" for word in _WORDS if word.isascii() and "\\" not in word))
    chance = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    flags = [f"-seed={chance}", f"-runs={options.runs}", f"-max_total_time={options.seconds}", "-max_len=4096"]
    atheris.Setup([sys.argv[0], *flags, f"-dict={words}", f"-artifact_prefix={folder}/", str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
