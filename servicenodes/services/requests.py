"""Turns a node and the options of a test into what the TLS engine is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from django.conf import settings

from botplatform.errors import InvalidInput
from certificates.models import CertificateVersion, ClientCertificate, TrustStore
from certificates.pki.inspection import UploadedFile
from certificates.sandbox import read_certificates
from servicenodes import templating
from servicenodes.models import ServiceNode
from servicenodes.services.presenting import Presented
from servicenodes.tls.address_policy import AddressPolicy
from servicenodes.tls.judgement import Judgement, Reason, Verdict
from servicenodes.tls.observation import Observation
from servicenodes.tls.probe import ProbeRequest
from servicenodes.tls.target import normalise_host, parse_proxy, parse_target
from servicenodes.tls.trust import TrustAnchors


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """What a test does otherwise than the node says. None: as the node says."""

    certificate: ClientCertificate | None = None
    version: int | str | None = None  # a number, `staged`, or None: the active one
    trust_store: TrustStore | None = None
    trust: TrustAnchors | None = None  # goes before `trust_store`
    min_tls: str | None = None
    max_tls: str | None = None
    server_name: str | None = None
    proxy: str | None = None  # None: EGRESS_PROXY
    control: bool = True
    canary: bool = False
    timeout_s: float | None = None


def probe_request(url: str, node: ServiceNode | None, options: ProbeOptions, presented: Presented) -> ProbeRequest:
    """The request for the TLS engine. Raises `InvalidInput`."""
    server_name = options.server_name or (node.server_name if node else "")
    min_tls = options.min_tls or (node.min_tls if node else "1.2")
    if options.max_tls is not None and options.max_tls < min_tls:
        raise InvalidInput(f"TLS {options.max_tls} at most and TLS {min_tls} at least leave nothing.", field="tls_max")
    proxy = options.proxy or settings.EGRESS_PROXY or None
    if proxy:
        parse_proxy(proxy)
    return ProbeRequest(
        url=sample_url(url),
        headers=tuple((name, value) for name, value in node.headers.items() if "{{" not in value) if node else (),
        locked=presented.locked,
        trust=_trust(node, options),
        server_name=normalise_host(server_name, field="server_name") if server_name else None,
        min_tls=min_tls,
        max_tls=options.max_tls,
        timeout_s=options.timeout_s or float(node.timeout_s if node else settings.TEST_TIMEOUT_S),
        control=options.control,
        canary=options.canary,
        proxy=proxy,
        address_policy=AddressPolicy.parse(settings.EGRESS_ALLOW),
    )


def callable_url(node: ServiceNode) -> str:
    """The node's URL. Raises `InvalidInput` where its bot definition named none that can be called."""
    if not node.url:
        text = f"“{node.path}” has no URL yet: its bot definition says “{node.exported_url}”. Edit it and give it one."
        raise InvalidInput(text, field="url", code="url_missing")
    return node.url


def sample_url(url: str) -> str:
    """The URL with the name of each variable in its place: the verdict does not depend on their values."""
    return templating.render_url(url, {name: name for name in templating.variables_of(url)})


def hosts_of(url: str, node: ServiceNode | None, options: ProbeOptions) -> tuple[str, ...]:
    """The host of the URL, and the name the server must prove where that is another."""
    host = parse_target(url).host
    server_name = options.server_name or (node.server_name if node else "")
    return (host, normalise_host(server_name, field="server_name")) if server_name else (host,)


def advice_of_node(judgement: Judgement, node: ServiceNode | None) -> tuple[str, ...]:
    """What the test left out and the call sends, where the application refused the test."""
    if node is None or judgement.verdict is not Verdict.HTTP_REFUSED:
        return ()
    names = [header.name for header in node.sealed_headers.only("name")]
    names += [name for name, value in node.headers.items() if "{{" in value]
    if not names:
        return ()
    left_out = ", ".join(sorted(names))
    return (f"The test leaves out secret headers and those with variables ({left_out}); try a call, which sends them.",)


def advice_of_version(version: CertificateVersion | None, now: datetime) -> tuple[str, ...]:
    """That no call is made with what the test presented. `now` is aware UTC."""
    if version is None or not version.has_leaf or version.not_before <= now < version.not_after:
        return ()
    if version.not_after <= now:
        when = f"it expired on {version.not_after:%Y-%m-%d %H:%M} UTC"
    else:
        when = f"it is not valid before {version.not_before:%Y-%m-%d %H:%M} UTC"
    return (f"No call is made with version {version.number} of “{version.certificate.path}”: {when}.",)


def unusable_observation(request: ProbeRequest, sentence: str, reason: Reason) -> Observation:
    """What is seen when the certificate cannot be presented: nothing, for no connection is made."""
    target = parse_target(request.url)
    return Observation(
        url=request.url,
        host=target.host,
        port=target.port,
        server_name=request.server_name or target.host,
        method=request.method,
        path=target.path,
        trust_label=request.trust.label,
        min_tls=request.min_tls,
        max_tls=request.max_tls,
        proxy=request.proxy,
        unusable=sentence,
        unusable_reason=reason.value,
    )


def trust_in_files(files: Sequence[UploadedFile]) -> TrustAnchors:
    """The certificates in the files as trust anchors of one test. Raises `BundleError`, `InvalidInput`."""
    found = read_certificates(files)
    if not found:
        raise InvalidInput("The file holds no certificate.", field="trust_file")
    label = ", ".join(file.name for file in files)
    return TrustAnchors.of(tuple(x509.load_der_x509_certificate(facts.der) for facts in found), label)


def _trust(node: ServiceNode | None, options: ProbeOptions) -> TrustAnchors:
    store = options.trust_store or (node.trust_store if node else None)
    if options.trust is not None:
        return options.trust
    if store is None:
        return TrustAnchors.system()
    anchors = store.anchors.order_by("sha256").values_list("der", flat=True)
    return TrustAnchors.of(tuple(x509.load_der_x509_certificate(bytes(der)) for der in anchors), store.path)
