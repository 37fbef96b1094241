"""Triggers: a node uses only a certificate and a trust store of its own bot or of the platform.

A CHECK constraint cannot see another table. SQLite drops triggers when Django rebuilds the table for a later
AlterField: such a migration makes them again.
"""

from django.db import migrations

TEXT = "A service node may use only what belongs to its own bot or to the platform."
CONDITION = """
    EXISTS (SELECT 1 FROM certificates_clientcertificate c
            WHERE c.id = NEW.certificate_id AND c.bot_id IS NOT NULL AND c.bot_id <> NEW.bot_id)
    OR EXISTS (SELECT 1 FROM certificates_truststore t
               WHERE t.id = NEW.trust_store_id AND t.bot_id IS NOT NULL AND t.bot_id <> NEW.bot_id)"""
EVENTS = {"insert": "INSERT", "update": "UPDATE OF bot_id, certificate_id, trust_store_id"}


def add(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"""CREATE FUNCTION servicenodes_only_own() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF {CONDITION} THEN RAISE EXCEPTION '{TEXT}' USING ERRCODE = 'check_violation'; END IF;
                RETURN NEW; END $$""",
            params=None,
        )
    for name, event in EVENTS.items():
        start = f"CREATE TRIGGER node_only_own_{name} BEFORE {event} ON servicenodes_servicenode FOR EACH ROW "
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(start + "EXECUTE FUNCTION servicenodes_only_own()", params=None)
        else:
            schema_editor.execute(start + f"WHEN {CONDITION} BEGIN SELECT RAISE(ABORT, '{TEXT}'); END", params=None)


def remove(apps, schema_editor):
    postgresql = schema_editor.connection.vendor == "postgresql"
    for name in EVENTS:
        table = " ON servicenodes_servicenode" if postgresql else ""
        schema_editor.execute(f"DROP TRIGGER node_only_own_{name}{table}", params=None)
    if postgresql:
        schema_editor.execute("DROP FUNCTION servicenodes_only_own()", params=None)


class Migration(migrations.Migration):
    dependencies = [("servicenodes", "0001_initial"), ("certificates", "0002_material_never_changes")]
    operations = [migrations.RunPython(add, remove)]
