"""Which headers are credentials: their values are sealed like keys and never shown again. Pure."""

from __future__ import annotations

import re

from botplatform.errors import InvalidInput
from servicenodes import templating

_PARTS = re.compile(
    r"authori[sz]ation|cookie|token|secret|passw|passphrase|credential|session|api-?_?key|private-?_?key", re.IGNORECASE
)
_WORDS = frozenset({"key", "auth", "pwd", "pass", "pin", "sid", "jwt"})
_SCHEME = re.compile(r"(?:[A-Za-z][A-Za-z-]*[ =])?", re.ASCII)  # `Bearer `, `ApiKey `, `session=`


def is_credential(name: str) -> bool:
    """Whether a header of this name carries a credential: Authorization, Cookie, X-Api-Key, …-Token, …"""
    return bool(_PARTS.search(name) or _WORDS & set(re.split(r"[-_]", name.lower())))


def must_be_sealed(name: str, value: str) -> bool:
    """Whether this header is to be sealed. One whose whole value comes with the call holds no secret.

    Raises `InvalidInput` for a credential with a variable beside something that may be a secret.
    """
    if not is_credential(name):
        return False
    literals = templating.split(value)[::2]
    if len(literals) == 1:
        return True
    if len(literals) == 2 and _SCHEME.fullmatch(literals[0]) and not literals[1]:
        return False
    text = (
        f"The header {name} holds a variable beside other text. Let the whole value be one variable "
        f"(after a word such as “Bearer”), or none."
    )
    raise InvalidInput(text, field="headers")
