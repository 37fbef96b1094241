"""The trail in the Django admin."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from tests.botplatform.audit.test_record import record_one


@pytest.mark.parametrize("who", ["administrator", "auditor"])
def test_it_can_be_read_and_not_changed(
    db: None, who: str, request: pytest.FixtureRequest, sign_in: Callable[[User], Client]
) -> None:
    event = record_one(object_name="<b>acme</b>", facts={"slug": "acme"})
    client = sign_in(request.getfixturevalue(who))
    count = AuditEvent.objects.count()
    listed = client.get(reverse("admin:audit_auditevent_changelist"))
    assert listed.status_code == 200
    assert "<b>acme</b>" not in listed.content.decode()
    change = reverse("admin:audit_auditevent_change", args=[event.pk])
    assert client.get(change).status_code == 200
    assert client.post(change, {"actor_name": "mallory"}).status_code == 403
    for refused in (
        reverse("admin:audit_auditevent_add"),
        reverse("admin:audit_auditevent_delete", args=[event.pk]),
    ):
        assert client.get(refused).status_code == 403
        assert client.post(refused, {"post": "yes"}).status_code == 403
    assert AuditEvent.objects.count() == count


def test_others_do_not_see_it(owner: User, sign_in: Callable[[User], Client]) -> None:
    answer = sign_in(owner).get(reverse("admin:audit_auditevent_changelist"))
    assert answer.status_code in {302, 403, 404}
