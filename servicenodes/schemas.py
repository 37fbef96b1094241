"""Documents about service nodes in the HTTP API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field

from certificates.schemas import VersionOut
from certificates.services.rotation import MAX_REASON
from servicenodes.comparison import Outcome
from servicenodes.models import MAX_BODY_LENGTH

SLUG = r"^[a-z0-9]+(?:-[a-z0-9]+)*$"
Method = (
    Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    | Annotated[str, Field(pattern=r"^\{\{ ?[A-Za-z_][A-Za-z0-9_]{0,62} ?\}\}$", description="One `{{variable}}`.")]
)
TLSVersion = Literal["1.2", "1.3"]
Certificate = Field(default=None, max_length=130, description="`bot-slug/name` or `platform/name`; null: the default.")
Store = Field(default=None, max_length=130, description="A trust store's name or path; null: the system's.")
URL = "May hold `{{variables}}`."


class NodeIn(Schema):
    """A new service node."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200)
    url: str = Field(max_length=2000, description=URL)
    slug: str = Field(default="", max_length=63, pattern=rf"^$|{SLUG}", description="Default: made from the name.")
    dialog: str = Field(default="", max_length=200)
    method: Method = "GET"
    headers: dict[str, str] = Field(default={}, max_length=50, description="Those that carry credentials are sealed.")
    sealed_headers: dict[str, str] = Field(
        default={}, max_length=50, description="Sealed: their values are never shown."
    )
    body: str = Field(default="", max_length=MAX_BODY_LENGTH, description=URL)
    certificate: str | None = Certificate
    trust_store: str | None = Store
    server_name: str = Field(default="", max_length=253, description="For SNI and verification, if not the URL's host.")
    min_tls: TLSVersion = "1.2"
    require_mutual_tls: bool = Field(default=True, description="No call unless the server asks for the certificate.")
    timeout_s: int | None = Field(default=None, ge=1, le=60)


