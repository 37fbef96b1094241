"""The filter of the audit trail."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet

from botplatform.audit.actions import Action
from botplatform.audit.models import AuditEventQuerySet
from botplatform.bots.models import Bot

PLATFORM = "platform"


def action_words(action: str) -> str:
    """`certificate.default_set` → `certificate default set`."""
    return action.replace(".", " ").replace("_", " ")


class TrailFilter(forms.Form):
    """Every field narrows; none is needed."""

    bot = forms.ChoiceField(required=False)
    action = forms.ChoiceField(
        required=False, choices=[("", "Every action"), *((action.value, action_words(action)) for action in Action)]
    )
    actor = forms.CharField(required=False, max_length=150)
    object = forms.CharField(required=False, max_length=300)

    def __init__(self, *args: Any, bots: QuerySet[Bot], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.bots = bots
        of_bots = [(slug, slug) for slug in bots.values_list("slug", flat=True)]
        self.fields["bot"].choices = [("", "Every bot"), (PLATFORM, "The platform"), *of_bots]  # type: ignore[attr-defined]

    def narrow(self, events: AuditEventQuerySet) -> AuditEventQuerySet:
        """The events that fit what was typed. Valid forms only."""
        wanted = self.cleaned_data
        if wanted["bot"] == PLATFORM:
            events = events.filter(bot_id__isnull=True)
        elif wanted["bot"]:
            events = events.filter(bot_id__in=self.bots.filter(slug=wanted["bot"]).values("pk"))
        if wanted["action"]:
            events = events.filter(action=wanted["action"])
        if wanted["actor"]:
            events = events.filter(actor_name__icontains=wanted["actor"])
        if wanted["object"]:
            events = events.filter(object_name__icontains=wanted["object"])
        return events
