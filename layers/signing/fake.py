"""A signer in memory, for tests of handlers; its key is the same in every run."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from layers.signing.local import LocalSigner
from layers.signing.port import Unavailable


class FakeSigner(LocalSigner):
    """Args:
        number: the private key; another number is another key.

    Attributes:
        down: while True every call raises Unavailable.
    """

    def __init__(self, number: int = 20261122) -> None:
        super().__init__(ec.derive_private_key(number, ec.SECP256R1()))
        self.down = False

    async def sign(self, message: bytes) -> bytes:
        self._fail()
        return await super().sign(message)

    async def public_key(self) -> str:
        self._fail()
        return await super().public_key()

    def _fail(self) -> None:
        if self.down:
            raise Unavailable("the fake is down")
