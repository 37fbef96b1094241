"""A process that rotates the keyring in children which die: at the n-th write, or whenever a signal hits them.

Its standard input holds one order a line, its standard output the outcome: `KILLED`, -9 (the signal), or 0 (done).

    new|resume write N before|after
    new|resume kill SECONDS
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from tests.certificates.services.import_until_killed import KILLED, Killer

FILE_EVENTS = {"os.rename", "os.remove"}  # Python's audit events; they come before the act
BATCH = 5


class FileKiller:
    """Counts what the rotation does to files together with its writes to the database."""

    def __init__(self, killer: Killer, folder: str) -> None:
        self.killer, self.folder = killer, folder

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        opened = event == "open" and str(arguments[0]).startswith(self.folder) and arguments[2] & os.O_CREAT
        if opened and not str(arguments[0]).endswith(".new"):
            return  # SQLite's own
        if opened or event in FILE_EVENTS:
            self.killer.left -= 1
            if self.killer.left == 0:
                os._exit(KILLED)


def rotate(*, new_key: bool, n: int, moment: str) -> None:
    """Die at the n-th write; n is 0 for never."""
    from django.conf import settings
    from django.db import connection

    from botplatform.accounts.actors import Actor
    from certificates.services import resealing
    from certificates.services.rekeying import rotate_keyring

    resealing.BATCH = BATCH
    killer = Killer(n, after=moment == "after")
    sys.addaudithook(FileKiller(killer, str(settings.KEYRING_FILE.parent)))
    with connection.execute_wrapper(killer):
        done = rotate_keyring(actor=Actor.operating_system(), new_key=new_key)
    assert not done.left
    assert not done.kept


def serve() -> None:
    """Obey the orders."""
    import django

    django.setup()
    for line in sys.stdin:
        kind, how, number, *moment = line.split()
        child = os.fork()  # before any connection, so each has its own
        if child == 0:
            n = int(number) if how == "write" else 0
            rotate(new_key=kind == "new", n=n, moment=moment[0] if moment else "before")
            os._exit(0)
        if how == "kill":
            time.sleep(float(number))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    serve()
