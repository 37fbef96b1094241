"""Every management command stands on the common base, shows examples, and is called by some test."""

from __future__ import annotations

import re

import pytest
from django.core.management import load_command_class

from botplatform.console.commands import ConsoleCommand, RefusedPassphrase
from tests.architecture.sources import PACKAGES, ROOT, python_files

COMMANDS = {
    path.stem: ".".join(path.parts[:-3])
    for path in python_files(*PACKAGES)
    if path.parent.name == "commands" and path.stem != "__init__"
}
TESTS = "\n".join(
    (ROOT / path).read_text() for path in python_files("tests") if path.parts[1] not in {"architecture", "test_docs.py"}
)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command(name: str) -> None:
    command = load_command_class(COMMANDS[name], name)
    assert isinstance(command, ConsoleCommand)
    assert command.help
    parser = command.create_parser("manage.py", name)
    assert f"manage.py {name}" in command.examples
    assert "Examples:" in parser.format_help()
    assert re.search(rf"""["']{name}["']""", TESTS), "no test calls it"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_no_option_takes_a_secret(name: str) -> None:
    parser = load_command_class(COMMANDS[name], name).create_parser("manage.py", name)
    actions = [action for action in parser._actions if not isinstance(action, RefusedPassphrase)]
    free = [action for action in actions if action.nargs != 0 and not action.choices]  # that take a text
    options = {option for action in free for option in action.option_strings}
    assert not [option for option in options if re.search(r"pass(word|phrase)$|secret$|-key$", option)]
