"""Reads settings from the environment, from `.env`, and from secret files (`NAME_FILE`), on top of django-environ.

What is wrong is a `WrongSetting` with one sentence that names the variable. It never repeats a value that may hold a
password.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

YES, NO = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0", ""})
SQLITE, POSTGRESQL = "django.db.backends.sqlite3", "django.db.backends.postgresql"


class WrongSetting(ImproperlyConfigured):
    """An environment variable holds what no setting can be."""


class Environment:
    """One method for each kind of value; `name` is the variable's name. All raise `WrongSetting`."""

    def __init__(self, dotenv: Path) -> None:
        self._env = environ.FileAwareEnv()
        if dotenv.is_file():
            self._env.read_env(dotenv)

    def text(self, name: str, default: str = "") -> str:
        """The value without space around it."""
        try:
            return str(self._env.str(name, default=default)).strip()
        except OSError as error:
            raise WrongSetting(
                f"{name}_FILE names {error.filename}, which cannot be read: {error.strerror}."
            ) from error
        except UnicodeDecodeError as error:
            raise WrongSetting(f"{name}_FILE names a file that holds no text.") from error

    def flag(self, name: str) -> bool:
        """False unless it is set; any other word is refused, since a typing error must not switch a protection off."""
        value = self.text(name).lower()
        if value in YES | NO:
            return value in YES
        raise WrongSetting(f"{name} must be true or false, not “{value}”.")

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        value = self.text(name, str(default))
        if value.isascii() and value.isdigit() and least <= int(value[:20]) <= most:
            return int(value)
        raise WrongSetting(f"{name} must be a whole number from {least} to {most}, not “{value}”.")

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """One of `choices`."""
        value = self.text(name, default)
        if value in choices:
            return value
        raise WrongSetting(f"{name} must be {' or '.join(choices)}, not “{value}”.")

    def words(self, name: str, default: list[str]) -> list[str]:
        """Values separated by commas, each once, in their order."""
        value = self.text(name, ",".join(default))
        return list(dict.fromkeys(word for part in value.split(",") if (word := part.strip())))

    def hosts(self, name: str, default: list[str]) -> list[str]:
        """Host names as Django's ALLOWED_HOSTS takes them: without scheme and port."""
        found = self.words(name, default)
        for host in found:
            if "/" in host or (":" in host and not host.startswith("[")):
                raise WrongSetting(f"{name} takes host names without scheme and port, not “{host}”.")
        return found

    def zone(self, name: str, default: str) -> str:
        """A time zone of the IANA database."""
        value = self.text(name, default)
        try:
            return ZoneInfo(value).key
        except (KeyError, ValueError, OSError) as error:
            raise WrongSetting(f"{name} must be a time zone such as Europe/Berlin, not “{value}”.") from error

    def origin(self, name: str, default: str) -> str:
        """Scheme, host and perhaps port of our own address; no path."""
        value = self.text(name, default).rstrip("/")
        try:
            parts = urlsplit(value)
            complete = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            complete = False
        if complete and not (parts.path or parts.query or parts.fragment or "@" in parts.netloc):
            return value
        raise WrongSetting(f"{name} must be an address such as https://console.example.com, not “{value}”.")

    def database(self, name: str, default: str) -> dict[str, Any]:
        """Django's settings of one database."""
        found = self._parsed(name, default, environ.Env.db_url_config, "postgres://user:password@host:5432/name")
        if found.get("ENGINE") not in {SQLITE, POSTGRESQL} or not found.get("NAME"):
            raise WrongSetting(f"{name} must be postgres://user:password@host:5432/name, or sqlite:////path/to/file.")
        return found

    def cache(self, name: str, default: str) -> dict[str, Any]:
        """Django's settings of one cache."""
        return self._parsed(name, default, environ.Env.cache_url_config, "redis://host:6379/0")

    def email(self, name: str, default: str) -> dict[str, Any]:
        """Django's EMAIL_… settings."""
        return self._parsed(name, default, environ.Env.email_url_config, "smtp+tls://user:password@host:587")

    def _parsed(self, name: str, default: str, parse: Any, example: str) -> dict[str, Any]:
        value = self.text(name, default)
        try:
            with warnings.catch_warnings(action="error"):
                found: dict[str, Any] = parse(value)
        except (ImproperlyConfigured, ValueError, LookupError, AttributeError, TypeError, UserWarning) as error:
            raise WrongSetting(f"{name} cannot be understood: it is of the form {example}.") from error
        return found
