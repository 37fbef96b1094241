"""Recognises formats that are not read, by their first bytes or PEM label, and says how to convert each."""

from __future__ import annotations

import re

from certificates.errors import BundleError
from certificates.pki.findings import ErrorCode
from certificates.pki.reading import Use

_KEYTOOL = (
    "convert it with “keytool -importkeystore -srckeystore IN {options}-destkeystore OUT.p12 -deststoretype PKCS12” "
    "and upload OUT.p12."
)
_OPENSSH = "is an OpenSSH key: convert a copy of it with “ssh-keygen -p -m PKCS8 -f COPY” and upload the copy."
_PUTTY = (
    "is a PuTTY key: in PuTTYgen choose Conversions, “Export OpenSSH key”, then convert the export with "
    "“ssh-keygen -p -m PKCS8 -f FILE”."
)

# How to convert private keys is told where one is wanted.
_KEY_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xfe\xed\xfe\xed", "is a Java keystore (JKS): " + _KEYTOOL.format(options="")),
    (b"\xce\xce\xce\xce", "is a Java keystore (JCEKS): " + _KEYTOOL.format(options="-srcstoretype JCEKS ")),
    (b"openssh-key-v1\x00", _OPENSSH),
    (b"PuTTY-User-Key-File-", _PUTTY),
    (b"SQLite format 3\x00", "is a database (an NSS store?): export with “pk12util -o OUT.p12 -d DIRECTORY -n NAME”."),
)  # fmt: skip
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "is a ZIP archive: unpack it and upload the files inside."),
    (b"PK\x05\x06", "is an empty ZIP archive: upload the certificate files themselves."),
    (b"\x1f\x8b", "is a gzip archive: unpack it and upload the files inside."),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive: unpack it and upload the files inside."),
    (b"Rar!", "is a RAR archive: unpack it and upload the files inside."),
    (b"%PDF", "is a PDF document: {wanted}."),
    (b"\xd0\xcf\x11\xe0", "is an Office document or mail: {wanted}."),
    (b"\x89PNG", "is a picture: {wanted}."),
    (b"\xff\xd8\xff", "is a picture: {wanted}."),
    (b"GIF8", "is a picture: {wanted}."),
    (b"\x85\x01", "is a PGP message: decrypt it first and upload what is inside."),
)  # fmt: skip
_BKS = "is a Bouncy Castle keystore (BKS): " + _KEYTOOL.format(options="-srcstoretype BKS -providerpath bcprov.jar ")
_SSH_PUBLIC = re.compile(rb"(ssh-(rsa|dss|ed25519)|ecdsa-sha2-\S{1,40}|sk-\S{1,60}) AAAA")
_MARKUP = re.compile(rb"<(!doctype|html|\?xml|head|body)", re.IGNORECASE)

_CSR = "is a certificate signing request (CSR), which goes to the CA"
_PUBLIC = "holds only a public key"
_CRL = "is a certificate revocation list, which is not used here"
_PGP = "is PGP material, which TLS does not use: ask the CA for X.509 files."
_PARAMETERS = "holds only key parameters"

# PEM labels that are read past when something useful is in the upload too, and explained when nothing is: what they
# are, and the beginning of the explanation.
PASSED_OVER: dict[str, tuple[str, str]] = {
    "CERTIFICATE REQUEST": ("certificate signing request", _CSR),
    "NEW CERTIFICATE REQUEST": ("certificate signing request", _CSR),
    "PUBLIC KEY": ("public key", _PUBLIC),
    "RSA PUBLIC KEY": ("public key", _PUBLIC),
    "X509 CRL": ("revocation list", _CRL),
    "DH PARAMETERS": ("DH parameters", _PARAMETERS),
    "X9.42 DH PARAMETERS": ("DH parameters", _PARAMETERS),
    "EC PARAMETERS": ("curve parameters", _PARAMETERS),
    "DSA PARAMETERS": ("DSA parameters", _PARAMETERS),
    "SSH2 PUBLIC KEY": ("SSH public key", _PUBLIC),
}  # fmt: skip
# PEM labels of private keys this product cannot read: passing over them would hide the reason.
REFUSED: dict[str, str] = {
    "OPENSSH PRIVATE KEY": _OPENSSH,
    "SSH2 ENCRYPTED PRIVATE KEY": "is an SSH2 (ssh.com) key: convert it with “ssh-keygen -i -f FILE” to OpenSSH, then "
    "with “ssh-keygen -p -m PKCS8 -f FILE”.",
    "PGP PRIVATE KEY BLOCK": _PGP,
    "PGP MESSAGE": _PGP,
}


def refuse_foreign(content: bytes, file: str, use: Use) -> None:
    """Raises BundleError `unsupported_format` if the bytes are of a format known and not read."""
    text = content.lstrip(b"\xef\xbb\xbf \t\r\n")
    if advice := _matching(_KEY_MAGIC, content, text) or _bks(content):
        wanted = f"{advice.partition(':')[0]}: {use.value}."
        raise unsupported_format(file, advice if use is Use.IMPORT else wanted)
    if advice := _matching(_MAGIC, content, text) or _text_format(text):
        raise unsupported_format(file, advice.format(wanted=use.value))


def _matching(formats: tuple[tuple[bytes, str], ...], content: bytes, text: bytes) -> str:
    for magic, advice in formats:
        if content.startswith(magic) or (magic.isascii() and text.startswith(magic)):
            return advice
    return ""


def _bks(content: bytes) -> str:
    return _BKS if content[:4] in {b"\x00\x00\x00\x01", b"\x00\x00\x00\x02"} else ""


def _text_format(text: bytes) -> str:
    if text[:1] in {b"{", b"["} and b"-----BEGIN" not in text:
        return "is a JSON file, not a certificate: {wanted}."
    if _MARKUP.match(text[:40]):
        return "is a web page or XML file: {wanted}."
    return "is an SSH public key: {wanted}." if _SSH_PUBLIC.match(text[:120]) else ""


def unsupported_format(file: str, advice: str) -> BundleError:
    """`advice` completes the sentence "<file> …" and says how to convert."""
    return BundleError(ErrorCode.UNSUPPORTED_FORMAT, f"{file} {advice}", file=file)
