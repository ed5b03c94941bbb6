"""What the retailer's people do: commands that they type, private functions that they call in their own name."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from emulators.shop.stage import DemoFailed, Stage
from emulators.tokens import handed_on_token

PATIENCE_S = 120.0


def type_command(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a person would type after `python -m`, with the environment that leads to the stack."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=stage.repository,
        env={**os.environ, **stage.values.values},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def must_type(stage: Stage, what_follows: str, *arguments: str) -> str:
    """What the command printed.

    Raises:
        DemoFailed: it refused; `what_follows` says what then cannot be.
    """
    done = type_command(stage, *arguments)
    if done.returncode:
        said = done.stderr.strip() or "no reason"
        raise DemoFailed(
            f"`python -m {' '.join(arguments[:2])}` ended with {done.returncode}, so {what_follows}: {said}"
        )
    return done.stdout.strip()


def request(address: str, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of one request of its own connection.

    Raises:
        OSError: nobody answers.
    """
    to = urlsplit(address)
    connection = http.client.HTTPConnection(to.hostname or "", to.port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body or None, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the retailer at a private function.

    Attributes:
        email: as the stack's configuration lists it. function: whom they call, at `address`.
    """

    email: str
    function: str
    address: str

    def asks(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, expected: Collection[int] = (200,)
    ) -> dict[str, Any]:
        """The decoded answer; see `fetches`."""
        found: dict[str, Any] = json.loads(self.fetches(method, path, body, expected) or b"{}")
        return found

    def fetches(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, expected: Collection[int] = (200,)
    ) -> bytes:
        """The answer as it came.

        Raises:
            DemoFailed: another status than those expected.
        """
        headers = {
            "Authorization": f"Bearer {handed_on_token(self.email, self.address, datetime.now(UTC))}",
            "Content-Type": "application/json",
        }
        sent = json.dumps(body).encode() if body is not None else b""
        status, content = request(self.address, method, path, headers, sent)
        if status not in expected:
            told = json.loads(content) if content.startswith(b"{") else {}
            reason = told.get("errors") or told.get("detail", "without a reason")
            raise DemoFailed(
                f"{method} {path.partition('?')[0]} was answered {status} ({reason}), so the story cannot go "
                f"on; see the log of {self.function}"
            )
        return content


def compliance(stage: Stage, function: str) -> Person:
    return Person(stage.retailer.compliance[0], function, stage.addresses[function])


def marketer(stage: Stage) -> Person:
    """At the campaigns' private API."""
    return Person(stage.retailer.marketing[0], "campaigns", stage.addresses["campaigns"])
