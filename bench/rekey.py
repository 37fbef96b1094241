"""How long a rotation of the keyring takes while the console goes on opening keys.

    python -m bench.rekey [KEYS]

10,000 private keys (all the same one: what is sealed matters, not whose it is) are sealed again with a new key, while
another thread opens keys on the record, twenty a second, as calls and tests do. In a database of its own (SQLite, or
PostgreSQL with TEST_DATABASE=postgresql), with a keyring of its own.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench._product import product  # first: it sets Django up

# isort: split
from django.db import connection

from botplatform.accounts.actors import Actor
from botplatform.audit.trail import verify_trail
from certificates.key_storage import load_keyring, seal_private_key
from certificates.models import CertificateVersion, ClientCertificate, SealedKey
from certificates.pki.secret import Secret
from certificates.services.keys import Purpose, open_credential
from certificates.services.rekeying import rotate_keyring
from tests.certificates.stored import store
from tests.factories import make_bot
from tests.pki import CA

KEYS, READS_PER_S, AIM_S = 10_000, 20, 60


@dataclass
class Reads:
    """What the reader saw."""

    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def main(keys: int) -> None:
    """Measure and print."""
    with product():
        fill(keys)
        old = load_keyring().active_key_id
        with reading() as reads:
            begun = time.monotonic()
            done = rotate_keyring(actor=Actor.operating_system(), new_key=True)
            took = time.monotonic() - begun
        assert done.dropped == (old,)
        assert not done.left
        assert set(SealedKey.objects.values_list("key_id", flat=True)) == {done.active}
        assert verify_trail().ok
        report(keys, took, reads)


def report(keys: int, took: float, reads: Reads) -> None:
    verdict = "ok" if took <= AIM_S and not reads.failed else "missed"
    slowest = 1000 * max(reads.seconds, default=0)
    middle = 1000 * sorted(reads.seconds)[len(reads.seconds) // 2] if reads.seconds else 0
    print(
        f"{connection.vendor}: {keys:,} keys sealed again in {took:.1f} s ({keys / took:,.0f} a second); aim {AIM_S} s"
    )
    print(
        f"  meanwhile {len(reads.seconds)} keys opened ({len(reads.seconds) / took:.0f} a second), "
        f"{len(reads.failed)} failed; half within {middle:.0f} ms, the slowest {slowest:.0f} ms: {verdict}"
    )
    for text in reads.failed[:5]:
        print(f"  {text}")


@contextmanager
def reading() -> Iterator[Reads]:
    """Open keys at a steady pace in another thread."""
    reads, stop = Reads(), threading.Event()

    def read() -> None:
        versions = list(CertificateVersion.objects.order_by("pk")[:500])
        due = time.monotonic()
        while not stop.wait(max(due - time.monotonic(), 0)):
            due += 1 / READS_PER_S
            begun = time.monotonic()
            try:
                version = versions[len(reads.seconds) % len(versions)]
                open_credential(version=version, purpose=Purpose.INVOKE, actor=Actor.platform())
            except Exception as error:
                reads.failed.append(repr(error))
            reads.seconds.append(time.monotonic() - begun)
        connection.close()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield reads
    finally:
        stop.set()
        thread.join()


def fill(keys: int) -> None:
    """So many certificates with one sealed key each."""
    issued = CA.root().issue("bench.example")
    bot = make_bot("bench")
    first, key = store(issued, bot=bot, name="bank-0"), Secret(issued.key_pkcs8_der)
    own = {"id", "certificate_id"}
    facts = {field.attname: getattr(first, field.attname) for field in first._meta.concrete_fields}
    facts = {name: value for name, value in facts.items() if name not in own}
    certificates = [ClientCertificate(bot=bot, name=f"bank-{number}") for number in range(1, keys)]
    versions = [CertificateVersion(certificate=certificate, **facts) for certificate in certificates]
    sealed = [seal_private_key(version=version, private_key=key) for version in versions]
    ClientCertificate.objects.bulk_create(certificates, batch_size=500)
    CertificateVersion.objects.bulk_create(versions, batch_size=500)
    SealedKey.objects.bulk_create(sealed, batch_size=500)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else KEYS)
