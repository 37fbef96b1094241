"""From the rows of an issuer and its opened secrets to what speaks with the CA."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from certificates.issuer_models import CertificateIssuer, SecretName
from certificates.issuers.acme import Acme
from certificates.issuers.acme_talk import AcmeAccount
from certificates.issuers.hook import Hook
from certificates.issuers.vault import Vault, VaultLogin
from certificates.pki.secret import Secret

Secrets = Mapping[SecretName, Secret]


def open_acme(issuer: CertificateIssuer, secrets: Secrets, anchors: tuple[bytes, ...]) -> Acme:
    """A CA that speaks ACME."""
    account = AcmeAccount(
        key=secrets[SecretName.ACCOUNT_KEY],
        contact=issuer.contact,
        eab_key_id=issuer.eab_kid,
        eab_key=secrets.get(SecretName.EAB_KEY),
    )
    hook = Hook(settings.ACME_HOOK, settings.ACME_HOOK_TIMEOUT_S)
    return Acme(issuer.url, account, issuer.challenge, hook, anchors)


def open_vault(issuer: CertificateIssuer, secrets: Secrets, anchors: tuple[bytes, ...]) -> Vault:
    """The PKI engine of Vault or OpenBao."""
    name = SecretName.SECRET_ID if issuer.role_id else SecretName.TOKEN
    login = VaultLogin(secrets[name], issuer.role_id)
    return Vault(issuer.url, issuer.mount, issuer.role, login, issuer.namespace, anchors)
