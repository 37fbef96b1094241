"""The closed list of what can be on record. Pure. Names are `noun.verb_in_past_tense` and never change."""

from enum import StrEnum


class Action(StrEnum):
    """What happened."""

    USER_CREATED = "user.created"
    USER_SIGNED_IN = "user.signed_in"
    USER_SIGNED_OUT = "user.signed_out"
    USER_SIGN_IN_FAILED = "user.sign_in_failed"
    USER_CHANGED = "user.changed"
    BOT_CREATED = "bot.created"
    BOT_CHANGED = "bot.changed"
    BOT_DELETED = "bot.deleted"
    DEFINITION_IMPORTED = "bot.definition_imported"
    TOKEN_CREATED = "token.created"  # noqa: S105
    TOKEN_REVOKED = "token.revoked"  # noqa: S105
    MEMBER_ADDED = "member.added"
    MEMBER_CHANGED = "member.changed"
    MEMBER_REMOVED = "member.removed"
    CERTIFICATE_CREATED = "certificate.created"
    CERTIFICATE_CHANGED = "certificate.changed"
    CERTIFICATE_DELETED = "certificate.deleted"
    VERSION_IMPORTED = "version.imported"
    VERSION_REQUESTED = "version.requested"
    VERSION_COMPLETED = "version.completed"
    VERSION_PROMOTED = "version.promoted"
    VERSION_ROLLED_BACK = "version.rolled_back"
    VERSION_COMPARED = "version.compared"  # tests of all nodes with it and with the active one were asked for
    VERSION_RETIRED = "version.retired"
    VERSION_DESTROYED = "version.destroyed"
    DEFAULT_SET = "certificate.default_set"
    DEFAULT_CLEARED = "certificate.default_cleared"
    ISSUER_CREATED = "issuer.created"
    ISSUER_CHANGED = "issuer.changed"  # a new secret
    ISSUER_CHECKED = "issuer.checked"
    ISSUER_DELETED = "issuer.deleted"
    RENEWAL_CHANGED = "renewal.changed"  # by whom, when and how a certificate is renewed
    RENEWAL_REQUESTED = "renewal.requested"
    RENEWAL_FAILED = "renewal.failed"
    KEY_OPENED = "key.opened"
    TRUST_STORE_IMPORTED = "trust_store.imported"
    TRUST_STORE_DELETED = "trust_store.deleted"
    NODE_CREATED = "node.created"
    NODE_CHANGED = "node.changed"
    NODE_DELETED = "node.deleted"
    CERTIFICATE_ATTACHED = "certificate.attached"
    CERTIFICATE_DETACHED = "certificate.detached"
    CONNECTION_TEST_REQUESTED = "connection.test_requested"
    CONNECTION_TESTED = "connection.tested"
    ALARM_RAISED = "alarm.raised"
    ALARM_CLOSED = "alarm.closed"
    CALL_REQUESTED = "call.requested"  # by a person; the calls of the runtime are counted
    CALL_ENDED = "call.ended"
    HEADERS_OPENED = "headers.opened"
    WEBHOOK_ADDED = "webhook.added"
    WEBHOOK_CHANGED = "webhook.changed"  # by what its server is proven
    WEBHOOK_REMOVED = "webhook.removed"
    WEBHOOK_TRIED = "webhook.tried"
    CALENDAR_ADDED = "calendar.added"
    CALENDAR_REMOVED = "calendar.removed"
    NOTIFICATION_SENT_AGAIN = "notification.sent_again"
    HISTORY_REMOVED = "history.removed"  # a batch of rows that were older than KEEP_DAYS
    KEYRING_CREATED = "keyring.created"
    KEYRING_KEY_ADDED = "keyring.key_added"
    KEYRING_KEY_ACTIVATED = "keyring.key_activated"
    KEYRING_RESEALED = "keyring.resealed"  # a batch of rows
    KEYRING_KEY_RETIRED = "keyring.key_retired"  # nothing is sealed with it from now on
    KEYRING_KEY_DROPPED = "keyring.key_dropped"  # it is in the key file no more
