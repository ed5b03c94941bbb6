"""The identity token of whoever uses a command: gcloud's, one that stands in a file, or the laptop's. One lasts an
hour, long work may not end in it, so it can be had anew.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

WITHIN_S = 60.0


class CannotAsk(Exception):
    """It could not be asked, or was refused. The message says what to do, and holds no customer id."""


class Identity(Protocol):
    def token(self) -> str:
        """The one to use now.

        Raises:
            CannotAsk: there is none.
        """

    def renewed(self) -> bool:
        """Whether there is another one now, after the service refused the last."""


@dataclass(slots=True)
class FromGcloud:
    """Of whoever is logged in to gcloud on this machine.

    Args:
        address: of the service, for which a service account's token is made out.
    """

    address: str
    _held: str = ""

    def token(self) -> str:
        self._held = self._held or self._asked()
        return self._held

    def renewed(self) -> bool:
        before, self._held = self._held, self._asked()
        return self._held != before

    def _asked(self) -> str:
        for options in ([f"--audiences={self.address}"], []):  # only a service account's token may name who it is for
            try:
                asked = ["gcloud", "auth", "print-identity-token", "--quiet", *options]
                done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=WITHIN_S)
            except (OSError, subprocess.TimeoutExpired):
                break
            if done.returncode == 0 and done.stdout.strip():
                return done.stdout.strip()
        raise CannotAsk(
            "gcloud gives no identity token; log in with `gcloud auth login`, or give one with --token-file."
        )


@dataclass(slots=True)
class FromFile:
    """Read again when the service refuses it: whatever writes the file may have renewed it."""

    path: Path
    _held: str = field(default="")

    def token(self) -> str:
        self._held = self._held or self._read()
        return self._held

    def renewed(self) -> bool:
        before, self._held = self._held, self._read()
        return self._held != before

    def _read(self) -> str:
        try:
            token = self.path.read_text().strip()
        except OSError as error:
            raise CannotAsk(f"{self.path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise CannotAsk(f"{self.path} holds no identity token; nothing was asked") from None
        if not token or not token.isprintable() or not token.isascii():
            raise CannotAsk(f"{self.path} holds no identity token; nothing was asked")
        return token


@dataclass(slots=True)
class OnLaptop:
    """Of anybody, for a stack on this machine, where nobody checks a token; for any other address there is none."""

    address: str
    email: str

    def token(self) -> str:
        from layers.calling import laptop_token

        if urlsplit(self.address).hostname not in ("127.0.0.1", "localhost", "::1"):
            raise CannotAsk(f"{self.address} is not on this machine, so it would refuse; log in with gcloud instead")
        return laptop_token(self.email, self.address)

    def renewed(self) -> bool:
        return False
