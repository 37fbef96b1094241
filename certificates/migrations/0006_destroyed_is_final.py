"""Triggers: a version becomes destroyed only without a key, never gets one again, and stays destroyed.

SQLite drops triggers when Django rebuilds the table for a later AlterField: such a migration makes them again.
"""

from django.db import migrations

FINAL = "A destroyed version stays destroyed."
KEYLESS = "A destroyed version has no private key."
VERSION, KEY = "certificates_certificateversion", "certificates_sealedkey"
HAS_KEY = f"EXISTS (SELECT 1 FROM {KEY} k WHERE k.version_id = NEW.id)"  # noqa: S608
IS_DESTROYED = f"EXISTS (SELECT 1 FROM {VERSION} v WHERE v.id = NEW.version_id AND v.status = 'destroyed')"  # noqa: S608
SQLITE = (
    f"""CREATE TRIGGER version_destroyed_final BEFORE UPDATE OF status ON {VERSION}
        WHEN OLD.status = 'destroyed' AND NEW.status <> 'destroyed' BEGIN SELECT RAISE(ABORT, '{FINAL}'); END""",
    f"""CREATE TRIGGER version_destroyed_keyless BEFORE UPDATE OF status ON {VERSION}
        WHEN NEW.status = 'destroyed' AND {HAS_KEY} BEGIN SELECT RAISE(ABORT, '{KEYLESS}'); END""",
    f"""CREATE TRIGGER sealed_key_not_destroyed BEFORE INSERT ON {KEY}
        WHEN {IS_DESTROYED} BEGIN SELECT RAISE(ABORT, '{KEYLESS}'); END""",
)
POSTGRESQL = (
    f"""CREATE TRIGGER version_destroyed_final BEFORE UPDATE OF status ON {VERSION}
        FOR EACH ROW WHEN (OLD.status = 'destroyed' AND NEW.status <> 'destroyed')
        EXECUTE FUNCTION certificates_refuse_change('{FINAL}')""",
    f"""CREATE FUNCTION certificates_refuse_kept_key() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF {HAS_KEY} THEN RAISE EXCEPTION '{KEYLESS}' USING ERRCODE = 'check_violation'; END IF;
        RETURN NEW; END $$""",
    f"""CREATE TRIGGER version_destroyed_keyless BEFORE UPDATE OF status ON {VERSION}
        FOR EACH ROW WHEN (NEW.status = 'destroyed') EXECUTE FUNCTION certificates_refuse_kept_key()""",
    f"""CREATE FUNCTION certificates_refuse_late_key() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF {IS_DESTROYED} THEN RAISE EXCEPTION '{KEYLESS}' USING ERRCODE = 'check_violation'; END IF;
        RETURN NEW; END $$""",
    f"""CREATE TRIGGER sealed_key_not_destroyed BEFORE INSERT ON {KEY}
        FOR EACH ROW EXECUTE FUNCTION certificates_refuse_late_key()""",
)
TRIGGERS = (
    ("version_destroyed_final", VERSION),
    ("version_destroyed_keyless", VERSION),
    ("sealed_key_not_destroyed", KEY),
)


def add(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement, params=None)


def remove(apps, schema_editor):
    postgresql = schema_editor.connection.vendor == "postgresql"
    for name, table in TRIGGERS:
        schema_editor.execute(f"DROP TRIGGER {name}" + (f" ON {table}" if postgresql else ""), params=None)
    if postgresql:
        for name in ("certificates_refuse_kept_key", "certificates_refuse_late_key"):
            schema_editor.execute(f"DROP FUNCTION {name}()", params=None)


class Migration(migrations.Migration):
    dependencies = [("certificates", "0005_version_turns")]
    operations = [migrations.RunPython(add, remove)]
