"""Connection tests over the HTTP API.

A program wants the report in the answer, so the test is made at once (`test_now`), not queued for a worker: the call
takes as long as the node's timeout at most, and the limit of tests per user and target applies.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ninja import Query

from botplatform.api_kit.access import ApiRequest
from botplatform.api_kit.paging import Paging, page
from botplatform.api_kit.routes import Section, read, route
from botplatform.bots.roles import Permission
from botplatform.errors import NotFound
from servicenodes.api.nodes import NODE, find
from servicenodes.api.routing import router
from servicenodes.models import ConnectionTest
from servicenodes.schemas import ReportOut, TestOptions, TestPage
from servicenodes.services.probing import test_now as make_test
from servicenodes.services.requests import ProbeOptions

SECTION = Section(router, "connection tests")


@route(
    SECTION,
    "POST",
    f"{NODE}/test",
    Permission.NODE_TEST,
    answers={200: ReportOut},
    problems=(409, 422),
    name="test_connection",
)
def run_test(request: ApiRequest, node: str, options: Query[TestOptions]) -> Any:
    """Test the connection now, with real handshakes, and answer the report. It is recorded."""
    chosen = ProbeOptions(version=options.version, control=options.control, canary=options.canary)
    return make_test(actor=request.actor, node=find(request, node), options=chosen).report


@read(SECTION, f"{NODE}/tests", TestPage, problems=(422,))
def list_tests(request: ApiRequest, node: str, paging: Query[Paging]) -> dict[str, object]:
    """The tests of a node, newest first."""
    rows = find(request, node).tests.select_related("version").defer("report", "steps", "version__leaf_der")
    items, following = page(request, rows, paging, order=["requested_at", "pk"], descending=True)
    return {"items": items, "next": following}


@read(SECTION, f"{NODE}/tests/{{test}}", ReportOut, problems=(422,))
def get_report(request: ApiRequest, node: str, test: UUID) -> Any:
    """The report of one finished test."""
    found: ConnectionTest | None = find(request, node).tests.filter(pk=test, finished_at__isnull=False).first()
    if found is None:
        raise NotFound("no such test")
    return found.report
