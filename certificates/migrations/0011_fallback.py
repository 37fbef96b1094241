"""For some days after a promotion, calls that are rejected may fall back to the version before.

Plain SQL: on SQLite Django would rebuild the table and drop its triggers.
"""

from django.db import migrations, models

TABLE = "certificates_clientcertificate"


def add(apps, schema_editor):
    postgresql = schema_editor.connection.vendor == "postgresql"
    days, moment = ("smallint", "timestamp with time zone") if postgresql else ("smallint unsigned", "datetime")
    check = "CHECK (fallback_days >= 0)"
    schema_editor.execute(
        f"ALTER TABLE {TABLE} ADD COLUMN fallback_days {days} DEFAULT 0 NOT NULL {check}", params=None
    )
    schema_editor.execute(f"ALTER TABLE {TABLE} ADD COLUMN fallback_until {moment} NULL", params=None)


def remove(apps, schema_editor):
    for column in ("fallback_days", "fallback_until"):
        schema_editor.execute(f"ALTER TABLE {TABLE} DROP COLUMN {column}", params=None)


class Migration(migrations.Migration):
    dependencies = [("certificates", "0010_issuers")]
    operations = [
        migrations.SeparateDatabaseAndState(
            [migrations.RunPython(add, remove)],
            [
                migrations.AddField("clientcertificate", "fallback_days", models.PositiveSmallIntegerField(default=0)),
                migrations.AddField(
                    "clientcertificate", "fallback_until", models.DateTimeField(editable=False, null=True)
                ),
            ],
        )
    ]
