"""Envelopes open where they belong, and nowhere else."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.errors import EnvelopeBroken, KeyringError, Sealed
from certificates.keyring.envelope import MAGIC, Envelope, EnvelopeContext
from certificates.keyring.keyring import Keyring
from certificates.pki.secret import Secret

CONTEXT = EnvelopeContext(model="certificates.SealedKey", object_id="id-1", owner="bot-1", version_number=2)
CANARY = b"canary: seven calm otters"
OTHER_CONTEXTS = [
    replace(CONTEXT, model="certificates.Other"),
    replace(CONTEXT, object_id="id-2"),
    replace(CONTEXT, owner="bot-2"),
    replace(CONTEXT, owner="platform"),
    replace(CONTEXT, version_number=1),
    replace(CONTEXT, version_number=3),
    # The same letters, cut elsewhere.
    replace(CONTEXT, object_id="id-1b", owner="ot-1"),
    replace(CONTEXT, model="certificates.SealedKeyid", object_id="-1"),
]


@pytest.fixture(scope="module")
def ring() -> Keyring:
    return Keyring.generate()


@pytest.fixture(scope="module")
def envelope(ring: Keyring) -> bytes:
    return ring.seal(Secret(CANARY), context=CONTEXT)


def test_seals_and_opens(ring: Keyring, envelope: bytes) -> None:
    assert ring.open(envelope, context=CONTEXT).reveal() == CANARY
    assert Keyring.load(ring.dump()).open(envelope, context=CONTEXT).reveal() == CANARY


@given(st.binary(max_size=5000), st.text(max_size=20), st.integers(0, 2**40))
def test_any_plaintext_and_context(plaintext: bytes, text: str, number: int) -> None:
    ring = Keyring.generate()
    context = EnvelopeContext(text, text, text, number)
    assert ring.open(ring.seal(Secret(plaintext), context=context), context=context).reveal() == plaintext


@given(st.lists(st.text("ab:,\0", max_size=4), min_size=6, max_size=6), st.integers(1, 99))
def test_no_two_contexts_authenticate_the_same_bytes(texts: list[str], number: int) -> None:
    first, second = (
        EnvelopeContext(model, object_id, owner, number) for model, object_id, owner in (texts[:3], texts[3:])
    )
    assert (first == second) == (first.aad("payload", "k") == second.aad("payload", "k"))


def test_the_two_layers_are_told_apart() -> None:
    assert CONTEXT.aad("data-key", "k") != CONTEXT.aad("payload", "k")


def test_plaintext_is_not_in_the_envelope_and_no_two_are_alike(ring: Keyring, envelope: bytes) -> None:
    assert CANARY not in envelope
    second = ring.seal(Secret(CANARY), context=CONTEXT)
    parts, others = Envelope.unpack(envelope), Envelope.unpack(second)
    assert parts.wrapped_key != others.wrapped_key
    assert parts.nonce != others.nonce
    assert parts.ciphertext != others.ciphertext


@pytest.mark.parametrize("context", OTHER_CONTEXTS)
def test_moved_envelope_does_not_open(ring: Keyring, envelope: bytes, context: EnvelopeContext) -> None:
    with pytest.raises(EnvelopeBroken):
        ring.open(envelope, context=context)


def test_every_altered_byte_is_found(ring: Keyring, envelope: bytes) -> None:
    for position in range(len(envelope)):
        altered = bytearray(envelope)
        altered[position] ^= 0x01
        with pytest.raises(EnvelopeBroken):
            ring.open(bytes(altered), context=CONTEXT)


def test_every_cut_is_found(ring: Keyring, envelope: bytes) -> None:
    for length in range(len(envelope)):
        with pytest.raises(EnvelopeBroken):
            ring.open(envelope[:length], context=CONTEXT)
    with pytest.raises(EnvelopeBroken):
        ring.open(envelope + b"\0", context=CONTEXT)


@given(st.binary(max_size=300), st.booleans())
def test_junk_is_refused(junk: bytes, with_magic: bool) -> None:
    with pytest.raises(EnvelopeBroken):
        Keyring.generate().open(MAGIC + junk if with_magic else junk, context=CONTEXT)


def test_mixing_two_envelopes_of_one_row_is_refused(ring: Keyring, envelope: bytes) -> None:
    parts, others = Envelope.unpack(envelope), Envelope.unpack(ring.seal(Secret(b"new"), context=CONTEXT))
    with pytest.raises(EnvelopeBroken):
        ring.open(replace(parts, wrapped_key=others.wrapped_key).pack(), context=CONTEXT)


def test_a_wrapped_key_of_any_other_length_is_refused(ring: Keyring, envelope: bytes) -> None:
    parts = Envelope.unpack(envelope)
    for length in (0, 5, 11, 12, 13, 59, 61):
        wrapped = (parts.wrapped_key + bytes(9))[:length]
        with pytest.raises(EnvelopeBroken):
            ring.open(replace(parts, wrapped_key=wrapped).pack(), context=CONTEXT)


def test_a_later_format_is_named(ring: Keyring, envelope: bytes) -> None:
    with pytest.raises(EnvelopeBroken, match="version that this release does not know"):
        ring.open(b"BPE2" + envelope[4:], context=CONTEXT)


def test_another_keyring_does_not_open(envelope: bytes) -> None:
    with pytest.raises(EnvelopeBroken, match="not in the keyring"):
        Keyring.generate().open(envelope, context=CONTEXT)


def test_another_key_under_the_same_id_does_not_open(ring: Keyring, envelope: bytes) -> None:
    other = Keyring.generate()
    renamed = other.dump().replace(other.active_key_id, ring.active_key_id)
    with pytest.raises(Sealed, match="check value"):
        Keyring.load(renamed)


def test_a_new_key_seals_and_the_old_one_still_opens(ring: Keyring, envelope: bytes) -> None:
    both = Keyring.load(ring.with_new_key().dump())
    assert both.key_ids == (ring.active_key_id, both.active_key_id)
    assert both.open(envelope, context=CONTEXT).reveal() == CANARY
    fresh = both.seal(Secret(CANARY), context=CONTEXT)
    assert Envelope.unpack(fresh).key_id == both.active_key_id != ring.active_key_id
    with pytest.raises(EnvelopeBroken):
        ring.open(fresh, context=CONTEXT)
    with pytest.raises(EnvelopeBroken):
        both.without_key(ring.active_key_id).open(envelope, context=CONTEXT)
    with pytest.raises(Sealed):
        both.without_key(both.active_key_id)


def changed(ring: Keyring, **changes: Any) -> str:
    return json.dumps({**json.loads(ring.dump()), **changes})


def changed_key(ring: Keyring, **changes: Any) -> str:
    return changed(ring, keys=[{**json.loads(ring.dump())["keys"][0], **changes}])


def test_each_damage_of_a_key_file_has_its_sentence(ring: Keyring) -> None:
    key = json.loads(ring.dump())["keys"][0]
    cases = {
        "": "not JSON",
        "[]": "not of the format",
        "[" * 30_000: "not JSON",
        "null": "not of the format",
        changed(ring, format="botplatform-keyring-9"): "not of the format",
        changed(ring, keys=[]): "holds no key",
        changed(ring, keys="k"): "holds no key",
        changed(ring, keys=[1]): "without id, key or check",
        changed(ring, keys=[key, key]): "names one key twice",
        changed(ring, active="other"): "active key is not among",
        changed(ring, active=None): "active key is not among",
        changed_key(ring, id="Ä"): "an id that is not of",
        changed_key(ring, key=None): "without id, key or check",
        changed_key(ring, key="!"): "is damaged",
        changed_key(ring, key="ü"): "is damaged",
        changed_key(ring, key=base64.b64encode(b"short").decode()): "is cut off",
        changed_key(ring, key=base64.b64encode(bytes(32)).decode()): "check value does not match",
        changed_key(ring, check="ü" * 64): "check value does not match",
    }
    for text, sentence in cases.items():
        with pytest.raises(Sealed, match=sentence):
            Keyring.load(text)


def test_every_truncation_of_a_key_file_is_found_without_quoting_it(ring: Keyring) -> None:
    text = ring.dump().rstrip()
    key = json.loads(text)["keys"][0]["key"]
    for length in range(len(text)):
        with pytest.raises(Sealed) as sealed:
            Keyring.load(text[:length])
        assert key[:10] not in sealed.value.text
        # No JSONDecodeError, which holds the whole text, hangs on it.
        assert sealed.value.__cause__ is None
        assert sealed.value.__context__ is None


def test_no_key_shows(ring: Keyring) -> None:
    key = json.loads(ring.dump())["keys"][0]["key"]
    for shown in (repr(ring), str(ring), repr(ring._provider), f"{vars(ring._provider)}"):
        assert key not in shown
        assert base64.b64decode(key).hex() not in shown


def test_a_provider_that_keeps_its_keys_cannot_be_dumped() -> None:
    class Elsewhere:
        active_key_id = "k1"
        key_ids = ("k1",)

        def wrap(self, data_key: Secret, *, key_id: str, aad: bytes) -> bytes:
            return data_key.reveal()

        def unwrap(self, wrapped: bytes, *, key_id: str, aad: bytes) -> Secret:
            return Secret(wrapped)

    ring = Keyring(Elsewhere())
    assert ring.open(ring.seal(Secret(CANARY), context=CONTEXT), context=CONTEXT).reveal() == CANARY
    with pytest.raises(KeyringError):
        ring.dump()


def test_it_needs_no_django() -> None:
    code = "import sys, certificates.keyring.keyring; sys.exit(any(name.startswith('django') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
