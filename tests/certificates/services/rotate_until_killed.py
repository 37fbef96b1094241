"""Run in a process of its own: changes acme/bank, and dies at the n-th statement that this sends to the database.

    python -m tests.certificates.services.rotate_until_killed promote|roll_back|retire|destroy N before|after

Exit code 0: it was done before the n-th write came; `KILLED`: it died there.
"""

from __future__ import annotations

import sys
from typing import Any

from tests.certificates.services.import_until_killed import Killer


def main(act: str, n: int, moment: str) -> None:
    """Promote or retire version 3, destroy version 1, or roll back."""
    import django

    django.setup()
    from django.db import connection

    from botplatform.accounts.actors import Actor
    from certificates.models import ClientCertificate
    from certificates.services import rotation

    numbers: dict[str, Any] = {"promote": {"number": 3}, "retire": {"number": 3}, "destroy": {"number": 1}}
    certificate = ClientCertificate.objects.select_related("bot").get(name="bank")
    with connection.execute_wrapper(Killer(n, after=moment == "after")):
        getattr(rotation, act)(actor=Actor.operating_system(), certificate=certificate, **numbers.get(act, {}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
