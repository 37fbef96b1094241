"""Testing many nodes at once: one act of somebody who may run commands, so the limit of tests does not apply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from django.db import connections

from botplatform.accounts.actors import Actor
from botplatform.errors import DomainError
from certificates.errors import Sealed
from servicenodes.models import ServiceNode
from servicenodes.services.probing import test_now
from servicenodes.services.requests import ProbeOptions


@dataclass(frozen=True, slots=True)
class Tested:
    """One node with the report of its test, or the error for which it was not tested."""

    node: str
    report: dict[str, Any] | None
    error: DomainError | None = None

    @property
    def verdict(self) -> str:
        return str(self.report["verdict"]) if self.report else "not_tested"

    def as_json(self) -> dict[str, Any]:
        """One line for programs."""
        if self.report is None:
            assert self.error is not None  # noqa: S101 — one of the two is there
            return {"node": self.node, "verdict": None, "error": {"code": self.error.code, "text": self.error.text}}
        names = ("node", "url", "verdict", "reason", "certainty", "summary", "duration_ms", "client_certificate")
        return {name: self.report[name] for name in names}


def run_tests(
    *, actor: Actor, nodes: Iterable[ServiceNode], options: ProbeOptions, concurrency: int
) -> Iterator[Tested]:
    """Test the nodes, so many at a time; each as soon as it is known. Raises `Sealed`: no test could tell anything."""
    with ThreadPoolExecutor(concurrency, thread_name_prefix="fleet") as executor:
        running = [executor.submit(_test, actor, node, options) for node in nodes]
        try:
            for future in as_completed(running):
                yield future.result()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


def _test(actor: Actor, node: ServiceNode, options: ProbeOptions) -> Tested:
    try:
        return Tested(node.path, test_now(actor=actor, node=node, options=options, limited=False).report)
    except Sealed:
        raise
    except DomainError as error:
        return Tested(node.path, None, error)
    finally:
        connections.close_all()


def totals(tested: Iterable[Tested]) -> dict[str, Any]:
    """How many nodes came to what."""
    verdicts = Counter(one.verdict for one in tested)
    return {"nodes": verdicts.total(), "accepted": verdicts["accepted"], "verdicts": dict(verdicts.most_common())}
