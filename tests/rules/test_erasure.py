"""Which steps an erasure has, who may ask, and what its numbers may never say."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.consent_erasure.caller import NotIdentified, caller, may_act_for, retailers_of
from functions.consent_erasure.receipt import receipt, residual, status
from functions.consent_erasure.rules import (
    DEAD_LETTERS,
    MAX_CUSTOMERS,
    Fingerprints,
    InvalidRequest,
    Kind,
    NoStep,
    Progress,
    erasure_id,
    others,
    progress_of,
    read_request,
    steps,
    with_progress,
)
from layers.facts import EVERYWHERE, Column, ColumnType, Table
from layers.privacy.pseudonym import Pseudonymiser
from layers.privacy.suppression import suppression_id
from layers.retailers import Registry, Retailer, RetentionClass
from layers.signing.canonical import canonical
from layers.stores.collections import COLLECTIONS, Collection
from layers.stores.tables import HotTableSpec, hot_tables

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY = base64.b64encode(bytes(range(32))).decode()


def shop(id: str, *compliance: str) -> Retailer:
    return Retailer(id=id, name=id, write_key=f"{id}-w" * 8, read_key=f"{id}-r" * 8, origins=(), compliance=compliance)


DEMO = shop("demo", "Officer@Demo.example")
DECLARED = (hot_tables([DEMO]), EVERYWHERE, COLLECTIONS)


def token(claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"Bearer {part({'alg': 'RS256'})}.{part(claims)}.SIGNATURE_REMOVED_BY_GOOGLE"


class TestSteps:
    def test_every_declared_store_that_may_hold_a_shopper_has_one_step(self) -> None:
        declared = (
            {f"bigtable:{spec.name}" for spec in DECLARED[0] if spec.holds_shoppers}
            | {f"bigquery:{table.stored_as}" for table in EVERYWHERE if table.holds_shoppers}
            | {f"firestore:{collection.name}" for collection in COLLECTIONS if collection.holds_shoppers}
            | {DEAD_LETTERS}
        )
        found = [step.store for step in steps(*DECLARED)]
        assert sorted(found) == sorted(declared)

    def test_a_new_store_without_a_step_is_an_error(self) -> None:
        hot, tables, collections = DECLARED
        with pytest.raises(NoStep, match="Bigtable table carts"):
            steps((*hot, HotTableSpec("carts", "retailer#pseudonym", ())), tables, collections)
        with pytest.raises(NoStep, match="contacts of rewards"):
            steps(hot, tables, (*collections, Collection("contacts", "", "", holds_shoppers=True, database="rewards")))

    def test_a_new_fact_table_is_erased_without_a_word_more(self) -> None:
        hot, tables, collections = DECLARED
        shopper = Column("shopper", ColumnType.STRING, "pseudonym")
        baskets = Table("baskets", "", (shopper,), RetentionClass.BROWSING)
        stores = Table("stores", "", (), None)
        found = [step.store for step in steps(hot, (*tables, baskets, stores), collections)]
        assert "bigquery:cooled_baskets" in found and "bigquery:cooled_stores" not in found

    def test_suppression_comes_first_and_what_is_derived_after_its_source(self) -> None:
        kinds = [step.kind for step in steps(*DECLARED)]
        assert kinds[0] is Kind.SUPPRESS
        in_order = [Kind.EVENTS, Kind.ARRIVALS, Kind.SHOPPER_ROWS, Kind.FACTS, Kind.DEAD_LETTERS]
        assert sorted(in_order, key=kinds.index) == in_order


class TestCaller:
    def test_reads_the_email_of_the_token(self) -> None:
        assert caller([token({"email": "Officer@demo.example", "email_verified": True})], []) == "officer@demo.example"

    def test_believes_the_header_that_cloud_run_verified(self) -> None:
        forged, mine = token({"email": "officer@demo.example"}), token({"email": "officer@other.example"})
        assert caller([forged], [mine]) == "officer@other.example"

    @pytest.mark.parametrize(
        "authorization",
        [
            [],
            [""],
            ["Basic abc"],
            ["Bearer"],
            ["Bearer a.b"],
            ["Bearer a.%%%.c"],
            ["Bearer a.W10.c"],
            [token({"sub": "1"})],
            [token({"email": ""})],
            [token({"email": "officer@demo.example", "email_verified": False})],
            [token({"email": "a@demo.example"}), token({"email": "b@demo.example"})],
        ],
    )
    def test_refuses_what_names_nobody(self, authorization: list[str]) -> None:
        with pytest.raises(NotIdentified) as error:
            caller(authorization, [])
        assert "demo.example" not in str(error.value)

    @given(st.text(alphabet=st.characters(max_codepoint=255)))
    def test_never_fails_otherwise(self, header: str) -> None:
        with pytest.raises(NotIdentified):
            caller([header], [])

    def test_an_identity_is_bound_to_its_retailers(self) -> None:
        other = shop("other", "officer@other.example")
        assert may_act_for("officer@demo.example", DEMO)
        assert not may_act_for("officer@demo.example", other)
        assert retailers_of("officer@other.example", Registry([DEMO, other])) == {"other"}


class TestRequest:
    def body(self, **changes: object) -> bytes:
        return json.dumps({"retailer": "demo", "reference": "R-1", "customers": ["900", "901"], **changes}).encode()

    def test_customers_count_once_in_one_order(self) -> None:
        assert read_request(self.body(customers=["901", "900", "901"])) == read_request(self.body())

    @pytest.mark.parametrize(
        ("changes", "place"),
        [
            ({"customers": []}, "$.customers"),
            ({"customers": [str(n) for n in range(MAX_CUSTOMERS + 1)]}, "$.customers"),
            ({"customers": ["jane@example.org"]}, "$.customers"),
            ({"reference": ""}, "$.reference"),
            ({"reference": "900"}, "$.reference"),
            ({"reference": "jane@example.org"}, "$.reference"),
            ({"jane@example.org": 1}, "$"),
            ({"retailer": 3}, "$.retailer"),
        ],
    )
    def test_says_where_it_is_wrong_and_quotes_nothing(self, changes: dict[str, object], place: str) -> None:
        with pytest.raises(InvalidRequest) as error:
            read_request(self.body(**changes))
        assert place in str(error.value) and "jane" not in str(error.value) and "900" not in str(error.value)

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"null"])
    def test_what_is_no_object_is_refused(self, body: bytes) -> None:
        with pytest.raises(InvalidRequest):
            read_request(body)

    def test_the_id_is_of_retailer_and_reference(self) -> None:
        ids = {erasure_id("demo", "R-1"), erasure_id("demo", "R-2"), erasure_id("other", "R-1")}
        assert len(ids) == 3 and erasure_id("demo", "R-1") in ids


class TestFingerprints:
    def test_are_no_pseudonyms_and_cannot_be_joined(self) -> None:
        here, there = Fingerprints(KEY, "a" * 32), Fingerprints(KEY, "b" * 32)
        pseudonym = Pseudonymiser(KEY)("900")
        codes = {here.of_customer("900"), there.of_customer("900"), here.of_request(["900"]), pseudonym[2:]}
        assert len(codes) == 4
        assert here.of_customer("900") == Fingerprints(KEY, "a" * 32).of_customer("900")
        assert Fingerprints(base64.b64encode(bytes(32)).decode(), "a" * 32).of_customer("900") not in codes

    def test_no_two_lists_have_one_code(self) -> None:
        codes = Fingerprints(KEY, "a" * 32)
        assert codes.of_request(["1", "23"]) != codes.of_request(["12", "3"])

    def test_a_suppression_holds_no_pseudonym(self) -> None:
        pseudonym = Pseudonymiser(KEY)("900")
        id = suppression_id("demo", pseudonym)
        assert id.startswith("demo:") and pseudonym not in id and pseudonym[2:18] not in id
        assert id != suppression_id("other", pseudonym)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int]]:
    """What may happen to one step: counts, deletions, readings, in any order a kill or a second run can make."""
    return draw(
        st.lists(st.tuples(st.sampled_from(["counted", "removed", "read_again"]), st.integers(0, 50)), max_size=12)
    )


class TestProgress:
    def test_a_kill_between_deleting_and_recording_loses_no_number(self) -> None:
        killed = Progress().counted(5, NOW)
        assert killed.to_do
        resumed = killed.counted(0, NOW).removed(0, NOW).read_again(0, NOW)
        assert (resumed.found, resumed.deleted, resumed.remaining, resumed.clean) == (5, 5, 0, True)

    def test_late_arrivals_are_found_and_counted(self) -> None:
        first = Progress().counted(5, NOW).removed(5, NOW).read_again(2, NOW)
        assert first.to_do and not first.clean
        again = first.counted(2, NOW).removed(2, NOW).read_again(0, NOW)
        assert (again.found, again.deleted) == (7, 7) and again.clean

    @given(histories(), st.integers(0, 50))
    def test_never_says_more_than_was_there(self, history: list[tuple[str, int]], left: int) -> None:
        progress = Progress()
        for what, number in history:
            progress = getattr(progress, what)(number, NOW)
            assert 0 <= progress.deleted <= progress.found
        progress = progress.read_again(left, NOW)
        assert progress.found == progress.deleted + left
        assert progress.clean == (left == 0 and progress.finished is not None)

    def test_is_kept_in_the_document_as_plain_data(self) -> None:
        progress = Progress().counted(2, NOW).removed(2, NOW).read_again(0, NOW)
        document = with_progress({"status": "running"}, "bigtable:events", progress)
        assert progress_of(json.loads(json.dumps(document)), "bigtable:events") == progress
        assert progress_of(document, "bigtable:shoppers") == Progress()


class TestReceipt:
    def document(self, **remaining: int) -> dict[str, object]:
        document: dict[str, object] = {
            "retailer": "demo",
            "reference": "R-1",
            "customers": 1,
            "status": "running",
            "requested": NOW,
            "due": NOW + timedelta(days=30),
        }
        for step in steps(*DECLARED):
            left = remaining.get(step.store.partition(":")[2], 0)
            progress = Progress().counted(3, NOW).removed(3 - left, NOW).read_again(left, NOW)
            document = with_progress(document, step.store, progress)
        return document

    def made(self, document: dict[str, object]) -> dict[str, object]:
        kept_until = NOW + timedelta(days=1095)
        return receipt("e" * 32, document, steps(*DECLARED), ["f" * 32], kept_until, NOW, others(*DECLARED))

    def test_is_never_made_while_something_is_left(self) -> None:
        with pytest.raises(ValueError, match="no receipt"):
            self.made(self.document(events=1))
        with pytest.raises(ValueError, match="no receipt"):
            receipt("e" * 32, {**self.document(), "stores": {}}, steps(*DECLARED), [], NOW, NOW)

    def test_names_every_store_once(self) -> None:
        made = json.loads(json.dumps(self.made(self.document())))
        named = [store["store"] for store in made["stores"] + made["kept"]]
        assert sorted(named) == sorted(step.store for step in steps(*DECLARED))
        named += [each["store"] for each in made["without_shoppers"]]
        hot, tables, collections = DECLARED
        every = [f"bigtable:{spec.name}" for spec in hot] + [f"bigquery:{table.stored_as}" for table in tables]
        every += [f"firestore:{collection.name}" for collection in collections]
        assert sorted(named) == sorted([*every, DEAD_LETTERS])
        assert {"firestore:feed_files", "firestore:quarantine", "bigquery:products"} <= set(named)
        assert all(store["found"] == store["deleted"] == 3 and store["remaining"] == 0 for store in made["stores"])

    def test_tells_residual_windows_with_dates(self) -> None:
        made = json.loads(json.dumps(self.made(self.document())))
        until = {(r["store"], r["until"][:10]) for r in made["residual"]}
        assert until == {
            ("bigtable", "2026-11-23"),
            ("bigtable", "2026-11-29"),
            ("bigquery", "2026-11-24"),
            ("bigquery", "2026-12-01"),
            ("bigquery results", "2026-11-23"),
            ("bigquery jobs", "2027-05-21"),
            ("firestore (default)", "2026-11-29"),
            ("firestore rewards", "2026-11-22"),
            ("pubsub", "2026-11-29"),
            ("pubsub dead letters", "2026-11-30"),
        }
        assert made["not_ours"] and all(each["what"] and each["setting"] for each in made["residual"])

    def test_contact_details_would_be_readable_for_an_hour(self) -> None:
        windows = {each.store: each.hours for each in residual(["rewards", "(default)"])}
        assert (windows["firestore rewards"], windows["firestore (default)"]) == (1, 168)

    def test_has_one_text_whatever_the_order_of_its_names(self) -> None:
        made = self.made(self.document())
        assert canonical(dict(reversed(made.items()))) == canonical(made)

    def test_status_tells_what_remains(self) -> None:
        told = status("e" * 32, self.document(events=2), steps(*DECLARED), NOW)
        events = next(store for store in told["stores"] if store["store"] == "bigtable:events")
        assert (events["found"], events["deleted"], events["remaining"]) == (3, 1, 2)
