"""The base of the commands: exit codes, streams, actors, passphrases; the last ones in a real child process."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import CommandParser

from botplatform.accounts.models import User
from botplatform.console.commands import ConsoleCommand, ExitOne
from botplatform.errors import Conflict, InvalidInput, NotFound
from botplatform.text import printable

ROOT = Path(__file__).resolve().parents[3]


class Probe(ConsoleCommand):
    """Does what its first argument says."""

    examples = """
        manage.py probe one
        manage.py probe two
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what")
        self.add_json_argument(parser)
        self.add_passphrase_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        match options["what"]:
            case "no":
                raise ExitOne("the answer is no")
            case "broken":
                raise Conflict("Somebody changed it.\x1b[2J")
            case "stopped":
                raise KeyboardInterrupt
            case "actor":
                self.show(self.actor(options).name)
            case "json":
                self.print_json({"name": "Zoë\u202e\x1b"})
            case "foreign":
                self.show("CN=\x1b]0;owned\x07\u202eé\udcff\n")
            case "passphrase":
                self.show(repr(self.read_passphrase(options)))


def run(*arguments: str, **options: Any) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(Probe(stdout=out, stderr=err), *arguments, **options)
    return out.getvalue(), err.getvalue()


def test_no_is_1_and_says_so_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run("no")
    assert ended.value.code == 1


def test_ctrl_c_is_130_and_one_word() -> None:
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(Probe(stdout=out, stderr=err), "stopped")
    assert (ended.value.code, out.getvalue(), err.getvalue().strip()) == (130, "", "Interrupted.")


def test_an_expected_failure_is_2_and_steers_no_terminal() -> None:
    with pytest.raises(CommandError) as ended:
        run("broken")
    assert ended.value.returncode == 2
    assert str(ended.value) == "Somebody changed it.\\x1b[2J"


def test_foreign_names_are_shown_not_obeyed() -> None:
    assert run("foreign")[0] == "CN=\\x1b]0;owned\\x07\\u202eé\\udcff\n"
    assert printable("plain\ntext") == "plain\ntext"


def test_json_is_one_document_of_ascii() -> None:
    out, err = run("json", "--json")
    assert json.loads(out) == {"name": "Zoë\u202e\x1b"}
    assert out.isascii()
    assert err == ""


def test_help_has_examples_with_their_line_breaks() -> None:
    text = Probe().create_parser("manage.py", "probe").format_help()
    assert text.endswith("Examples:\n  manage.py probe one\n  manage.py probe two\n")


@pytest.mark.parametrize(
    "given", [["--passphrase", "s3cret"], ["--passphrase=s3cret"], ["--passphrase"], ["--password", "x"]]
)
def test_a_passphrase_is_never_an_argument(given: list[str]) -> None:
    with pytest.raises(CommandError) as ended:
        run("passphrase", *given)
    text = "Error: A passphrase is never an argument: use --passphrase-file or --passphrase-stdin."
    assert str(ended.value) == text
    assert "s3cret" not in Probe().create_parser("manage.py", "probe").format_help()


def test_the_usage_is_one_line_and_the_help_is_complete() -> None:
    parser = Probe().create_parser("manage.py", "probe")
    assert parser.format_usage() == "usage: manage.py probe [options] what\n"
    text = parser.format_help()
    assert all(option in text for option in ("--passphrase-file PATH", "--json", "--actor USERNAME", "--settings"))
    assert "--passphrase " not in text


def test_the_actor_is_who_is_named(owner: User, stranger: User) -> None:
    assert run("actor", "--actor", "owner")[0] == "owner\n"
    assert run("actor")[0].strip()
    stranger.is_active = False
    stranger.save()
    for name in ("nobody", "stranger"):
        with pytest.raises(CommandError, match=f"no active user called “{name}”") as ended:
            run("actor", "--actor", name)
        assert isinstance(ended.value.__cause__, NotFound)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"s3cret\n", b"s3cret"), (b"s3cret\r\n", b"s3cret"), (b" two words \n\n", b" two words \n"), (b"", b"")],
)
def test_a_passphrase_file_loses_one_line_end(tmp_path: Path, content: bytes, expected: bytes) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(content)
    assert run("passphrase", "--passphrase-file", str(path))[0] == f"{expected!r}\n"


def test_a_passphrase_file_that_is_no_such_thing(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file or directory"):
        run("passphrase", "--passphrase-file", str(tmp_path / "missing"))
    long = tmp_path / "store.p12"
    long.write_bytes(b"x" * 5000)
    with pytest.raises(CommandError, match="at most 4096 bytes") as ended:
        run("passphrase", "--passphrase-file", str(long))
    assert isinstance(ended.value.__cause__, InvalidInput)


def test_no_option_no_passphrase() -> None:
    assert run("passphrase")[0] == "None\n"
    assert Probe().ask_passphrase() is None  # pytest's standard input is no terminal


def manage(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_exit_codes_of_a_real_process(product_environment: dict[str, str], tmp_path: Path) -> None:
    made = manage(product_environment, "create_bot", "acme", "--json")
    assert (made.returncode, json.loads(made.stdout), made.stderr) == (0, {"bot": "acme", "name": "acme"}, "")
    again = manage(product_environment, "create_bot", "acme")
    assert (again.returncode, again.stdout) == (2, "")
    assert "already a bot" in again.stderr
    assert "Traceback" not in again.stderr
    assert manage(product_environment, "create_bot").returncode == 2
    empty = {**product_environment, "DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}"}
    unmigrated = manage(empty, "create_bot", "acme")
    assert unmigrated.returncode == 2
    assert "quickstart" in unmigrated.stderr
    assert "Traceback" not in unmigrated.stderr
