"""Pseudonyms and signatures: what holds for every id, key and body."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.privacy.pseudonym import LENGTH, PATTERN, InvalidKey, Pseudonymiser
from layers.privacy.signature import TOLERANCE_S, InvalidSignature, decode_key, sign, verify

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
