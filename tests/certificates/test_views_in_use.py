"""A certificate or trust store in use: the page says why it cannot be deleted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate
from servicenodes.models import ServiceNode
from tests.factories import make_certificate, make_node, make_trust_store

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
KEPT = "It cannot be deleted while it is in use"


def test_what_is_in_use_says_why_it_stays(sign_in: SignIn, manager: User, viewer: User, bot: Bot) -> None:
    certificate, store = make_certificate(bot, is_default=True), make_trust_store(bot)
    make_node(bot, certificate=certificate, trust_store=store)
    paths = [certificate.get_absolute_url(), store.get_absolute_url()]
    client, looking = sign_in(manager), sign_in(viewer)
    for path in paths:
        assert KEPT in client.get(path).content.decode()
        assert KEPT not in looking.get(path).content.decode()
    ServiceNode.objects.all().delete()
    assert "make another one the default, or none, first" in client.get(paths[0]).content.decode()
    ClientCertificate.objects.update(is_default=False)
    for path in paths:
        page = client.get(path).content.decode()
        assert KEPT not in page
        assert "<summary>Delete this" in page
