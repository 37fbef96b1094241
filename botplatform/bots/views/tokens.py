"""API tokens: one's own, a new one (whose text is shown once), and revoking."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.forms import TokenForm
from botplatform.bots.models import ApiToken, Bot
from botplatform.bots.roles import Permission
from botplatform.bots.services.tokens import create_token, revoke_token
from botplatform.console.forms import show_error, status_of
from botplatform.errors import Conflict, DomainError, InvalidInput

TOKENS_PER_PAGE = 50


@require_permission(Permission.CONSOLE)
@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """One's own tokens; everybody's for administrators and auditors."""
    user = cast(User, request.user)
    tokens = ApiToken.objects.visible_to(user).select_related("created_by").prefetch_related("bots")
    page = Paginator(tokens, TOKENS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "sees_all": user.is_staff, "may_revoke_all": user.is_administrator}
    return render(request, "bots/tokens.html", context)


@require_permission(Permission.CONSOLE)
@require_http_methods(["GET", "POST"])
@never_cache
@sensitive_variables()
def create(request: HttpRequest) -> HttpResponse:
    """A new token. Its text is in this one answer and nowhere else."""
    form = TokenForm(request.POST or None)
    if form.is_valid():
        try:
            token, text = _create(request, form)
        except Conflict as repeated:  # the page of the token was loaded again
            messages.error(request, repeated.text)
            return redirect("bots:tokens")
        except DomainError as error:
            field = "days" if getattr(error, "field", None) == "expires_at" else None
            show_error(form, error, field=field)
        else:
            return render(request, "bots/token_made.html", {"token": token, "text": text}, status=201)
    return render(request, "bots/token_create.html", {"form": form}, status=status_of(form))


@require_permission(Permission.CONSOLE)
@require_POST
def revoke(request: HttpRequest, token: str) -> HttpResponse:
    """End a token for good."""
    user = cast(User, request.user)
    found = get_object_or_404(ApiToken.objects.visible_to(user).select_related("created_by"), pk=token)
    revoke_token(actor=Actor.of(user), token=found)
    messages.success(request, f"The token “{found.name}” opens nothing any more.")
    return redirect("bots:tokens")


@sensitive_variables()
def _create(request: HttpRequest, form: TokenForm) -> tuple[ApiToken, str]:
    user, typed = cast(User, request.user), form.cleaned_data
    bots = list(Bot.objects.visible_to(user).filter(slug__in=typed["bots"]))
    if missing := set(typed["bots"]) - {bot.slug for bot in bots}:
        raise InvalidInput(f"There is no bot “{sorted(missing)[0]}”.", field="bots")
    return create_token(
        actor=Actor.of(user),
        name=typed["name"],
        permissions=typed["permissions"],
        bots=bots,
        all_bots=typed["all_bots"],
        expires_at=timezone.now() + timedelta(days=int(typed["days"])),
        form_id=typed["form_id"],
    )
