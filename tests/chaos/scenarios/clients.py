"""Clients that stall, vanish, or only sit there."""

from __future__ import annotations

import contextlib
import socket
import struct
from pathlib import Path
from urllib.parse import urlsplit

from tests.chaos.ledger import Batch
from tests.chaos.scenario import Run, scenario


class Raw:
    """One connection, byte by byte."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._wire = socket.create_connection((parts.hostname, parts.port or 80), timeout=30)

    def send(self, data: bytes) -> None:
        self._wire.sendall(data)

    def status(self) -> int:
        """Of the answer; 0 where the connection ended without one."""
        with contextlib.suppress(OSError):
            words = self._wire.recv(4096).split(b" ", 2)
            return int(words[1]) if len(words) > 1 else 0
        return 0

    def close(self) -> None:
        """In order."""
        self._wire.close()

    def vanish(self) -> None:
        """By a reset, as when a phone's radio is gone."""
        self._wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._wire.close()


def _request(run: Run, batch: Batch, more: int = 0) -> tuple[bytes, bytes]:
    """Head and body; `more` is by how much the head promises too much."""
    body = batch.body()
    head = (
        f"POST {run.site.post_to} HTTP/1.1\r\nHost: chaos\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body) + more}\r\n\r\n"
    )
    return head.encode(), body


def _open_files(run: Run) -> int:
    return max(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in run.site.pids("ingest"))


@scenario("bad-clients")
def bad_clients(run: Run) -> None:
    """Clients stall in the middle of a body, vanish there, vanish before the answer, or sit idle by the hundred, while
    others go on undisturbed. Half a body is never taken, even where the half is itself a whole envelope; what was
    stored for one that vanished is cooled like any other; and nothing stays open behind them."""
    address = run.site.stack.address("ingest")
    many = run.of(100, 15)
    run.at_once([run.wares.batch()])
    files = _open_files(run)
    with run.unharmed("ingest"), run.load():
        idle = [Raw(address) for _ in range(run.of(1000, 100))]
        stalled: list[tuple[Raw, Batch, bytes]] = []
        for place in range(many):
            batch = run.wares.batch(2)
            head, body = _request(run, batch)
            cut = run.chance.randrange(len(body))
            client = Raw(address)
            # Some stall in the head already.
            client.send(head[: len(head) // 2] if place % 5 == 0 else head + body[:cut])
            stalled.append((client, batch, (head + body)[len(head) // 2 :] if place % 5 == 0 else body[cut:]))
        run.say(f"{many} stall, {len(idle)} are idle; {len(run.ledger.acknowledged)} acknowledged")
        run.more(60)
        for place in range(many):
            # Not in the ledger: stored, they would be events that nobody sent.
            never = run.wares.batch(2)
            head, body = _request(run, never, more=40)
            client = Raw(address)
            client.send(head + (body if place % 2 else body[: len(body) // 2]))
            client.vanish() if place % 4 else client.close()
        run.more(60)
        gone = [run.wares.batch(2) for _ in range(many)]
        for place, batch in enumerate(gone):
            run.ledger.sends(batch)
            client = Raw(address)
            client.send(b"".join(_request(run, batch)))
            client.vanish() if place % 2 else client.close()
        run.say(f"{2 * many} vanished; {len(run.ledger.acknowledged)} acknowledged")
        run.more(60)
        for client, batch, rest in stalled:
            run.ledger.sends(batch)
            # A server that was tired of waiting may have closed; then nothing is acknowledged.
            with contextlib.suppress(OSError):
                client.send(rest)
            status = client.status()
            if status == 204:
                run.ledger.hears(batch, status, {}, b"")
            run.check(status in (0, 204, 408, 503), f"a client that stalled was answered {status}")
            client.close()
        for client in idle:
            client.close()
        # Half of those that vanished come again, as a tracker's queue does.
        run.check(set(run.at_once(gone[::2])) == {204}, "not acknowledged when sent again")
    run.until("connections closed", lambda: _open_files(run) - files, lambda more: more <= 5)
