"""The root of the product's expected errors. Standard library only.

DomainError                     something a person can understand and correct
├── NotAllowed                  the actor lacks the permission
├── NotFound                    no such object, or not visible to the actor: the two look the same
├── Conflict                    somebody else changed it, or it is in use
│   └── Stale                   it is not as the caller last saw it: look again, then decide
└── InvalidInput                a value is not acceptable; `field` names it

The apps add their own branches in `certificates.errors` and `servicenodes.errors`.
Doors translate: forms show `text`, commands exit 2, the HTTP API answers a problem document.
"""


class DomainError(Exception):
    """An expected failure. `code` is stable for programs, `text` is one sentence for people."""

    code = "error"

    def __init__(self, text: str, *, code: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        if code is not None:
            self.code = code


class NotAllowed(DomainError):
    """The actor may see the object but lacks the permission for this act."""

    code = "not_allowed"


class NotFound(DomainError):
    """There is no such object, or the actor may not know that there is."""

    code = "not_found"


class Conflict(DomainError):
    """The object changed meanwhile, or something else still uses it."""

    code = "conflict"


class Stale(Conflict):
    """The object changed since the caller read it."""

    code = "stale"


class InvalidInput(DomainError):
    """A value is not acceptable. `field` names the form field or option it came from.

    `beside` is the sentence for a door that shows it beside that field, where `text` begins with the field's name.
    """

    code = "invalid_input"

    def __init__(
        self, text: str, *, field: str | None = None, code: str | None = None, beside: str | None = None
    ) -> None:
        super().__init__(text, code=code)
        self.field = field
        self.beside = beside or text
