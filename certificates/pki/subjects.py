"""Whom a certificate is to be for: the subject (RFC 4514) and alternative names, as people type them.

Everything is checked here, so that a CA never has to refuse what could have been told at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from botplatform.errors import InvalidInput
from certificates.pki.facts import extension_of, harmless
from certificates.pki.host_names import host_name

MAX_SUBJECT_CHARACTERS = 1000
MAX_SANS = 100
MAX_SAN_CHARACTERS = 2000
KINDS = "dns:NAME, ip:ADDRESS, email:ADDRESS or uri:URI"
EXAMPLE = "CN=client.acme.example,O=Acme,C=DE"
_NAMES = {"EMAILADDRESS": NameOID.EMAIL_ADDRESS, "E": NameOID.EMAIL_ADDRESS, "SERIALNUMBER": NameOID.SERIAL_NUMBER}
# As people and OpenSSL write it: spaces after the commas, small letters, spaces around the equals sign.
_TYPE = re.compile(r"(^|(?<!\\)[,+])\s*([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)\s*=\s*")

_KINDS = {
    x509.DNSName: "dns",
    x509.IPAddress: "ip",
    x509.RFC822Name: "email",
    x509.UniformResourceIdentifier: "uri",
    x509.DirectoryName: "directory name",
    x509.RegisteredID: "registered ID",
    x509.OtherName: "other name",
}
_LENGTH = re.compile(r"length must be >= (\d+) and <= (\d+), but it was (\d+)")


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom the certificate is to be for."""

    subject: x509.Name
    sans: tuple[x509.GeneralName, ...]

    @property
    def subject_text(self) -> str:
        """RFC 4514."""
        return harmless(self.subject.rfc4514_string())

    @property
    def typed_subject(self) -> str:
        """`subject_text` if it is understood as the same name when it is typed; else empty."""
        try:
            return self.subject_text if parse_subject(self.subject_text) == self.subject else ""
        except InvalidInput:
            return ""

    @property
    def san_texts(self) -> list[str]:
        return [san_text(name) for name in self.sans]

    @property
    def typed_sans(self) -> list[str]:
        """Those of `san_texts` that are understood as the same name when they are typed."""
        return [san_text(name) for name in self.sans if _can_be_typed(name)]


NOBODY = Asked(x509.Name([]), ())


def asked_for(subject: str | None, sans: Sequence[str] | None, *, past: Asked = NOBODY) -> Asked:
    """What was typed, understood; what is None is as in `past`. Raises `InvalidInput` with one sentence."""
    names = past.sans if sans is None else _typed_names(sans)
    asked = Asked(past.subject if subject is None else parse_subject(subject), names)
    if not asked.subject.rdns and not asked.sans:
        raise no_subject()
    return asked


def no_subject() -> InvalidInput:
    return InvalidInput(f"The subject is missing: write it as {EXAMPLE}.", field="subject")


def asked_by(leaf: x509.Certificate) -> Asked:
    """The subject and alternative names of a certificate to be renewed, whatever people could have typed."""
    return Asked(leaf.subject, tuple(extension_of(leaf, x509.SubjectAlternativeName) or ()))


def parse_subject(text: str) -> x509.Name:
    """A distinguished name in RFC 4514 form, most specific part first; may be empty. Raises `InvalidInput`."""
    text = text.strip()
    if len(text) > MAX_SUBJECT_CHARACTERS:
        raise InvalidInput(f"The subject is longer than {MAX_SUBJECT_CHARACTERS} characters.", field="subject")
    spelt = _TYPE.sub(lambda found: f"{found[1]}{found[2].upper()}=", text)
    try:
        name = x509.Name.from_rfc4514_string(spelt, _NAMES)
        name.public_bytes()
    except ValueError as error:
        length = _LENGTH.search(str(error))
        raise _unreadable(
            text, f"a value has {length[3]} characters, not {length[1]} to {length[2]}" if length else ""
        ) from error
    for attribute in name:
        if not isinstance(attribute.value, str) or not attribute.value.isprintable() or not attribute.value.strip():
            raise _unreadable(text, "a value is empty or holds a character that cannot be shown")
        if attribute.oid == NameOID.COUNTRY_NAME and not re.fullmatch("[A-Za-z]{2}", attribute.value):
            raise _unreadable(text, "C is a country’s two letters")
    return name


