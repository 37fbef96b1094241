"""Addresses of pages that bots and the platform have alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponseBase
from django.urls import URLPattern, path


def owned(address: str, view: Callable[..., HttpResponseBase], name: str, **options: Any) -> list[URLPattern]:
    """The same page for what a bot owns (`name`) and for what the platform owns (`platform_name`)."""
    return [
        path(f"bots/<slug:bot>/{address}", view, options, name=name),
        path(f"platform/{address}", view, options, name=f"platform_{name}"),
    ]
