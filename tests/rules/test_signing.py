"""One value has one text, one text has one signature that holds, and nothing else passes."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.signing.canonical import NotCanonical, canonical, read_canonical
from layers.signing.fake import FakeSigner
from layers.signing.keys import InvalidKey, PublicKey
from layers.signing.local import LocalSigner

texts = st.text(st.characters(codec="utf-8"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


class TestCanonical:
    @given(values)
    def test_reads_back_what_was_written(self, value: Any) -> None:
        assert read_canonical(canonical(value)) == value

    @given(st.dictionaries(texts, values, max_size=5), st.randoms())
    def test_the_order_of_names_does_not_matter(self, value: dict[str, Any], random: Any) -> None:
        names = list(value)
        random.shuffle(names)
        assert canonical({name: value[name] for name in names}) == canonical(value)

    @given(values, st.integers(0, 10**6), st.sampled_from([b" ", b"\n", b"\t", b"\r"]))
    def test_a_space_anywhere_is_found(self, value: Any, where: int, space: bytes) -> None:
        text = canonical(value)
        cut = where % (len(text) + 1)
        changed = text[:cut] + space + text[cut:]
        # Within a text it is another text; anywhere else it is no canonical form.
        with suppress(NotCanonical):
            assert read_canonical(changed) != value

    def test_is_that_of_rfc_8785(self) -> None:
        """Its examples: section 3.2.3 (sorting) and 3.2.2.2 (escapes)."""
        unsorted = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
        assert list(json.loads(canonical(unsorted)).values()) == [2, 4, 6, 7, 1, 5, 3]
        assert canonical("\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/\x7f") == (
            b'"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f"'
        )

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"{",
            b"1.0",
            b"1e3",
            b"-0",
            b"01",
            b"NaN",
            b"9007199254740992",
            b'{"b":1,"a":2}',
            b'{"a":1,"a":1}',
            b'{"a": 1}',
            b'"\\u0041"',
            b'"\\/"',
            b'"\\ud800"',
            b'"\xff"',
            b"\xef\xbb\xbf1",
            b"[" * 5000 + b"]" * 5000,
            b"[" * 200 + b"]" * 200,
            b"1" * 5000,
        ],
    )
    def test_refuses_what_could_be_written_otherwise(self, text: bytes) -> None:
        with pytest.raises(NotCanonical):
            read_canonical(text)

    @pytest.mark.parametrize("value", [1.5, 2**53, b"x", {1: 2}, {"a": object()}, "\ud800", float("nan")])
    def test_has_no_form_for_what_readers_would_differ_on(self, value: object) -> None:
        with pytest.raises(NotCanonical):
            canonical({"in": [value]})


class TestKeys:
    @settings(deadline=None)
    @given(st.binary(max_size=50), st.binary(max_size=50))
    async def test_a_signature_is_of_one_message_by_one_key(self, message: bytes, other: bytes) -> None:
        signer = FakeSigner()
        key, stranger = PublicKey(await signer.public_key()), PublicKey(await FakeSigner(7).public_key())
        signature = await signer.sign(message)
        assert key.verifies(signature, message)
        assert key.verifies(signature, other) == (message == other)
        assert not stranger.verifies(signature, message)

    @settings(deadline=None)
    @given(st.binary(max_size=100))
    async def test_whatever_is_no_signature_does_not_verify(self, noise: bytes) -> None:
        assert not PublicKey(await FakeSigner().public_key()).verifies(noise, b"message")

    @pytest.mark.parametrize("pem", ["", "x", b"\xff", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
    def test_what_is_no_key_is_said_to_be_none(self, pem: str | bytes) -> None:
        with pytest.raises(InvalidKey):
            PublicKey(pem)

    def test_another_curve_or_kind_is_refused(self) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        keys = (ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate())
        for key in keys:
            pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            with pytest.raises(InvalidKey, match="P-256"):
                PublicKey(pem)

    def test_a_local_key_of_another_curve_is_refused(self) -> None:
        import base64

        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        key = ec.generate_private_key(ec.SECP384R1())
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        with pytest.raises(ValueError, match="P-256"):
            LocalSigner.of(base64.b64encode(der).decode())
