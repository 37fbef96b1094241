"""What a call of a node needs, kept in the process and known to be fresh at every call.

`STAMP` reads in one statement, by primary keys, everything that decides about a call: the node's revision, the
effective certificate and its active version, the trust store's revision. The same answer as last time: the plan still
holds. So a promoted version is presented by the very next call in every process.

As long as nothing at all was committed since a thread read the stamp, it need not read it again (`Remembered`).
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property

from cryptography import x509
from django.conf import settings
from django.db import connection

from botplatform.accounts.actors import Actor
from botplatform.bots.models import Bot
from botplatform.database_state import Remembered
from botplatform.errors import Conflict, NotFound
from certificates.models import CertificateVersion, ClientCertificate, TrustStore
from certificates.pki.secret import Secret
from servicenodes import templating
from servicenodes.effective import effective_certificate
from servicenodes.models import ServiceNode
from servicenodes.resolution import Rule
from servicenodes.services.filling import unchanging_request
from servicenodes.services.headers import open_sealed
from servicenodes.services.requests import callable_url
from servicenodes.tls.address_policy import AddressPolicy
from servicenodes.tls.invoke_request import Prepared
from servicenodes.tls.target import parse_target
from servicenodes.tls.trust import TrustAnchors

MOST_PLANS = 2_000
ATTEMPTS = 5
STAMP = """
SELECT n.revision, b.slug, t.revision, c.id, c.name, c.allowed_hosts, v.id
FROM servicenodes_servicenode n
JOIN bots_bot b ON b.id = n.bot_id
LEFT JOIN certificates_truststore t ON t.id = n.trust_store_id
LEFT JOIN certificates_clientcertificate c ON c.id = COALESCE(
    n.certificate_id,
    (SELECT d.id FROM certificates_clientcertificate d WHERE d.is_default AND d.bot_id = n.bot_id),
    (SELECT p.id FROM certificates_clientcertificate p WHERE p.is_default AND p.bot_id IS NULL))
LEFT JOIN certificates_certificateversion v ON v.certificate_id = c.id AND v.status = 'active'
WHERE n.id = %s
"""
Stamp = tuple[object, ...]


@dataclass(frozen=True, eq=False)
class CallPlan:
    """A node as a call needs it: values only. `required` are the variables of method, URL and headers, `in_body` those
    of the body. Sealed headers are open; their `repr` shows nothing."""

    node_id: uuid.UUID
    path: str
    bot: Bot
    method: str
    url: str
    host: str
    headers: tuple[tuple[str, str], ...]
    sealed: tuple[tuple[str, Secret], ...]
    body: str = field(repr=False)
    content_type: str
    required: frozenset[str]
    in_body: frozenset[str]
    rule: Rule
    reason: str
    certificate: ClientCertificate | None
    certificate_path: str | None
    version: CertificateVersion | None
    allowed_hosts: tuple[str, ...]
    trust: TrustAnchors
    server_name: str | None
    min_tls: str
    timeout_s: float
    require_mutual_tls: bool
    address_policy: AddressPolicy
    proxy: str | None

    @cached_property
    def unchanging(self) -> Prepared:
        """The request of a node without variables: the same at every call, so it is filled and checked once."""
        return unchanging_request(self)


_plans: OrderedDict[uuid.UUID, tuple[Stamp, CallPlan]] = OrderedDict()
_lock = threading.Lock()
_stamps = Remembered()


def plan_for(*, actor: Actor, node: ServiceNode) -> CallPlan:
    """The plan of the node as it is now. The caller has authorised the call; opening sealed headers is on record.

    Raises `NotFound`, `Sealed`, `EnvelopeBroken`.
    """
    stamp = _current_stamp(node)
    known = _plans.get(node.pk)
    if known is not None and known[0] == stamp:
        return known[1]
    for _ in range(ATTEMPTS):
        plan = _build(actor, node.pk)
        again = _read_stamp(node)
        if again == stamp and _fits(plan, stamp):  # nothing changed while it was put together, so all parts fit
            with _lock:
                _plans[node.pk] = stamp, plan
                _plans.move_to_end(node.pk)
                while len(_plans) > MOST_PLANS:
                    _plans.popitem(last=False)
            return plan
        stamp = again
    raise Conflict(f"Somebody keeps changing the service node “{node.path}”. Try again in a moment.")


def forget() -> None:
    """Drop every plan, and with them the opened headers."""
    with _lock:
        _plans.clear()


def _current_stamp(node: ServiceNode) -> Stamp:
    """The stamp as of now, read only if anything was committed since this thread read it last."""
    known = _stamps.entries()
    stamp: Stamp | None = known.get(node.pk)
    if stamp is None:
        stamp = known[node.pk] = _read_stamp(node)
    return stamp


def _read_stamp(node: ServiceNode) -> Stamp:
    key = ServiceNode._meta.pk.get_db_prep_value(node.pk, connection)
    with connection.cursor() as cursor:
        cursor.execute(STAMP, [key])
        row = cursor.fetchone()
    if row is None:
        raise NotFound(f"There is no service node “{node.path}” any more.")
    return (*row, *settings.EGRESS_ALLOW, settings.EGRESS_PROXY)


def _fits(plan: CallPlan, stamp: Stamp) -> bool:
    """Whether certificate and version are the stamp's: a promotion may come and be undone between two stamps."""
    certificate, version = stamp[3], stamp[6]
    parts = (plan.certificate, certificate), (plan.version, version)
    return all((part.pk if part else None) == (uuid.UUID(str(key)) if key else None) for part, key in parts)


def _build(actor: Actor, key: uuid.UUID) -> CallPlan:
    node = ServiceNode.objects.select_related("bot", "trust_store__bot").filter(pk=key).first()
    if node is None:
        raise NotFound("There is no such service node any more.")
    effective = effective_certificate(node)
    certificate = effective.certificate
    target = parse_target(callable_url(node))
    return CallPlan(
        node_id=node.pk,
        path=node.path,
        bot=node.bot,
        method=node.method,
        url=node.url,
        host=target.host,
        headers=tuple(node.headers.items()),
        sealed=open_sealed(actor=actor, node=node),
        body=node.body,
        content_type=templating.content_type_of(node.headers, node.body),
        required=variables_of_request(node),
        in_body=templating.variables_of(node.body),
        rule=effective.rule,
        reason=effective.reason,
        certificate=certificate,
        certificate_path=certificate.path if certificate else None,
        version=certificate.active_version if certificate else None,
        allowed_hosts=tuple(certificate.allowed_hosts) if certificate else (),
        trust=trust_of(node.trust_store),
        server_name=node.server_name or None,
        min_tls=node.min_tls,
        timeout_s=float(node.timeout_s),
        require_mutual_tls=node.require_mutual_tls,
        address_policy=AddressPolicy.parse(settings.EGRESS_ALLOW),
        proxy=settings.EGRESS_PROXY or None,
    )


def variables_of_request(node: ServiceNode) -> frozenset[str]:
    """The variables of the node's method, URL and headers."""
    texts = (node.method, node.url, *node.headers.values())
    return frozenset().union(*(templating.variables_of(text) for text in texts))


def trust_of(store: TrustStore | None) -> TrustAnchors:
    """The anchors of a trust store; without one those of the system."""
    if store is None:
        return TrustAnchors.system()
    anchors = store.anchors.order_by("sha256").values_list("der", flat=True)
    return TrustAnchors.of(tuple(x509.load_der_x509_certificate(bytes(der)) for der in anchors), store.path)
