"""The hosts that a client certificate may be presented to."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.roles import Permission
from botplatform.errors import InvalidInput
from certificates.models import ClientCertificate
from certificates.pki.host_names import host_name
from certificates.services import defaults

MOST = 100


@transaction.atomic
def set_allowed_hosts(*, actor: Actor, certificate: ClientCertificate, hosts: Iterable[str]) -> ClientCertificate:
    """From now on it is presented to these hosts only; to any when there is none. The same ones: nothing changes.

    Calls and connection tests hold to it. Raises `NotAllowed`, `NotFound`, `InvalidInput`.
    """
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=certificate.bot)
    allowed = sorted({host_name(host, field="allowed_hosts") for host in hosts})
    if len(allowed) > MOST:
        raise InvalidInput(f"A certificate names at most {MOST} hosts.", field="allowed_hosts")
    locked = defaults.lock_certificate(certificate)
    before = list(locked.allowed_hosts)
    if allowed != before:
        locked.allowed_hosts = allowed
        locked.save(update_fields=["allowed_hosts"])
        facts: dict[str, object] = {"allowed_hosts": {"from": before, "to": allowed}}
        defaults.record(actor, Action.CERTIFICATE_CHANGED, locked, facts)
    return locked
