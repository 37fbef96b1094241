"""What a certificate changes against the one whose place it is to take. Pure.

A renewal is expected to keep the names and to last longer; what does not is told, because servers may go by either.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from certificates.pki.display import day, short_name
from certificates.pki.findings import FindingCode, finding
from certificates.pki.inspection import CertificateFacts, Finding

NAMED = 5  # so many alternative names are told, the rest are counted


def changes(before: CertificateFacts, after: CertificateFacts, *, number: int, now: datetime) -> tuple[Finding, ...]:
    """The findings about `after`, against `before`, which is version `number`. The same certificate has none."""
    if before.sha256 == after.sha256:
        return ()
    name, found = short_name(after.subject), []
    if before.subject != after.subject:
        text = f"its subject is “{after.subject}”, that of version {number} is “{before.subject}”: a server that goes "
        found.append(finding(FindingCode.SUBJECT_CHANGED, f"{name}: {text}by the subject will refuse it."))
    if missing := set(before.san) - set(after.san):
        text = f"alternative names of version {number} are missing: {_named(missing)}."
        found.append(finding(FindingCode.NAMES_MISSING, f"{name}: {text}"))
    if now < before.not_after and after.not_after < before.not_after:
        text = f"it expires on {day(after.not_after)}, before version {number} does ({day(before.not_after)})."
        found.append(finding(FindingCode.EXPIRES_EARLIER, f"{name}: {text}"))
    return tuple(found)


def changes_of_request(asked: str, after: CertificateFacts) -> tuple[Finding, ...]:
    """The findings about what a CA made of a first request, whose subject was `asked` (RFC 4514)."""
    if asked == after.subject:
        return ()
    text = f"its subject is “{after.subject}”, the request asked for “{asked}”."
    return (finding(FindingCode.SUBJECT_CHANGED, f"{short_name(after.subject)}: {text}"),)


def _named(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - NAMED
    return ", ".join(ordered[:NAMED]) + (f" and {more} more" if more > 0 else "")
