"""What every test may ask for: people in each role, a signed-in client, the run's keyring, real calls, the time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import time_machine
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import PlatformRole, User
from botplatform.bots.models import Bot, Membership
from botplatform.bots.roles import Role
from certificates.key_storage import create_keyring
from servicenodes import counters
from servicenodes.services import invoking
from tests.database import install_flush_support
from tests.servicenodes.services.calls import Bank, echo_bank

PASSWORD = "seven calm otters"
install_flush_support()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=("sqlite", "postgresql"),
        help="the database to test on (read by tests/engines.py; default: TEST_DATABASE, else sqlite)",
    )


def pytest_report_header() -> str:
    return f"database: {django_settings.DATABASES['default']['ENGINE'].rpartition('.')[2]}"


# --- The keyring and the database of the run --------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def keyring() -> Path:
    """The key file of the run, made in the run's temporary directory; `settings.KEYRING_FILE` names it."""
    path = Path(django_settings.KEYRING_FILE)
    create_keyring(path)
    return path


@pytest.fixture
def database_url(transactional_db: None) -> str:
    """`DATABASE_URL` of this worker's test database, for child processes that must see what the test wrote."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    server = urlsplit(os.environ["DATABASE_URL"])
    return server._replace(path=f"/{values['NAME']}").geturl()


@pytest.fixture
def product_environment(database_url: str, keyring: Path) -> dict[str, str]:
    """The environment for a child process that runs the product on this test's database and keyring."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "botplatform.settings",
        "DATABASE_URL": database_url,
        "KEYRING_FILE": str(keyring),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


# --- People -----------------------------------------------------------------------------------------------------------


def make_user(username: str, platform_role: str = PlatformRole.NONE) -> User:
    """A user with the password `PASSWORD`, made without an audit row."""
    return User.objects.create_user(username, PASSWORD, platform_role=platform_role)


def make_member(username: str, bot: Bot, role: Role) -> User:
    """A user with a role on `bot`, made without an audit row."""
    user = make_user(username)
    Membership.objects.create(user=user, bot=bot, role=role)
    return user


@pytest.fixture
def bot(db: None) -> Bot:
    return Bot.objects.create(slug="acme", name="Acme assistant")


@pytest.fixture
def other_bot(db: None) -> Bot:
    """A bot that none of the people below belongs to."""
    return Bot.objects.create(slug="globex", name="Globex helpdesk")


@pytest.fixture
def administrator(db: None) -> User:
    return make_user("administrator", PlatformRole.ADMINISTRATOR)


@pytest.fixture
def auditor(db: None) -> User:
    return make_user("auditor", PlatformRole.AUDITOR)


@pytest.fixture
def owner(bot: Bot) -> User:
    return make_member("owner", bot, Role.OWNER)


@pytest.fixture
def manager(bot: Bot) -> User:
    """The bot's certificate manager."""
    return make_member("manager", bot, Role.CERTIFICATE_MANAGER)


@pytest.fixture
def developer(bot: Bot) -> User:
    return make_member("developer", bot, Role.DEVELOPER)


@pytest.fixture
def viewer(bot: Bot) -> User:
    return make_member("viewer", bot, Role.VIEWER)


@pytest.fixture
def stranger(db: None) -> User:
    """Somebody who can sign in and belongs to no bot."""
    return make_user("stranger")


@pytest.fixture
def operator() -> Actor:
    """Whoever may run `manage.py`: every permission, no user."""
    return Actor.operating_system()


@pytest.fixture
def sign_in() -> Callable[[User], Client]:
    """`sign_in(user)` is a client with that user's session."""

    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return signed_in


# --- Real calls -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def echoing_bank() -> Iterator[Bank]:
    """A server that requires a client certificate and answers with what it was asked."""
    with echo_bank() as bank:
        yield bank


@pytest.fixture
def bank(echoing_bank: Bank, settings: Settings) -> Iterator[Bank]:
    """It, and a process that may call it and has not done so yet."""
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]
    counters._gathered.reset()
    yield echoing_bank
    invoking.close()
    counters._gathered.reset()


# --- Time -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def now() -> datetime:
    """The real time when the test began, aware UTC, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def clock(now: datetime) -> Iterator[time_machine.Traveller]:
    """Stops the clock at `now`; `clock.move_to(…)` and `clock.shift(…)` move it."""
    with time_machine.travel(now, tick=False) as traveller:
        yield traveller
