"""A game's seed: drawn when it is announced, sealed by a key that nobody can read, opened by whoever plays or closes.

The seed of a draw is opened once, after its list of tickets was sealed; that of an instant win when its first ticket
is played, since a ticket is told at once. Both openings are calls of the key, and so in its log.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from layers.game.chance import SEED_BYTES
from layers.signing.sealing import Sealer


class AnotherSeed(RuntimeError):
    """What was opened is not what was committed to. Nothing is played or drawn with it."""


class Seeds:
    """Keeps the seeds that it opened, as long as its process lives.

    Args:
        draw: 32 bytes that nobody could guess.
    """

    def __init__(self, sealer: Sealer, draw: Callable[[], bytes] = lambda: secrets.token_bytes(SEED_BYTES)) -> None:
        self._sealer, self._draw = sealer, draw
        self._opened: dict[str, bytes] = {}

    async def drawn(self, retailer_id: str, game: str) -> dict[str, str]:
        """What a game's document keeps of a new seed. The seed itself is forgotten here."""
        seed = self._draw()
        sealed = await self._sealer.seal(seed, _about(retailer_id, game))
        return {"seed_sha256": sha256(seed).hexdigest(), "sealed_seed": base64.b64encode(sealed).decode(), "seed": ""}

    async def of(self, game: Mapping[str, Any]) -> bytes:
        """The seed of a game's document.

        Raises:
            AnotherSeed, NotSealed: the document was altered. Unavailable: the key cannot be asked now.
        """
        if game["seed"]:
            return bytes.fromhex(game["seed"])
        sealed = game["sealed_seed"]
        if sealed not in self._opened:
            about = _about(game["retailer"], game["game"])
            self._opened[sealed] = await self._sealer.open(base64.b64decode(sealed), about)
        seed = self._opened[sealed]
        if sha256(seed).hexdigest() != game["seed_sha256"]:
            raise AnotherSeed("a seed is not the one that was committed to; its game's document was altered")
        return seed


def _about(retailer_id: str, game: str) -> bytes:
    return f"gondola/game-seed/2\n{retailer_id}\n{game}".encode()
