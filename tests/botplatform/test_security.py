"""No secret in an error report, no core file."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest
from django.test import RequestFactory
from django.views.debug import ExceptionReporter, get_exception_reporter_filter
from pytest_django import Settings

from botplatform.security import ReportFilter

CANARY = "sevencalmotters"


class Holder:
    """Shows its content, as careless classes do."""

    def __repr__(self) -> str:
        return CANARY


def fail(body: bytes, text: str, mapping: dict[str, object], request: HttpRequest) -> None:
    """Fails with secrets in all kinds of variables."""
    holder, listed, number = Holder(), [text], 4711
    assert all((body, mapping, request, holder, listed))
    raise ValueError(number)


def report(request: HttpRequest, *, html: bool) -> str:
    try:
        fail(CANARY.encode(), CANARY, {"x": CANARY}, request)
    except ValueError:
        reporter = ExceptionReporter(request, *sys.exc_info())
        return str(reporter.get_traceback_html() if html else reporter.get_traceback_text())
    raise AssertionError


@pytest.fixture
def request_with_secrets() -> HttpRequest:
    request = RequestFactory().post(
        "/bots/acme/certificates/import/",
        {"name": CANARY, "passphrase": CANARY, "files": SimpleUploadedFile("key.pem", CANARY.encode())},
        HTTP_COOKIE=f"sessionid={CANARY}; other={CANARY}",
        HTTP_AUTHORIZATION=f"Bearer {CANARY}",
    )
    request.META["DATABASE_URL"] = CANARY  # wsgiref puts the environment there
    return request


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("html", [True, False])
def test_report_holds_no_secret(request_with_secrets: HttpRequest, settings: Settings, debug: bool, html: bool) -> None:
    settings.DEBUG = debug
    settings.CACHES = {**settings.CACHES, "other": {**settings.CACHES["default"], "LOCATION": CANARY}}
    settings.EGRESS_PROXY = f"http://user:{CANARY}@proxy"
    text = report(request_with_secrets, html=html)
    assert "ValueError" in text
    assert "passphrase" in text  # the names of the fields help
    shown = [line for line in text.splitlines() if CANARY in line]
    assert not shown


def test_harmless_variables_are_shown(request_with_secrets: HttpRequest) -> None:
    assert "4711" in report(request_with_secrets, html=True)


def test_the_filter_is_the_one_in_use(request_with_secrets: HttpRequest) -> None:
    assert isinstance(get_exception_reporter_filter(request_with_secrets), ReportFilter)


@pytest.mark.parametrize(
    "start",
    [
        "import runpy, sys; sys.argv = ['manage.py', 'version']; runpy.run_path('manage.py', run_name='__main__')",
        "import botplatform.wsgi",
    ],
)
def test_no_core_file_after_any_start(start: str) -> None:
    script = f"""
import atexit, os, resource
atexit.register(lambda: print('core', resource.getrlimit(resource.RLIMIT_CORE)))
{start}
"""
    limit = resource.getrlimit(resource.RLIMIT_CORE)
    root = Path(settings.PROJECT_DIR)
    run = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert "core (0, 0)" in run.stdout, run.stderr
    assert resource.getrlimit(resource.RLIMIT_CORE) == limit
