"""A forgetful cache: the calls of one test do not count for the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from botplatform.accounts.models import User
from tests.api.caller import Caller, caller_of


@pytest.fixture(autouse=True)
def _no_calls_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def call(administrator: User) -> Caller:
    """A caller who may everything."""
    return caller_of(administrator)
