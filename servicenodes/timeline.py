"""A test's steps as a person follows them, and what was seen in each attempt. Pure."""

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
PRESENTING = "client_certificate"  # skipped not only when it is not reached, but also when there is none
LEFT_OUT = "left out"
NOT_REACHED = "Not reached."
NOTHING = "—"
# The facts of an attempt that a person compares, in this order.
ATTEMPT_FACTS = {
    "certificate_requested": "Server asked for a certificate",
    "sent": "We presented",
    "handshake_completed": "Handshake completed",
    "ending": "How it ended",
    "alerts": "Alerts",
    "http_status": "HTTP status",
    "failure": "No connection",
    "local_error": "Our complaint",
    "tls_version": "TLS",
    "address": "Address",
    "ms": "Time",
}
FACT_WORDS = {
    ("sent", "certificate"): "a certificate",
    ("sent", "empty"): "an empty answer",
    ("sent", "no"): "nothing",
    ("ending", "data"): "the server answered",
    ("ending", "alert"): "the server sent an alert",
    ("ending", "closed"): "the server closed the connection",
    ("ending", "reset"): "the server reset the connection",
    ("ending", "timeout"): "the server said nothing in time",
    ("ending", "local"): "we ended the connection",
    ("failure", "dns_failed"): "name not found",
}


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
    detail = str(step.get("detail") or "")
    return TimelineStep(
        name=name,
        title=TITLES.get(name, name.replace("_", " ")),
        tone=TONES.get(status, "neutral"),
        state=LEFT_OUT
        if name == PRESENTING and status == "skipped" and detail != NOT_REACHED
        else WORDS.get(status, status),
        detail=detail,
        ms=step.get("ms"),
    )


def _to_come(name: str, *, at_work: bool) -> TimelineStep:
    tone, state = ("running", "at work") if at_work else ("neutral", "to come")
    return TimelineStep(name, TITLES[name], tone, state, "", None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One fact of the attempts, in words; `canary` is None when that attempt was not made."""

    label: str
    control: str
    real: str
    canary: str | None

    @property
    def differs(self) -> bool:
        return self.control != self.real and self.label != ATTEMPT_FACTS["ms"]


def comparison(report: Mapping[str, Any]) -> list[Comparison]:
    """What was seen without and with the certificate, fact by fact; empty unless both attempts were made."""
    attempts = report.get("attempts") or {}
    control, real, canary = (attempts.get(kind) or {} for kind in ("control", "real", "canary"))
    if not control or not real:
        return []
    rows = []
    for name, label in ATTEMPT_FACTS.items():
        values = [_fact(name, attempt.get(name)) for attempt in (control, real, canary)]
        if any(value != NOTHING for value in values):
            rows.append(Comparison(label, values[0], values[1], values[2] if canary else None))
    return rows


def _fact(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ("", []):
        return NOTHING
    if isinstance(value, list):
        return ", ".join(str(alert.get("name", "")).replace("_", " ") for alert in value)
    if name == "ms":
        return f"{value} ms"
    return FACT_WORDS.get((name, str(value)), str(value).replace("_", " ") if name != "address" else str(value))
