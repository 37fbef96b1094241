"""What a version becomes other than by a promotion: a page that says what follows for which nodes, then the act.

It stands here and not beside the certificate's page, because only this app knows which nodes present a certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict
from certificates.models import CertificateVersion, ClientCertificate, VersionStatus
from certificates.services import rotation
from certificates.services.rotation import Rotation
from servicenodes.effective import nodes_presenting
from servicenodes.models import ServiceNode

NODES_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Act:
    """One of the acts, in words. `may_force`: it may be insisted on where the service would refuse."""

    service: Callable[..., Rotation]
    title: str
    button: str
    done: str
    numbered: bool = True
    may_force: bool = False
    grave: bool = False


ACTS = {
    "rollback": Act(rotation.roll_back, "Roll back to", "Roll back", "is active again", numbered=False),
    "retire": Act(rotation.retire, "Retire", "Retire", "is retired", may_force=True, grave=True),
    "destroy": Act(rotation.destroy, "Destroy", "Destroy the key for good", "is destroyed", grave=True),
}
DISCARD = Act(rotation.destroy, "Discard", "Discard the request", "is discarded", grave=True)  # to destroy a draft


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_http_methods(["GET", "POST"])
def rotate(
    request: HttpRequest, name: str, act: str, bot: Bot | None = None, number: int | None = None
) -> HttpResponse:
    """Ask, and on POST do it, unless the certificate is not as the page showed it."""
    user = cast(User, request.user)
    owned = ClientCertificate.objects.visible_to(user).of_owner(bot).select_related("bot")
    certificate = get_object_or_404(owned, name=name)
    version = _version(certificate, number)
    if version is None:
        messages.error(request, f"{certificate.path} has no earlier version to go back to.")
        return redirect(certificate)
    words = DISCARD if act == "destroy" and version.status == VersionStatus.DRAFT else ACTS[act]
    if request.method == "POST":
        _do(request, words, certificate, version)
        return redirect(certificate)
    context = {"act": act, "words": words, "certificate": certificate, "version": version, "bot": bot}
    return render(request, "servicenodes/rotate.html", {**context, **_consequences(user, certificate, version, act)})


def _version(certificate: ClientCertificate, number: int | None) -> CertificateVersion | None:
    if number is None:
        return rotation.rollback_target(certificate)
    version = certificate.versions.filter(number=number).first() if number <= rotation.MOST_VERSIONS else None
    if version is None:
        raise Http404
    return version


def _do(request: HttpRequest, act: Act, certificate: ClientCertificate, version: CertificateVersion) -> None:
    options: dict[str, Any] = {"number": version.number} if act.numbered else {}
    if act.may_force:
        options["force"] = request.POST.get("force") == "on"
    try:
        done = act.service(
            actor=Actor.of(cast(User, request.user)),
            certificate=certificate,
            expected_state=request.POST.get("state", ""),
            **options,
        )
    except Conflict as conflict:
        messages.error(request, conflict.text)
    else:
        messages.success(request, f"Version {done.version.number} of {certificate.path} {act.done}.")


def _consequences(user: User, certificate: ClientCertificate, version: CertificateVersion, act: str) -> dict[str, Any]:
    """Who presents something else from then on, and what has to be insisted on."""
    active = certificate.versions.filter(status=VersionStatus.ACTIVE).first()
    affected = act == "rollback" or (act == "retire" and version == active)
    nodes = nodes_presenting(certificate) if affected else ServiceNode.objects.none()
    visible = nodes.visible_to(user)
    count = nodes.count()
    return {
        "state": certificate.state,
        "active": active,
        "affected": affected,
        "nodes": visible[:NODES_SHOWN],
        "count": count,
        "hidden": count - visible.count(),
        "same_key": ", ".join(rotation.same_key(version)) if act == "destroy" else "",
        "insist": act == "retire" and version == active and count > 0,
    }
