"""Keys that seal nothing any more. `certificates.sealed_tables` makes the triggers that read this, after every migrate."""

from django.db import migrations, models
from django.utils import timezone


def remove_triggers(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "postgresql":
            cursor.execute("DROP FUNCTION IF EXISTS certificates_refuse_retired_key() CASCADE")
            return
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%_key_retired'")
        for (name,) in cursor.fetchall():
            cursor.execute(f'DROP TRIGGER "{name}"')


class Migration(migrations.Migration):
    dependencies = [("certificates", "0007_expiry")]
    operations = [
        migrations.CreateModel(
            name="RetiredKey",
            fields=[
                ("key_id", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("retired_at", models.DateTimeField(default=timezone.now)),
            ],
        ),
        migrations.RunPython(migrations.RunPython.noop, remove_triggers),
    ]
