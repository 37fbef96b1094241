"""Hostile and damaged uploads: each is answered within three seconds by one clear sentence, and harms nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certificates.pki.decoding import inspect_files
from certificates.pki.inspection import Inspection, UploadedFile
from certificates.pki.secret import Secret
from certificates.sandbox import inspect_untrusted
from tests.certificates import bombs

SECONDS = 4.0  # three, and a little for a busy machine to notice
ITERATIONS = "iterations, more than the limit of 2,000,000"
KB = 1024

BOMBS: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "PKCS#12 integrity check": (bombs.slow_mac, "too_expensive", ITERATIONS),
    "PKCS#12 certificates": (lambda: bombs.slow_bags(legacy=False, which="certificates"), "too_expensive", ITERATIONS),
    "PKCS#12 key": (lambda: bombs.slow_bags(legacy=False, which="key"), "too_expensive", ITERATIONS),
    "PKCS#12 old certificates": (
        lambda: bombs.slow_bags(legacy=True, which="certificates"),
        "too_expensive",
        ITERATIONS,
    ),
    "PKCS#12 old key": (lambda: bombs.slow_bags(legacy=True, which="key"), "too_expensive", ITERATIONS),
    "PKCS#12 in BER": (
        lambda: bombs.constructed(bombs.slow_bags(legacy=True, which="certificates")),
        "too_expensive",
        ITERATIONS,
    ),
    "PKCS#12 endless tag": (bombs.endless_tag, "too_expensive", "takes more than the limit of"),
    "PKCS#8 PBKDF2": (bombs.slow_pkcs8, "too_expensive", ITERATIONS),
    "PKCS#8 scrypt": (bombs.slow_scrypt, "too_expensive", ITERATIONS),
    "PKCS#12 PBMAC1": (bombs.slow_pbmac1, "too_expensive", ITERATIONS),
    "RSA-16384 key": (lambda: bombs.huge_rsa_pem(16384), "too_expensive", "RSA-16384 key, above the limit of 8192"),
    "RSA-16384 certificate": (lambda: bombs.huge_rsa_certificate(16384), "too_expensive", "above the limit of 8192"),
    "RSA-16384 PKCS#12": (lambda: bombs.huge_rsa_pkcs12(16384), "too_expensive", "above the limit of 3,200"),
    "RSA-8192 of composites": (lambda: bombs.huge_rsa_pem(8192), "malformed", "damaged private key"),
    "10,000 certificates": (lambda: bombs.many_certificates(10_000), "too_large", "limit of 256 KB"),
    "200 certificates": (lambda: bombs.many_certificates(200), "too_large", "more than 100 certificates"),
    "200 in PKCS#7": (lambda: bombs.many_in_pkcs7(200), "too_large", "more than 100 certificates"),
    "nested DER": (lambda: bombs.nested(2_000), "malformed", "damaged"),
    "nested BER": (lambda: bombs.nested_indefinite(50_000), "malformed", "damaged"),
    "nested in PEM": (lambda: bombs.as_pem("CERTIFICATE", bombs.nested_indefinite(40_000)), "malformed", "damaged"),
    "nested key": (lambda: bombs.as_pem("PRIVATE KEY", bombs.nested(2_000)), "malformed", "damaged"),
    "nested trusted": (
        lambda: bombs.as_pem("TRUSTED CERTIFICATE", bombs.nested_indefinite(9_000)),
        "malformed",
        "file",
    ),
    "10 MB of junk": (lambda: bytes(range(256)) * 4 * KB * 10, "too_large", "limit of 256 KB"),
    "zeros": (lambda: b"\x00" * 256 * KB, "malformed", "empty"),
    "sequences": (lambda: b"\x30" * 256 * KB, "malformed", "damaged"),
    "ones": (lambda: b"\xff" * 256 * KB, "malformed", "damaged"),
    "line ends": (lambda: b"\r\n" * 128 * KB, "malformed", "empty"),
    "BEGIN only": (lambda: b"-----BEGIN " * 20_000, "malformed", "PEM blocks"),
    "BEGIN lines": (lambda: b"-----BEGIN CERTIFICATE-----\n" * 9_000, "too_large", "100 certificates"),
    "blocks of nothing": (lambda: bombs.as_pem("X", b"") * 5_000, "malformed", "1000 PEM blocks"),
    "a long label": (lambda: b"-----BEGIN " + b"A" * 200 * KB + b"-----", "malformed", "BEGIN"),
    "base64 of junk": (lambda: b"MI" + b"A" * 200 * KB, "malformed", "damaged"),
    "headers": (
        lambda: bombs.as_pem("RSA PRIVATE KEY", b"").replace(b"\n", b"\na: b" * 30_000, 1),
        "malformed",
        "file",
    ),
}


def inspect(content: bytes) -> Inspection:
    files = [UploadedFile("file", content)]
    return inspect_untrusted(files, passphrase=Secret(bombs.PASSPHRASE), now=datetime.now(UTC))


@pytest.mark.parametrize("bomb", BOMBS)
def test_each_is_refused_in_time_and_names_its_limit(bomb: str) -> None:
    make, code, limit = BOMBS[bomb]
    content = make()

    begin = time.monotonic()
    inspection = inspect(content)
    duration = time.monotonic() - begin

    assert inspection.error is not None
    assert (inspection.error.code, inspection.private_key) == (code, None)
    assert limit in inspection.error.text
    assert duration < SECONDS


def test_the_iterations_of_several_files_add_up() -> None:
    file = UploadedFile("file", bombs.fair_pkcs12())

    inspection = inspect_untrusted([file] * 3, passphrase=Secret(bombs.PASSPHRASE), now=datetime.now(UTC))

    assert inspection.error is not None
    assert ITERATIONS in inspection.error.text
    assert inspect(file.content).importable()


def test_others_are_served_meanwhile() -> None:
    threads = [threading.Thread(target=inspect, args=(bombs.endless_tag(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    longest = 0.0
    while any(thread.is_alive() for thread in threads):
        begin = time.monotonic()
        time.sleep(0.01)  # a request's worth of waiting for the interpreter lock
        longest = max(longest, time.monotonic() - begin)

    assert longest < 1


def whole() -> dict[str, bytes]:
    one = bombs.client()
    return {"p12": one.p12(bombs.PASSPHRASE), "pem": one.key_pem + one.chain_pem, "key": one.key_pkcs8_der}


@pytest.mark.parametrize("kind", ["p12", "pem", "key"])
def test_truncated_files(kind: str) -> None:
    for content in bombs.truncated(whole()[kind]):
        inspection = inspect_files([UploadedFile("file", content)], passphrase=Secret(b"x"), now=datetime.now(UTC))
        assert inspection.error is not None
        assert inspection.error.text.endswith((".", ".”"))


MUTATED = {
    "p12": bytes(bombs.made_pkcs12().dump()),
    "legacy p12": bytes(bombs.made_pkcs12(legacy=True).dump()),
    "certificate": bombs.client().der,
    "key": bombs.client().key_pkcs8_der,
    "pem": bombs.client().key_pem + bombs.client().chain_pem,
    "p7b": bombs.many_in_pkcs7(2),
    "encrypted key": bombs.usual_pkcs8(),
}
mutations = st.lists(
    st.tuples(st.integers(0, 4000), st.integers(0, 255), st.sampled_from("=+-")), min_size=1, max_size=6
)


def mutated(kind: str, changes: list[tuple[int, int, str]]) -> bytes:
    content = bytearray(MUTATED[kind])
    for position, value, change in changes:
        place = position % max(len(content), 1)
        match change:
            case "=":
                content[place] = value
            case "+":
                content.insert(place, value)
            case "-":
                del content[place : place + value % 16]
    return bytes(content)


@settings(max_examples=1500, deadline=None, derandomize=True, database=None)
@given(kind=st.sampled_from(sorted(MUTATED)), changes=mutations)
def test_mutated_files_never_surprise(kind: str, changes: list[tuple[int, int, str]]) -> None:
    file = UploadedFile("file", mutated(kind, changes))

    inspection = inspect_files([file], passphrase=Secret(bombs.PASSPHRASE), now=datetime.now(UTC))

    assert inspection.error is not None or inspection.leaf is not None


@settings(max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from(sorted(MUTATED)), changes=mutations)
def test_mutated_files_do_not_stop_the_child(kind: str, changes: list[tuple[int, int, str]]) -> None:
    inspection = inspect(mutated(kind, changes))

    assert inspection.error is not None or inspection.leaf is not None
    assert inspection.error is None or not inspection.error.text.startswith("file cannot be read")  # a child that died
