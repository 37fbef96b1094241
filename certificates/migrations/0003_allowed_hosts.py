"""A certificate may name the hosts it is presented to.

Plain SQL: on SQLite Django would rebuild the table and drop its triggers.
"""

from django.db import migrations, models

TABLE, COLUMN = "certificates_clientcertificate", "allowed_hosts"


def add(apps, schema_editor):
    kind = "jsonb" if schema_editor.connection.vendor == "postgresql" else f'text CHECK (JSON_VALID("{COLUMN}"))'
    name, _, check = kind.partition(" ")
    schema_editor.execute(f"ALTER TABLE {TABLE} ADD COLUMN {COLUMN} {name} DEFAULT '[]' NOT NULL {check}", params=None)


def remove(apps, schema_editor):
    schema_editor.execute(f"ALTER TABLE {TABLE} DROP COLUMN {COLUMN}", params=None)


class Migration(migrations.Migration):
    dependencies = [("certificates", "0002_material_never_changes")]
    operations = [
        migrations.SeparateDatabaseAndState(
            [migrations.RunPython(add, remove)],
            [migrations.AddField("clientcertificate", COLUMN, models.JSONField(blank=True, default=list))],
        )
    ]
