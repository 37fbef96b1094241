"""Proving a version on every service node, and promoting it: green when all accept it, else with a reason."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, InvalidInput
from botplatform.jobs.heartbeat import worker_alive
from certificates.models import CertificateVersion, ClientCertificate, VersionStatus
from certificates.services.rotation import MOST_VERSIONS, Rotation, promote
from certificates.services.succession import holding
from servicenodes.errors import TooManyTests
from servicenodes.services.proofs import Evidence, Row, evidence_for
from servicenodes.services.proving import compare_versions
from servicenodes.views.testing import WORKER_PATIENCE

ROWS_SHOWN = 200
COMPARABLE = {VersionStatus.STAGED, VersionStatus.RETIRED}
UNPROVEN = "Give a reason: it is not proven that every service node works with this version."
NAMED = 5  # nodes, in a message


@require_permission(Permission.VIEW)
@require_GET
@never_cache
def proof(request: HttpRequest, name: str, number: int, bot: Bot | None = None) -> HttpResponse:
    """What tests have proven of a version, node by node. Asked by htmx, only the part that changes."""
    version = find(request, bot, name, number)
    context = shown(request, bot, version)
    if not getattr(request, "htmx", False):
        return render(request, "servicenodes/proof.html", context)
    answer = render(request, "servicenodes/_proof.html", context)
    if not context["evidence"].live:
        answer["HX-Refresh"] = "true"  # what surrounds the table depends on how the tests came out
    return answer


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_POST
def compare(request: HttpRequest, name: str, number: int, bot: Bot | None = None) -> HttpResponse:
    """Test the version, and the active one, on every node that presents the certificate."""
    version = find(request, bot, name, number)
    actor = Actor.of(cast(User, request.user))
    try:
        compare_versions(actor=actor, certificate=version.certificate, number=number)
    except (Conflict, TooManyTests) as error:
        messages.error(request, error.text)
    route = "servicenodes:version_promote" if bot else "servicenodes:platform_version_promote"
    return redirect(route, *([bot.slug] if bot else []), name, number)


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_http_methods(["GET", "POST"])
@never_cache
def promotion(request: HttpRequest, name: str, number: int, bot: Bot | None = None) -> HttpResponse:
    """The proof and the promotion on one page."""
    version = find(request, bot, name, number)
    if version.status not in COMPARABLE:
        messages.error(request, f"Version {number} is {version.status}; what is staged or retired can be promoted.")
        return redirect(version.certificate)
    context = shown(request, bot, version)
    if request.method == "POST" and _promote(request, version, context["evidence"]):
        return redirect(version.certificate)
    active = version.certificate.active_version
    valid = version.has_leaf and version.not_before <= timezone.now() < version.not_after
    context |= {"active": active, "state": version.certificate.state, "insist": not valid, "changes": holding(version)}
    return render(request, "servicenodes/promote.html", context, status=422 if request.method == "POST" else 200)


def _promote(request: HttpRequest, version: CertificateVersion, evidence: Evidence) -> bool:
    """Whether it is done; else a message says why not."""
    reason = request.POST.get("reason", "").strip()
    if not (evidence.green or reason):
        messages.error(request, UNPROVEN)
        return False
    try:
        done = promote(
            actor=Actor.of(cast(User, request.user)),
            certificate=version.certificate,
            number=version.number,
            force=request.POST.get("force") == "on",
            reason=reason,
            expected_state=request.POST.get("state", ""),
        )
    except (Conflict, InvalidInput) as error:
        messages.error(request, error.text)
        return False
    _announce(request, done, evidence)
    return True


def _announce(request: HttpRequest, done: Rotation, evidence: Evidence) -> None:
    """Say calmly only what is calm."""
    text = f"Version {done.version.number} of {done.certificate.path} is active."
    if evidence.breaking and not evidence.past:
        before = f"version {done.active_before}"
        if done.certificate.fallback_until:
            then = f"While the fallback window is open, calls that they reject are made once more with {before}."
        else:
            then = f"With {before} they worked: roll back if their calls must go on."
        messages.error(request, f"{text} Expected to fail with it: {named(evidence.breaking)}. {then}")
    elif evidence.green:
        messages.success(request, text)
    else:
        messages.warning(request, f"{text} Not proven: {evidence.text}")


def named(rows: list[Row]) -> str:
    """The nodes by their paths, those that may not be named by their number."""
    paths = [row.node.path for row in rows if not row.hidden][:NAMED]
    more = len(rows) - len(paths)
    return " and ".join(filter(None, [", ".join(paths), f"{more} more" if more else ""]))


def find(request: HttpRequest, bot: Bot | None, name: str, number: int) -> CertificateVersion:
    """A version with a certificate, a draft has none, that the user may see; or 404."""
    owned = ClientCertificate.objects.visible_to(cast(User, request.user)).of_owner(bot).select_related("bot")
    certificate = get_object_or_404(owned, name=name)
    version = (
        certificate.versions.filter(number=number, not_after__isnull=False).first() if number <= MOST_VERSIONS else None
    )
    if version is None:
        raise Http404
    version.certificate = certificate
    return version


def shown(request: HttpRequest, bot: Bot | None, version: CertificateVersion) -> dict[str, Any]:
    """What both pages and the part that changes show."""
    evidence, now = evidence_for(version, cast(User, request.user)), timezone.now()
    asked = evidence.comparison.requested_at if evidence.comparison else now
    may = Permission.CERTIFICATE_IMPORT in request.permissions  # type: ignore[attr-defined]
    return {
        "bot": bot,
        "certificate": version.certificate,
        "version": version,
        "evidence": evidence,
        "tone": tone_of(evidence),
        "broken": broken_by(evidence),
        "rows": evidence.rows[:ROWS_SHOWN],
        "live": evidence.live,
        "no_worker": evidence.live and now - asked > WORKER_PATIENCE and not worker_alive(now),
        "may_compare": may and version.status in COMPARABLE and not evidence.live,
        "may_promote": may and version.status in COMPARABLE,
    }


def tone_of(evidence: Evidence) -> str:
    """Red as soon as one test says that a promotion breaks a node."""
    if evidence.breaking:
        return "error"
    return "info" if evidence.live else "ok" if evidence.green else "warning"


def broken_by(evidence: Evidence) -> str:
    """How many nodes the promotion breaks, in one sentence; empty when none is known of, as things are now."""
    count = 0 if evidence.past else len(evidence.breaking)
    if count > 1:
        return f"{count} service nodes accept the active version and reject this one: their calls fail from then on."
    return (
        "A service node accepts the active version and rejects this one: its calls fail from then on." if count else ""
    )
