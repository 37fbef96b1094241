"""Runs `certificates.pki.decoding` on untrusted bytes in a child process with limits: processor, memory, time, files.

A hostile upload can hold the interpreter lock for minutes inside a library call, so no thread and no signal handler
stops it: only another process does. The child is a fresh interpreter without Django and with an empty environment.
Nothing is written to disk; the private key comes back through the pipe only.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence, Set
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from certificates.errors import BundleError
from certificates.pki import wire
from certificates.pki.decoding import failed, refuse_too_large, safe_file_name
from certificates.pki.findings import ErrorCode
from certificates.pki.inspection import CertificateFacts, Inspection, UploadedFile
from certificates.pki.limited_child import CPU_SECONDS, MEMORY_BYTES
from certificates.pki.limits import MAX_FILES
from certificates.pki.secret import Secret

WALL_SECONDS = 3.0
CHILDREN_AT_ONCE = 4
WAIT_FOR_A_CHILD_SECONDS = 5.0
_MEMORY = f"{MEMORY_BYTES // 1024**2} MB of memory"

_PACKAGE_ROOT = Path(__file__).resolve().parent.parent
_PROGRAM = (
    f"import sys; sys.path.insert(0, {str(_PACKAGE_ROOT)!r}); from certificates.pki import limited_child as c; c.main()"
)
# Isolated (no PYTHON* variables, no user site) and leaving no byte code behind.
_COMMAND = (sys.executable, "-I", "-B", "-X", "utf8", "-c", _PROGRAM)
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": os.defpath}
_children = threading.BoundedSemaphore(CHILDREN_AT_ONCE)


def inspect_untrusted(files: Sequence[UploadedFile], *, passphrase: Secret | None, now: datetime) -> Inspection:
    """What the files hold and what an import would make of them; never raises for bad files. `now` is aware UTC.

    A limit that was hit is an inspection with the error `too_expensive`, `too_large` or `malformed` that names it.
    """
    request = {
        "operation": "inspect",
        "passphrase": None if passphrase is None else wire.dump_bytes(passphrase.reveal()),
        "now": now.isoformat(),
    }
    return _inspection(files, request)


def inspect_reply(
    files: Sequence[UploadedFile], *, open_keys: Set[str], past_keys: Set[str], now: datetime
) -> Inspection:
    """What a CA's reply holds for open requests, as `pki.decoding.inspect_reply` tells; never raises for bad files."""
    keys = {"open_keys": sorted(open_keys), "past_keys": sorted(past_keys)}
    return _inspection(files, {"operation": "reply", "now": now.isoformat(), **keys})


def _inspection(files: Sequence[UploadedFile], request: dict[str, Any]) -> Inspection:
    try:
        answer = _ask_child(files, request)
        return wire.load_inspection(answer["inspection"])
    except BundleError as error:
        return failed(error)
    except (KeyError, TypeError, ValueError):
        return failed(_stopped(files))


def read_certificates(files: Sequence[UploadedFile]) -> tuple[CertificateFacts, ...]:
    """The certificates of the files, each once, for a trust store; keys are passed over. Raises BundleError."""
    answer = _ask_child(files, {"operation": "certificates"})
    if error := answer.get("error"):
        code, text, file = error
        raise BundleError(code, text, file=file)
    try:
        return tuple(wire.load_facts(row) for row in answer["certificates"])
    except (KeyError, TypeError, ValueError) as broken:
        raise _stopped(files) from broken


def _ask_child(files: Sequence[UploadedFile], request: dict[str, Any]) -> dict[str, Any]:
    """Raises BundleError for a limit."""
    max_bytes = settings.MAX_UPLOAD_KB * 1024
    if len(files) > MAX_FILES:
        raise BundleError(ErrorCode.TOO_LARGE, f"{len(files)} files are more than the limit of {MAX_FILES}.")
    for file in files:
        refuse_too_large(file, max_bytes)
    body = json.dumps(request | {"files": wire.dump_files(files), "max_bytes": max_bytes}).encode()
    if not _children.acquire(timeout=WAIT_FOR_A_CHILD_SECONDS):
        text = "The server is reading as many files as it may at once: wait a moment and try again."
        raise BundleError(ErrorCode.TOO_EXPENSIVE, text)
    try:
        status, output = _run(body, files)
    finally:
        _children.release()
    return _understood(status, output, files)


def _run(body: bytes, files: Sequence[UploadedFile]) -> tuple[int, bytes]:
    """Exit status and standard output of a fresh child."""
    with subprocess.Popen(
        _COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a traceback could quote what was read
        env=_ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    ) as child:
        try:
            output, _ = child.communicate(body, timeout=WALL_SECONDS)
        except subprocess.TimeoutExpired as expired:
            raise _too_expensive(files, f"{WALL_SECONDS:.0f} seconds") from expired
        finally:
            # Only while it is not reaped: afterwards the number may belong to somebody else. The block's end reaps it.
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
        return child.returncode, output


def _understood(status: int, output: bytes, files: Sequence[UploadedFile]) -> dict[str, Any]:
    if status == -signal.SIGXCPU:
        raise _too_expensive(files, f"{CPU_SECONDS} seconds of processor time")
    if status in {-signal.SIGKILL, -signal.SIGABRT}:  # the system's memory killer; a library that was denied memory
        raise _too_expensive(files, _MEMORY)
    try:
        answer = json.loads(output)
    except ValueError as error:
        raise _stopped(files) from error
    if status != 0 or not isinstance(answer, dict):
        raise _stopped(files)
    match answer.get("limit"):
        case "memory":
            raise _too_expensive(files, _MEMORY)
        case "depth":
            raise BundleError(ErrorCode.MALFORMED, f"{_named(files)} is nested too deeply: export it again.")
    return answer


def _too_expensive(files: Sequence[UploadedFile], limit: str) -> BundleError:
    text = (
        f"Reading {_named(files)} takes more than the limit of {limit}: export the certificate again with usual "
        "settings, or with a smaller key."
    )
    return BundleError(ErrorCode.TOO_EXPENSIVE, text)


def _stopped(files: Sequence[UploadedFile]) -> BundleError:
    return BundleError(ErrorCode.MALFORMED, f"{_named(files)} cannot be read, it is damaged: export it again.")


def _named(files: Sequence[UploadedFile]) -> str:
    return safe_file_name(files[0].name) if len(files) == 1 else "the files"
