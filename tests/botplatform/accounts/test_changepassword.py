"""`changepassword`, without a terminal."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent


def test_the_password_changes_on_record(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("another calm otter\n"))
    call_command("changepassword", "owner", stderr=io.StringIO())
    assert User.objects.get(pk=owner.pk).check_password("another calm otter")
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_kind) == ("user.changed", "operating_system")


@pytest.mark.parametrize(("name", "typed"), [("nobody", "another calm otter\n"), ("owner", "short\n"), ("owner", "")])
def test_refusals_end_with_2(name: str, typed: str, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    with pytest.raises(CommandError) as ended:
        call_command("changepassword", name)
    assert ended.value.returncode == 2
    assert not AuditEvent.objects.exists()