class NodeChange(Schema):
    """What of a service node changes; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    # Factories: a field without a default value in the document, and without null.
    name: str = Field(default_factory=str, max_length=200)
    url: str = Field(default_factory=str, max_length=2000, description=URL)
    slug: str = Field(default_factory=str, max_length=63, pattern=SLUG)
    dialog: str = Field(default_factory=str, max_length=200)
    method: Method = Field(default_factory=lambda: "GET")
    headers: dict[str, str] = Field(default_factory=dict, max_length=50, description="All headers that are not sealed.")
    sealed_headers: dict[str, str | None] = Field(
        default_factory=dict, max_length=50, description="All sealed headers; null: the value stays."
    )
    body: str = Field(default_factory=str, max_length=MAX_BODY_LENGTH, description=URL)
    certificate: str | None = Certificate
    trust_store: str | None = Store
    server_name: str = Field(default_factory=str, max_length=253)
    min_tls: TLSVersion = Field(default_factory=lambda: "1.2")
    require_mutual_tls: bool = Field(default_factory=bool)
    timeout_s: int = Field(default_factory=int, ge=1, le=60)


class NodeOut(Schema):
    """A service node. Of sealed headers only the names are ever shown."""

    node: str = Field(description="`bot-slug/node-slug`, as commands take it.")
    slug: str
    name: str
    dialog: str
    method: Method
    url: str = Field(description="Empty: the node came with a bot definition that names none that can be called.")
    exported_url: str = Field(description="What the bot definition says in place of a URL that can be called.")
    headers: dict[str, str]
    sealed_headers: list[str]
    body: str
    certificate: str | None
    trust_store: str | None
    server_name: str
    min_tls: TLSVersion
    require_mutual_tls: bool
    timeout_s: int
    revision: int
    created_at: datetime

    @staticmethod
    def resolve_node(node: Any) -> str:
        return str(node.path)

    @staticmethod
    def resolve_certificate(node: Any) -> str | None:
        return node.certificate.path if node.certificate else None

    @staticmethod
    def resolve_trust_store(node: Any) -> str | None:
        return node.trust_store.path if node.trust_store else None

    @staticmethod
    def resolve_sealed_headers(node: Any) -> list[str]:
        return [header.name for header in node.sealed_headers.all()]


class NodePage(Schema):
    """A page of service nodes."""

    items: list[NodeOut]
    next: str | None = Field(description="Cursor of the next page; null at the end.")


class AttachIn(Schema):
    """Which certificate the node presents from now on."""

    model_config = ConfigDict(extra="forbid")

    certificate: str = Field(max_length=130, description="`bot-slug/name` or `platform/name`.")


class EffectiveOut(Schema):
    """What a service node presents, and the rule that chose it."""

    certificate: str | None
    rule: Literal["node", "bot", "platform", "none"]
    reason: str
    version: VersionOut | None = Field(description="The active version; null: nothing can be presented.")


class TestOptions(Schema):
    """What the test does otherwise than the node says."""

    version: Literal["staged"] | int | None = Field(default=None, description="A version's number, or `staged`.")
    control: bool = Field(default=True, description="First try without the certificate.")
    canary: bool = Field(default=False, description="Then try with a certificate that nobody can trust.")


class ReportOut(Schema):
    """The report of a connection test, as `test_connection --json` prints it."""

    node: str | None
    url: str
    started_at: str
    duration_ms: float
    verdict: str
    reason: str | None
    certainty: str
    layer: str
    summary: str
    advice: list[str]
    steps: list[dict[str, Any]]
    server: dict[str, Any] | None
    certificate_request: dict[str, Any] | None
    client_certificate: dict[str, Any]
    attempts: dict[str, Any]
    http: dict[str, Any] | None
    findings: list[dict[str, Any]]
    suggested_certificates: list[str]
    reproduce: dict[str, str]


class TestOut(Schema):
    """A connection test of the past."""

    id: UUID
    requested_at: datetime
    requested_by: str
    finished_at: datetime | None
    state: Literal["queued", "running", "interrupted", "finished"]
    verdict: str = Field(description="Empty until finished.")
    reason: str
    summary: str
    version: int | None = Field(description="The number of the version that was presented.")

    @staticmethod
    def resolve_version(test: Any) -> int | None:
        return test.version.number if test.version else None


class TestPage(Schema):
    """A page of connection tests, newest first."""

    items: list[TestOut]
    next: str | None = Field(description="Cursor of the next page; null at the end.")


class InvokeIn(Schema):
    """What the call is filled with."""

    model_config = ConfigDict(extra="forbid")

    variables: dict[str, str | int | float | bool | None] = Field(
        default={}, max_length=200, description="Fill the node's `{{variables}}`: all of them, and no others."
    )
    payload: str | None = Field(
        default=None, description="Sent as it is, in place of the node's body; whatever the method."
    )
    payload_base64: str | None = Field(default=None, description="The same, for bytes that are no text.")
    content_type: str | None = Field(
        default=None, max_length=200, description="Of the payload, as `type/subtype`; only with a payload."
    )


class PresentedOut(Schema):
    """The client certificate that was presented; all null when none was."""

    certificate: str | None
    version: int | None
    sha256: str | None
    source: Literal["node", "bot", "platform"] | None = Field(description="The rule that chose it.")
    fell_back_from: int | None = Field(
        default=None, description="The active version, if the server rejected it and this one was presented instead."
    )


class InvokeOut(Schema):
    """What the backend answered. Its errors are answers too: `status` is the backend's."""

    status: int
    headers: dict[str, str] = Field(description="By lower-case name; without cookies and what concerns the connection.")
    body: str
    body_encoding: Literal["text", "base64"]
    truncated: bool = Field(description="The body was longer than is read.")
    location: str | None = Field(description="Where a redirect pointed; none is followed.")
    timing_ms: dict[str, float]
    reused: bool
    client_certificate: PresentedOut


class DefinitionOptions(Schema):
    """What to do with the export."""

    model_config = ConfigDict(extra="forbid")

    check: bool = Field(default=False, description="Say what would happen, store nothing.")


class DefinitionFacts(Schema):
    """The bot as the export calls it."""

    id: str
    name: str
    language: str


class NodeUpdated(Schema):
    """A service node that was known, and what of it changed."""

    node: str
    fields: list[str]


