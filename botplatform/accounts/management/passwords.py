"""Asking for a new password, for the commands that set one."""

from __future__ import annotations

import sys
from getpass import getpass

from botplatform.errors import InvalidInput


def ask_new_password() -> str:
    """Asked twice at a terminal, else one line of standard input. Raises `InvalidInput` when the two differ."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass("New password: ")
    if getpass("The same again: ") != password:
        raise InvalidInput("The two passwords differ.", field="password")
    return password
