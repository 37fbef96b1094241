"""Pages that tell whoever runs the console which setting is wrong."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings


def test_a_foreign_host_name_names_the_setting(client: Client, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["console.example.com"]
    answer = client.get("/sign-in/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "ALLOWED_HOSTS" in page
    assert "malformed" not in page
    assert "console.example.com" not in page  # whoever knows it needs no hint


@pytest.mark.django_db
def test_a_form_from_another_address_names_the_setting() -> None:
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/sign-in/", {}, headers={"origin": "https://elsewhere.example"})
    assert answer.status_code == 403
    assert "BASE_URL" in answer.content.decode()
    expired = strict.post("/sign-in/", {})
    assert "This form has expired" in expired.content.decode()
