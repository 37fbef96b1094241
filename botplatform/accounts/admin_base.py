"""The base of our model admins: what they save goes through a service, as every other door does."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.errors import DomainError

M = TypeVar("M", bound=Model)


class ServiceModelAdmin(admin.ModelAdmin[M], Generic[M]):
    """Subclasses write `save_through_service` (and `delete_through_service` where deleting is offered).

    A refusal is shown as a message above the form. There are no bulk actions: each would need its own service.
    """

    actions = None

    def save_through_service(self, actor: Actor, obj: M, form: Any, *, change: bool) -> M:
        """Call the service with `form.cleaned_data`; returns what was saved."""
        raise NotImplementedError

    def delete_through_service(self, actor: Actor, obj: M) -> None:
        """Call the service that deletes `obj`."""
        raise NotImplementedError

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except DomainError as error:
            return self._refused(request, error)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().delete_view(request, *args, **kwargs)
        except DomainError as error:
            return self._refused(request, error)

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        saved = self.save_through_service(_actor(request), obj, form, change=change)
        obj.pk, obj._state.adding = saved.pk, False

    def delete_model(self, request: HttpRequest, obj: M) -> None:
        self.delete_through_service(_actor(request), obj)

    def _refused(self, request: HttpRequest, error: DomainError) -> HttpResponse:
        self.message_user(request, error.text, messages.ERROR)
        return redirect(request.get_full_path())


class ReadOnlyModelAdmin(admin.ModelAdmin[M], Generic[M]):
    """Looks only: nothing is added, changed or deleted."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


def _actor(request: HttpRequest) -> Actor:
    return Actor.of(cast(User, request.user))
