"""`/healthz`: the process answers. `/readyz`: it can also do its work. For load balancers; no sign-in, no secrets."""

from __future__ import annotations

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

PUBLIC = "public"  # the mark of botplatform.bots.access, which lies above this package


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process can answer at all."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when database, migrations and keyring are in order, else 503 with the sentences that say why not."""
    problems = not_ready()
    return JsonResponse({"ready": not problems, "problems": problems}, status=503 if problems else 200)


def not_ready() -> list[str]:
    """Why the product cannot do its work now; empty when it can."""
    try:
        connection.ensure_connection()
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return ["The database does not answer."]
    problems = [f"{len(waiting)} database migrations have not run."] if waiting else []
    reasons = (import_string(name)() for name in settings.READINESS_CHECKS)
    return problems + [str(reason) for reason in reasons if reason]


healthz.permission = readyz.permission = PUBLIC  # type: ignore[attr-defined]
