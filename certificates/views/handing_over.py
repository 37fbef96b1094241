"""The hand-over page of a version, and its pack as a zip."""

from __future__ import annotations

from typing import cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from certificates.models import CertificateVersion, ClientCertificate
from certificates.pki.handover.pack import CHECKS, Pack
from certificates.services.handing_over import HANDED_OVER, file_name, hand_over
from certificates.services.rotation import MOST_VERSIONS
from certificates.views.certificates import load


@require_permission(Permission.VIEW)
@require_GET
def page(request: HttpRequest, name: str, number: int, bot: Bot | None = None) -> HttpResponse:
    """Facts and lines to copy."""
    certificate, version, pack = _pack(request, bot, name, number)
    others = certificate.versions.filter(status__in=HANDED_OVER).exclude(pk=version.pk)
    context = {"bot": bot, "certificate": certificate, "version": version, "pack": pack, "checks": CHECKS}
    return render(request, "certificates/hand_over.html", {**context, "others": others})


@require_permission(Permission.VIEW)
@require_GET
def download(request: HttpRequest, name: str, number: int, bot: Bot | None = None) -> HttpResponse:
    """The zip."""
    certificate, version, pack = _pack(request, bot, name, number)
    attached = f'attachment; filename="{file_name(certificate, version)}"'
    return HttpResponse(pack.zipped(), "application/zip", headers={"Content-Disposition": attached})


def _pack(
    request: HttpRequest, bot: Bot | None, name: str, number: int
) -> tuple[ClientCertificate, CertificateVersion, Pack]:
    user = cast(User, request.user)
    certificate = load(user, bot, name)
    if number > MOST_VERSIONS:
        raise Http404
    return certificate, *hand_over(actor=Actor.of(user), certificate=certificate, which=number)
