"""Triggers: a certificate never changes owner, and a version's material never changes once it is no draft.

SQLite drops triggers when Django rebuilds the table for a later AlterField: such a migration makes them again.
"""

from django.db import migrations

OWNER = "A client certificate or trust store never changes its owner."
MATERIAL = "The material of a version never changes."
SQLITE = (
    f"""CREATE TRIGGER certificate_owner_fixed BEFORE UPDATE OF bot_id ON certificates_clientcertificate
        WHEN OLD.bot_id IS NOT NEW.bot_id BEGIN SELECT RAISE(ABORT, '{OWNER}'); END""",
    f"""CREATE TRIGGER trust_store_owner_fixed BEFORE UPDATE OF bot_id ON certificates_truststore
        WHEN OLD.bot_id IS NOT NEW.bot_id BEGIN SELECT RAISE(ABORT, '{OWNER}'); END""",
    f"""CREATE TRIGGER version_material_fixed BEFORE UPDATE ON certificates_certificateversion
        WHEN OLD.status <> 'draft' AND (OLD.leaf_der IS NOT NEW.leaf_der OR OLD.number IS NOT NEW.number
             OR OLD.certificate_id IS NOT NEW.certificate_id OR OLD.sha256 IS NOT NEW.sha256)
        BEGIN SELECT RAISE(ABORT, '{MATERIAL}'); END""",
)
POSTGRESQL = (
    """CREATE FUNCTION certificates_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'check_violation'; END $$""",
    f"""CREATE TRIGGER certificate_owner_fixed BEFORE UPDATE ON certificates_clientcertificate
        FOR EACH ROW WHEN (OLD.bot_id IS DISTINCT FROM NEW.bot_id)
        EXECUTE FUNCTION certificates_refuse_change('{OWNER}')""",
    f"""CREATE TRIGGER trust_store_owner_fixed BEFORE UPDATE ON certificates_truststore
        FOR EACH ROW WHEN (OLD.bot_id IS DISTINCT FROM NEW.bot_id)
        EXECUTE FUNCTION certificates_refuse_change('{OWNER}')""",
    f"""CREATE TRIGGER version_material_fixed BEFORE UPDATE ON certificates_certificateversion
        FOR EACH ROW WHEN (OLD.status <> 'draft' AND (OLD.leaf_der IS DISTINCT FROM NEW.leaf_der
            OR OLD.number <> NEW.number OR OLD.certificate_id <> NEW.certificate_id OR OLD.sha256 <> NEW.sha256))
        EXECUTE FUNCTION certificates_refuse_change('{MATERIAL}')""",
)
TRIGGERS = (
    ("certificate_owner_fixed", "certificates_clientcertificate"),
    ("trust_store_owner_fixed", "certificates_truststore"),
    ("version_material_fixed", "certificates_certificateversion"),
)


def add(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement, params=None)


def remove(apps, schema_editor):
    postgresql = schema_editor.connection.vendor == "postgresql"
    for name, table in TRIGGERS:
        schema_editor.execute(f"DROP TRIGGER {name}" + (f" ON {table}" if postgresql else ""), params=None)
    if postgresql:
        schema_editor.execute("DROP FUNCTION certificates_refuse_change()", params=None)


class Migration(migrations.Migration):
    dependencies = [("certificates", "0001_initial")]
    operations = [migrations.RunPython(add, remove)]
