"""Who is told of a certificate beside its bot's people, and indexes for what expires.

Plain SQL for the column: on SQLite Django would rebuild the table and drop its triggers.
"""

from django.db import migrations, models

TABLE, COLUMN = "certificates_clientcertificate", "responsible"


def add(apps, schema_editor):
    schema_editor.execute(f"ALTER TABLE {TABLE} ADD COLUMN {COLUMN} varchar(254) DEFAULT '' NOT NULL", params=None)


def remove(apps, schema_editor):
    schema_editor.execute(f"ALTER TABLE {TABLE} DROP COLUMN {COLUMN}", params=None)


class Migration(migrations.Migration):
    dependencies = [("certificates", "0006_destroyed_is_final")]
    operations = [
        migrations.SeparateDatabaseAndState(
            [migrations.RunPython(add, remove)],
            [
                migrations.AddField(
                    "clientcertificate", COLUMN, models.EmailField(blank=True, default="", max_length=254)
                )
            ],
        ),
        migrations.AddIndex("chaincertificate", models.Index(fields=["not_after"], name="chain_by_expiry")),
        migrations.AddIndex("trustanchor", models.Index(fields=["not_after"], name="anchor_by_expiry")),
    ]
