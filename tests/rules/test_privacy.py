"""Pseudonyms and signatures: what holds for every id, key and body."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.declarations import SecretKind
from layers.declarations.settings import MissingSetting, Settings, secret
from layers.privacy.keyring import KeyRing
from layers.privacy.pseudonym import LENGTH, PATTERN, InvalidKey, Pseudonymiser
from layers.privacy.signature import TOLERANCE_S, InvalidSignature, decode_key, sign, verify
from layers.privacy.suppression import latest
from layers.retailers import PseudonymKey, Retailer

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(range(1, 33))).decode()
SIGNING = bytes(range(32))


@given(st.text(min_size=1, max_size=64))
def test_a_pseudonym_is_stable_keyed_and_of_one_length(customer: str) -> None:
    pseudonym = Pseudonymiser(KEY)(customer)
    assert pseudonym == Pseudonymiser(KEY)(customer)
    assert PATTERN.match(pseudonym)
    assert len(pseudonym) == LENGTH
    assert pseudonym != Pseudonymiser(OTHER)(customer)
    assert pseudonym[2:] == Pseudonymiser(KEY, version=2)(customer)[2:]
    assert Pseudonymiser(KEY, version=2)(customer).startswith("02")


def test_it_is_the_documented_code() -> None:
    import hashlib
    import hmac

    code = hmac.new(bytes(range(32)), b"9250001234567", hashlib.sha256).hexdigest()
    assert Pseudonymiser(KEY)("9250001234567") == "01" + code[:32]


@pytest.mark.parametrize("key", ["", "short", "not base64 at all!", base64.b64encode(b"x" * 31).decode()])
def test_a_weak_key_is_refused_and_never_quoted(key: str) -> None:
    with pytest.raises(InvalidKey) as refusal:
        Pseudonymiser(key)
    assert not key or key not in str(refusal.value)


@given(st.binary(max_size=200), st.integers(-TOLERANCE_S, TOLERANCE_S))
def test_what_is_signed_is_verified_within_the_tolerance(body: bytes, drift: int) -> None:
    verify(SIGNING, sign(SIGNING, "msg_1", 1_000_000, body), body, 1_000_000 + drift)


def test_the_published_test_vector() -> None:
    """From the Standard Webhooks specification's reference libraries."""
    key = decode_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    headers = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"webhook-signature": ""}, "all needed"),
        ({"webhook-id": ""}, "all needed"),
        ({"webhook-id": "msg_2"}, "no signature fits"),
        ({"webhook-timestamp": "1000001"}, "no signature fits"),
        ({"webhook-timestamp": "999000"}, "not within"),
        ({"webhook-timestamp": "soon"}, "not within"),
        ({"webhook-timestamp": "٣"}, "not within"),
        ({"webhook-timestamp": "9" * 400}, "not within"),
        ({"webhook-timestamp": "9" * 5000}, "not within"),
        ({"webhook-signature": "v1,é v1a,x"}, "no signature fits"),
    ],
)
def test_whatever_is_changed_breaks_it(change: dict[str, str], reason: str) -> None:
    headers = sign(SIGNING, "msg_1", 1_000_000, b"body") | change
    with pytest.raises(InvalidSignature, match=reason):
        verify(SIGNING, headers, b"body", 1_000_000.0)


def test_another_body_or_key_breaks_it_and_an_old_key_beside_the_new_holds() -> None:
    headers = sign(SIGNING, "msg_1", 1_000_000, b"body")
    for key, body in ((SIGNING, b"bodz"), (b"x" * 32, b"body")):
        with pytest.raises(InvalidSignature):
            verify(key, headers, body, 1_000_000)
    both = headers | {"webhook-signature": "v1,b2xk " + headers["webhook-signature"]}
    verify(SIGNING, both, b"body", 1_000_000)


def shop(*keys: PseudonymKey) -> Retailer:
    return Retailer(
        id="demo", name="D", write_key="w" * 16, read_key="r" * 16, origins=(), pseudonym_keys=keys or (PseudonymKey(),)
    )


@given(st.text(min_size=1, max_size=64), st.integers(1, 98), st.booleans())
def test_one_key_writes_and_both_are_looked_under(customer: str, first: int, rotated: bool) -> None:
    since = date(2026, 11, 22)
    oldest = PseudonymKey(first, since if first > 1 else None)
    retailer = shop(oldest, PseudonymKey(first + 1, since if rotated else None))
    values = {
        secret(SecretKind.PSEUDONYM_KEY, "demo", first): KEY,
        secret(SecretKind.PSEUDONYM_KEY, "demo", first + 1): OTHER,
    }
    ring = KeyRing.of(Settings(values), retailer)
    before, next_one = Pseudonymiser(KEY, first)(customer), Pseudonymiser(OTHER, first + 1)(customer)
    assert ring.every(customer) == ((next_one, before) if rotated else (before, next_one))
    assert ring.current(customer) == ring.every(customer)[0]
    assert ring.secrets == ((OTHER, KEY) if rotated else (KEY, OTHER))
    assert (ring.former and ring.former(customer)) == (before if rotated else None), "nothing comes from a next key"


def test_a_function_without_one_of_its_keys_does_not_start() -> None:
    values = Settings({"GONDOLA_SECRET_PSEUDONYM_KEY_DEMO": KEY})
    assert KeyRing.of(values, shop()).every("1") == (Pseudonymiser(KEY)("1"),)
    with pytest.raises(MissingSetting, match="GONDOLA_SECRET_PSEUDONYM_KEY_DEMO_2"):
        KeyRing.of(values, shop(PseudonymKey(1), PseudonymKey(2)))


@given(st.lists(st.one_of(st.none(), st.datetimes(timezones=st.just(UTC)))))
def test_what_is_erased_of_one_pseudonym_is_erased_of_all(moments: list[datetime | None]) -> None:
    erased = latest(moments)
    assert (erased is None) == all(moment is None for moment in moments)
    assert erased is None or all(moment is None or moment <= erased for moment in moments)
