"""What the commands of `__main__` do: a run is asked for and followed, a shopper's parameters are read and told.

Nothing here computes: a run by hand is the message that modelling would send, so it goes the way of every night.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from google.api_core.exceptions import GoogleAPICallError, RetryError

from functions.scoring.explaining import Recounted, budgets, explained
from functions.scoring.recounting import NotTold, recounted
from functions.scoring.room import Cold, Sources
from layers.declarations import settings
from layers.declarations.settings import MissingSetting, Settings
from layers.offers.written import UnreadableSetting, read_uses
from layers.privacy.keyring import KeyRing
from layers.privacy.pseudonym import PATTERN, InvalidKey
from layers.retailers import InvalidRetailer, Registry, Retailer
from layers.scoring_runs import settings as settings_of_runs
from layers.scoring_runs.ledger import Counts, Ledger, Run, Status
from layers.scoring_runs.messages import MODELS_BUILT, Built, built_message, name_of
from layers.stores.bigtable.port import ShopperRows, Unavailable
from layers.stores.firestore.port import Documents
from layers.stores.pubsub.port import Publisher
from layers.stores.pubsub.port import Unavailable as TopicUnavailable
from layers.tree.parameters import InvalidParameters, decode_parameters

LOOKS_EVERY_S = 0.5


class CannotAsk(Exception):
    """The fact, its consequence and the remedy."""


class Desk:
    """Args:
    pseudonyms: from a customer id, one a key version, the one that is written under first; None where the retailer's
        keys are not at hand.
    say: takes a line of progress.
    cold: reaches the warehouse, where the environment leads there; asked for once something is to be told by it.
    """

    def __init__(
        self,
        retailer: Retailer,
        ledger: Ledger,
        built: Publisher | None,
        rows: ShopperRows | None,
        pseudonyms: Callable[[str], Sequence[str]] | None,
        say: Callable[[str], None],
        documents: Documents,
        cold: Callable[[], Sources],
        every_s: float = LOOKS_EVERY_S,
    ) -> None:
        self._retailer, self._ledger, self._built, self._rows = retailer, ledger, built, rows
        self._documents, self._cold = documents, cold
        self._pseudonyms, self._say, self._every_s = pseudonyms, say, every_s

    @classmethod
    def of_process(cls, retailer_id: str, say: Callable[[str], None]) -> Desk:
        """Made in the running loop.

        Raises:
            CannotAsk: the environment does not lead to the stores.
        """
        from layers.stores.bigtable.shoppers import BigtableShopperRows
        from layers.stores.firestore.documents import FirestoreDocuments
        from layers.stores.pubsub.publisher import PubsubPublisher

        values = Settings.of_process()
        try:
            retailer = Registry.of_environment(values.values, settings.RETAILER_PREFIX).by_id.get(retailer_id)
            if retailer is None:
                raise CannotAsk(f"the environment knows no retailer {retailer_id!r}; nothing was asked")
            documents = FirestoreDocuments.of(values)
            topic = values.optional(settings.topic(MODELS_BUILT))
            table = values.optional(settings.hot_table("shoppers"))
            return cls(
                retailer,
                Ledger(documents),
                PubsubPublisher.of(values, MODELS_BUILT) if topic else None,
                BigtableShopperRows.of(values) if table else None,
                _keys(values, retailer),
                say,
                documents,
                lambda: _cold(values),
            )
        except (MissingSetting, InvalidKey, InvalidRetailer) as error:
            raise CannotAsk(f"{error}. On a laptop: `python -m emulators status` prints what to export") from None

    async def run(self, moment: datetime, wait_s: float) -> str:
        """Asks for a run and follows it; a line that tells what it did. Asking again resumes it.

        Raises:
            CannotAsk: the message could not be sent, or a newer run had begun. TimeoutError: not done by then.
        """
        head = await self._ledger.head(self._retailer.id)
        if head is not None and head.run > moment:
            raise CannotAsk(
                f"run {name_of(head.run)} is newer than {name_of(moment)} and holds already; leave --at out to run now"
            )
        if self._built is None:
            raise CannotAsk(f"the environment does not name the topic {MODELS_BUILT}, so no run can be asked for")
        try:
            await self._built.publish([built_message(Built(self._retailer.id, moment))])
        except TopicUnavailable:
            raise CannotAsk("Pub/Sub cannot be reached, so no run was asked for; try again") from None
        until, told = time.monotonic() + wait_s, ""
        while time.monotonic() < until:
            try:
                line, done = await self._looked(moment)
            except (GoogleAPICallError, RetryError) as error:
                # The run does not depend on who looks: a store that is slow for a moment ends nobody's waiting.
                line, done = f"Firestore did not answer ({type(error).__name__}); the run goes on, looking again", False
            if line and line != told:
                self._say(line)
                told = line
            if done:
                return line
            await asyncio.sleep(self._every_s)
        raise TimeoutError(
            f"run {name_of(moment)} is not done after {wait_s:g} s; it goes on, and the same command with "
            f"--at {moment:%Y-%m-%dT%H:%M:%SZ} follows it further. The log of scoring may say what holds it up"
        )

    async def _looked(self, moment: datetime) -> tuple[str, bool]:
        """What is to be told of a run, empty if nothing yet, and whether it is done."""
        found = await self._ledger.run(self._retailer.id, moment)
        line = "" if found is None else await self._line(moment, found)
        if found is not None and found.status is Status.DONE:
            return line, True
        head = await self._ledger.head(self._retailer.id)
        if head is not None and head.run > moment:
            raise CannotAsk(f"run {name_of(head.run)} began meanwhile and takes its place; look at `status`")
        return line, False

    async def status(self, moment: datetime | None) -> str:
        """Of one run, or of the newest.

        Raises:
            CannotAsk: there is none.
        """
        if moment is None:
            head = await self._ledger.head(self._retailer.id)
            if head is None:
                raise CannotAsk(f"no run was ever planned for {self._retailer.id}; modelling starts one each night")
            moment = head.run
        found = await self._ledger.run(self._retailer.id, moment)
        if found is None:
            raise CannotAsk(f"nothing is known of a run {name_of(moment)}; it may have been purged after 90 days")
        text = await settings_of_runs.read(self._documents, self._retailer.id, moment, found.plan.setting)
        try:
            sample, uses = read_uses(text) if text is not None else (0, ())
            done = await self._ledger.done(self._retailer.id, moment, found.plan.shards)
            more = budgets(sample, uses, sum(done.values(), Counts()).promised)
        except UnreadableSetting as error:
            more = [str(error)]
        return "\n".join([await self._line(moment, found), *more])

    async def _line(self, moment: datetime, found: Run) -> str:
        of = found.plan.shards
        done = await self._ledger.done(self._retailer.id, moment, of)
        counts = sum(done.values(), found.counts.__class__())
        by = f"predictor: learned ({found.plan.models})" if found.plan.models else "predictor: recency"
        numbers = ", ".join(
            f"{value:g} {name}" for name, value in msgspec.structs.asdict(counts).items() if name != "promised"
        )
        return (
            f"run {name_of(moment)} {found.plan.version}: {found.status}, {len(done)} of {of} shards; {numbers}; {by}"
        )

    async def why(self, given: str, is_pseudonym: bool) -> list[str] | None:
        """What is stored of a shopper, in plain words; None where nothing is.

        Raises:
            CannotAsk
        """
        shoppers = self._shoppers(given, is_pseudonym)
        if self._rows is None:
            raise CannotAsk("the environment does not name the table `shoppers`, so nothing can be read")
        try:
            rows = [await self._rows.read(self._retailer.id, shopper) for shopper in shoppers]
        except Unavailable:
            raise CannotAsk("Bigtable cannot be reached, so nothing can be told; try again") from None
        stored = [(who, row.parameters) for who, row in zip(shoppers, rows, strict=True) if row.parameters is not None]
        if not stored:
            return None
        shopper, found = stored[0]
        try:
            parameters = decode_parameters(found)
        except InvalidParameters as error:
            raise CannotAsk(f"{error}") from None
        return explained(parameters, self._retailer, await self._again(shopper))

    async def _again(self, shopper: str) -> Recounted | str:
        """Worked out anew, or why not: what is stored is told in any case."""
        self._say("what offers and predictions rest on is read again; some seconds")
        try:
            return await recounted(self._cold(), self._documents, self._ledger, self._retailer, shopper)
        except (NotTold, MissingSetting) as error:
            return str(error)

    def _shoppers(self, given: str, is_pseudonym: bool) -> Sequence[str]:
        if not given:
            raise CannotAsk("stdin holds no customer id; give it on the first line")
        if is_pseudonym:
            if not PATTERN.match(given):
                raise CannotAsk("what stdin holds is no pseudonym: two digits of key version and 32 hexadecimal ones")
            return (given,)
        if self._pseudonyms is None:
            raise CannotAsk(
                "the retailer's pseudonym key is not in the environment, so a customer id leads nowhere; give a "
                "pseudonym with --pseudonym instead"
            )
        return self._pseudonyms(given)


def _cold(values: Settings) -> Sources:
    from layers.stores.bigquery.rows import BigQueryRows
    from layers.stores.bigquery.trained import BigQueryTrained
    from layers.stores.bigquery.warehouse import BigQueryWarehouse

    warehouse = BigQueryWarehouse.of(values)
    return Cold(warehouse, BigQueryRows.of(values), BigQueryTrained(warehouse))


def _keys(values: Settings, retailer: Retailer) -> Callable[[str], Sequence[str]] | None:
    try:
        return KeyRing.of(values, retailer).every
    except MissingSetting:
        return None
