"""The head of the chain, and triggers that make the trail append-only on both engines.

On SQLite a later migration that alters one of the two tables rebuilds it and loses its triggers: it must run
`create_triggers` of this module again.
"""

from django.db import migrations

EVENTS, HEAD = "audit_auditevent", "audit_audithead"
_REFUSAL = "the audit trail is append-only"
# INSERT OR REPLACE deletes without firing DELETE triggers on SQLite, so replacing is refused on its own.
SQLITE_CREATE = (
    f"CREATE TRIGGER audit_event_no_update BEFORE UPDATE ON {EVENTS} BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
    f"CREATE TRIGGER audit_event_no_delete BEFORE DELETE ON {EVENTS} BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
    f"CREATE TRIGGER audit_event_no_replace BEFORE INSERT ON {EVENTS} WHEN EXISTS ("
    f"SELECT 1 FROM {EVENTS} WHERE position = NEW.position OR id = NEW.id OR hash = NEW.hash) "
    f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
    f"CREATE TRIGGER audit_head_forward BEFORE UPDATE ON {HEAD} "
    f"WHEN NEW.id IS NOT OLD.id OR NEW.position IS NOT OLD.position + 1 "
    f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
    f"CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON {HEAD} BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
    f"CREATE TRIGGER audit_head_no_replace BEFORE INSERT ON {HEAD} WHEN EXISTS (SELECT 1 FROM {HEAD}) "
    f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
)
SQLITE_DROP = (
    "DROP TRIGGER IF EXISTS audit_event_no_update",
    "DROP TRIGGER IF EXISTS audit_event_no_delete",
    "DROP TRIGGER IF EXISTS audit_event_no_replace",
    "DROP TRIGGER IF EXISTS audit_head_forward",
    "DROP TRIGGER IF EXISTS audit_head_no_delete",
    "DROP TRIGGER IF EXISTS audit_head_no_replace",
)
POSTGRESQL_CREATE = (
    f"CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ "
    f"BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$",
    f"CREATE TRIGGER audit_event_no_change BEFORE UPDATE OR DELETE ON {EVENTS} "
    f"FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    f"CREATE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON {EVENTS} "
    f"FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    f"CREATE TRIGGER audit_head_forward BEFORE UPDATE ON {HEAD} FOR EACH ROW "
    f"WHEN (NEW.id IS DISTINCT FROM OLD.id OR NEW.position IS DISTINCT FROM OLD.position + 1) "
    f"EXECUTE FUNCTION audit_refuse()",
    f"CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON {HEAD} FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    f"CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON {HEAD} "
    f"FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
)
POSTGRESQL_DROP = (
    f"DROP TRIGGER IF EXISTS audit_event_no_change ON {EVENTS}",
    f"DROP TRIGGER IF EXISTS audit_event_no_truncate ON {EVENTS}",
    f"DROP TRIGGER IF EXISTS audit_head_forward ON {HEAD}",
    f"DROP TRIGGER IF EXISTS audit_head_no_delete ON {HEAD}",
    f"DROP TRIGGER IF EXISTS audit_head_no_truncate ON {HEAD}",
    "DROP FUNCTION IF EXISTS audit_refuse()",
)
STATEMENTS = {"sqlite": (SQLITE_CREATE, SQLITE_DROP), "postgresql": (POSTGRESQL_CREATE, POSTGRESQL_DROP)}


def create_triggers(apps, schema_editor):
    for statement in STATEMENTS[schema_editor.connection.vendor][0]:
        schema_editor.execute(statement)


def drop_triggers(apps, schema_editor):
    for statement in STATEMENTS[schema_editor.connection.vendor][1]:
        schema_editor.execute(statement)


def create_head(apps, schema_editor):
    apps.get_model("audit", "AuditHead").objects.get_or_create(pk=1, defaults={"position": 0, "hash": "0" * 64})


def delete_empty_head(apps, schema_editor):
    apps.get_model("audit", "AuditHead").objects.filter(position=0).delete()


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.RunPython(create_head, delete_empty_head),
        migrations.RunPython(create_triggers, drop_triggers),
    ]
