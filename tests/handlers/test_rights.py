"""Access and objection through their endpoint: what is told, of whom, to whom; and what an objection leaves behind."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from starlette.responses import Response, StreamingResponse

from functions.consent_erasure.access import CutOff
from functions.consent_erasure.handler import answer
from functions.consent_erasure.room import Room, declared_steps
from functions.consent_erasure.rules import Fingerprints
from layers.events.model import AddedToBasket, ConsentChanged, Event, OrderLine, OrderPaid, PageViewed, Purposes
from layers.events.record import decode_lines, decode_record, encode_record, milliseconds, row_key
from layers.facts import EVERYWHERE
from layers.privacy.keyring import KeyRing
from layers.privacy.pseudonym import Pseudonymiser
from layers.privacy.suppression import digest, digest_prefix, suppression_id
from layers.retailers import AbsentConsent, Registry, Retailer, family
from layers.signing.fake import FakeSigner
from layers.stores.apart import ApartDocuments
from layers.stores.bigquery.fake import FakeWarehouse
from layers.stores.bigquery.port import Parameter
from layers.stores.bigtable.fake import FakeArrivals, FakeHotEvents, FakeShopperRows
from layers.stores.bigtable.port import Arrival, HotEvent
from layers.stores.collections import ERASURES, RECEIPTS, SUPPRESSIONS
from layers.stores.dead_letters import DeadLetterSweep
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.pubsub.fake import FakeDeadLetters, FakePublisher
from layers.tree.parameters import ShopperParameters, encode_parameters
from layers.tree.state import State, encode_state
from tests.handlers.asking import ask

NOW = datetime(2026, 11, 22, 12, 0, 0, 654321, tzinfo=UTC)
KEY = base64.b64encode(bytes(range(32))).decode()
PSEUDONYM = Pseudonymiser(KEY)
ANNE, BERT, NOBODY = "9250001234567", "9250007654321", "9250009999999"
OFFICER, STRANGER, OTHER_OFFICER = "officer@demo.example", "who@demo.example", "officer@other.example"


def shop(id: str, officer: str) -> Retailer:
    return Retailer(
        id=id,
        name=id.title(),
        write_key=f"{id}-write" * 2,
        read_key=f"{id}-read" * 2,
        origins=(),
        compliance=(officer,),
    )


DEMO, OTHER = shop("demo", OFFICER), shop("other", OTHER_OFFICER)


def bearer(email: str) -> dict[str, str]:
    claims = base64.urlsafe_b64encode(json.dumps({"email": email, "email_verified": True}).encode()).decode()
    return {"authorization": f"Bearer e30.{claims.rstrip('=')}.SIGNATURE_REMOVED_BY_GOOGLE"}


def ago(**delay: float) -> datetime:
    return NOW - timedelta(**delay)


def consent(id: str, at: datetime, **agreed: bool) -> ConsentChanged:
    return ConsentChanged(id=id, at=at, purposes=Purposes(**agreed))


def _at(row: Mapping[str, Any]) -> Any:
    return row.get("at") or row.get("built") or datetime.combine(row["day"], time(), UTC)


class Cold(FakeWarehouse):
    """Rows of each view, given back as the statement asks: of one shopper, later than a moment, in order."""

    def __init__(self, retailer_id: str = "demo") -> None:
        self.retailer_id = retailer_id
        self.rows: dict[str, list[dict[str, Any]]] = {table.name: [] for table in EVERYWHERE}
        super().__init__({f".{name}`": self._asked(name) for name in self.rows})
        self.there = set(self.rows)

    def _asked(self, name: str) -> Any:
        def rows(parameters: Mapping[str, Parameter]) -> list[dict[str, Any]]:
            after: Any = parameters["after"]
            assert parameters["prefix"] == digest_prefix(self.retailer_id)
            asked = parameters["shopper"]
            found = [row for row in self.rows[name] if self._is(row, asked) and _at(row) > after]
            return [
                {column: value for column, value in row.items() if column != "shopper"}
                for row in sorted(found, key=_at)
            ]

        return rows

    def _is(self, row: Mapping[str, Any], asked: Parameter) -> bool:
        return digest(self.retailer_id, row["shopper"]) == asked


class Office:
    """A room on fakes; `fill` puts one shopper into every store."""

    def __init__(self, retailer: Retailer = DEMO) -> None:
        self.retailer = retailer
        self.events, self.arrivals, self.rows = FakeHotEvents(), FakeArrivals(), FakeShopperRows()
        self.documents, self.facts, self.topic = FakeDocuments(), Cold(), FakePublisher()
        registry = Registry([retailer, OTHER])
        self.kept_apart = FakeDocuments("rewards")
        self.room = Room(
            registry,
            {"demo": KeyRing({1: KEY}), "other": KeyRing({1: base64.b64encode(bytes(32)).decode()})},
            declared_steps(registry),
            self.documents,
            self.events,
            self.arrivals,
            self.rows,
            self.facts,
            self.topic,
            DeadLetterSweep(FakeDeadLetters([]), self.documents, registry.by_id),
            FakeSigner(),
            ApartDocuments(self.kept_apart, registry.by_id),
        )
        self.now = NOW

    async def send(self, customer: str, *events: Event, channel: str = "web") -> None:
        written = [
            HotEvent(
                row_key("demo", PSEUDONYM(customer), event.at, event.id),
                family(event.retention, self.retailer.contract.days(event.retention)),
                milliseconds(event.at),
                encode_record(PSEUDONYM(customer), "s-1", channel, event.at, msgspec.json.encode(event)),
            )
            for event in events
        ]
        await self.events.write(written)
        await self.arrivals.note(
            [Arrival("demo", event.at, [one.key]) for event, one in zip(events, written, strict=True)]
        )
        for event, one in zip(events, written, strict=True):
            if isinstance(event, ConsentChanged):
                await self.rows.write_consent("demo", PSEUDONYM(customer), one.at_ms, one.line)

    async def fill(self, customer: str) -> Office:
        shopper, mark = PSEUDONYM(customer), customer[-4:]
        await self.send(
            customer,
            consent(f"consent-{mark}", ago(days=20), measurement=True, personalisation=True, rewards=True),
            OrderPaid(id=f"order-{mark}", at=ago(days=10), order="o-1", total=3.0, lines=(OrderLine("p1", 3.0),)),
            AddedToBasket(id=f"basket-{mark}", at=ago(hours=1), product=f"p-{mark}", quantity=2, price=3.49),
        )
        for version, day in (("v1", 2), ("v2", 1)):
            computed = ShopperParameters(
                version=version, computed_at=ago(days=day), usual_basket=40, threshold=50, generosity=1.0, trips=3
            )
            await self.rows.write_parameters("demo", [(shopper, encode_parameters(computed))], 10 - day)
        state = State(
            tree_version="t1", started_ms=1, stretch_ms=1, last_ms=milliseconds(ago(hours=1)), last_id="e", node="root"
        )
        await self.rows.swap_state("demo", shopper, None, encode_state(state))
        dated = {"day": ago(days=3).date(), "built": ago(days=3)}
        for table in EVERYWHERE:
            if table.derived and table.holds_shoppers:
                self.facts.rows[table.name].append({"shopper": shopper, table.timed_by: dated[table.timed_by]})
            elif table.holds_shoppers:
                self.facts.rows[table.name].append(
                    {
                        "event_id": f"{table.name}-{mark}",
                        "position": 0,
                        "shopper": shopper,
                        "session": "s-1",
                        "channel": "web",
                        "at": ago(days=3),
                        "received": ago(days=3),
                        "total": Decimal("3.50"),
                        "store": None,
                        "reason": '[{"node":"ready","rule":"when","condition":"basket.total > 1","values":{}}]',
                        "shown": '[{"kind":"game","slot":"main","name":"wheel","prize":2.0}]',
                    }
                )
        return self

    async def suppress(self, customer: str, since: datetime) -> None:
        id = suppression_id("demo", PSEUDONYM(customer))
        await self.documents.put(SUPPRESSIONS, id, {"retailer": "demo", "since": since, "noted": since})

    async def post(
        self, path: str, body: object, email: str = OFFICER, headers: Mapping[str, str] | None = None
    ) -> Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json", **bearer(email), **(headers or {})}
        return await answer(ask("POST", path, data, sent), self.room, lambda: self.now)

    async def access(self, customer: str = ANNE, **more: Any) -> Response:
        return await self.post("/v1/access", {"retailer": "demo", "reference": "A-1", "customer": customer}, **more)

    async def object(self, customer: str = ANNE, reference: str = "O-1", since: str | None = None) -> dict[str, Any]:
        body = {"retailer": "demo", "reference": reference, "customer": customer}
        response = await self.post("/v1/objections", body | ({"since": since} if since else {}))
        return {"http": response.status_code, **json.loads(bytes(response.body))}

    def everything(self) -> str:
        """All that the stores hold, to see that nothing changed."""
        rows = {key: repr(row) for key, row in self.rows.rows.items()}
        documents = {name: held for name, held in self.documents.collections.items() if held}
        return repr((self.events.rows, self.arrivals.rows, rows, documents, self.topic.messages))


async def read(response: Response) -> bytes:
    assert isinstance(response, StreamingResponse)
    return b"".join([bytes(piece) async for piece in response.body_iterator])  # type: ignore[arg-type]


async def told(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await read(response))
    return found


def by_store(package: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {section["store"]: section["records"] for section in package["stores"]}


async def test_a_package_holds_all_of_one_shopper_and_nothing_of_another() -> None:
    office = await (await Office().fill(ANNE)).fill(BERT)
    response = await office.access()
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    package = await told(response)
    records = by_store(package)
    assert [record["event"]["id"] for record in records["bigtable:events"]] == [
        "basket-4567",
        "order-4567",
        "consent-4567",
    ]
    parts = [record["part"] for record in records["bigtable:shoppers"]]
    assert parts == ["parameters", "parameters", "state", "consent"]
    assert [record["parameters"]["version"] for record in records["bigtable:shoppers"][:2]] == ["v2", "v1"]
    assert sorted(record["id"] for record in records["bigtable:arrivals"]) == [
        "basket-4567",
        "consent-4567",
        "order-4567",
    ]
    for table in EVERYWHERE:
        if table.holds_shoppers:
            (row,) = records[f"bigquery:{table.stored_as}"]
            assert table.derived or (row["event_id"] == f"{table.name}-4567" and "store" not in row)
    assert all(name not in str(office.facts.statements) for name in (ANNE, PSEUDONYM(ANNE)))
    assert package["complete"] is True
    assert all(section["count"] == len(section["records"]) for section in package["stores"])
    for secret in ("-4321", PSEUDONYM(BERT), ANNE):
        assert secret not in json.dumps(package)


async def test_every_record_is_explained_and_has_its_end() -> None:
    office = await Office().fill(ANNE)
    package = await told(await office.access())
    for section in package["stores"]:
        for record in section["records"]:
            assert set(record) <= set(section["fields"]) | {
                "parameters",
                "state",
                "consent",
                "total",
                "reason",
                "shown",
            } | ({"why", "store"} if "bigquery" in section["store"] else set())
            assert "kept_until" in record or section["ends"]
    (decision,) = by_store(package)["bigquery:cooled_decisions"]
    assert decision["why"] == ["Moved to «ready», because this held: basket.total > 1."]
    assert decision["shown"][0]["prize"] == 2.0 and decision["reason"][0]["node"] == "ready"
    (order,) = by_store(package)["bigquery:cooled_orders"]
    assert order["total"] == 3.5, "a number, not a text"
    assert {"recipients", "retention", "logic", "rights", "not_listed"} <= set(package)


async def test_an_event_is_given_as_it_was_sent() -> None:
    office = Office()
    sent = b'{"type":"ProductViewed", "price":2.0,"id":"event-0001","at":"2026-11-21T10:00:00+01:00","product":"p"}'
    at = datetime(2026, 11, 21, 9, tzinfo=UTC)
    line = encode_record(PSEUDONYM(ANNE), "s", "app", at, sent)
    key = row_key("demo", PSEUDONYM(ANNE), at, "event-0001")
    await office.events.write([HotEvent(key, "browsing_395d", milliseconds(at), line)])
    assert sent in await read(await office.access())


async def test_an_unknown_customer_gets_the_same_shape_and_nothing_in_it() -> None:
    office = await Office().fill(ANNE)
    known, unknown = await told(await office.access()), await told(await office.access(NOBODY))
    assert list(unknown) == list(known)
    assert [section["store"] for section in unknown["stores"]] == [section["store"] for section in known["stores"]]
    assert {section["count"] for section in unknown["stores"]} == {0}


async def test_what_is_from_before_an_erasure_is_not_told_though_it_lies_there_still() -> None:
    office = await Office().fill(ANNE)
    await office.suppress(ANNE, ago(minutes=30))
    records = by_store(await told(await office.access()))
    assert [r["since"] for r in records.pop("firestore:suppressions")] == ["2026-11-22T11:30:00.654Z"]
    assert not any(records.values())
    await office.send(ANNE, PageViewed(id="page-anew", at=ago(minutes=5), page="/"))
    records = by_store(await told(await office.access()))
    assert [r["event"]["id"] for r in records["bigtable:events"]] == ["page-anew"]


async def test_what_is_beyond_its_contract_is_not_told() -> None:
    office = Office()
    await office.send(ANNE, PageViewed(id="page-kept", at=ago(days=394), page="/"))
    await office.send(ANNE, PageViewed(id="page-gone", at=ago(days=396), page="/"))
    await office.access()
    records = by_store(await told(await office.access()))
    assert [r["event"]["id"] for r in records["bigtable:events"]] == ["page-kept"]
    asked = {sql.split("`")[-6]: bound["after"] for sql, bound in office.facts.statements if "page_views" in sql}
    assert set(asked.values()) == {ago(days=395) - timedelta(microseconds=1)}


async def test_what_nobody_can_read_is_told_as_it_lies_there() -> None:
    office = Office()
    key = row_key("demo", PSEUDONYM(ANNE), ago(days=1), "event-0001")
    await office.events.write([HotEvent(key, "browsing_395d", milliseconds(ago(days=1)), b"\xff{")])
    await office.rows.write_parameters("demo", [(PSEUDONYM(ANNE), b"[")], 1)
    await office.rows.write_consent("demo", PSEUDONYM(ANNE), 1, b"?")
    records = by_store(await told(await office.access()))
    assert records["bigtable:events"] == [{"unreadable": "\ufffd{"}]
    assert [r["part"] for r in records["bigtable:shoppers"]] == ["parameters", "consent"]


async def test_erasure_requests_that_name_the_shopper_are_told_and_no_other() -> None:
    office = Office()
    for number in range(45):
        id = f"{number:032x}"
        named = ANNE if number in (3, 7, 44) else BERT
        codes = Fingerprints(KEY, id)
        # Twenty-five of one moment: more than are read at a time.
        requested = ago(days=5) if number < 25 else ago(days=4, minutes=-number)
        await office.documents.put(
            ERASURES,
            id,
            {
                "retailer": "other" if number == 7 else "demo",
                "reference": f"R-{number}",
                "request": codes.of_request([named]),
                "status": "complete",
                "requested": requested,
                "finished": requested,
            },
        )
    told_of = by_store(await told(await office.access()))["firestore:erasures"]
    assert [record["reference"] for record in told_of] == ["R-3", "R-44"]
    of = {"retailer": "demo", "number": 2, "erasure": "e" * 32, "finished": ago(days=1)}
    code = Fingerprints(KEY, "e" * 32).of_customer(ANNE)
    await office.documents.put(RECEIPTS, "demo:2", {**of, "text": f'{{"fingerprints":["{code}"]}}'})
    await office.documents.put(RECEIPTS, "demo:3", {**of, "text": '{"fingerprints":["of another"]}'})
    (proof,) = by_store(await told(await office.access()))["firestore:receipts"]
    assert (proof["number"], proof["fingerprint"]) == (2, code)


async def test_answering_stores_nothing_and_logs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    office = await Office().fill(ANNE)
    before = office.everything()
    await told(await office.access())
    assert office.everything() == before
    assert "".join(capsys.readouterr()) == ""


async def test_a_package_is_written_as_it_is_read() -> None:
    office = Office()
    many = [PageViewed(id=f"page-{n:06d}", at=ago(minutes=n), page="/" + "x" * 400) for n in range(6000)]
    await office.send(ANNE, *many)
    response = await office.access()
    assert isinstance(response, StreamingResponse)
    tracemalloc.start()
    size = 0
    async for piece in response.body_iterator:
        size += len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 3_000_000 and peak < size / 3, (size, peak)


STORES = ("documents", "hot_events", "arrivals", "shopper_rows", "warehouse")


class Down:
    """Every call fails, as a store's does."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if name == "full_name":
            return self._store.full_name

        def fail(*_: object, **__: object) -> Any:
            raise OSError(f"down, of {PSEUDONYM(ANNE)}")

        async def fail_later(*_: object, **__: object) -> Any:
            fail()

        return fail_later if inspect.iscoroutinefunction(getattr(self._store, name)) else fail


