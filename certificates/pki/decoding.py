"""Reads a pile of uploaded files: finds the leaf by the key, orders its chain, judges, and names what it passes over.

In-process: for trusted bytes, tests and the limited child process. Untrusted bytes go through `certificates.sandbox`.
"""

from __future__ import annotations

import base64
import binascii
import re
import warnings
from collections.abc import Sequence, Set
from datetime import datetime

from certificates.errors import BundleError
from certificates.pki import der, formats, limits, pem
from certificates.pki.assembly import assemble, assemble_reply
from certificates.pki.facts import harmless
from certificates.pki.findings import ErrorCode
from certificates.pki.inspection import CertificateFacts, Inspection, InspectionError, UploadedFile
from certificates.pki.reading import Reading, Use, malformed
from certificates.pki.secret import Secret

_BASE64_FILE = re.compile(rb"[A-Za-z0-9+/=\s]{64,}")


def inspect_files(
    files: Sequence[UploadedFile],
    *,
    passphrase: Secret | None,
    now: datetime,
    max_bytes: int = limits.MAX_FILE_BYTES,
) -> Inspection:
    """What the files hold and what an import would make of them. `now` is aware UTC; never raises for bad files."""
    reading = Reading(passphrase=passphrase.reveal() if passphrase else None)
    with warnings.catch_warnings():
        # Odd material (BER, negative serial numbers and the like) is judged here, not printed about.
        warnings.simplefilter("ignore")
        try:
            _read_files(files, reading, max_bytes)
            return assemble(reading, now=now)
        except BundleError as error:
            return failed(error)


def inspect_reply(
    files: Sequence[UploadedFile],
    *,
    open_keys: Set[str],
    past_keys: Set[str],
    now: datetime,
    max_bytes: int = limits.MAX_FILE_BYTES,
) -> Inspection:
    """What a CA's reply holds for open requests, whose keys are told by the SHA-256 of their SPKI; never raises.

    `past_keys` are those of versions that are no drafts any more. `now` is aware UTC.
    """
    reading = Reading(use=Use.REPLY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _read_files(files, reading, max_bytes)
            return assemble_reply(reading, open_keys=open_keys, past_keys=past_keys, now=now)
        except BundleError as error:
            return failed(error)


def read_certificates(
    files: Sequence[UploadedFile], *, max_bytes: int = limits.MAX_FILE_BYTES
) -> tuple[CertificateFacts, ...]:
    """The certificates of the files in order, each once; keys are passed over unopened. Raises BundleError."""
    reading = Reading(use=Use.TRUST_STORE, max_certificates=limits.MAX_TRUST_STORE_CERTIFICATES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _read_files(files, reading, max_bytes)
        facts = {found.certificate: found.facts for found in reading.certificates}
    if not facts:
        raise reading.no_certificate()
    return tuple(facts.values())


def failed(error: BundleError) -> Inspection:
    """An inspection that holds nothing but the error."""
    return Inspection(
        leaf=None,
        private_key=None,
        intermediates=(),
        root=None,
        ignored=(),
        findings=(),
        error=InspectionError(code=error.code, text=error.text, file=error.file),
    )


def _read_files(files: Sequence[UploadedFile], reading: Reading, max_bytes: int) -> None:
    if not files:
        raise BundleError(ErrorCode.NO_CERTIFICATE, f"No file was given: {reading.use.value}.")
    if len(files) > limits.MAX_FILES:
        text = f"{len(files)} files are more than the limit of {limits.MAX_FILES}: upload only what belongs together."
        raise BundleError(ErrorCode.TOO_LARGE, text)
    for file in files:
        refuse_too_large(file, max_bytes)
    for file in files:
        _read_file(file.content, reading, safe_file_name(file.name))


def refuse_too_large(file: UploadedFile, max_bytes: int) -> None:
    """Raises BundleError `too_large` beyond the limit, which no real certificate file comes near."""
    if len(file.content) > max_bytes:
        name = safe_file_name(file.name)
        text = f"{name} is larger than the limit of {max_bytes // 1024} KB: upload only the certificate and its key."
        raise BundleError(ErrorCode.TOO_LARGE, text, file=name)


def safe_file_name(name: str) -> str:
    """A file name as messages may show it."""
    return harmless(name[-100:]) or "the file"


def _read_file(content: bytes, reading: Reading, name: str) -> None:
    if not content.strip(b"\x00\r\n\t "):
        raise malformed(name, "is empty: export it again.")
    formats.refuse_foreign(content, name, reading.use)
    text = pem.as_text(content)
    if "-----BEGIN " in text:
        pem.read_pem(text, reading, name)
    elif bare := _bare_base64(content):
        der.read_der(bare, reading, name)
    else:
        der.read_der(content, reading, name)


def _bare_base64(content: bytes) -> bytes | None:
    """DER in base64 without the PEM lines, as some portals offer for copying."""
    if not content.lstrip().startswith(b"MI") or not _BASE64_FILE.fullmatch(content):
        return None
    try:
        return base64.b64decode(b"".join(content.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
