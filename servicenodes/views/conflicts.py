"""Two people change one service node: what is saved now, beside what the second one typed. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.forms import BoundField, ChoiceField, ModelChoiceField

from servicenodes.forms import NodeForm, node_values
from servicenodes.models import ServiceNode

TEXT = "Somebody changed this service node meanwhile. Compare what is saved now with what is in your form."


@dataclass(frozen=True, slots=True)
class Difference:
    """One field, in words: as it is saved, and as it stands in the form."""

    label: str
    saved: str
    typed: str


def differences(form: NodeForm, node: ServiceNode) -> list[Difference]:
    """The fields in which the sent form and the node, as it is now, differ."""
    saved = node_values(node)
    rows = [
        Difference(str(bound.label), _words(bound, saved[bound.name]), _words(bound, bound.value()))
        for bound in form.visible_fields()
        if bound.name in saved
    ]
    return [row for row in rows if row.saved != row.typed]


def on_top_of(form: NodeForm, node: ServiceNode) -> None:
    """Let the next Save of this form replace `node` as it is now: whoever sends it has seen what it replaces."""
    data = form.data.copy()  # type: ignore[attr-defined]
    data["revision"] = str(node.revision)
    form.data = data


def _words(bound: BoundField, value: Any) -> str:
    """A value of the form as a person reads it; line ends as Django stores them."""
    if isinstance(bound.field, ModelChoiceField):
        chosen = bound.field.queryset.filter(pk=value).first() if value else None  # type: ignore[union-attr]
        return str(chosen or bound.field.empty_label or "")
    if isinstance(bound.field, ChoiceField):
        return str(dict(bound.field.choices).get(value, value))  # type: ignore[arg-type]
    if isinstance(value, bool):
        return "yes" if value else "no"
    shown = bound.field.widget.format_value(value)  # hides the values of secret headers
    return "\n".join(line.strip() for line in str(shown or "").strip().splitlines())
