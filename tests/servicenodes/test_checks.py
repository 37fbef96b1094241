"""`manage.py check` tells of egress settings that cannot be read."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from servicenodes.checks import egress_can_be_read


@pytest.mark.parametrize(
    ("allow", "proxy", "expected"),
    [
        ([], "", []),
        (["10.0.0.0/8", "bank.internal:8443"], "http://proxy:3128", []),
        (["10.0.0.0/99"], "", ["servicenodes.E001"]),
        (["https://bank.internal"], "socks5://proxy:1", ["servicenodes.E001", "servicenodes.E002"]),
    ],
)
def test_egress_settings(settings: Settings, allow: list[str], proxy: str, expected: list[str]) -> None:
    settings.EGRESS_ALLOW, settings.EGRESS_PROXY = allow, proxy
    assert [found.id for found in egress_can_be_read(None)] == expected
