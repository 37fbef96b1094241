"""How certificates are renewed, in the HTTP API."""

from __future__ import annotations

from ninja import Status

from botplatform.api_kit.access import ApiRequest
from botplatform.api_kit.parsing import JSON
from botplatform.api_kit.routes import Section, owned
from botplatform.bots.roles import Permission
from botplatform.errors import InvalidInput, NotFound
from certificates.api.certificates import find
from certificates.api.routing import router
from certificates.issuer_models import CertificateIssuer
from certificates.lookup import find_issuer
from certificates.models import ClientCertificate, VersionStatus
from certificates.pki.csr import KeyKind
from certificates.schemas import RenewalIn, RenewalOut
from certificates.services.renewal_outlook import renewal_of
from certificates.services.renewal_policies import RenewalChoice, renew_now
from certificates.services.renewal_policies import set_renewal as choose

SECTION = Section(router, "certificates")
PATH = "/certificates/{name}/renewal"


@owned(SECTION, "GET", PATH, Permission.VIEW, answers={200: RenewalOut})
def get_renewal(request: ApiRequest, name: str) -> dict[str, object]:
    """By whom, when and how it is renewed, and how its renewal stands."""
    return _document(find(request, name))


@owned(SECTION, "PUT", PATH, Permission.CERTIFICATE_IMPORT, answers={200: RenewalOut}, problems=(409,), media_type=JSON)
def set_renewal(request: ApiRequest, name: str, body: RenewalIn) -> dict[str, object]:
    """Choose how it is renewed: by an issuer, or by hand. What is signed is staged.

    Another issuer or kind of key destroys the draft that the one before was asked for. 409 for too many a minute.
    """
    certificate = find(request, name)
    issuer = _issuer(request, body.issuer) if body.issuer is not None else None
    choice = RenewalChoice(issuer, body.days_before, body.key, body.auto_promote)
    choose(actor=request.actor, certificate=certificate, choice=choice)
    return _document(certificate)


@owned(SECTION, "POST", f"{PATH}/run", Permission.CERTIFICATE_IMPORT, answers={202: RenewalOut}, problems=(409,))
def run_renewal(request: ApiRequest, name: str) -> Status[dict[str, object]]:
    """Let a worker renew it now, due or not; where no version is active, have the newest open request signed.

    409 if no issuer is chosen, if there is nothing to renew and no open request, or too often.
    """
    certificate = find(request, name)
    renew_now(actor=request.actor, certificate=certificate)
    return Status(202, _document(certificate))


def _issuer(request: ApiRequest, name: str) -> CertificateIssuer:
    """What a body names in vain is a wrong value, not a missing address."""
    try:
        return find_issuer(request.actor, name, request.bot)
    except NotFound as error:
        text = "There is no such issuer, or this token may not know of it."
        raise InvalidInput(text, field="issuer", code="unknown_name") from error
    except InvalidInput as error:
        raise InvalidInput(error.text, field="issuer") from error


def _document(certificate: ClientCertificate) -> dict[str, object]:
    renewal = renewal_of(certificate, list(certificate.versions.filter(status=VersionStatus.ACTIVE)))
    policy = renewal.policy
    staged = policy.staged if policy else None
    return {
        "certificate": certificate.path,
        "issuer": renewal.issuer.path if renewal.issuer else None,
        "days_before": policy.days_before if policy else None,
        "key": policy.key_kind if policy else KeyKind.EC_P256,
        "auto_promote": policy.auto_promote if policy else False,
        "due_from": renewal.due_from,
        "draft": policy.draft.number if policy and policy.draft else None,
        "staged": staged.number if staged and staged.status == VersionStatus.STAGED else None,
        "failures": policy.attempt if policy else 0,
        "error": policy.error if policy else "",
        "standing": policy.standing if policy else "",
    }