def parse_san(text: str) -> x509.GeneralName:
    """`dns:`, `ip:`, `email:` or `uri:` and a value; a bare value is an IP address or a DNS name.

    Raises `InvalidInput`.
    """
    given = text.strip()
    kind, colon, value = given.partition(":")
    if len(given) > MAX_SAN_CHARACTERS:
        raise InvalidInput(f"An alternative name is longer than {MAX_SAN_CHARACTERS} characters.", field="san")
    if len(given.split()) > 1:
        text = (
            f"“{harmless(given[:80])}” is no alternative name, for it holds a space: write each by itself, as {KINDS}."
        )
        raise InvalidInput(text, field="san")
    match kind.lower() if colon else "":
        case "ip":
            return x509.IPAddress(_address(value))
        case "dns":
            return x509.DNSName(_dns(value))
        case "email":
            return x509.RFC822Name(_email(value))
        case "uri":
            return x509.UniformResourceIdentifier(_uri(value))
    try:
        return x509.IPAddress(ip_address(given))
    except ValueError:
        return x509.DNSName(_dns(given))


def san_text(name: x509.GeneralName) -> str:
    """As `parse_san` reads it; what nobody types is spelt likewise."""
    if isinstance(name, x509.OtherName):
        value = name.type_id.dotted_string
    elif isinstance(name.value, x509.Name):
        value = name.value.rfc4514_string()
    else:
        value = getattr(name.value, "dotted_string", None) or str(name.value)
    return f"{_KINDS[type(name)]}:{harmless(value)}"


def _can_be_typed(name: x509.GeneralName) -> bool:
    try:
        return parse_san(san_text(name)) == name
    except InvalidInput:
        return False


def _typed_names(sans: Sequence[str]) -> tuple[x509.GeneralName, ...]:
    if len(sans) > MAX_SANS:
        raise InvalidInput(f"A request names at most {MAX_SANS} alternative names.", field="san")
    return tuple(dict.fromkeys(parse_san(san) for san in sans))


def _unreadable(text: str, reason: str) -> InvalidInput:
    why = f" ({reason})" if reason else ""
    return InvalidInput(
        f"“{harmless(text[:80])}” is no subject{why}: write it in RFC 4514 form, for example {EXAMPLE}.",
        field="subject",
    )


def _no_san(value: str, what: str) -> InvalidInput:
    return InvalidInput(f"“{harmless(value[:80])}” is no {what}: write {KINDS}.", field="san")


def _dns(value: str) -> str:
    try:
        name = host_name(value.strip().removeprefix("*."), field="san")
        ip_address(name)
    except InvalidInput:
        raise _no_san(value, "DNS name") from None
    except ValueError:
        return f"*.{name}" if value.strip().startswith("*.") else name
    raise _no_san(value, "DNS name")


def _address(value: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(value.strip())
    except ValueError:
        raise _no_san(value, "IP address") from None


def _email(value: str) -> str:
    mailbox, at, domain = value.strip().rpartition("@")
    if not at or not re.fullmatch(r"[!-~]{1,64}", mailbox) or "@" in mailbox:
        raise _no_san(value, "e-mail address")
    return f"{mailbox}@{_dns(domain)}"


def _uri(value: str) -> str:
    uri = value.strip()
    try:
        known = bool(re.fullmatch(r"[!-~]+", uri)) and bool(urlsplit(uri).scheme)
    except ValueError:
        known = False
    if not known:
        raise _no_san(value, "URI")
    return uri
