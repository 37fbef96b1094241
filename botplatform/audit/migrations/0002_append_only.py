"""The head of the chain, and triggers that make the trail append-only on both engines.

On SQLite a later migration that alters one of the two tables rebuilds it and loses its triggers: it must run
`create_triggers` of this module again.
"""

from django.db import migrations

_REFUSE_SQLITE = "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
_REFUSE_POSTGRESQL = "EXECUTE FUNCTION audit_refuse()"
_FUNCTION = """
CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'restrict_violation'; END $$
"""

# Name, when, table, condition. INSERT OR REPLACE deletes without firing DELETE triggers on SQLite, so replacing is
# refused on its own.
SQLITE_TRIGGERS = (
    ("audit_event_no_update", "BEFORE UPDATE", "audit_auditevent", ""),
    ("audit_event_no_delete", "BEFORE DELETE", "audit_auditevent", ""),
    (
        "audit_event_no_replace",
        "BEFORE INSERT",
        "audit_auditevent",
        "WHEN EXISTS (SELECT 1 FROM audit_auditevent WHERE position = NEW.position OR id = NEW.id OR hash = NEW.hash)",
    ),
    (
        "audit_head_forward",
        "BEFORE UPDATE",
        "audit_audithead",
        "WHEN NEW.id IS NOT OLD.id OR NEW.position IS NOT OLD.position + 1",
    ),
    ("audit_head_no_delete", "BEFORE DELETE", "audit_audithead", ""),
    (
        "audit_head_no_replace",
        "BEFORE INSERT",
        "audit_audithead",
        "WHEN EXISTS (SELECT 1 FROM audit_audithead)",
    ),
)
POSTGRESQL_TRIGGERS = (
    ("audit_event_no_change", "BEFORE UPDATE OR DELETE", "audit_auditevent", "FOR EACH ROW"),
    ("audit_event_no_truncate", "BEFORE TRUNCATE", "audit_auditevent", "FOR EACH STATEMENT"),
    (
        "audit_head_forward",
        "BEFORE UPDATE",
        "audit_audithead",
        "FOR EACH ROW WHEN (NEW.id IS DISTINCT FROM OLD.id OR NEW.position IS DISTINCT FROM OLD.position + 1)",
    ),
    ("audit_head_no_delete", "BEFORE DELETE", "audit_audithead", "FOR EACH ROW"),
    ("audit_head_no_truncate", "BEFORE TRUNCATE", "audit_audithead", "FOR EACH STATEMENT"),
)


def create_triggers(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(_FUNCTION)
        triggers, refuse = POSTGRESQL_TRIGGERS, _REFUSE_POSTGRESQL
    else:
        triggers, refuse = SQLITE_TRIGGERS, _REFUSE_SQLITE
    for name, when, table, condition in triggers:
        schema_editor.execute(f"CREATE TRIGGER {name} {when} ON {table} {condition} {refuse}")


def drop_triggers(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for name, _when, table, _condition in POSTGRESQL_TRIGGERS:
            schema_editor.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
        schema_editor.execute("DROP FUNCTION IF EXISTS audit_refuse()")
        return
    for name, _when, _table, _condition in SQLITE_TRIGGERS:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {name}")


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
