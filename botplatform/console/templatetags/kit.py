"""The kit's components. Each has one template, one entry on the pattern page and one rendering test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, cast

from django import template
from django.core.paginator import Page
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, FileInput, PasswordInput, Select
from django.forms.boundfield import BoundWidget
from django.template import Context
from django.templatetags.static import static
from django.templatetags.tz import utc
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from botplatform.console import moments

register = template.Library()

# A status is always icon and words; colour only helps.
TONE_ICONS = {
    "ok": "circle-check",
    "warning": "alert-triangle",
    "error": "circle-x",
    "info": "info-circle",
    "neutral": "circle-dashed",
    "skipped": "circle-minus",
    "running": "clock",
}
SEVERITY_WORDS = {"error": "Refuses", "warning": "Warning", "info": "Note"}
# Pages of these lie under a bot or the platform, but belong to their own list.
OWN_SECTIONS = {name: name for name in ("certificates", "trust-stores", "issuers", "nodes")}
OWN_SECTIONS["certificate-request"] = "certificates"
BAR_HEIGHT = 72
LEAST = 4  # the height of what is there at all
THEMES = ("light", "dark")


@register.simple_tag
def icon(name: str) -> SafeString:
    """One icon of the sprite; decorative, words stand beside it."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        static("console/vendor/icons.svg"),
        name,
    )


@register.simple_tag(takes_context=True)
def theme(context: Context) -> str:
    """`light`, `dark`, or `auto` while the user has not chosen."""
    request = context.get("request")
    chosen = request.COOKIES.get("theme", "") if request else ""
    return chosen if chosen in THEMES else "auto"


@register.inclusion_tag("components/status.html")
def status(tone: str, text: str, title: str = "") -> dict[str, str]:
    """A badge of icon and words."""
    return {"tone": tone, "text": text, "title": title, "icon": TONE_ICONS.get(tone, "circle-dashed")}


@register.inclusion_tag("components/crumbs.html")
def crumbs(*parts: str) -> dict[str, Any]:
    """Breadcrumbs: label, URL, label, URL … of the pages above this one."""
    return {"crumbs": list(zip(parts[::2], parts[1::2], strict=True))}


@register.inclusion_tag("components/empty_state.html")
def empty_state(icon_name: str, title: str, text: str, url: str = "", label: str = "") -> dict[str, str]:
    """What to do first on a page that has nothing to show yet."""
    return {"icon_name": icon_name, "title": title, "text": text, "url": url, "label": label}


@register.inclusion_tag("components/finding_list.html")
def finding_list(findings: Iterable[Any]) -> dict[str, Any]:
    """Findings, worst first; each with severity in words."""
    order = list(SEVERITY_WORDS)
    rows = []
    for finding in findings:
        read = finding.get if isinstance(finding, dict) else lambda key, of=finding: getattr(of, key)
        severity = str(read("severity"))
        rows.append({"code": str(read("code")), "severity": severity, "text": str(read("text"))})
    rows.sort(key=lambda row: order.index(row["severity"]) if row["severity"] in order else len(order))
    return {"findings": [{**row, "word": SEVERITY_WORDS.get(row["severity"], "Note")} for row in rows]}


@register.inclusion_tag("components/fingerprint.html")
def fingerprint(value: str, label: str = "fingerprint") -> dict[str, str]:
    """A SHA-256 fingerprint: short to read, whole to copy."""
    return {"value": value, "label": label}


@register.inclusion_tag("components/command_line.html")
def command_line(text: str, label: str) -> dict[str, str]:
    """A command to copy into a terminal."""
    return {"text": text, "label": label}


@register.inclusion_tag("components/expires.html")
def expires(when: datetime | str | None, with_day: bool = True) -> dict[str, Any]:
    """An expiry: “in 12 days · 3 Dec 2026”, the whole time in the title, and a warning mark when it is near."""
    moment = moments.parse(when)
    if moment is None:
        return {"when": None}
    now = timezone.now()
    return {
        "when": _shown(moment),
        "words": moments.distance(moment, now),
        "day": moments.day(moment) if with_day else "",
        "tone": moments.expiry_tone(moment, now),
    }


@register.inclusion_tag("components/expiry_timeline.html")
def expiry_timeline(months: Sequence[tuple[date, Mapping[str, int]]]) -> dict[str, Any]:
    """How many certificates of each kind expire in each month: a bar of parts, a number, and the same as a table."""
    most = max((sum(counts.values()) for _, counts in months), default=0) or 1
    kinds = list(months[0][1]) if months else []
    return {
        "bars": [
            {
                "month": month,
                "counts": list(counts.values()),
                "count": sum(counts.values()),
                "parts": _parts(counts, most),
            }
            for month, counts in months
        ],
        "full": BAR_HEIGHT,
        "kinds": [(kind, sum(counts[kind] for _, counts in months)) for kind in kinds],
    }


def _parts(counts: Mapping[str, int], most: int) -> list[dict[str, int]]:
    """The parts of one bar from the bottom up. Whatever there is can be seen, be there a thousand times more beside."""
    parts, top = [], BAR_HEIGHT
    for kind, count in enumerate(counts.values()):
        height = max(round((BAR_HEIGHT - LEAST * len(counts)) * count / most), LEAST) if count else 0
        top -= height
        parts.append({"kind": kind, "top": top, "height": height})
    return [part for part in parts if part["height"]]


