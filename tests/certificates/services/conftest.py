"""A keyring that a test may change."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from certificates.key_storage import create_keyring


@pytest.fixture
def key_file(tmp_path: Path, settings: Settings) -> Path:
    """A keyring of this test's own, in a folder of its own."""
    (tmp_path / "keys").mkdir()
    settings.KEYRING_FILE = tmp_path / "keys" / "keyring.json"
    create_keyring(settings.KEYRING_FILE)
    return Path(settings.KEYRING_FILE)
