"""The two ways out: mail, and signed webhooks."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone
from django.utils.module_loading import import_string

from botplatform import outbound, sealing
from botplatform.errors import DomainError
from botplatform.notifications import signing
from botplatform.notifications.models import Channel, Delivery, WebhookEndpoint
from botplatform.text import printable

TIMEOUT_S = 10.0
GONE = 410  # Standard Webhooks: the receiver wants no more


class Undelivered(DomainError):
    """The peer did not take it. `final`: trying again makes no sense."""

    def __init__(self, text: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


def send(delivery: Delivery) -> str:
    """Hand the delivery to its peer; what the peer said. Needs `endpoint` loaded. Raises `Undelivered`."""
    return _mail(delivery) if delivery.channel == Channel.MAIL else _webhook(delivery)


def address_of(delivery: Delivery) -> str:
    """The whole address of the page it is about."""
    return f"{settings.BASE_URL}{delivery.link}" if delivery.link else ""


def _mail(delivery: Delivery) -> str:
    headers = {
        "Message-ID": f"<{delivery.pk}@{urlsplit(settings.BASE_URL).hostname}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834: answers nobody's “out of office”
    }
    if delivery.urgent:
        headers |= {"Importance": "high", "X-Priority": "1"}
    body = "\n\n".join(part for part in (delivery.text, address_of(delivery)) if part)
    message = EmailMessage(delivery.title, f"{body}\n", to=[delivery.recipient], headers=headers)
    try:
        message.send()
    except (OSError, UnicodeError) as error:  # all that a mail server may do: SMTPException is an OSError
        raise Undelivered(f"The mail server did not take it: {printable(str(error))[:200]}") from error
    return "accepted by the mail server"


def _webhook(delivery: Delivery) -> str:
    if delivery.endpoint is None:
        raise Undelivered("The endpoint was removed.", final=True)
    try:
        answer = outbound.send(_request(delivery, delivery.endpoint))
    except DomainError as error:  # no answer, an address that is not allowed, or the console is sealed
        raise Undelivered(error.text) from error
    if 200 <= answer.status < 300:
        return f"answered {answer.status}"
    raise Undelivered(f"It answered {answer.status}.", final=answer.status == GONE)


def _request(delivery: Delivery, endpoint: WebhookEndpoint) -> outbound.OutboundRequest:
    body = json.dumps(document(delivery), ensure_ascii=False, separators=(",", ":")).encode()
    signed = signing.headers(
        secret=sealing.unseal(endpoint),
        message_id=str(delivery.pk),
        timestamp=int(timezone.now().timestamp()),
        body=body,
    )
    anchors = import_string(settings.WEBHOOK_ANCHORS)(endpoint)
    return outbound.OutboundRequest(
        "POST",
        endpoint.url,
        headers=signed,
        body=body,
        anchors=anchors,
        timeout_s=TIMEOUT_S,
        status_is_enough=True,
    )


def document(delivery: Delivery) -> dict[str, object]:
    """The payload: the same in every attempt."""
    told = {"title": delivery.title, "text": delivery.text, "link": address_of(delivery), "urgent": delivery.urgent}
    return {"type": delivery.event, "timestamp": delivery.created_at.isoformat(), "data": {**delivery.data, **told}}
