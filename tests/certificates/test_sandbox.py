"""The limited child process: what it answers, what it cannot do, and what happens at each limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django import Settings

from certificates import sandbox
from certificates.errors import BundleError
from certificates.pki.inspection import UploadedFile
from certificates.pki.secret import Secret
from tests.certificates import bombs
from tests.pki import CA

NOW = datetime.now(UTC)


def good() -> UploadedFile:
    return UploadedFile("client.p12", bombs.client().p12(b"x"))


def error_text(files: list[UploadedFile]) -> tuple[str, str]:
    error = sandbox.inspect_untrusted(files, passphrase=Secret(b"x"), now=NOW).error
    assert error is not None
    return error.code, error.text


def test_a_good_file_comes_back_whole() -> None:
    inspection = sandbox.inspect_untrusted([good()], passphrase=Secret(b"x"), now=NOW)

    assert inspection.importable()
    assert inspection.leaf is not None
    assert inspection.leaf.der == bombs.client().der
    assert inspection.private_key is not None
    assert inspection.private_key.reveal() == bombs.client().key_pkcs8_der
    assert repr(inspection.private_key) == "<secret>"


def test_without_a_passphrase() -> None:
    inspection = sandbox.inspect_untrusted([good()], passphrase=None, now=NOW)

    assert inspection.error is not None
    assert inspection.error.code == "passphrase_required"


def test_trust_stores() -> None:
    ca = CA.root().intermediate()

    facts = sandbox.read_certificates([UploadedFile("ca.pem", ca.chain_pem + ca.pem)])

    assert [item.subject for item in facts] == ["CN=Test issuing CA,O=Console tests", "CN=Test root,O=Console tests"]
    with pytest.raises(BundleError, match=r"ca\.pem is neither PEM") as caught:
        sandbox.read_certificates([UploadedFile("ca.pem", b"?")])
    assert (caught.value.code, caught.value.file) == ("malformed", "ca.pem")


def test_the_upload_limit_is_the_operators(settings: Settings) -> None:
    settings.MAX_UPLOAD_KB = 1

    code, text = error_text([UploadedFile("big.pem", b"x" * 1025)])

    assert (code, text.split(": ")[0]) == ("too_large", "big.pem is larger than the limit of 1 KB")


def test_a_larger_upload_limit_holds_in_the_child_too(settings: Settings) -> None:
    settings.MAX_UPLOAD_KB = 1024

    inspection = sandbox.inspect_untrusted(
        [good(), UploadedFile("ca.pem", b"# much text\n" * 40_000 + CA.root().pem)], passphrase=Secret(b"x"), now=NOW
    )

    assert inspection.importable()


def test_too_many_files() -> None:
    assert error_text([good()] * 21) == ("too_large", "21 files are more than the limit of 20.")


# --- Limits ----------------------------------------------------------------------------------------------------------


def run_child(program: str) -> subprocess.CompletedProcess[str]:
    """`program` in a fresh interpreter after the limits were set as the child sets them."""
    setup = f"import sys; sys.path.insert(0, {str(sandbox._PACKAGE_ROOT)!r})\n"
    limit = "from certificates.pki.limited_child import limit; limit()\n"
    command = [sys.executable, "-I", "-B", "-c", setup + limit + program]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


def test_the_processor_time_is_limited() -> None:
    assert run_child("while True: pass").returncode == -24  # SIGXCPU


def test_the_memory_is_limited() -> None:
    assert "MemoryError" in run_child("x = bytearray(600 * 1024 * 1024)").stderr


def test_no_file_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / "leak"

    result = run_child(f"with open({str(target)!r}, 'w') as file: file.write('secret')")

    assert "File too large" in result.stderr
    assert target.read_text() == ""


def test_no_core_is_dumped() -> None:
    assert "(0, 0)" in run_child("import resource; print(resource.getrlimit(resource.RLIMIT_CORE))").stdout


def replace_child(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(sandbox, "_COMMAND", (sys.executable, "-I", "-c", program))


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        ("import time; time.sleep(60)", "too_expensive", "limit of 3 seconds"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "too_expensive", "2 seconds of processor time"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "too_expensive", "512 MB of memory"),
        ('print(\'{"limit": "memory"}\')', "too_expensive", "512 MB of memory"),
        ('print(\'{"limit": "depth"}\')', "malformed", "nested too deeply"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "malformed", "cannot be read"),
        ("raise SystemExit(1)", "malformed", "cannot be read"),
        ("print('{}'); raise SystemExit(1)", "malformed", "cannot be read"),
        ("print('no JSON')", "malformed", "cannot be read"),
        ("print('[]')", "malformed", "cannot be read"),
        ("print('{\"inspection\": {}}')", "malformed", "cannot be read"),
    ],
)
def test_whatever_ends_the_child_is_one_clear_sentence(
    program: str, code: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_child(monkeypatch, program)

    found, text = error_text([good()])

    assert found == code
    assert words in text


def test_a_broken_answer_about_a_trust_store(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_child(monkeypatch, "print('{\"certificates\": [{}]}')")

    with pytest.raises(BundleError, match="the files cannot be read"):
        sandbox.read_certificates([good(), good()])


def test_a_child_that_hangs_is_killed_with_its_own_children(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    replace_child(
        monkeypatch,
        "import os, subprocess, time\n"
        "other = subprocess.Popen(['sleep', '60'], stdin=subprocess.DEVNULL)\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{other.pid}}')\n"
        "time.sleep(60)",
    )
    monkeypatch.setattr(sandbox, "WALL_SECONDS", 1.0)

    begin = time.monotonic()
    error_text([good()])

    assert time.monotonic() - begin < 2.5
    child, grandchild = map(int, pids.read_text().split())
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)  # reaped, no zombie
    assert ends_within_a_second(grandchild)


def ends_within_a_second(pid: int) -> bool:
    for _ in range(100):
        if not alive(pid):
            return True
        time.sleep(0.01)
    return False


def alive(pid: int) -> bool:
    """Running, and not merely waiting for init to collect it."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_only_so_many_children_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_children", threading.BoundedSemaphore(1))
    monkeypatch.setattr(sandbox, "WAIT_FOR_A_CHILD_SECONDS", 0.1)
    monkeypatch.setattr(sandbox, "WALL_SECONDS", 1.0)
    replace_child(monkeypatch, "import time; time.sleep(60)")
    first = threading.Thread(target=error_text, args=([good()],))
    first.start()
    time.sleep(0.3)

    code, text = error_text([good()])
    first.join()

    assert code == "too_expensive"
    assert text == "The server is reading as many files as it may at once: wait a moment and try again."


# --- What the child is -----------------------------------------------------------------------------------------------


def test_the_child_imports_no_django_and_has_an_empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "must not be inherited")
    program = sandbox._COMMAND[-1].replace(
        "c.main()",
        "import certificates.pki.decoding, os; "
        "print(__import__('json').dumps([[m for m in sys.modules if m.startswith('django')], dict(os.environ)]))",
    )
    output = subprocess.run(
        [*sandbox._COMMAND[:-1], program], capture_output=True, text=True, env=sandbox._ENVIRONMENT, check=True
    ).stdout

    modules, environment = json.loads(output)
    assert modules == []
    assert set(environment) <= {"LC_ALL", "PATH"}


def test_the_secret_is_in_no_argument_and_no_environment() -> None:
    assert set(sandbox._ENVIRONMENT) == {"LC_ALL", "PATH"}
    assert not any("x509" in part for part in sandbox._COMMAND)


def test_it_is_quick() -> None:
    """A quarter of a second is the aim on an idle machine; busy ones get four times that."""
    durations = []
    for _ in range(4):
        begin = time.monotonic()
        sandbox.inspect_untrusted([UploadedFile("empty", b"")], passphrase=None, now=NOW)
        durations.append(time.monotonic() - begin)

    assert min(durations) < 1
