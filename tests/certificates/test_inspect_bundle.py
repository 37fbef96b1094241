"""The command `inspect_bundle`: its words, its JSON, its exit codes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.certificates import bombs
from tests.pki import CA

pytestmark = pytest.mark.django_db


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    try:
        call_command("inspect_bundle", *map(str, arguments))
    except SystemExit as end:
        code = int(end.code or 0)
    except CommandError as error:
        return error.returncode, *capsys.readouterr()[:1], str(error)
    else:
        code = 0
    return code, *capsys.readouterr()


@pytest.fixture
def p12(tmp_path: Path) -> Path:
    issued = CA.root().intermediate().issue("bot.example")
    path = tmp_path / "bank.p12"
    path.write_bytes(issued.p12(b"secret words", include_root=True))
    return path


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    path = tmp_path / "bank.pass"
    path.write_bytes(b"secret words\n")
    return path


def test_the_leaf_its_chain_and_what_an_import_would_do(
    p12: Path, passphrase_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output, _ = run(capsys, p12, "--passphrase-file", passphrase_file)

    assert code == 0
    lines = output.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["leaf", "intermediate", "root"]
    assert "CN=bot.example,O=Console tests · EC P-256" in lines[0]
    assert lines[-1] == ("An import stores the private key and sends the leaf with CN=Test issuing CA,O=Console tests.")


def test_json(p12: Path, passphrase_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output, _ = run(capsys, p12, "--passphrase-file", passphrase_file, "--json")

    document = json.loads(output)
    assert (code, document["importable"], document["error"]) == (0, True, None)
    assert document["leaf"]["subject"] == "CN=bot.example,O=Console tests"
    assert "private" not in output


def test_the_passphrase_from_standard_input(
    p12: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"secret words\r\n")))

    assert run(capsys, p12, "--passphrase-stdin")[0] == 0


def test_a_missing_passphrase_without_a_terminal(p12: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output, _ = run(capsys, p12, "--json")

    assert (code, json.loads(output)["error"]["code"]) == (1, "passphrase_required")
    assert "Give it with --passphrase-file PATH" in run(capsys, p12)[1]


def test_a_refused_certificate_says_how_to_insist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    issued = CA.root().expired(eku=("serverAuth",))
    file = tmp_path / "client.pem"
    file.write_bytes(issued.key_pem + issued.chain_pem)

    code, output, _ = run(capsys, file)

    assert code == 1
    assert output.splitlines()[-1] == (
        "An import refuses this, unless you insist with --allow expired --allow client_auth_missing."
    )


def test_files_that_are_no_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "store.jks"
    file.write_bytes(b"\xfe\xed\xfe\xed\x00\x00\x00\x02")

    code, output, _ = run(capsys, file)

    assert code == 1
    assert "keytool -importkeystore" in output
    assert output.splitlines()[-1] == "These files cannot be imported."


def test_several_files_in_any_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    issued = CA.root().intermediate().issue()
    paths = [tmp_path / name for name in ("ca.pem", "key.pem", "cert.pem")]
    for path, content in zip(paths, (issued.chain_pem, issued.key_pem, issued.cert_pem), strict=True):
        path.write_bytes(content)

    assert run(capsys, *paths)[0] == 0


@pytest.mark.parametrize("name", ["missing.p12", "."])
def test_a_file_that_cannot_be_read(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output, error = run(capsys, tmp_path / name)

    assert (code, output) == (2, "")
    assert error.startswith("The file ")


def test_an_endless_file_is_read_to_the_limit_only(capsys: pytest.CaptureFixture[str]) -> None:
    code, output, _ = run(capsys, "/dev/zero", "--json")

    assert (code, json.loads(output)["error"]["code"]) == (1, "too_large")


def test_a_bomb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bomb.p12"
    file.write_bytes(bombs.slow_mac())

    code, output, _ = run(capsys, file, "--json")

    assert (code, json.loads(output)["error"]["code"]) == (1, "too_expensive")
