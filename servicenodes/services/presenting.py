"""What a connection presents: which certificate, which of its versions, opened for the purpose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from botplatform.accounts.actors import Actor
from botplatform.errors import NotFound
from certificates.errors import CredentialUnusable, EnvelopeBroken, Sealed
from certificates.key_storage import fitting_keyring
from certificates.models import CertificateVersion, ClientCertificate, VersionStatus
from certificates.pki.credential import Credential
from certificates.services.keys import Purpose, certificates_of, open_credential
from servicenodes.errors import CredentialRefused
from servicenodes.tls.judgement import Reason
from servicenodes.tls.probe import Locked
from servicenodes.tls.report import ClientSide

STAGED = "staged"  # selects the staged version
NOTHING = ClientSide(certificate=None, version=None, sha256=None, source="none")


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential to be opened, or the sentence why the chosen certificate cannot be presented; neither: none is
    chosen."""

    client: ClientSide = NOTHING
    version: CertificateVersion | None = None
    locked: Locked | None = None
    unusable: str = ""
    why: Reason = Reason.CANNOT_BE_OPENED  # of `unusable`


def present(
    *,
    actor: Actor,
    certificate: ClientCertificate | None,
    source: str,
    version: int | str | None,
    purpose: Purpose,
    hosts: tuple[str, ...] = (),
) -> Presented:
    """The chosen version (a number, `staged`, or None: the active one) of the chosen certificate, to be opened.

    `source` is for the report: node, bot, platform, option. `hosts` are those of the URL and of the name to be proven;
    the certificate goes to no others than its own. An expired certificate is presented all the same: the server's
    answer is what one wants to know. Raises `NotFound` for a version asked for by name, and `Sealed`.
    """
    if certificate is None:
        return Presented()
    chosen = find_version(certificate, version)
    if chosen is None:
        client = ClientSide(certificate=certificate.path, version=None, sha256=None, source=source)
        text = f"“{certificate.path}” has no active version."
        return Presented(client, unusable=text, why=Reason.NO_ACTIVE_VERSION)
    client = ClientSide(certificate=certificate.path, version=chosen.number, sha256=chosen.sha256, source=source)
    if not certificate.may_go_to(*hosts):
        text = f"“{certificate.path}” may not be presented to {hosts[0]}: it is not among its allowed hosts."
        return Presented(client, chosen, unusable=text, why=Reason.HOST_NOT_ALLOWED)
    fitting_keyring()  # a sealed console is known at once; the key is opened when a connection will be made
    return Presented(client, chosen, Locked(certificates_of(chosen), partial(_open, actor, chosen, purpose)))


def _open(actor: Actor, version: CertificateVersion, purpose: Purpose) -> Credential:
    try:
        return open_credential(version=version, purpose=purpose, actor=actor)
    except (CredentialUnusable, EnvelopeBroken) as error:
        raise CredentialRefused(error.text, reason=Reason.CANNOT_BE_OPENED) from error
    except Sealed as error:  # since a moment ago
        raise CredentialRefused(error.text, reason=Reason.SEALED) from error


def find_version(certificate: ClientCertificate, version: int | str | None) -> CertificateVersion | None:
    """The active version (which may not exist), or the one asked for. Raises `NotFound`."""
    if version is None:
        return certificate.active_version
    versions = certificate.versions.all()
    wanted = versions.filter(status=VersionStatus.STAGED) if version == STAGED else versions.filter(number=version)
    found = wanted.first()
    if found is None:
        what = "staged version" if version == STAGED else f"version {version}"
        raise NotFound(f"“{certificate.path}” has no {what}.")
    return found