class NodeSkipped(Schema):
    """A service node of the export that becomes none here."""

    node: str = Field(description="`dialog / name`, as in the bot builder.")
    why: str


class DefinitionNote(Schema):
    """What a person should know."""

    node: str | None = Field(description="null: it is about the whole export.")
    text: str


class VariableOut(Schema):
    """What a variable of the bot builder is called here."""

    node: str
    builder: str = Field(description="What stands between the braces in the bot builder.")
    variable: str


class NodeOutlook(Schema):
    """What a service node of the export calls, and which certificate it presents from the import on."""

    node: str
    title: str = Field(description="`dialog / name`.")
    method: str
    url: str = Field(description="Empty: it needs one before it can be tested or called.")
    exported_url: str = Field(description="What the bot definition says in place of a URL that can be called.")
    certificate: str | None = Field(description="The effective certificate; null: there is none.")
    rule: Literal["node", "bot", "platform", "none"]
    hindrance: str = Field(description="Why it cannot be presented; empty: it can.")


class DefinitionOut(Schema):
    """What the import of a bot definition did, or would do. Nodes are named `bot-slug/node-slug`."""

    bot: str
    bot_created: bool
    changed: bool
    checked: bool = Field(description="True: nothing was stored.")
    definition: DefinitionFacts
    created: list[str]
    updated: list[NodeUpdated]
    unchanged: list[str]
    skipped: list[NodeSkipped]
    nodes: list[NodeOutlook] = Field(description="All service nodes of the export, but for those skipped.")
    needs_url: list[str] = Field(description="Those of them that have no URL yet.")
    gone: list[str] = Field(description="Made by an earlier import and not in this export; they are kept.")
    notes: list[DefinitionNote]
    variables: list[VariableOut]


class SideOut(Schema):
    """How the test of a node with one version came out."""

    verdict: str = Field(description="Empty until the test is finished.")
    reason: str
    summary: str
    test: UUID = Field(description="Its report: `GET /bots/{bot}/nodes/{node}/tests/{test}`.")


class ComparedNode(Schema):
    """A service node, and what a promotion means for it."""

    node: str | None = Field(description="null: it is in a bot that this token does not see.")
    outcome: Outcome
    text: str
    now: SideOut | None = Field(description="With the version that was active; null: not tested, or not to be seen.")
    next: SideOut | None = Field(description="With the compared version.")


class ComparisonOut(Schema):
    """The last comparison of a version with the active one, on every node that presents the certificate."""

    certificate: str
    version: int
    active: int | None = Field(description="The version that was active when they were compared.")
    requested_at: datetime | None = Field(description="null: it was never compared.")
    requested_by: str | None
    finished: bool = Field(description="false: some tests are still to come.")
    green: bool = Field(description="A promotion is proven to break nothing.")
    text: str
    counts: dict[str, int] = Field(description="How many nodes have which outcome; all nodes.")
    nodes: list[ComparedNode] = Field(description="Worst first, 1,000 at the most.")


class AlarmOut(Schema):
    """A node that worked with the version before a promotion, and failed when it was tested after it."""

    id: UUID
    node: str
    certificate: str
    version: int = Field(description="Fails.")
    before: int = Field(description="Worked.")
    verdict: str
    summary: str
    raised_at: datetime
    closed_at: datetime | None
    closed_how: Literal["", "switched", "accepted", "by hand"]
    closed_by: str
    reason: str = Field(description="Of who closed it by hand.")

    @staticmethod
    def resolve_node(alarm: Any) -> str:
        return str(alarm.node.path)

    @staticmethod
    def resolve_certificate(alarm: Any) -> str:
        return str(alarm.version.certificate.path)

    @staticmethod
    def resolve_version(alarm: Any) -> int:
        return int(alarm.version.number)

    @staticmethod
    def resolve_before(alarm: Any) -> int:
        return int(alarm.before.number)


class AlarmPage(Schema):
    """A page of alarms, newest first."""

    items: list[AlarmOut]
    next: str | None = Field(description="Cursor of the next page; null at the end.")


class CloseIn(Schema):
    """Why an alarm needs nobody any more."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=MAX_REASON)
