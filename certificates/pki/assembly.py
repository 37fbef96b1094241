"""Makes one client certificate of what was read: the leaf by the key, its chain, and why the rest is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certificates.errors import BundleError
from certificates.pki import limits
from certificates.pki.chain import Chain, build_chain, may_have_issued
from certificates.pki.display import key_label, short_name
from certificates.pki.facts import extension_of, spki_of
from certificates.pki.findings import ErrorCode, IgnoredWhy
from certificates.pki.inspection import Finding, Ignored, Inspection, InspectionError
from certificates.pki.judgement import about_encryption, about_key, judge
from certificates.pki.pkcs12 import several_keys
from certificates.pki.reading import FoundCertificate, FoundKey, Reading
from certificates.pki.secret import Secret

_ANSWERS_NOTHING = (
    "No certificate in the files is for the key of an open request: check with the CA which request it signed."
)
_ANSWERS_SEVERAL = "The files answer several open requests: give the reply to one of them at a time."


def assemble(reading: Reading, *, now: datetime) -> Inspection:
    """The inspection of everything read. Raises BundleError only where nothing at all can be shown."""
    certificates, doubled = _each_once(reading.certificates)
    keys = list({key.spki: key for key in reading.keys}.values())
    if not certificates and not keys:
        raise _nothing_found(reading)
    matching = [(key, found) for key in keys for found in certificates if spki_of(found.certificate) == key.spki]
    error = _error(keys, certificates, matching)
    fitting = [found for _, found in matching]
    leaf = _best(fitting, now) if fitting and not error else _likely_leaf(certificates)
    ignored = [*doubled, *reading.ignored]
    if leaf is None:
        return _without_leaf(keys, reading, ignored, error)
    key = matching[0][0] if matching and not error else None
    ignored += _extra_keys(keys, key)
    found = with_chain(leaf, certificates, ignored, legacy=reading.legacy, error=error, now=now)
    return replace(found, private_key=_sealed(key))


def assemble_reply(reading: Reading, *, open_keys: Set[str], past_keys: Set[str], now: datetime) -> Inspection:
    """The inspection of a CA's reply: the leaf is the certificate for one of the open keys (SHA-256 of their SPKI).

    A certificate for none of them, but for one of the past keys, is the leaf too: the reply may have been seen before.
    Keys in the files are passed over. Raises BundleError only where nothing at all can be shown.
    """
    certificates, doubled = _each_once(reading.certificates)
    if not certificates:
        raise reading.no_certificate()
    answering = [found for found in certificates if found.facts.spki_sha256 in open_keys]
    seen = [found for found in certificates if found.facts.spki_sha256 in past_keys]
    error = None
    if not answering and not seen:
        error = InspectionError(ErrorCode.KEY_DOES_NOT_MATCH, _ANSWERS_NOTHING)
    elif len({found.facts.spki_sha256 for found in answering}) > 1:
        error = InspectionError(ErrorCode.SEVERAL_KEYS, _ANSWERS_SEVERAL)
    leaf = _best(answering or seen, now) if not error else _likely_leaf(certificates)
    ignored = [*doubled, *reading.ignored]
    if leaf is None:
        return Inspection(None, None, (), None, tuple(ignored), (), error)
    return with_chain(leaf, certificates, ignored, legacy=(), error=error, now=now)


def with_chain(
    leaf: FoundCertificate,
    certificates: Sequence[FoundCertificate],
    ignored: Sequence[Ignored],
    *,
    legacy: Sequence[str],
    error: InspectionError | None,
    now: datetime,
) -> Inspection:
    """The leaf with its chain from among the certificates, judged; the others are told as ignored. Without a key."""
    chain = build_chain(leaf.certificate, [found.certificate for found in certificates], now=now)
    if len(chain.path) > limits.MAX_CHAIN_CERTIFICATES:
        raise BundleError(
            ErrorCode.TOO_LARGE, f"The chain is longer than the limit of {limits.MAX_CHAIN_CERTIFICATES} certificates."
        )
    facts = {found.certificate: found.facts for found in certificates}
    return Inspection(
        leaf=leaf.facts,
        private_key=None,
        intermediates=tuple(facts[issuer] for issuer in chain.issuers),
        root=facts[chain.root] if chain.root else None,
        ignored=(*ignored, *_unrelated(certificates, chain)),
        findings=judge(chain, legacy=legacy, now=now),
        error=error,
    )


def _each_once(found: Iterable[FoundCertificate]) -> tuple[list[FoundCertificate], list[Ignored]]:
    once: dict[x509.Certificate, FoundCertificate] = {}
    doubled: list[Ignored] = []
    for item in found:
        if item.certificate in once:
            doubled.append(Ignored(what=_described(item), why=IgnoredWhy.DUPLICATE))
        else:
            once[item.certificate] = item
    return list(once.values()), doubled


def _nothing_found(reading: Reading) -> BundleError:
    if reading.hints:
        return reading.hints[0]
    return BundleError(
        ErrorCode.NO_CERTIFICATE, "The files hold neither a certificate nor a private key: upload both, or a .p12 file."
    )


def _error(
    keys: Sequence[FoundKey],
    certificates: Sequence[FoundCertificate],
    matching: Sequence[tuple[FoundKey, FoundCertificate]],
) -> InspectionError | None:
    if not keys:
        text = "The files hold no private key: add the key file, or upload the .p12 file that holds both."
        return InspectionError(ErrorCode.NO_PRIVATE_KEY, text)
    if not certificates:
        text = f"{keys[0].file} holds a private key, but there is no certificate: add the one the CA sent."
        return InspectionError(ErrorCode.NO_CERTIFICATE, text, keys[0].file)
    if not matching:
        text = f"The private key in {keys[0].file} belongs to none of the certificates: find the right key."
        return InspectionError(ErrorCode.KEY_DOES_NOT_MATCH, text, keys[0].file)
    if len({key.spki for key, _ in matching}) > 1:
        refusal = several_keys("The files hold several private keys with their certificates", None)
        return InspectionError(refusal.code, refusal.text)
    return None


def _best(fitting: Sequence[FoundCertificate], now: datetime) -> FoundCertificate:
    """Of several certificates for the same key the one valid now, then the one that lasts longest."""

    def merit(found: FoundCertificate) -> tuple[bool, datetime]:
        certificate = found.certificate
        valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        return valid, certificate.not_valid_after_utc

    return max(fitting, key=merit)


def _likely_leaf(certificates: Sequence[FoundCertificate]) -> FoundCertificate | None:
    """Without a matching key: the one certificate that is no CA and issued none of the others, if there is just one."""
    likely = [
        found
        for found in certificates
        if not _is_ca(found.certificate)
        and not any(
            other is not found and may_have_issued(found.certificate, other.certificate) for other in certificates
        )
    ]
    return likely[0] if len(likely) == 1 else None


def _is_ca(certificate: x509.Certificate) -> bool:
    constraints = extension_of(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _without_leaf(
    keys: Sequence[FoundKey], reading: Reading, ignored: Sequence[Ignored], error: InspectionError | None
) -> Inspection:
    findings: list[Finding] = list(about_encryption(reading.legacy))
    for key in keys:
        public = key.key.public_key()
        bits = getattr(public, "key_size", 256)
        findings.extend(about_key("rsa" if type(public).__name__.startswith("RSA") else "ec", bits))
    return Inspection(None, None, (), None, tuple(ignored), tuple(findings), error)


def _unrelated(certificates: Sequence[FoundCertificate], chain: Chain) -> Iterable[Ignored]:
    for found in certificates:
        if found.certificate not in chain.path:
            yield Ignored(what=_described(found), why=IgnoredWhy.UNRELATED)


def _extra_keys(keys: Sequence[FoundKey], used: FoundKey | None) -> Iterable[Ignored]:
    for key in keys:
        if used is not None and key.spki != used.spki:
            yield Ignored(what=f"private key in {key.file}", why=IgnoredWhy.EXTRA_KEY)


def _described(found: FoundCertificate) -> str:
    facts = found.facts
    label = key_label(facts.key_type, facts.key_bits)
    return f"certificate “{short_name(facts.subject)}” ({label}) in {found.file}"


def _sealed(key: FoundKey | None) -> Secret | None:
    if key is None:
        return None
    return Secret(key.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
