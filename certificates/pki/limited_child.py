"""The child process of `certificates.sandbox`: limits itself, reads one request, answers, ends.

Imports nothing but the standard library until the limits stand. Request and answer are JSON on standard input and
output (`certificates.pki.wire`).
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping
from typing import Any

CPU_SECONDS = 2
MEMORY_BYTES = 512 * 1024 * 1024


def limit(cpu_seconds: int = CPU_SECONDS, memory_bytes: int = MEMORY_BYTES) -> None:
    """Processor time, memory, no core dump, no file of any size."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))


def main() -> None:
    """Answer the one request on standard input."""
    limit()
    request = json.load(sys.stdin.buffer)
    try:
        answer = _answer(request)
    except MemoryError:
        answer = {"limit": "memory"}
    except RecursionError:
        answer = {"limit": "depth"}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    from datetime import datetime

    from certificates.errors import BundleError
    from certificates.pki import decoding, wire
    from certificates.pki.secret import Secret

    files = wire.load_files(request["files"])
    limits = {"max_bytes": int(request["max_bytes"])}
    if request["operation"] == "certificates":
        try:
            return {"certificates": [wire.dump_facts(facts) for facts in decoding.read_certificates(files, **limits)]}
        except BundleError as error:
            return {"error": [error.code, error.text, error.file]}
    if request["operation"] == "reply":
        reply = decoding.inspect_reply(
            files,
            open_keys=frozenset(request["open_keys"]),
            past_keys=frozenset(request["past_keys"]),
            now=datetime.fromisoformat(request["now"]),
            **limits,
        )
        return {"inspection": wire.dump_inspection(reply)}
    passphrase = request["passphrase"]
    inspection = decoding.inspect_files(
        files,
        passphrase=None if passphrase is None else Secret(wire.load_bytes(passphrase)),
        now=datetime.fromisoformat(request["now"]),
        **limits,
    )
    return {"inspection": wire.dump_inspection(inspection)}
