"""What a stranger finds out about receipts with the public key alone: any change, any missing, any out of place."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.consent_erasure.chain import FORMAT, Link, NoReceipt, following, opened, sealed
from functions.consent_erasure.verification import Verdict, verify
from layers.signing.canonical import canonical
from layers.signing.fake import FakeSigner
from layers.signing.keys import PublicKey

SIGNER = FakeSigner()


_MADE: dict[tuple[int, FakeSigner, str], list[bytes]] = {}
"""Each chain is made once: ECDSA draws a number for each signature, and Hypothesis wants the same texts each time."""


async def chain_of(count: int, signer: FakeSigner = SIGNER, retailer: str = "demo") -> list[bytes]:
    if (count, signer, retailer) not in _MADE:
        _MADE[count, signer, retailer] = await _chain(count, signer, retailer)
    return _MADE[count, signer, retailer]


async def _chain(count: int, signer: FakeSigner, retailer: str) -> list[bytes]:
    key, last, made = await key_of(signer), Link(), []
    for number in range(count):
        receipt = {"format": FORMAT, "retailer": retailer, "reference": f"R-{number}", "stores": [{"found": number}]}
        signed = following(receipt, last)
        made.append(sealed(signed, await signer.sign(signed), key.fingerprint))
        last = opened(made[-1]).link
    return made


async def key_of(signer: FakeSigner = SIGNER) -> PublicKey:
    return PublicKey(await signer.public_key())


def judged(receipts: list[bytes], *keys: PublicKey) -> Verdict:
    return verify([(f"{number}.json", data) for number, data in enumerate(receipts)], keys)


async def test_a_whole_chain_holds_and_so_does_each_part_of_it() -> None:
    receipts, key = await chain_of(5), await key_of()
    for first in range(5):
        for end in range(first + 1, 6):
            assert judged(receipts[first:end], key).holds
    assert not judged([], key).holds


@given(st.data())
@settings(max_examples=150, deadline=None)
async def test_any_byte_that_changes_is_found(data: st.DataObject) -> None:
    receipts, key = await chain_of(2), await key_of()
    text = receipts[1]
    where = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != text[where]))
    changed = text[:where] + bytes([byte]) + text[where + 1 :]
    assert not judged([changed], key).holds
    assert not judged([receipts[0], changed], key).holds
    assert not judged([text[:where] + text[where + 1 :]], key).holds
    assert not judged([text[:where] + bytes([byte]) + text[where:]], key).holds


@given(st.data())
@settings(max_examples=60, deadline=None)
async def test_what_is_dropped_doubled_or_out_of_order_is_found(data: st.DataObject) -> None:
    receipts, key = await chain_of(6), await key_of()
    order = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=7))
    whole = order == list(range(order[0], order[0] + len(order)))
    assert judged([receipts[number] for number in order], key).holds == whole


async def test_what_was_never_signed_so_or_by_another_does_not_pass() -> None:
    receipts, key, other = await chain_of(3), await key_of(), FakeSigner(7)
    strangers = await chain_of(3, other)
    assert not judged(strangers, key).holds
    assert "fingerprint" in judged(strangers, key).faults[0][1]
    # Signed by a stranger who names our key.
    signed = opened(receipts[1]).signed
    assert not judged([sealed(signed, await other.sign(signed), key.fingerprint)], key).holds
    # Both of one key: a second chain, made to replace the middle of the first.
    second = await _chain(2, SIGNER, "demo")
    forked = following({"format": FORMAT, "retailer": "demo", "reference": "X"}, opened(second[0]).link)
    instead = sealed(forked, await SIGNER.sign(forked), key.fingerprint)
    assert judged([second[0], instead], key).holds, "a fork is one signed text more"
    assert "another chain" in judged([receipts[0], instead, receipts[2]], key).faults[0][1]
    shops = [receipts[0], (await chain_of(2, retailer="other"))[1]]
    assert "another retailer" in judged(shops, key).faults[0][1]


async def test_keys_that_were_changed_verify_together() -> None:
    first = await chain_of(1)
    fresh = FakeSigner(7)
    signed = following({"format": FORMAT, "retailer": "demo"}, opened(first[0]).link)
    second = sealed(signed, await fresh.sign(signed), (await key_of(fresh)).fingerprint)
    assert judged([*first, second], await key_of(), await key_of(fresh)).holds
    assert not judged([*first, second], await key_of(fresh)).holds


async def test_says_what_is_proven_and_what_is_not() -> None:
    receipts, key = await chain_of(4), await key_of()
    told = "\n".join(judged(receipts[1:3], key).lines())
    assert "numbers 2 to 3" in told and "receipt 1 existed before" in told and key.fingerprint in told
    assert "Not proven:" in told and "no later receipt" in told
    wrong = "\n".join(judged([receipts[0], receipts[3]], key).lines())
    assert "receipts 2 to 3 are missing" in wrong and "nothing is proven" in wrong and "Proven:" not in wrong


async def test_a_signature_made_again_changes_no_chain() -> None:
    receipts, key = await chain_of(2), await key_of()
    signed = opened(receipts[0]).signed
    again = sealed(signed, await SIGNER.sign(signed), key.fingerprint)
    assert again != receipts[0] and judged([again, receipts[1]], key).holds


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=60) | values.map(canonical),
    st.sampled_from(["chain", "signature", "format", "retailer"]),
    values,
)
async def test_whatever_is_given_is_judged_and_nothing_else_passes(noise: bytes, member: str, value: Any) -> None:
    key = await key_of()
    assert not judged([noise], key).holds
    whole = json.loads((await chain_of(1))[0])
    for changed in ({**whole, member: value}, {name: each for name, each in whole.items() if name != member}):
        assert not judged([canonical(changed)], key).holds


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", b'{"signature":{}}'])
def test_what_is_no_receipt_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(NoReceipt):
        opened(data)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not on this machine")
async def test_openssl_verifies_without_a_line_of_ours(tmp_path: Path) -> None:
    """As functions/consent_erasure/README.md tells a stranger to do it."""
    whole = json.loads((await chain_of(1))[0])
    signature = whole.pop("signature")
    signed, mark, key = tmp_path / "signed", tmp_path / "signature", tmp_path / "key.pem"
    signed.write_text(json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
    mark.write_bytes(base64.b64decode(signature["value"]))
    key.write_text(await SIGNER.public_key())

    def checked() -> str:
        asked = ["openssl", "dgst", "-sha256", "-verify", str(key), "-signature", str(mark), str(signed)]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()

    assert checked() == "Verified OK"
    signed.write_text(signed.read_text().replace("R-0", "R-9"))
    assert checked() != "Verified OK"
