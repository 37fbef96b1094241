"""Documents about certificates and trust stores in the HTTP API."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field

from certificates.pki.csr import KeyKind
from certificates.pki.findings import FindingCode
from certificates.pki.subjects import MAX_SANS, MAX_SUBJECT_CHARACTERS
from certificates.services.fallback import MOST_DAYS

NO_LEAF = "null while there is no certificate yet: in a draft, or a destroyed one."
NAME = r"^[a-z0-9]+(?:-[a-z0-9]+)*$"


class KeyFacts(Schema):
    """The public side of a key."""

    type: str
    bits: int


class FindingOut(Schema):
    """One judgement about the material."""

    code: str
    severity: Literal["info", "warning", "error"]
    text: str


class VersionOut(Schema):
    """A version: immutable material; only its status changes. The private key is never part of any answer.

    A draft waits for the CA's reply: of the certificate it has the subject and the key that were asked for.
    """

    number: int
    status: Literal["draft", "staged", "active", "retired", "destroyed"]
    subject: str
    issuer: str | None = Field(description=NO_LEAF)
    serial: str | None = Field(description=NO_LEAF)
    sha256: str | None = Field(description=NO_LEAF)
    spki_sha256: str
    not_before: datetime | None = Field(description=NO_LEAF)
    not_after: datetime | None = Field(description=NO_LEAF)
    key: KeyFacts
    findings: list[FindingOut]
    allowed_findings: list[str]
    created_at: datetime
    created_by: str

    @staticmethod
    def resolve_key(version: Any) -> dict[str, object]:
        return {"type": version.key_type, "bits": version.key_bits}

    @staticmethod
    def resolve_issuer(version: Any) -> str | None:
        return version.issuer if version.has_leaf else None

    @staticmethod
    def resolve_serial(version: Any) -> str | None:
        return version.serial if version.has_leaf else None

    @staticmethod
    def resolve_sha256(version: Any) -> str | None:
        return version.sha256 or None


class RequestWish(Schema):
    """What a certificate signing request asks for, and which key it is for."""

    model_config = ConfigDict(extra="forbid")

    subject: str | None = Field(
        default=None,
        max_length=MAX_SUBJECT_CHARACTERS,
        description="RFC 4514. Left out: of the version it renews. A first certificate needs it, if only empty "
        "where `san` says all.",
    )
    san: list[str] | None = Field(
        default=None,
        max_length=MAX_SANS,
        description="`dns:`, `ip:`, `email:` or `uri:` and a value. Left out: those of the version it renews.",
    )
    key: KeyKind = Field(default=KeyKind.EC_P256, description="The key that is made.")
    same_key: bool = Field(default=False, description="The key of the version it renews instead, if a CA demands it.")
    challenge: str = Field(
        default="", max_length=255, description="A challenge password for the CA: in this answer’s request only."
    )


class RequestOut(Schema):
    """A version that was asked of a CA, and the request."""

    certificate: str = Field(description="`bot-slug/name` or `platform/name`.")
    version: VersionOut
    san: list[str]
    same_key: bool
    csr: str = Field(description="PKCS#10 as PEM.")
    created_at: datetime
    created_by: str


class CertificateOut(Schema):
    """A client certificate: a named slot with versions."""

    certificate: str = Field(description="`bot-slug/name` or `platform/name`, as other routes and commands take it.")
    name: str
    is_default: bool
    allowed_hosts: list[str] = Field(description="It is presented to these hosts only; empty: to any.")
    fallback_days: int = Field(description="How long a promotion opens a fallback window; 0: never.")
    fallback_until: datetime | None = Field(description="Till then calls that are rejected fall back; null: not now.")
    created_at: datetime
    active: VersionOut | None = Field(description="What is presented; null before the first import is promoted.")

    @staticmethod
    def resolve_certificate(certificate: Any) -> str:
        return str(certificate.path)

    @staticmethod
    def resolve_active(certificate: Any) -> Any:
        return certificate.active_version


class CertificateChange(Schema):
    """What of a client certificate changes; what is left out stays. Its material changes by an import only."""

    model_config = ConfigDict(extra="forbid")

    # Factories: a field without a default value in the document, and without null.
    allowed_hosts: list[str] = Field(
        default_factory=list, max_length=100, description="All of them; it is presented to these only; empty: to any."
    )
    is_default: bool = Field(default_factory=bool, description="The default of the bot, or of the platform.")
    fallback_days: int = Field(
        default_factory=int, ge=0, le=MOST_DAYS, description="How long a promotion opens a fallback window; 0: never."
    )


class DefaultChangeOut(Schema):
    """What service nodes with nothing attached would present after a change of the default."""

    before: str | None = Field(description="The certificate they present now; null: nothing.")
    after: str | None = Field(description="The certificate they would present; null: nothing.")
    nodes: list[str] = Field(description="`bot-slug/node-slug` of the first fifty that the token sees.")
    count: int = Field(description="All of them.")
    hidden: int = Field(description="Those in bots that the token does not see.")

    @staticmethod
    def resolve_nodes(change: Any) -> list[str]:
        return [node.path for node in change.nodes]


class CertificatePage(Schema):
    """A page of client certificates."""

    items: list[CertificateOut]
    next: str | None = Field(description="Cursor of the next page; null at the end.")


class VersionPage(Schema):
    """A page of versions, newest first."""

    items: list[VersionOut]
    next: str | None = Field(description="Cursor of the next page; null at the end.")


class RotationOut(Schema):
    """What became of a version by a promotion, a rollback, a retirement or a destruction."""

    certificate: str = Field(description="`bot-slug/name` or `platform/name`.")
    version: VersionOut = Field(description="The version as it is now.")
    was: Literal["draft", "staged", "active", "retired", "destroyed"] = Field(description="What it was before.")
    active_before: int | None = Field(description="The number of the version that was active before.")
    changed: bool = Field(description="false: it was so already.")
    proof: str = Field(description="A sentence on what tests have proven of a promoted version; else empty.")
    same_key: list[str] = Field(description="Other versions that still hold the private key of a destroyed one.")


class RenewalIn(Schema):
    """By whom, when and how a certificate is renewed. What is left out has its default."""

    model_config = ConfigDict(extra="forbid")

    issuer: str | None = Field(
        default=None,
        max_length=130,
        description="Name of an issuer of the bot, else of the platform; or `owner/name`. null: by hand.",
    )
    days_before: int | None = Field(
        default=None, ge=1, le=3650, description="Before expiry. null: when a third of the lifetime is left."
    )
    key: KeyKind = Field(default=KeyKind.EC_P256, description="The new key.")
    auto_promote: bool = Field(default=False, description="Promote what is signed when all tests are green.")


class RenewalOut(Schema):
    """How a certificate is renewed, and how its renewal stands."""

    certificate: str = Field(description="`bot-slug/name` or `platform/name`.")
    issuer: str | None = Field(description="`bot-slug/name` or `platform/name`; null: by hand.")
    days_before: int | None
    key: KeyKind
    auto_promote: bool
    due_from: datetime | None = Field(description="null without an issuer or an active version.")
    draft: int | None = Field(description="The version that is being signed.")
    staged: int | None = Field(description="The version that the last renewal made, while it is staged.")
    failures: int = Field(description="In a row.")
    error: str = Field(description="Why the last attempt failed; else empty.")
    standing: str = Field(description="Why the staged version was not promoted by itself; else empty.")


class CertificateFactsOut(Schema):
    """One certificate found in files."""

    subject: str
    issuer: str
    serial: str
    not_before: str
    not_after: str
    sha256: str
    spki_sha256: str
    san: list[str]
    eku: list[str] | None = Field(description="null: no extension, every use.")
    key: KeyFacts
    signature_algorithm: str


class IgnoredOut(Schema):
    """Something in the files that is not stored."""

    what: str
    why: str


class FileError(Schema):
    """Why the files cannot be imported at all."""

    code: str
    text: str
    file: str | None


class InspectionOut(Schema):
    """What files hold, and what an import would say."""

    importable: bool
    leaf: CertificateFactsOut | None
    intermediates: list[CertificateFactsOut]
    root: CertificateFactsOut | None
    ignored: list[IgnoredOut]
    findings: list[FindingOut]
    error: FileError | None


class ImportOut(InspectionOut):
    """What an import did, or with `check` would do."""

    certificate: str
    version: int | None = Field(description="null: `check`, and the import would make a new one.")
    changed: bool = Field(
        description="false: the same material is there already. With `check`: whether an import would change anything."
    )
    note: str = Field(
        description="A sentence where it was staged unasked: it is not valid yet, the active version is. "
        "With `check`: also whose place it would take, and how many nodes would present it."
    )


class ReplyOptions(Schema):
    """How a CA's reply is taken."""

    model_config = ConfigDict(extra="forbid")

    check: bool = Field(default=False, description="Only say what it would do.")
    allow: list[FindingCode] = Field(
        default=[], max_length=20, description="Codes of the findings that refuse the reply, which you insist on."
    )


