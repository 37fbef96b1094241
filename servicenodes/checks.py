"""System checks: what `manage.py check` says about outgoing connections."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from botplatform.errors import InvalidInput
from servicenodes.tls.address_policy import AddressPolicy
from servicenodes.tls.target import parse_proxy


@register(Tags.security)
def egress_can_be_read(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E001, E002: no connection could be tested, so say it at the start."""
    found: list[CheckMessage] = []
    try:
        AddressPolicy.parse(settings.EGRESS_ALLOW)
    except InvalidInput as error:
        found.append(Error(error.text, id="servicenodes.E001"))
    try:
        if settings.EGRESS_PROXY:
            parse_proxy(settings.EGRESS_PROXY)
    except InvalidInput as error:
        found.append(Error(f"EGRESS_PROXY: {error.text}", id="servicenodes.E002"))
    return found
