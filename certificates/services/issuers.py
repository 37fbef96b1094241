"""Issuers: naming a CA that signs by itself, its secrets, and opening it for use.

A secret is never shown again. It is opened in one place, for a request to that CA.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.module_loading import import_string

from botplatform.accounts.actors import Actor
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, InvalidInput, NotFound
from botplatform.sealing import overtaken
from botplatform.validation import check_model, one_line, refuse_route
from certificates import key_storage
from certificates.issuer_models import CertificateIssuer, Challenge, IssuerKind, IssuerSecret, SecretName
from certificates.issuers.port import Issuer
from certificates.models import TrustStore
from certificates.pki.secret import Secret
from certificates.services import defaults, pace
from certificates.services.deleting import delete_unused

MAX_SECRET_LENGTH = 4096
OPENERS = {  # by path: the ACME library takes a moment to load, and only workers need it
    IssuerKind.ACME: "certificates.services.opening.open_acme",
    IssuerKind.VAULT: "certificates.services.opening.open_vault",
}


@dataclass(frozen=True, slots=True)
class IssuerOrder:
    """What was typed about a new issuer. Each kind takes what it knows and refuses the rest."""

    name: str
    kind: str
    url: str
    trust_store: TrustStore | None = None
    options: Mapping[str, str] = field(default_factory=dict)  # the other columns of the model, by name
    secret: Secret | None = None


# Which options a kind takes, and which of them it needs.
OPTIONS = {
    IssuerKind.ACME: {"challenge": True, "contact": False, "eab_kid": False},
    IssuerKind.VAULT: {"mount": True, "role": True, "namespace": False, "role_id": False},
}
LABELS = {"eab_kid": "The external account’s key id", "role_id": "The AppRole’s role id"}


def create_issuer(*, actor: Actor, owner: Bot | None, order: IssuerOrder) -> CertificateIssuer:
    """Name a CA. Nothing is asked of it yet.

    Raises `NotAllowed`, `InvalidInput`, `Conflict` (the name is taken), `Sealed`.
    """
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=owner)
    issuer = _checked(actor, owner, order)
    secrets = _secrets(issuer, order.secret)
    rows = [_sealed(issuer, name, value) for name, value in secrets.items()]
    try:
        with transaction.atomic():
            defaults.lock_owner(owner)
            issuer.save(force_insert=True)
            IssuerSecret.objects.bulk_create(rows)
            _record(actor, Action.ISSUER_CREATED, issuer, {"kind": issuer.kind, "host": _host(issuer)})
    except IntegrityError as error:
        taken = Conflict(f"There is an issuer “{issuer.path}” already.", code="exists")
        raise overtaken(error) or taken from error
    return issuer


@transaction.atomic
def replace_secret(*, actor: Actor, issuer: CertificateIssuer, secret: Secret) -> None:
    """Put a new token, secret id or external account key in the place of the one before.

    Raises `NotAllowed`, `NotFound`, `InvalidInput`, `Sealed`.
    """
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=issuer.bot)
    name = given_secret(issuer)
    if name is None:
        raise InvalidInput("This issuer has no secret that somebody gave it.", field="secret")
    check_secret(secret)
    locked = CertificateIssuer.objects.select_for_update(of=("self",), no_key=True).filter(pk=issuer.pk)
    if locked.first() is None:
        raise NotFound(f"There is no issuer “{issuer.path}” any more.")
    IssuerSecret.objects.filter(issuer=issuer, name=name).delete()
    _sealed(issuer, name, secret).save(force_insert=True)
    _record(actor, Action.ISSUER_CHANGED, issuer, {"replaced": name.label})


def check_issuer(*, actor: Actor, issuer: CertificateIssuer) -> str:
    """Ask the CA something harmless that needs the sign-in. Returns its answer in one sentence.

    Raises `NotAllowed`, `IssuerFailed`, `Sealed`, and `Conflict` when the actor does it too often.
    """
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=issuer.bot)
    with transaction.atomic():
        _record(actor, Action.ISSUER_CHECKED, issuer, {"host": _host(issuer)})
        pace.refuse_haste(actor)
    return open_issuer(issuer).check()


@transaction.atomic
def delete_issuer(*, actor: Actor, issuer: CertificateIssuer) -> None:
    """Delete an issuer and its secrets. Raises `NotAllowed`, or `Conflict` while a certificate is renewed by it."""
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=issuer.bot)
    key = issuer.pk
    delete_unused(issuer, actor=actor, what=f"The issuer “{issuer.path}”")
    issuer.pk = key  # Django clears it
    _record(actor, Action.ISSUER_DELETED, issuer, {})


def open_issuer(issuer: CertificateIssuer) -> Issuer:
    """The issuer, ready to be asked. The caller has authorised it. Raises `Sealed`, `EnvelopeBroken`."""
    rows = IssuerSecret.objects.filter(issuer=issuer).select_related("issuer")
    secrets = {SecretName(row.name): key_storage.open_row(row) for row in rows}
    store = issuer.trust_store
    anchors = tuple(bytes(der) for der in store.anchors.values_list("der", flat=True)) if store else ()
    if store and not anchors:
        raise Conflict(f"The trust store “{store.path}” is empty, so no server can be trusted with it.")
    opened: Issuer = import_string(OPENERS[IssuerKind(issuer.kind)])(issuer, secrets, anchors)
    return opened


def given_secret(issuer: CertificateIssuer) -> SecretName | None:
    """Which secret somebody has to give it."""
    if issuer.kind == IssuerKind.VAULT:
        return SecretName.SECRET_ID if issuer.role_id else SecretName.TOKEN
    return SecretName.EAB_KEY if issuer.eab_kid else None


def _checked(actor: Actor, owner: Bot | None, order: IssuerOrder) -> CertificateIssuer:
    if order.kind not in IssuerKind.values:
        raise InvalidInput(f"The kind is {' or '.join(IssuerKind.values)}.", field="kind")
    kind = IssuerKind(order.kind)
    if order.trust_store and order.trust_store.bot not in {None, owner}:
        raise InvalidInput("The trust store belongs to another bot.", field="trust_store")
    issuer = CertificateIssuer(bot=owner, name=order.name, kind=kind, url=address(order.url))
    issuer.trust_store, issuer.created_by = order.trust_store, actor.name[:150]
    if kind == IssuerKind.ACME and not settings.ACME_HOOK:
        text = "ACME needs the operator’s hook: set ACME_HOOK where the console is installed."
        raise InvalidInput(text, field="kind")
    for name, value in _options(kind, order.options).items():
        setattr(issuer, name, value)
    check_model(issuer)
    refuse_route(order.name, "create", field="name")
    return issuer


def _options(kind: IssuerKind, given: Mapping[str, str]) -> dict[str, str]:
    known = OPTIONS[kind]
    if others := sorted(name for name, value in given.items() if value and name not in known):
        raise InvalidInput(f"{kind.label} takes no {LABELS.get(others[0], others[0])}.", field=others[0])
    found = {name: option(name, given.get(name) or "", needed=needed) for name, needed in known.items()}
    if kind == IssuerKind.ACME and found["challenge"] not in Challenge.values:
        raise InvalidInput(f"The challenge is {' or '.join(Challenge.values)}.", field="challenge")
    return found


def option(name: str, value: str, *, needed: bool = False) -> str:
    """One of the `OPTIONS` as it is kept. Raises `InvalidInput`."""
    label = LABELS.get(name, f"The {name}")
    text = one_line(value, field=name, label=label, max_length=200, required=needed)
    if not text.isascii():
        raise InvalidInput(f"{label} holds other than ASCII characters.", field=name)
    return text


def address(url: str) -> str:
    """The address of a CA as it is kept. Raises `InvalidInput`."""
    text = one_line(url, field="url", label="The address", max_length=500)
    try:
        parts = urlsplit(text)
        fine = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and text.isascii()
    except ValueError:
        fine = False
    if not fine or "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidInput("The address must be an HTTPS address without user, query or fragment.", field="url")
    return text


def _secrets(issuer: CertificateIssuer, secret: Secret | None) -> dict[SecretName, Secret]:
    name = given_secret(issuer)
    if name is None and secret:
        raise InvalidInput("A secret is of use only with the key id of an external account.", field="secret")
    if name is not None and not secret:
        raise InvalidInput(f"The {name.label} is missing.", field="secret")
    found = {SecretName.ACCOUNT_KEY: _account_key()} if issuer.kind == IssuerKind.ACME else {}
    if name is not None and secret is not None:
        check_secret(secret)
        found[name] = secret
    return found


def check_secret(secret: Secret) -> None:
    """Raises `InvalidInput` for what no CA takes."""
    value = secret.reveal()
    if not value or len(value) > MAX_SECRET_LENGTH or not all(33 <= byte <= 126 for byte in value):
        raise InvalidInput("The secret must be ASCII characters without spaces.", field="secret")


def _account_key() -> Secret:
    key = ec.generate_private_key(ec.SECP256R1())
    return Secret(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def _sealed(issuer: CertificateIssuer, name: SecretName, secret: Secret) -> IssuerSecret:
    row = IssuerSecret(issuer=issuer, name=name)
    key_storage.seal_into(row, secret)
    return row


def _host(issuer: CertificateIssuer) -> str:
    return urlsplit(issuer.url).netloc


def _record(actor: Actor, action: Action, issuer: CertificateIssuer, facts: dict[str, object]) -> None:
    trail.record(
        actor=actor,
        action=action,
        object_type="issuer",
        object_id=issuer.pk,
        object_name=issuer.path,
        bot=issuer.bot,
        facts=facts,
    )