class ReplyOut(InspectionOut):
    """What a CA's reply did, or with `check` would do."""

    certificate: str
    version: int | None = Field(description="The version that it completes; null: `check`, and it answers none.")
    status: Literal["draft", "staged", "active", "retired", "destroyed"] | None = Field(
        description="What the version is, or would be."
    )
    changed: bool = Field(description="false: this certificate is there already, or would be refused.")


class ImportOptions(Schema):
    """How files are imported."""

    model_config = ConfigDict(extra="forbid")

    passphrase: str = Field(default="", max_length=4096)
    default: bool = Field(default=False, description="Make it the default of the bot, or of the platform.")
    stage: bool = Field(default=False, description="Store the version as staged instead of active.")
    check: bool = Field(default=False, description="Only say what an import would do.")
    allow: list[FindingCode] = Field(
        default=[], max_length=20, description="Codes of the findings that refuse the import, which you insist on."
    )


class NewCertificate(ImportOptions):
    """A new client certificate, or a new version of one."""

    name: str = Field(max_length=63, pattern=NAME)


class InspectOptions(Schema):
    """How files are looked at."""

    passphrase: str = Field(default="", max_length=4096)
    bot: str = Field(default="platform", max_length=63, description="For whom: the slug of a bot, or `platform`.")


class AnchorOut(Schema):
    """A certificate of a trust store."""

    subject: str
    issuer: str
    serial: str
    sha256: str
    not_before: datetime
    not_after: datetime


class TrustStoreOut(Schema):
    """A named set of trust anchors that servers are verified with."""

    trust_store: str = Field(description="`bot-slug/name` or `platform/name`.")
    name: str
    created_at: datetime
    anchors: list[AnchorOut]

    @staticmethod
    def resolve_trust_store(store: Any) -> str:
        return str(store.path)

    @staticmethod
    def resolve_anchors(store: Any) -> list[Any]:
        return list(store.anchors.all())


class TrustStorePage(Schema):
    """A page of trust stores."""

    items: list[TrustStoreOut]
    next: str | None = Field(description="Cursor of the next page; null at the end.")


class NewAnchors(Schema):
    """Which trust store the files go into."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=63, pattern=NAME)


class TrustStoreImportOut(Schema):
    """What an import of trust anchors did."""

    trust_store: str
    added: list[str] = Field(description="SHA-256 fingerprints of the anchors that were not there before.")
    changed: bool
    warnings: list[str] = Field(description="Sentences about anchors that will hardly serve: no CA, or expired.")
