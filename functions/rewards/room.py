"""Everything rewards needs, made once in the serving process: its composition root."""

from __future__ import annotations

from dataclasses import dataclass

from functions.rewards.function import CLAIMS, SEEDS, TICK_S, TIMEOUT_S
from functions.rewards.seeds import Seeds
from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.game.beacon import Beacons
from layers.retailers import Registry
from layers.signing.port import Signer
from layers.stores.apart import DATABASE, Apart, ApartDocuments
from layers.stores.firestore.port import Documents


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    project: whose accounts the calling functions run as. seeds: of games, sealed. documents: of the
        database that is kept apart. request_s: how long a request that issues a ticket takes at most.
    tick_s: how often the schedule looks at games.
    """

    project: str
    registry: Registry
    seeds: Seeds
    documents: Documents
    apart: Apart
    beacons: Beacons
    signer: Signer
    request_s: float = TIMEOUT_S
    tick_s: float = TICK_S


async def make() -> Room:
    from layers.game.beacon import Both, Drand, OwnBeacon
    from layers.signing.kms import sealer, signer
    from layers.stores.firestore.documents import FirestoreDocuments

    values = Settings.of_process()
    registry = Registry.of_environment(values.values, settings.RETAILER_PREFIX)
    documents = FirestoreDocuments.of(values, DATABASE)
    local = values.emulator("firestore") is not None
    public = Drand(values[settings.BEACON_RELAYS].split())
    return Room(
        values[settings.PROJECT],
        registry,
        Seeds(sealer(values, SEEDS)),
        documents,
        ApartDocuments(documents, registry.by_id),
        Both(OwnBeacon(values[settings.OWN_BEACON]), public) if local else public,
        signer(values, CLAIMS),
        float(values.optional(settings.LONGEST_REQUEST) or TIMEOUT_S),
        # No clock runs on a laptop: whoever fires the job there does so when it is due.
        1.0 if local else TICK_S,
    )
