"""Which headers are credentials."""

from __future__ import annotations

import pytest

from botplatform.errors import InvalidInput
from servicenodes.secret_headers import is_credential, must_be_sealed

CREDENTIALS = [
    "Authorization", "Cookie", "X-Api-Key", "apikey", "Api_Key", "X-Auth", "x-access-token", "Client-Secret",
    "X-Password", "Ocp-Apim-Subscription-Key", "X-Session-Id", "PWD",
]  # fmt: skip
OTHERS = [
    "Accept",
    "Content-Type",
    "X-Author",
    "X-Keyboard",
    "X-Request-Id",
    "Accept-Language",
    "X-Passenger",
    "Monkey",
]


@pytest.mark.parametrize("name", CREDENTIALS)
def test_credentials(name: str) -> None:
    assert is_credential(name)
    assert must_be_sealed(name, "s3cret")


@pytest.mark.parametrize("name", OTHERS)
def test_others(name: str) -> None:
    assert not must_be_sealed(name, "a{{b}}")


def test_a_credential_that_comes_with_the_call_is_no_secret_of_the_node() -> None:
    for value in ("{{token}}", "Bearer {{token}}", "session={{sid}}"):
        assert not must_be_sealed("Authorization", value)
    for value in ("Bearer abc{{token}}", "{{a}}{{b}}", "{{a}} x", "key9={{x}}"):
        with pytest.raises(InvalidInput, match="whole value"):
            must_be_sealed("Authorization", value)
