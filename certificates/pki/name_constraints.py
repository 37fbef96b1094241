"""Name constraints (RFC 5280, section 4.2.1.10) on parsed names: which names of a certificate its issuer forbids.

By hand, because cryptography's verifier refuses any constraint on directory names, the kind private CAs use most
(`path_checks` tells more).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from cryptography import x509

from certificates.pki.facts import extension_of


def violations(issuer: x509.Certificate, certificate: x509.Certificate) -> Iterator[str]:
    """The names of `certificate` that `issuer` excludes, or does not permit among its kind."""
    constraints = extension_of(issuer, x509.NameConstraints)
    if constraints is None:
        return
    for name in _names(certificate):
        permitted = [base for base in constraints.permitted_subtrees or () if isinstance(base, type(name))]
        excluded = [base for base in constraints.excluded_subtrees or () if isinstance(base, type(name))]
        if any(_within(name, base) for base in excluded) or (
            permitted and not any(_within(name, base) for base in permitted)
        ):
            yield _text(name)


def _names(certificate: x509.Certificate) -> Iterable[x509.GeneralName]:
    """The subject and every alternative name; an e-mail address in the subject counts as one."""
    if list(certificate.subject):
        yield x509.DirectoryName(certificate.subject)
    alternatives = extension_of(certificate, x509.SubjectAlternativeName)
    yield from alternatives or ()
    if alternatives is None:
        for attribute in certificate.subject.get_attributes_for_oid(x509.NameOID.EMAIL_ADDRESS):
            if isinstance(attribute.value, str) and attribute.value.isascii():
                yield x509.RFC822Name(attribute.value)


def _within(name: x509.GeneralName, base: x509.GeneralName) -> bool:
    match name, base:
        case x509.DirectoryName(), x509.DirectoryName():
            return _directory_within(name.value, base.value)
        case x509.DNSName(), x509.DNSName():
            return _host_within(name.value, base.value, exact=False)
        case x509.UniformResourceIdentifier(), x509.UniformResourceIdentifier():
            return _host_within(_host(name.value), base.value, exact=True)
        case x509.RFC822Name(), x509.RFC822Name():
            return _mail_within(name.value, base.value)
        case x509.IPAddress(), x509.IPAddress():
            return _address_within(name.value, base.value)
    return False


def _directory_within(name: x509.Name, base: x509.Name) -> bool:
    """RFC 5280 section 7.1 compares without regard to case and inner white space."""
    ours, theirs = ([_comparable(rdn) for rdn in value.rdns] for value in (name, base))
    return ours[: len(theirs)] == theirs


def _comparable(rdn: x509.RelativeDistinguishedName) -> frozenset[tuple[str, str]]:
    return frozenset((item.oid.dotted_string, " ".join(str(item.value).casefold().split())) for item in rdn)


def _host_within(host: str, base: str, *, exact: bool) -> bool:
    """`exact`: without a leading dot the base is that host alone (URI, e-mail); else also everything below (DNS)."""
    host, base = host.lower().rstrip("."), base.lower().rstrip(".")
    if base.startswith("."):
        return host.endswith(base)
    return host == base or (not exact and (not base or host.endswith("." + base)))


def _host(uri: str) -> str:
    """Empty without a host, which no base permits."""
    try:
        return urlsplit(uri).hostname or ""
    except ValueError:  # half an IPv6 address
        return ""


def _mail_within(address: str, base: str) -> bool:
    """Only the part before the @ tells upper from lower case (RFC 5280, section 7.5)."""
    local, _, host = address.rpartition("@")
    wanted, at, base_host = base.rpartition("@")
    return (not at or local == wanted) and _host_within(host, base_host, exact=True)


def _address_within(name: object, base: object) -> bool:
    if not isinstance(base, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return False
    return isinstance(name, (ipaddress.IPv4Address, ipaddress.IPv6Address)) and name in base


def _text(name: x509.GeneralName) -> str:
    return name.value.rfc4514_string() if isinstance(name, x509.DirectoryName) else str(name.value)
