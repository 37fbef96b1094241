"""Run in a process of its own: asks for acme/bank, or completes it, and dies at the n-th write to the database.

    python -m tests.certificates.services.request_until_killed request|complete REPLY N before|after

Exit code 0: it was done before the n-th write came; `KILLED`: it died there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.certificates.services.import_until_killed import Killer


def main(act: str, reply: Path, n: int, moment: str) -> None:
    import django

    django.setup()
    from django.db import connection

    from botplatform.accounts.actors import Actor
    from botplatform.bots.models import Bot
    from certificates.models import ClientCertificate
    from certificates.pki.inspection import UploadedFile
    from certificates.services.completing import complete
    from certificates.services.requesting import request

    actor = Actor.operating_system()
    with connection.execute_wrapper(Killer(n, after=moment == "after")):
        if act == "request":
            request(actor=actor, owner=Bot.objects.get(slug="acme"), name="bank", subject="CN=client")
        else:
            certificate = ClientCertificate.objects.select_related("bot").get(name="bank")
            complete(actor=actor, certificate=certificate, files=[UploadedFile("reply.pem", reply.read_bytes())])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
