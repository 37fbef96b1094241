"""WSGI entry point."""

from __future__ import annotations

import os
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

from botplatform.security import forbid_core_dumps

forbid_core_dumps()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "botplatform.settings")


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


django.setup(set_prefix=False)
application = Handler()
