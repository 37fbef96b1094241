"""The settings page tells which keys there are, and what is sealed with each."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.key_storage import create_keyring, load_keyring
from tests.certificates.sealed import fill

pytestmark = pytest.mark.django_db


def test_each_key_with_its_state_and_rows(
    sign_in: Callable[[User], Client], auditor: User, bot: Bot, settings: Settings, tmp_path: Path
) -> None:
    path = settings.KEYRING_FILE = tmp_path / "keyring.json"
    create_keyring(path)
    fill(bot, 3)
    path.write_text(load_keyring().with_new_key().with_new_key(active=False).dump())
    old, active, prepared = load_keyring().key_ids

    def rows() -> list[str]:
        page = sign_in(auditor).get("/settings/").content.decode()
        assert "rotate_keyring --new-key" in page
        table = page.partition("Rows sealed with it")[2].partition("</table>")[0]
        found = re.findall(r"<tr>(.+?)</tr>", table, re.DOTALL)
        return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in found]

    assert rows() == [f"{old} Old 6", f"{active} Active 0", f"{prepared} Prepared 0"]
    path.unlink()
    assert rows() == [f"{old} Missing 6"]