@pytest.mark.parametrize("store", STORES)
async def test_a_store_that_is_down_is_known_before_the_answer_begins(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    office = await Office().fill(ANNE)
    broken: dict[str, Any] = {store: Down(getattr(office.room, store))}
    office.room = replace(office.room, **broken)
    response = await office.access()
    assert response.status_code == 503 and response.headers["retry-after"]
    assert PSEUDONYM(ANNE) not in bytes(response.body).decode() + "".join(capsys.readouterr())


class Halfway(FakeHotEvents):
    async def history(self, *arguments: Any, **named: Any) -> Any:
        number = 0
        async for page in super().history(*arguments, **named):
            number += 1
            if number == 3:
                raise OSError(f"gone, at {page}")
            yield page


async def test_a_package_that_is_cut_off_can_be_taken_for_no_whole_one(capsys: pytest.CaptureFixture[str]) -> None:
    office = await Office().fill(ANNE)
    broken = Halfway()
    broken.rows = office.events.rows
    office.room = replace(office.room, hot_events=broken)
    response = await office.access()
    assert isinstance(response, StreamingResponse)
    pieces = []
    with pytest.raises(CutOff) as error:
        async for piece in response.body_iterator:
            pieces.append(bytes(piece))  # type: ignore[arg-type]
    assert error.value.__cause__ is None and error.value.__suppress_context__
    with pytest.raises(ValueError):
        json.loads(b"".join(pieces))
    said = "".join(capsys.readouterr())
    assert "a package was cut off" in said and PSEUDONYM(ANNE) not in said and "basket" not in said


# Objections


def newest(office: Office, customer: str = ANNE) -> dict[str, Any]:
    row = office.rows.rows[f"demo#{PSEUDONYM(customer)}".encode()]
    assert row.consent is not None
    event = decode_record(row.consent[1]).event
    return {"id": event.id, **msgspec.to_builtins(event.purposes)}  # type: ignore[union-attr]


async def test_an_objection_is_an_event_on_the_path_of_every_event_and_the_profile_is_gone() -> None:
    office = await (await Office().fill(ANNE)).fill(BERT)
    answered = await office.object()
    assert (answered["http"], answered["in_force"]) == (202, True)
    purposes = {"measurement": True, "personalisation": False, "advertising": False, "rewards": True}
    assert answered["purposes"] == purposes
    assert newest(office) == {"id": answered["id"], **purposes}
    stored = [
        decode_record(event.line) for event in office.events.rows.values() if answered["id"].encode() in event.key
    ]
    (message,) = office.topic.messages
    assert decode_lines(message.data)[0] == stored and message.attributes["retailer"] == "demo"
    assert stored[0].event.at == NOW.replace(microsecond=654000) and stored[0].channel == answered["channel"]
    noted = [keys async for _, keys in office.arrivals.of_shopper("demo", PSEUDONYM(ANNE))]
    assert any(answered["id"].encode() in key for keys in noted for key in keys)
    row = await office.rows.read("demo", PSEUDONYM(ANNE))
    assert row.parameters is None and row.state is None and row.consent is not None
    assert await office.rows.former_parameters("demo", PSEUDONYM(ANNE)) == []
    assert (await office.rows.read("demo", PSEUDONYM(BERT))).parameters is not None
    assert ANNE not in json.dumps(answered) and PSEUDONYM(ANNE) not in json.dumps(answered)


async def test_sent_again_it_is_the_same_objection_and_dispatched_again() -> None:
    office = await Office().fill(ANNE)
    first = await office.object()
    rows = set(office.events.rows)
    office.now = NOW + timedelta(hours=3)
    assert await office.object() == first
    assert set(office.events.rows) == rows and len(office.topic.messages) == 2
    assert office.topic.messages[0].data == office.topic.messages[1].data


async def test_one_reference_may_speak_for_two_customers_each_once() -> None:
    office = await (await Office().fill(ANNE)).fill(BERT)
    ids = {(await office.object(customer))["id"] for customer in (ANNE, BERT, ANNE)}
    assert len(ids) == 2


async def test_an_objection_of_before_a_newer_consent_is_proof_and_not_in_force() -> None:
    office = await Office().fill(ANNE)
    await office.send(ANNE, consent("consent-anew", ago(days=1), personalisation=True))
    answered = await office.object(since="2026-11-15T10:00:00+01:00")
    assert (answered["http"], answered["in_force"]) == (202, False)
    assert answered["since"] == "2026-11-15T09:00:00.000Z" and answered["consent_since"] == "2026-11-21T12:00:00.654Z"
    assert answered["purposes"]["measurement"], "as it was at that moment, not as it is now"
    assert newest(office)["id"] == "consent-anew"
    assert (await office.rows.read("demo", PSEUDONYM(ANNE))).parameters is not None
    other = await office.object(since="2026-11-16T10:00:00+01:00")
    assert other["http"] == 409 and other["type"].endswith("reference-used")


@pytest.mark.parametrize("absent", AbsentConsent)
async def test_of_whom_no_consent_is_known_the_retailers_rule_says_what_stays(absent: AbsentConsent) -> None:
    office = Office(msgspec.structs.replace(DEMO, absent_consent=absent))
    answered = await office.object(NOBODY)
    granted = absent is AbsentConsent.GRANTED
    assert answered["http"] == 202
    assert answered["purposes"] == {
        "measurement": granted,
        "personalisation": False,
        "advertising": False,
        "rewards": granted,
    }


async def test_an_objection_of_before_an_erasure_is_not_taken_again() -> None:
    office = await Office().fill(ANNE)
    await office.suppress(ANNE, ago(days=1))
    before = office.everything()
    answered = await office.object(since="2026-11-20T10:00:00Z")
    assert answered["http"] == 409 and answered["type"].endswith("erased-since")
    assert office.everything() == before
    answered = await office.object()
    assert answered["http"] == 202 and not answered["purposes"]["measurement"], "nothing from before counts"


@pytest.mark.parametrize(
    "since", ["2026-11-22T13:00:00Z", "2020-01-01T00:00:00Z", "2026-11-22T10:00:00", "yesterday", 7]
)
async def test_a_moment_that_no_event_may_have_is_refused(since: Any) -> None:
    office = await Office().fill(ANNE)
    before = office.everything()
    answered = await office.object(since=since)
    assert answered["http"] == 400 and "since" in answered["detail"] and "yesterday" not in answered["detail"]
    assert office.everything() == before


class Dying:
    """Passes calls on, until the one that ends the process; before or after it is done."""

    def __init__(self, store: Any, left: list[int], after: bool) -> None:
        self._store, self._left, self._after = store, left, after

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        if name == "history":
            return call

        async def mortal(*arguments: Any, **named: Any) -> Any:
            self._left[0] -= 1
            if self._left[0] == 0 and not self._after:
                raise asyncio.CancelledError
            answered = await call(*arguments, **named)
            if self._left[0] == 0:
                raise asyncio.CancelledError
            return answered

        return mortal


@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_call_it_is_whole_when_sent_again(after: bool) -> None:
    calls = 0
    while True:
        calls += 1
        office = await Office().fill(ANNE)
        sound, left = office.room, [calls]
        stores = ("documents", "hot_events", "arrivals", "shopper_rows", "topic")
        dying: dict[str, Any] = {name: Dying(getattr(sound, name), left, after) for name in stores}
        office.room = replace(sound, **dying)
        try:
            await office.object()
        except asyncio.CancelledError:
            pass
        else:
            break
        office.room, office.now = sound, NOW + timedelta(minutes=5)
        answered = await office.object()
        assert (answered["http"], answered["in_force"]) == (202, True), calls
        stored = [event.line for event in office.events.rows.values() if answered["id"].encode() in event.key]
        assert len(stored) == 1 and office.topic.messages[-1].data == stored[0], calls
        row = await office.rows.read("demo", PSEUDONYM(ANNE))
        assert (row.parameters, row.state, row.consent) == (None, None, stored[0]), calls
    assert calls > 5, "the kill reached every call"


@pytest.mark.parametrize("store", ["documents", "hot_events", "arrivals", "topic"])
async def test_what_a_store_does_not_take_is_not_said_to_be_recorded(store: str) -> None:
    office = await Office().fill(ANNE)
    broken: dict[str, Any] = {store: Down(getattr(office.room, store))}
    office.room = replace(office.room, **broken)
    answered = await office.object()
    assert answered["http"] == 503 and answered["type"].endswith("try-again")
    office = await Office().fill(ANNE)
    office.events.refuses = lambda event: b"objection-" in event.key
    assert (await office.object())["http"] == 503


async def test_nothing_personal_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    office = await Office().fill(ANNE)
    answered = await office.object()
    said = "".join(capsys.readouterr())
    assert "objection recorded" in said
    for secret in (ANNE, PSEUDONYM(ANNE), OFFICER, "O-1", answered["id"]):
        assert secret not in said


# Both


@pytest.mark.parametrize("path", ["/v1/access", "/v1/objections"])
@pytest.mark.parametrize(
    ("headers", "email", "body", "status", "kind"),
    [
        ({"authorization": ""}, OFFICER, {}, 401, "not-identified"),
        ({}, STRANGER, {}, 403, "not-your-retailer"),
        ({}, OTHER_OFFICER, {}, 403, "not-your-retailer"),
        ({}, OFFICER, {"retailer": "nobody"}, 403, "not-your-retailer"),
        ({"x-serverless-authorization": bearer(STRANGER)["authorization"]}, OFFICER, {}, 403, "not-your-retailer"),
        ({"content-type": "text/plain"}, OFFICER, {}, 415, "content-type"),
        ({}, OFFICER, {"name": "Jane"}, 400, "invalid-request"),
        ({}, OFFICER, {"customer": "jane@example.org"}, 400, "invalid-request"),
        ({}, OFFICER, {"reference": ANNE}, 400, "invalid-request"),
        ({}, OFFICER, {"reference": 'x"y'}, 400, "invalid-request"),
        ({}, OFFICER, b"{", 400, "invalid-request"),
        ({}, OFFICER, b" " * 5000, 413, "body-too-large"),
    ],
)
async def test_a_refusal_says_why_and_does_nothing(
    path: str, headers: dict[str, str], email: str, body: Any, status: int, kind: str
) -> None:
    office = await Office().fill(ANNE)
    before = office.everything()
    whole = body if isinstance(body, bytes) else {"retailer": "demo", "reference": "A-1", "customer": ANNE, **body}
    response = await office.post(path, whole, email, headers)
    assert response.status_code == status and json.loads(bytes(response.body))["type"].endswith("/" + kind)
    assert office.everything() == before and ANNE not in bytes(response.body).decode()


@pytest.mark.parametrize("path", ["/v1/access", "/v1/objections"])
async def test_they_are_posted(path: str) -> None:
    office = Office()
    response = await answer(ask("GET", path, headers=bearer(OFFICER)), office.room, lambda: NOW)
    assert response.status_code == 405