@register.inclusion_tag("components/moment.html")
def moment(when: datetime | str | None) -> dict[str, Any]:
    """A point in time: “3 minutes ago”, with its day when it is far, and the whole time in the title."""
    parsed = moments.parse(when)
    if parsed is None:
        return {"when": None}
    now = timezone.now()
    day = moments.day(parsed) if abs(parsed - now) >= timedelta(days=1) else ""
    return {"when": _shown(parsed), "words": moments.distance(parsed, now), "day": day}


@register.filter
def minute(when: datetime | str | None) -> str:
    """“3 Dec 2026, 09:00” in UTC."""
    parsed = moments.parse(when)
    return moments.minute(parsed) if parsed else "unknown"


def _shown(moment: datetime) -> datetime:
    """For a template, which turns it into TIME_ZONE. What does not fit there stays UTC.

    The last second of 9999, with which RFC 5280 (section 4.1.2.5) says “never expires”, lies beyond it in Europe.
    """
    try:
        timezone.localtime(moment)
    except OverflowError:
        return cast(datetime, utc(moment))
    return moment


@register.inclusion_tag("components/field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """A form field with label, help and errors tied to it."""
    widget = bound.field.widget
    is_checkbox = isinstance(widget, CheckboxInput)
    css = "form-control"
    if is_checkbox:
        css = "form-check-input"
    elif isinstance(widget, Select) and not isinstance(widget, CheckboxSelectMultiple):
        css = "form-select"
    if bound.errors:
        css += " is-invalid"
    many = isinstance(widget, CheckboxSelectMultiple)
    dropped = isinstance(widget, PasswordInput) and widget.attrs.get("autocomplete") != "current-password"
    # A browser cuts what is pasted beyond `maxlength` without a word; the server refuses it with a sentence.
    widget.attrs.pop("maxlength", None)
    focus = _begins_here(bound)
    widget.attrs["autofocus"] = focus and not many
    return {
        "bound": bound,
        "control": "" if many else bound.as_widget(attrs={"class": css}),
        "choices": _choices(bound) if many else (),
        "is_checkbox": is_checkbox,
        "is_file": isinstance(widget, FileInput),
        "is_group": many,
        "focus": focus,
        # A page never repeats a secret, so what was typed is gone when the form comes back for another reason.
        "again": dropped and bool(bound.data) and not bound.errors and not getattr(bound.field, "is_kept", False),
    }


def _choices(bound: BoundField) -> list[BoundWidget]:
    """The boxes of a group, which look like one that stands alone."""
    choices = list(bound.subwidgets)
    for choice in choices:
        choice.data["attrs"]["class"] = "form-check-input"
    return choices


def _begins_here(bound: BoundField) -> bool:
    """Whether the page opens at this field: at the first that was refused, unless `form_errors.html` comes first."""
    refused = [name for name in bound.form.fields if name in bound.form.errors]
    if not refused:
        return bool(bound.field.widget.attrs.get("autofocus"))
    return bound.name == refused[0] and not bound.form.non_field_errors() and getattr(bound.form, "opens", True)


@register.inclusion_tag("components/pagination.html", takes_context=True)
def pagination(context: Context, page: Page[Any]) -> dict[str, Any]:
    """Page links that keep the filters; nothing when there is one page."""
    return {"page": page, "request": context.get("request")}


@register.filter
def words(value: str) -> str:
    """`certificate_manager` → `certificate manager`."""
    return str(value).replace("_", " ").replace(".", " ")


@register.filter
def severity_tone(severity: str) -> str:
    """The tone a finding's severity is shown in."""
    return {"error": "error", "warning": "warning"}.get(str(severity), "info")


@register.inclusion_tag("components/note.html")
def note(tone: str, text: str, role: str = "", focus: bool = False) -> dict[str, Any]:
    """A box with one sentence; `role="alert"` when it answers what the user just did, `focus` when they go on there."""
    icon_name = TONE_ICONS.get(tone, "info-circle")
    return {"tone": tone, "text": str(text), "role": role, "focus": focus, "icon": icon_name}


@register.inclusion_tag("components/nav_link.html", takes_context=True)
def nav_link(context: Context, url_name: str, icon_name: str, label: str) -> dict[str, Any]:
    """A link of the main navigation, marked when the page lies under it."""
    url = reverse(url_name)
    request = context.get("request")
    here = section(request.path) if request else ""
    return {"url": url, "icon_name": icon_name, "label": label, "current": url.strip("/") == here}


def section(path: str) -> str:
    """The section of the console that a page lies in: what a bot owns has a section of its own."""
    parts = path.strip("/").split("/")
    return next((OWN_SECTIONS[part] for part in parts[:3] if part in OWN_SECTIONS), parts[0])


@register.filter
def message_tone(level_tag: str) -> str:
    """The tone of a Django message."""
    return {"success": "ok", "warning": "warning", "error": "error"}.get(level_tag, "info")


@register.filter
def message_icon(level_tag: str) -> str:
    """The icon of a Django message."""
    return TONE_ICONS[message_tone(level_tag)]


@register.simple_tag
def theme_choices() -> tuple[tuple[str, str, str], ...]:
    """Value, icon and label of each theme."""
    return (("light", "sun", "Light"), ("dark", "moon", "Dark"), ("auto", "device-desktop", "Auto"))


@register.filter
def tone_icon(tone: str) -> str:
    """The icon of a tone."""
    return TONE_ICONS.get(tone, "circle-dashed")


@register.filter
def fact(value: object) -> str:
    """A JSON value of the trail in words."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {fact(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(fact(inner) for inner in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None or value == "" else str(value)
