"""Run in a process of its own: imports, and dies at the n-th statement that the import sends to the database.

    python -m tests.certificates.services.import_until_killed BUNDLE N before|after [trust-store]

Exit code 0: the import was done before the n-th write came; `KILLED`: it died there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

KILLED = 77
WRITES = ("INSERT", "UPDATE", "DELETE")


class Killer:
    """Counts writes and ends the process, without any clean-up, before or after the n-th."""

    def __init__(self, n: int, *, after: bool) -> None:
        self.left, self.after = n, after

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.lstrip().upper().startswith(WRITES):
            return execute(sql, params, many, context)
        self.left -= 1
        if self.left == 0 and not self.after:
            os._exit(KILLED)
        result = execute(sql, params, many, context)
        if self.left == 0:
            os._exit(KILLED)
        return result


def main(bundle: Path, n: int, moment: str, what: str = "certificate") -> None:
    """Import `bundle` as acme's default certificate `bank`, or as its trust store `bank`."""
    import django

    django.setup()
    from django.db import connection

    from botplatform.accounts.actors import Actor
    from botplatform.bots.models import Bot
    from certificates.pki.inspection import UploadedFile
    from certificates.services.importing import import_certificate
    from certificates.services.trust_stores import import_trust_store

    bot = Bot.objects.get(slug="acme")
    actor, files = Actor.operating_system(), [UploadedFile("bundle.pem", bundle.read_bytes())]
    with connection.execute_wrapper(Killer(n, after=moment == "after")):
        if what == "trust-store":
            import_trust_store(actor=actor, owner=bot, name="bank", files=files)
        else:
            import_certificate(actor=actor, owner=bot, name="bank", files=files, passphrase=None, make_default=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
