"""`/healthz` and `/readyz`, as a load balancer asks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client


def test_healthz_needs_no_database(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db
def test_readyz_when_all_is_well(client: Client) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "problems": []})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_readyz_without_a_keyring(client: Client, settings: Any, tmp_path: Path) -> None:
    settings.KEYRING_FILE = tmp_path / "missing.json"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert len(answer.json()["problems"]) == 1


@pytest.mark.django_db
def test_readyz_with_migrations_that_have_not_run(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'jobs' AND name = '0002_duties'")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["problems"]) == (503, ["1 database migrations have not run."])


@pytest.mark.django_db
def test_readyz_without_a_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("could not connect to server")

    monkeypatch.setattr(connection, "ensure_connection", refuse)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["problems"]) == (503, ["The database does not answer."])


@pytest.mark.django_db
def test_neither_is_redirected_to_https(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200
    assert client.get("/sign-in/").status_code == 301
