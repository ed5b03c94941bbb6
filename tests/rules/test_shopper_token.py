"""Nobody asks in another shopper's name: what a token must be, and all that is none."""

from __future__ import annotations

import base64
import hmac
import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.privacy.shopper_token import LEEWAY_S, LONGEST_S, InvalidToken, customer_of, issue

KEY, OTHER, NOW = bytes(range(32)), bytes(32), 1_800_000_000.0


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed(header: object, claims: object, key: bytes = KEY) -> str:
    """As any library of a retailer's server makes it, spaces and all."""
    body = f"{part(header)}.{part(claims)}"
    code = base64.urlsafe_b64encode(hmac.digest(key, body.encode(), sha256)).rstrip(b"=").decode()
    return f"{body}.{code}"


HS256 = {"alg": "HS256", "typ": "JWT"}
FINE = {"sub": "9250001234567", "exp": NOW + 60}


@given(st.text(min_size=1, max_size=64), st.integers(1, LONGEST_S))
def test_what_was_issued_names_its_customer(customer: str, lifetime_s: int) -> None:
    token = issue(KEY, customer, NOW, lifetime_s)
    assert customer_of(KEY, token, NOW) == customer
    with pytest.raises(InvalidToken, match="does not fit"):
        customer_of(OTHER, token, NOW)
    with pytest.raises(InvalidToken, match="over"):
        customer_of(KEY, token, NOW + lifetime_s + LEEWAY_S + 1)


def test_another_librarys_token_is_read() -> None:
    token = signed({"typ": "JWT", "alg": "HS256", "kid": "1"}, {**FINE, "iat": NOW, "aud": "gondola"})
    assert customer_of(KEY, token, NOW) == "9250001234567"


BAD = {
    "no token": ("9250001234567", "three parts"),
    "four parts": (signed(HS256, FINE) + ".x", "three parts"),
    "unsigned, as alg none": (f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(FINE)}.", "HS256"),
    "alg none, signed nevertheless": (signed({"alg": "none", "typ": "JWT"}, FINE), "HS256"),
    "another algorithm": (signed({"alg": "HS512", "typ": "JWT"}, FINE), "HS256"),
    "another kind": (signed({"alg": "HS256", "typ": "JWE"}, FINE), "HS256"),
    "no subject": (signed(HS256, {"exp": NOW}), "cannot be read"),
    "a number for a subject": (signed(HS256, {"sub": 5, "exp": NOW}), "cannot be read"),
    "no end": (signed(HS256, {"sub": "x"}), "cannot be read"),
    "an end in words": (signed(HS256, {"sub": "x", "exp": "never"}), "cannot be read"),
    "good for a month": (signed(HS256, {"sub": "x", "exp": NOW + 30 * 86_400}), "longer than a day"),
    "no base64": ("a*b.c*d.e*f", "cannot be read"),
    "not ASCII": ("é.è.à", "cannot be read"),
    "no JSON": ("AAAA.AAAA.AAAA", "cannot be read"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_token(what: str) -> None:
    token, said = BAD[what]
    with pytest.raises(InvalidToken, match=said) as refused:
        customer_of(KEY, token, NOW)
    assert "9250001234567" not in str(refused.value)


@given(st.data())
def test_a_token_that_was_touched_is_none(data: st.DataObject) -> None:
    """Any one character, but for the last one's unused bits, which base64 leaves open and no claim is in."""
    token = issue(KEY, "9250001234567", NOW)
    place = data.draw(st.integers(0, len(token) - 2))
    other = data.draw(st.sampled_from("ABCabc019-_.*"))
    if other != token[place]:
        with pytest.raises(InvalidToken):
            customer_of(KEY, token[:place] + other + token[place + 1 :], NOW)


@given(st.text(max_size=200))
def test_nonsense_is_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidToken):
        customer_of(KEY, text, NOW)
