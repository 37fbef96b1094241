"""A test's steps as a person follows them, and what differed between the attempts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TITLES = {
    "resolve": "Look up the address",
    "connect": "Connect to the server",
    "proxy": "Ask the proxy for a way",
    "server_hello": "The server answers",
    "server_certificate": "Verify the server’s certificate",
    "certificate_request": "The server asks for a client certificate",
    "client_certificate": "Present the client certificate",
    "server_verdict": "The server’s verdict",
    "http": "HTTP answer",
}
OPTIONAL = frozenset({"proxy"})
TONES = {"ok": "ok", "warning": "warning", "failed": "error", "skipped": "skipped"}
WORDS = {"ok": "done", "warning": "look here", "failed": "failed", "skipped": "not reached"}


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """One line of the timeline: `tone` and `state` say the same in colour and in words."""

    name: str
    title: str
    tone: str
    state: str
    detail: str
    ms: float | None


def timeline(steps: Iterable[Mapping[str, Any]], *, finished: bool) -> list[TimelineStep]:
    """The known steps, then those to come while the test runs: the first of them is the one at work."""
    known = [_known(step) for step in steps]
    if finished:
        return known
    seen = {step.name for step in known}
    to_come = [name for name in TITLES if name not in seen and name not in OPTIONAL]
    return known + [_to_come(name, at_work=index == 0 and bool(known)) for index, name in enumerate(to_come)]


def _known(step: Mapping[str, Any]) -> TimelineStep:
    name, status = str(step.get("name", "")), str(step.get("status", ""))
    return TimelineStep(
        name=name,
        title=TITLES.get(name, name.replace("_", " ")),
        tone=TONES.get(status, "neutral"),
        state=WORDS.get(status, status),
        detail=str(step.get("detail") or ""),
        ms=step.get("ms"),
    )


def _to_come(name: str, *, at_work: bool) -> TimelineStep:
    tone, state = ("running", "at work") if at_work else ("neutral", "to come")
    return TimelineStep(name, TITLES[name], tone, state, "", None)


def differences(report: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Rows of (what, control, real, canary) over the flat facts of the attempts that were made."""
    attempts = report.get("attempts") or {}
    made = {name: attempts.get(name) or {} for name in ("control", "real", "canary")}
    if not made["control"] or not made["real"]:
        return []
    names = dict.fromkeys(name for facts in made.values() for name in facts)
    rows = []
    for name in names:
        values = [_flat(made[kind].get(name)) for kind in ("control", "real", "canary")]
        if None not in values[:2] and values[0] != values[1]:
            rows.append((name.replace("_", " "), values[0] or "", values[1] or "", values[2] or "—"))
    return rows


def _flat(value: object) -> str | None:
    """A fact in words; None for what is too deep to compare in one line."""
    if isinstance(value, dict | list):
        return None
    if value is None or value == "":
        return "—"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
