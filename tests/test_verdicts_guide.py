"""docs/verdicts.md lists every verdict with its reasons, every certainty and every finding, and no others."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from servicenodes.tls import hints
from servicenodes.tls.advice import CA_MISSING, SELF_SIGNED_SERVER
from servicenodes.tls.judgement import CALL_REASONS, REASONS, Certainty, Verdict

GUIDE = (Path(__file__).resolve().parents[1] / "docs" / "verdicts.md").read_text()


def section(heading: str) -> str:
    return GUIDE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_every_reason_is_told() -> None:
    told = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", GUIDE, flags=re.MULTILINE)
    lists = [*REASONS.items(), *CALL_REASONS.items()]
    pairs = [(str(verdict), str(reason)) for verdict, reasons in lists for reason in reasons]
    assert sorted(told) == sorted(pair for pair in pairs if pair[0] != Verdict.SERVER_UNTRUSTED)


def test_what_only_calls_come_to_is_told_as_such() -> None:
    told = re.findall(r"^\| `(\w+)` \| `(\w+)` \| only in calls: ", GUIDE, flags=re.MULTILINE)
    assert sorted(told) == sorted((str(v), str(reason)) for v, reasons in CALL_REASONS.items() for reason in reasons)


def test_every_verification_error_is_told_once() -> None:
    rows = [re.findall(r"`(\w+)`", row) for row in re.findall(r"^\| (`.+?) \|", section("Verification errors"), re.M)]
    assert sorted(name for row in rows for name in row) == sorted(map(str, REASONS[Verdict.SERVER_UNTRUSTED]))
    assert set(rows[0]) == CA_MISSING - SELF_SIGNED_SERVER  # where the advice is another trust store
    assert set(rows[1]) == SELF_SIGNED_SERVER


def test_every_certainty_is_told() -> None:
    assert re.findall(r"^\| `(\w+)` \| [^|]+ \|$", GUIDE.partition("\n## ")[0], flags=re.MULTILINE) == list(Certainty)


def test_every_finding_is_told() -> None:
    severities = {"_error": "error", "_warning": "warning"}
    made = set()
    for call in (node for node in ast.walk(ast.parse(Path(hints.__file__).read_text())) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.args and isinstance(call.args[0], ast.Constant):
            severity = severities.get(call.func.id) or ast.unparse(call.args[1]).rpartition(".")[2].lower()
            made.add((call.args[0].value, severity))
    told = re.findall(r"^\| `(\w+)` \| (\w+) \|", section("Findings of a test"), flags=re.MULTILINE)
    assert len(told) == len(set(told))
    assert set(told) == made
