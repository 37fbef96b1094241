"""`createsuperuser`, without a terminal."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent

pytestmark = pytest.mark.django_db


def test_an_administrator_is_made_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("another calm otter\n"))
    call_command("createsuperuser", username="anna", stderr=io.StringIO())
    anna = User.objects.get(username="anna")
    assert anna.is_administrator
    assert anna.check_password("another calm otter")
    event = AuditEvent.objects.get()
    assert (event.action, event.facts) == ("user.created", {"platform_role": "administrator"})


@pytest.mark.parametrize("typed", ["short\n", ""])
def test_a_weak_password_ends_with_2(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    with pytest.raises(CommandError) as ended:
        call_command("createsuperuser", username="anna")
    assert ended.value.returncode == 2
    assert not User.objects.exists()
    assert not AuditEvent.objects.exists()
