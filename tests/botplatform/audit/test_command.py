"""`verify_audit_trail`: exit codes and JSON."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from botplatform.audit.models import AuditHead
from tests.botplatform.audit.test_record import record_one
from tests.database import triggers_set_aside


def test_unbroken(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    head = record_one().hash
    call_command("verify_audit_trail", expect_head=head.upper())
    assert capsys.readouterr().out == f"The audit trail is unbroken: 1 events.\nhead {head}\n"


def test_broken(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    record_one()
    with triggers_set_aside():
        AuditHead.objects.update(hash="0" * 64)
    with pytest.raises(SystemExit) as exit_info:
        call_command("verify_audit_trail", json=True)
    assert exit_info.value.code == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer == {
        "ok": False,
        "events": 1,
        "head_position": 1,
        "head_hash": "0" * 64,
        "first_broken_position": 1,
        "problem": "The head of the trail does not name the last event.",
    }


@pytest.mark.parametrize("head", ["", "abc", "g" * 64])
def test_a_head_that_is_no_hash_could_not_run(db: None, head: str) -> None:
    with pytest.raises(CommandError) as error_info:
        call_command("verify_audit_trail", expect_head=head)
    assert error_info.value.returncode == 2
