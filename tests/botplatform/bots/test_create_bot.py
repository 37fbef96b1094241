"""`create_bot`, as a shell calls it."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot

pytestmark = pytest.mark.django_db


def test_it_makes_a_bot(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_bot", "acme", "--name", "Acme assistant", "--json")
    assert json.loads(capsys.readouterr().out) == {"bot": "acme", "name": "Acme assistant"}
    assert Bot.objects.get().name == "Acme assistant"
    assert AuditEvent.objects.get().actor_kind == "operating_system"


def test_a_taken_slug_ends_with_2(bot: Bot) -> None:
    with pytest.raises(CommandError, match="already") as ended:
        call_command("create_bot", "acme")
    assert ended.value.returncode == 2


def test_a_named_actor_acts_with_their_own_permissions(owner: User, administrator: User) -> None:
    with pytest.raises(CommandError, match=r"lacks the permission “bot\.create”"):
        call_command("create_bot", "mine", "--actor", "owner")
    call_command("create_bot", "mine", "--actor", "administrator")
    assert AuditEvent.objects.get().actor_name == "administrator"
