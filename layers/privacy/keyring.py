"""The pseudonym keys of one retailer that are in use: one, or two from the day a rotation is prepared.

What is new is written under one key, `current`; whoever looks for a customer looks under `every`. Which versions there
are and which of them writes stands in the registry entry; README.md says how a rotation goes.
"""

from __future__ import annotations

from collections.abc import Mapping

from layers.declarations import SecretKind, settings
from layers.declarations.settings import Settings
from layers.privacy.pseudonym import Pseudonymiser
from layers.retailers import Retailer


class KeyRing:
    """Args:
        keys: base64, by version. writes: the version under which what is new is written.

    Attributes:
        current: the key that writes. others: those that are looked under beside it. former: the one of them that wrote
            before; None where none did. secrets: all keys, base64, the writing one first.

    Raises:
        InvalidKey: see there.
    """

    __slots__ = ("current", "former", "others", "secrets")

    def __init__(self, keys: Mapping[int, str], writes: int = 1) -> None:
        self.current = Pseudonymiser(keys[writes], writes)
        before = [version for version in sorted(keys) if version != writes]
        self.others = tuple(Pseudonymiser(keys[version], version) for version in before)
        self.former = next((key for version, key in zip(before, self.others, strict=True) if version < writes), None)
        self.secrets = (keys[writes], *(keys[version] for version in before))

    @classmethod
    def of(cls, values: Settings, retailer: Retailer) -> KeyRing:
        """Raises:
        MissingSetting, InvalidKey: a function without its keys must not start.
        """
        versions = [key.version for key in retailer.pseudonym_keys]
        names = {version: settings.secret(SecretKind.PSEUDONYM_KEY, retailer.id, version) for version in versions}
        return cls({version: values[name] for version, name in names.items()}, retailer.writing_key)

    def every(self, customer_id: str) -> tuple[str, ...]:
        """The customer's pseudonyms, the one that is written under first."""
        return (self.current(customer_id), *(key(customer_id) for key in self.others))
