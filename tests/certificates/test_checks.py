"""What `manage.py check` says about keys at rest. The sealed states are in `test_key_storage`."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from certificates.key_storage import create_keyring


@pytest.fixture
def key_file(tmp_path: Path, settings: Settings) -> Path:
    path = tmp_path / "keys" / "keyring.json"
    path.parent.mkdir()
    create_keyring(path)
    settings.KEYRING_FILE = path
    return path


def ids(*, deploy: bool = False) -> list[str]:
    messages = run_checks(tags=["security"], include_deployment_checks=deploy)
    return [str(message.id) for message in messages if str(message.id).startswith("certificates.")]


def test_a_good_keyring_is_silent(key_file: Path) -> None:
    assert ids(deploy=True) == []


def test_missing_keyring_warns(key_file: Path) -> None:
    key_file.unlink()
    key_file.parent.rmdir()
    assert ids(deploy=True) == ["certificates.W001"]


def test_a_keyring_among_the_static_files_is_an_error(key_file: Path, settings: Settings) -> None:
    settings.STATIC_ROOT = key_file.parent
    assert ids() == ["certificates.E001"]


def test_a_link_from_elsewhere_does_not_hide_it(key_file: Path, settings: Settings, tmp_path: Path) -> None:
    settings.STATICFILES_DIRS = [key_file.parent]
    settings.KEYRING_FILE = tmp_path / "link"
    settings.KEYRING_FILE.symlink_to(key_file)
    assert ids() == ["certificates.E001"]


@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_folder_open_to_others_warns_before_deployment(key_file: Path, mode: int) -> None:
    key_file.parent.chmod(mode)
    assert ids() == []
    assert ids(deploy=True) == ["certificates.W002"]


def test_a_sticky_folder_protects_it(key_file: Path) -> None:
    key_file.parent.chmod(0o1777)
    assert ids(deploy=True) == []
