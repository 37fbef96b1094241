"""Testing many nodes at once: one act of somebody who may run commands, so the limit of tests does not apply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, IntegrityError, InterfaceError, connections

from botplatform.accounts.actors import Actor
from botplatform.database import make_room_for, unusable
from botplatform.errors import DomainError, NotFound
from certificates.errors import Sealed
from servicenodes.models import ServiceNode
from servicenodes.services.probing import test_now
from servicenodes.services.requests import ProbeOptions

ATTEMPTS = 3


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
    make_room_for(concurrency)
    executor = ThreadPoolExecutor(concurrency, thread_name_prefix="fleet")
    try:
        running = [executor.submit(_test, actor, node, options) for node in nodes]
        for future in as_completed(running):
            yield future.result()
    except Sealed:  # what has begun ends in the same way, and nothing of it outlives the call
        executor.shutdown(cancel_futures=True)
        raise
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _test(actor: Actor, node: ServiceNode, options: ProbeOptions) -> Tested:
    """A database that does not answer now is asked again: it has many to serve."""
    error: DomainError | None = None
    for _ in range(ATTEMPTS):
        try:
            return Tested(node.path, test_now(actor=actor, node=node, options=options, alone=False).report)
        except Sealed:
            raise
        except DomainError as refused:
            return Tested(node.path, None, refused)
        except IntegrityError:
            return Tested(node.path, None, NotFound(f"“{node.path}” was changed or deleted meanwhile."))
        except (DatabaseError, InterfaceError) as failed:
            error = DomainError(unusable(failed), code="database_unavailable")
        finally:
            connections.close_all()
    return Tested(node.path, None, error)


def totals(tested: Iterable[Tested]) -> dict[str, Any]:
    """How many nodes came to what."""
    verdicts = Counter(one.verdict for one in tested)
    return {"nodes": verdicts.total(), "accepted": verdicts["accepted"], "verdicts": dict(verdicts.most_common())}
