"""Import of a bot definition over the HTTP API."""

from __future__ import annotations

from ninja import File, Form
from ninja.files import UploadedFile as SentFile

from botplatform.api_kit.access import ApiRequest
from botplatform.api_kit.parsing import MULTIPART
from botplatform.api_kit.routes import Section, bot_of, route
from botplatform.bots.roles import Permission
from servicenodes.api.routing import router
from servicenodes.definitions.files import MAX_BYTES, read_definition
from servicenodes.schemas import DefinitionOptions, DefinitionOut
from servicenodes.services.definitions import import_definition

SECTION = Section(router, "service nodes")


@route(
    SECTION,
    "POST",
    "/bots/{bot}/definition",
    Permission.NODE_CHANGE,
    answers={200: DefinitionOut},
    problems=(409,),
    media_type=MULTIPART,
    name="import_definition",
)
def import_export(
    request: ApiRequest, options: Form[DefinitionOptions], files: File[list[SentFile]]
) -> dict[str, object]:
    """Import the export of a bot builder: create or update service nodes. The same export again changes nothing."""
    definition = read_definition([(file.name or "file", file.read(MAX_BYTES + 1)) for file in files])
    report = import_definition(actor=request.actor, bot=bot_of(request), definition=definition, dry_run=options.check)
    return report.as_json() | {"checked": options.check}
