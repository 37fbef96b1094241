"""Fills every table that holds envelopes, and opens all of them."""

from __future__ import annotations

from typing import Any

from botplatform import sealing
from botplatform.bots.models import Bot
from botplatform.notifications.models import WebhookEndpoint
from certificates.issuer_models import CertificateIssuer, IssuerKind, IssuerSecret, SecretName
from certificates.key_storage import open_row, seal_into
from certificates.models import SealedKey
from certificates.pki.secret import Secret
from servicenodes.models import SealedHeader
from tests.certificates.stored import store
from tests.factories import make_node
from tests.pki import CA


def fill(bot: Bot, keys: int) -> None:
    """So many private keys, a secret header for every ten, a webhook, and an issuer."""
    issued = CA.root().issue("bot.example")
    for number in range(keys):
        store(issued, bot=bot, name=f"bank-{number}")
    for number in range(max(keys // 10, 1)):
        row = SealedHeader(node=make_node(bot, f"node-{number}"), name="X-Api-Key")
        seal_into(row, Secret(b"secret of %d" % number))
        row.save()
    endpoint = WebhookEndpoint(bot=bot, url="https://hooks.example.com/", created_by="tests")
    sealing.seal(endpoint, "secret of the webhook")
    endpoint.save()
    issuer = CertificateIssuer.objects.create(
        bot=bot, name="vault", kind=IssuerKind.VAULT, url="https://vault.example/"
    )
    token = IssuerSecret(issuer=issuer, name=SecretName.TOKEN)
    seal_into(token, Secret(b"token of the issuer"))
    token.save()


def secrets() -> dict[object, bytes]:
    """Every stored secret, opened with the key file as it is now."""
    models: tuple[Any, ...] = (SealedKey, SealedHeader, WebhookEndpoint, IssuerSecret)
    return {
        row.pk: open_row(row).reveal()
        for model in models
        for row in model.objects.select_related(*getattr(model, "place_needs", ()))
    }
