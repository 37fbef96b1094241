"""The product in this process, on a database of its own: SQLite, or PostgreSQL with TEST_DATABASE=postgresql."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402 - settings first
from django.test.utils import get_runner  # noqa: E402

from certificates.key_storage import create_keyring  # noqa: E402


@contextmanager
def product() -> Iterator[None]:
    """Ready to be used: a keyring, an empty database, loopback allowed, no limit that a benchmark would meet."""
    settings.API_CALLS_PER_MINUTE = 1_000_000  # counted, and never reached
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]
    create_keyring(settings.KEYRING_FILE)
    runner = get_runner(settings)(verbosity=0, interactive=False)
    runner.setup_test_environment()
    databases = runner.setup_databases()
    try:
        yield
    finally:
        runner.teardown_databases(databases)
        runner.teardown_test_environment()
