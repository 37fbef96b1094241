"""Run in a process of its own: delivers the outbox, and dies at the n-th write that this sends to the database.

    python -m tests.botplatform.notifications.deliver_until_killed [N before|after]

Without N it only delivers; the test may kill it while a peer holds it up. Exit code 0: all that was due was tried.
"""

from __future__ import annotations

import sys

from tests.certificates.services.import_until_killed import Killer

NEVER = 1_000_000


def main(n: int = NEVER, moment: str = "before") -> None:
    """Deliver."""
    import django

    django.setup()
    from django.db import connection

    from botplatform.notifications.services.delivering import deliver_due

    with connection.execute_wrapper(Killer(n, after=moment == "after")):
        deliver_due()


if __name__ == "__main__":
    main(*(int(word) if word.isdigit() else word for word in sys.argv[1:]))  # type: ignore[arg-type]
