"""The signing secrets of webhooks at rest: sealed, and bound to their row."""

from __future__ import annotations

from botplatform import sealing
from botplatform.notifications.models import WebhookEndpoint

MODEL = "notifications.WebhookEndpoint"


def seal_secret(endpoint: WebhookEndpoint, secret: str) -> None:
    """Keep the secret in the row, which the caller saves. Raises `DomainError` while the console is sealed."""
    endpoint.envelope, endpoint.key_id = sealing.seal(secret, **_place(endpoint))


def secret_of(endpoint: WebhookEndpoint) -> str:
    """The secret again. Raises `DomainError` while sealed, or if the row was tampered with."""
    return sealing.unseal(bytes(endpoint.envelope), key_id=endpoint.key_id, **_place(endpoint))


def _place(endpoint: WebhookEndpoint) -> dict[str, str]:
    """Bound to the row, its address and its owner: neither the envelope nor the address can be exchanged."""
    return {"model": MODEL, "object_id": f"{endpoint.pk}/{endpoint.url}", "owner": endpoint.owner}
