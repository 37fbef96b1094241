"""Reads piles of PEM (RFC 7468, and what people make of it): text around, odd line lengths, CRLF, BOM, UTF-16."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from certificates.pki import der, formats, limits, private_keys
from certificates.pki.reading import Reading, malformed, too_many_certificates

_BEGIN = "-----BEGIN "
_LABEL = re.compile(r"[A-Z0-9.# ]{1,60}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,40}: ?")


@dataclass(frozen=True, slots=True)
class Block:
    """One PEM block: its label, its RFC 1421 header lines if any, and the decoded bytes."""

    label: str
    headers: tuple[str, ...]
    content: bytes

    def as_pem(self) -> bytes:
        """The block again, as OpenSSL writes it."""
        body = base64.encodebytes(self.content).decode("ascii")
        head = "\n".join(self.headers) + "\n\n" if self.headers else ""
        return f"-----BEGIN {self.label}-----\n{head}{body}-----END {self.label}-----\n".encode()


def as_text(content: bytes) -> str:
    """The bytes as text, whatever a text editor made of them; text outside blocks may be any encoding."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    if content[1:2] == b"\x00" and b"-\x00-\x00" in content:
        return content.decode("utf-16-le", errors="replace")
    if content[:1] == b"\x00" and b"\x00-\x00-" in content:
        return content.decode("utf-16-be", errors="replace")
    return content.decode("latin-1")


def read_pem(text: str, reading: Reading, file: str) -> None:
    """Every block of a pile. Raises BundleError for the first that cannot be read."""
    if text.count("-----BEGIN CERTIFICATE-----") > reading.max_certificates:
        raise too_many_certificates(reading.max_certificates, file)
    if text.count(_BEGIN) > limits.MAX_PEM_BLOCKS:
        raise malformed(file, f"holds more than {limits.MAX_PEM_BLOCKS} PEM blocks: upload only what belongs together.")
    for block in _blocks(text, file):
        _read_block(block, reading, file)


def _read_block(block: Block, reading: Reading, file: str) -> None:
    if reading.wants_keys and (advice := formats.REFUSED.get(block.label)):
        raise formats.unsupported_format(file, advice)
    if passed_over := formats.PASSED_OVER.get(block.label):
        reading.pass_over(passed_over[0], file, passed_over[1])
    elif block.headers and block.label.endswith("PRIVATE KEY"):
        private_keys.read_traditional_key(block.as_pem(), reading, file)
    elif reader := _READERS.get(block.label):
        reader(block.content, reading, file)
    elif block.label.endswith("PRIVATE KEY"):
        private_keys.read_plain_key(block.content, reading, file)
    else:
        reading.pass_over(f"“{block.label}”", file, f"holds only “{block.label}”")


_READERS: Mapping[str, Callable[[bytes, Reading, str], None]] = {
    "CERTIFICATE": der.read_certificate,
    "X509 CERTIFICATE": der.read_certificate,
    "TRUSTED CERTIFICATE": der.read_trusted_certificate,
    "PKCS7": der.read_pkcs7,
    "CMS": der.read_pkcs7,
    "PKCS #7 SIGNED DATA": der.read_pkcs7,
    "ENCRYPTED PRIVATE KEY": private_keys.read_encrypted_key,
}


def _blocks(text: str, file: str) -> Iterator[Block]:
    text = re.sub(r"\r+\n?", "\n", text)
    position = 0
    while (begin := text.find(_BEGIN, position)) >= 0:
        label_end = text.find("-----", begin + len(_BEGIN))
        label = text[begin + len(_BEGIN) : label_end] if label_end >= 0 else ""
        if not _LABEL.fullmatch(label):
            raise malformed(file, "holds a damaged “-----BEGIN …-----” line: copy the whole block again.")
        end_line = f"-----END {label}-----"
        end = text.find(end_line, label_end)
        following = text.find(_BEGIN, label_end)
        if end < 0 or 0 <= following < end:
            raise malformed(file, f"holds a “{label}” block without its END line: copy the whole block again.")
        yield _block(label, text[label_end + 5 : end], file)
        position = end + len(end_line)


def _block(label: str, inside: str, file: str) -> Block:
    head, separator, rest = inside.strip("\n").partition("\n\n")
    lines = head.split("\n")
    headers: tuple[str, ...] = ()
    if _HEADER.match(lines[0]):
        if not separator:
            raise malformed(file, f"holds a “{label}” block without the empty line after its headers: export it again.")
        headers, inside = tuple(line.strip() for line in lines), rest
    body = inside.strip()
    if re.search(r"\n[ \t]*\n", body):
        raise malformed(file, f"holds a “{label}” block with an empty line inside: remove the line or export it again.")
    try:
        content = base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise malformed(file, f"holds a “{label}” block that is not valid base64: copy the block again.") from error
    if label.startswith("PGP"):
        return Block(label, (), b"")
    return Block(label, headers, content)
