"""The builder's templates, `{{context.session.x}}`, as ours, `{{context_session_x}}`; `{{env.X}}` by its value."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from servicenodes.secret_headers import is_credential

_TEMPLATE = re.compile(r"\{\{([^{}]*)\}\}")  # one way only to match: foreign text must not make it try many
_NO_LETTER = re.compile(r"[^A-Za-z0-9]+")
LONGEST_NAME = 63
MOST_TEMPLATES = 200  # in one text
LONGEST_VALUE = 4000  # of an environment variable: each template may become one


def variable_name(expression: str) -> str:
    """A name of ours made from what stands between the builder's braces. The same makes the same, always."""
    name = _NO_LETTER.sub("_", expression).strip("_") or "value"
    name = f"_{name}" if name[0].isdigit() else name
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 9]}_{_digest(expression)}"


def _digest(expression: str) -> str:
    return hashlib.sha256(expression.encode()).hexdigest()[:8]


class Variables:
    """The variables of one service node. `names` tells what the builder's expressions are called here."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.names: dict[str, str] = {}

    def fill(self, template: str, *, secrets: bool = False) -> str:
        """`template` with known environment variables filled in, and the others under our names.

        Those that hold a credential are filled in only with `secrets`. Raises `ValueError` for too many of them.
        """
        if template.count("{{") > MOST_TEMPLATES:
            raise ValueError(f"it holds more than {MOST_TEMPLATES} variables")
        known = _TEMPLATE.sub(lambda found: self._value(found, secrets=secrets), template)
        return _TEMPLATE.sub(lambda found: f"{{{{{self._name(found[1].strip())}}}}}", known)

    def holds_secret(self, template: str) -> bool:
        """Whether a known credential is filled into it."""
        keys = (_key(found[1].strip()) for found in _TEMPLATE.finditer(template))
        return any(self._environment.get(key) and is_secret(key, self._environment[key]) for key in keys)

    def _value(self, found: re.Match[str], *, secrets: bool) -> str:
        key = _key(found[1].strip())
        value = self._environment.get(key, "")
        return value if value and (secrets or not is_secret(key, value)) else found[0]

    def _name(self, expression: str) -> str:
        if expression not in self.names:
            name = variable_name(expression)
            if name in self.names.values():  # `a.b` and `a-b`
                name = f"{name[: LONGEST_NAME - 9]}_{_digest(expression)}"
            self.names[expression] = name
        return self.names[expression]


def _key(expression: str) -> str:
    scope, _, key = expression.partition(".")
    return key if scope == "env" else ""


def is_secret(key: str, value: str) -> bool:
    """Whether an environment variable of this name holds a credential; an address never is one."""
    return is_credential(key) and not value.lower().startswith(("https://", "http://"))
