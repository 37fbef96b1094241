"""What keeps secrets out of core dumps and error reports."""

from __future__ import annotations

import resource
from collections.abc import ItemsView
from datetime import date, datetime
from types import FrameType
from typing import Any
from uuid import UUID

from django.db.models import Model
from django.http import HttpRequest, QueryDict
from django.views.debug import SafeExceptionReporterFilter

# Local variables of these types are shown in a report: they help, and cannot be a key, a passphrase or an upload.
HARMLESS = (bool, int, type(None), UUID, date, datetime, Model)


def forbid_core_dumps() -> None:
    """No core file of this process or its children: it would hold opened keys. Called at every start."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class ReportFilter(SafeExceptionReporterFilter):
    """Masks what was posted and almost all local variables, in DEBUG too: error pages get pasted into tickets.

    Django masks only what a decorator names; here what is not known to be harmless is masked.
    """

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        """The names of the fields, and no value: they hold passphrases and sealed uploads."""
        return {} if request is None else dict.fromkeys(request.POST, self.cleansed_substitute)

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, Any]:
        return dict.fromkeys(getattr(request, "COOKIES", {}), self.cleansed_substitute)

    def get_safe_settings(self) -> dict[str, Any]:
        """As Django has it, and no URL of a database, cache or mail server, which may hold a password."""
        hidden = {"DATABASES", "CACHES", "EGRESS_PROXY"}
        found: dict[str, Any] = super().get_safe_settings()
        return {name: self.cleansed_substitute if name in hidden else value for name, value in found.items()}

    def get_safe_request_meta(self, request: HttpRequest) -> dict[str, Any]:
        """As Django has it, without the process's environment, which wsgiref's server mixes in."""
        found: dict[str, Any] = super().get_safe_request_meta(request)
        shown = ("HTTP_", "REQUEST_", "SERVER_", "REMOTE_", "PATH_INFO", "QUERY_STRING", "CONTENT_", "wsgi.")
        return {name: value for name, value in found.items() if name.startswith(shown)}

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> ItemsView[str, Any]:
        """The variables of one frame; all but harmless ones are masked."""
        return {
            name: value
            if isinstance(value, HARMLESS) and not isinstance(value, QueryDict)
            else self.cleansed_substitute
            for name, value in tb_frame.f_locals.items()
        }.items()
