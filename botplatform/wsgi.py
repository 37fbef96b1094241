"""WSGI entry point."""

from __future__ import annotations

import os
import sys
from typing import Any

import django
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

from botplatform.security import forbid_core_dumps

forbid_core_dumps()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "botplatform.settings")
BOOT_FAILED = 3  # gunicorn gives up at this exit code; at others it starts the worker again, for ever


class Request(WSGIRequest):
    """A request whose declared character set may be nonsense; `SanitisingMiddleware` then refuses it."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]  # not in the stubs
        except (LookupError, ValueError):  # “hex” is a codec, but not for text: Django dies before any middleware
            self._encoding = None


class Handler(WSGIHandler):
    """Django's handler with our request."""

    request_class = Request


def _set_up() -> None:
    """Fill Django's registries. What is wrong with a setting is one line for people, not a traceback."""
    try:
        django.setup(set_prefix=False)
        bool(settings.SECRET_KEY)  # Django complains only when somebody signs in
        wrong = [found.msg for found in checks.run_checks(tags=[checks.Tags.security]) if found.is_serious()]
    except ImproperlyConfigured as error:
        wrong = [str(error)]
    if wrong:
        sys.stderr.write("".join(f"{text}\n" for text in wrong))
        raise SystemExit(BOOT_FAILED)


_set_up()
application = Handler()
