"""What an import says that its service nodes will present."""

from __future__ import annotations

import pytest

from botplatform.bots.models import Bot
from certificates.models import VersionStatus
from servicenodes.services.outlook import foresee
from tests.factories import make_certificate, make_node

pytestmark = pytest.mark.django_db


def test_what_each_node_will_present(bot: Bot, other_bot: Bot) -> None:
    make_certificate(bot, "bank", is_default=True)
    limited = make_certificate(bot, "limited")
    limited.allowed_hosts = ["api.bank.example", "elsewhere.example"]
    limited.save(update_fields=["allowed_hosts"])
    empty = make_certificate(bot, "empty", status=VersionStatus.STAGED)
    nodes = [
        make_node(bot),
        make_node(bot, url="", exported_url="{{base}}/x"),
        make_node(bot, certificate=limited),
        make_node(bot, certificate=limited, url="https://other.example/{{x}}"),
        make_node(bot, certificate=limited, server_name="inner.example"),
        make_node(bot, certificate=empty),
        make_node(other_bot),
    ]
    assert [row.presents for row in foresee(nodes)] == [
        "acme/bank (the bot’s default)",
        "acme/bank (the bot’s default) once it has a URL",
        "acme/limited (attached to it)",
        "nothing: acme/limited (attached to it) may not be presented to other.example",
        "nothing: acme/limited (attached to it) may not be presented to inner.example",
        "nothing: acme/empty (attached to it) has no active version",
        "nothing: no certificate is attached, and there is no default",
    ]
    make_certificate(None, "bank", is_default=True)
    assert foresee(nodes[-1:])[0].presents == "platform/bank (the platform’s default)"
