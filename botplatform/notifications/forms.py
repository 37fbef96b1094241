"""Shapes of what is typed about notifications."""

from __future__ import annotations

from django import forms

from botplatform.notifications.models import Channel, DeliveryState


class EndpointForm(forms.Form):
    """Where webhooks go."""

    url = forms.CharField(
        max_length=500,
        label="Address",
        widget=forms.URLInput(attrs={"placeholder": "https://hooks.example.com/certificates", "autocomplete": "off"}),
        help_text="HTTPS only. Private addresses must be allowed by the operator (EGRESS_ALLOW).",
    )


STATES = [
    (value, "Waiting or retrying" if value == DeliveryState.WAITING else label)
    for value, label in DeliveryState.choices
]


class LogFilter(forms.Form):
    """Which deliveries to show."""

    state = forms.ChoiceField(required=False, label="State", choices=[("", "All"), *STATES])
    channel = forms.ChoiceField(required=False, label="Channel", choices=[("", "All"), *Channel.choices])
