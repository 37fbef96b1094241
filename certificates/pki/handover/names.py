"""Distinguished names as OpenSSL and the servers built on it spell them; RFC 4514 is `cryptography`'s own spelling."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cryptography import x509

# The short names of OpenSSL. A name with any other attribute has no spelling here.
_SHORT_NAMES = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.41": "name",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}
_SPECIAL = frozenset(',+"\\<>;')
Part = list[tuple[str, str]]  # the attributes of one relative name: short name, value


def rfc2253(name: x509.Name) -> str | None:
    """`CN=…,O=…` as `openssl -nameopt RFC2253`, nginx and HAProxy write it: the last part first, ASCII only.

    None where the name holds something that OpenSSL would not write as text.
    """
    parts = _parts(name)
    return None if parts is None else _joined([part[::-1] for part in reversed(parts)], ",", "+", "=", _escaped)


def oneline(name: x509.Name) -> str | None:
    """`O = …, CN = …` as `openssl -nameopt oneline` writes it: in the order of the certificate. None as above."""
    parts = _parts(name)
    return None if parts is None else _joined(parts, ", ", " + ", " = ", _quoted)


def _joined(parts: list[Part], comma: str, plus: str, equals: str, spell: Callable[[str], str]) -> str:
    return comma.join(plus.join(f"{short}{equals}{spell(value)}" for short, value in part) for part in parts)


def _parts(name: x509.Name) -> list[Part] | None:
    parts = []
    for rdn in name.rdns:
        part: Part = []
        for attribute in rdn:
            short = _SHORT_NAMES.get(attribute.oid.dotted_string)
            if short is None or not isinstance(attribute.value, str):
                return None
            part.append((short, attribute.value))
        parts.append(part)
    return parts


def _escaped(value: str) -> str:
    """With a backslash where RFC 2253 asks for one."""
    last = len(value) - 1
    return "".join(
        f"\\{character}"
        if character in _SPECIAL or (character == " " and index in {0, last}) or (character == "#" and index == 0)
        else _octets(character)
        for index, character in enumerate(value)
    )


def _quoted(value: str) -> str:
    """In quotes where `_escaped` would need a backslash, but for a quote and a backslash themselves."""
    plain = "".join(f"\\{character}" if character in '"\\' else _octets(character) for character in value)
    special = (_SPECIAL - {'"', "\\"}).intersection(value) or value[:1] in {" ", "#"} or value[-1:] == " "
    return f'"{plain}"' if special else plain


def _octets(character: str) -> str:
    """A control character, and what is not ASCII, as the hexadecimal of its UTF-8."""
    if " " <= character <= "~":
        return character
    return "".join(f"\\{octet:02X}" for octet in _utf8(character))


def _utf8(character: str) -> Iterator[int]:
    yield from character.encode("utf-8", errors="surrogatepass")
