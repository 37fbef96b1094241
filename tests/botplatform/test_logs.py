"""One line per event, no secret in it, whatever a foreign name holds."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from botplatform.logs import configure, hide_secrets

EVIL = 'x\n{"event": "forged"}\r\x1b[31m\x00\u2028\x85'
CANARY = "seven calm otters"
PEM = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----"
PROGRAM = """
import logging, logging.config, sys
import structlog
from botplatform.logs import configure

logging.config.dictConfig(configure(sys.argv[1]))
evil, pem = {evil!r}, {pem!r}
structlog.get_logger("own").info("event " + evil, name=evil, **{{evil: 1}})
logging.getLogger("django.request").warning("Not Found: %s", evil)
structlog.get_logger("own").info("secrets", passphrase={canary!r}, body=pem.encode(), text="see " + pem)
logging.getLogger("foreign").error("see %s", pem, extra={{"password": {canary!r}}})
try:
    private = {canary!r}
    int("no number")
except ValueError:
    structlog.get_logger("own").exception("failed")
    logging.getLogger("foreign").exception("failed")
"""


def lines(log_format: str) -> list[str]:
    code = textwrap.dedent(PROGRAM).format(evil=EVIL, pem=PEM, canary=CANARY)
    run = subprocess.run([sys.executable, "-c", code, log_format], capture_output=True, text=True, check=True)
    assert run.stdout == ""
    return run.stderr.split("\n")[:-1]


def test_json_is_one_object_per_line() -> None:
    events: list[dict[str, Any]] = [json.loads(line) for line in lines("json")]
    assert [event["logger"] for event in events] == ["own", "django.request", "own", "foreign", "own", "foreign"]
    assert [event["level"] for event in events] == ["info", "warning", "info", "error", "error", "error"]
    assert events[0]["event"] == "event " + EVIL
    assert events[1]["event"] == "Not Found: " + EVIL
    assert all(event["timestamp"].endswith("Z") for event in events)
    assert "ValueError" in events[4]["exception"]
    assert "ValueError" in events[5]["exception"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_control_character_and_no_secret_is_written(log_format: str) -> None:
    for line in lines(log_format):
        assert all(char.isprintable() for char in line), line
        assert CANARY not in line
        assert "PRIVATE KEY-----" not in line


def test_a_forged_line_cannot_be_written_to_the_console() -> None:
    assert not [line for line in lines("console") if line.startswith('{"event"')]


@pytest.mark.parametrize("name", ["password", "passphrase", "SECRET_KEY", "access_token", "private_key", "HTTP_COOKIE"])
def test_secrets_by_name(name: str) -> None:
    assert hide_secrets(None, "", {name: CANARY, "actor": "x"}) == {name: "<hidden>", "actor": "x"}


def test_a_key_cut_off_is_hidden_too() -> None:
    assert hide_secrets(None, "", {"event": "see " + PEM[:40]}) == {"event": "see <private key>"}


def test_unknown_format_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured):
        configure("xml")


def test_django_mails_no_report() -> None:
    assert logging.getLogger("django").handlers == []


def test_the_witness_of_the_trail_is_told_unless_it_is_turned_off() -> None:
    assert configure("json")["root"]["level"] == "INFO"
    assert configure("json", "WARNING")["root"]["level"] == "WARNING"
