"""The outcome of a node's last test, on the node itself.

New columns come by plain SQL: on SQLite Django would rebuild the table and drop its triggers.
"""

from django.db import migrations, models

TABLE = "servicenodes_servicenode"
FILL = """
    UPDATE servicenodes_servicenode AS n SET last_verdict = t.verdict, last_summary = t.summary, last_tested_at = t.finished_at
    FROM (
        SELECT node_id, verdict, summary, finished_at, ROW_NUMBER() OVER (PARTITION BY node_id ORDER BY finished_at DESC) AS place
        FROM servicenodes_connectiontest WHERE finished_at IS NOT NULL
    ) AS t WHERE t.node_id = n.id AND t.place = 1
"""


def add(apps, schema_editor):
    moment = "timestamp with time zone" if schema_editor.connection.vendor == "postgresql" else "datetime"
    schema_editor.execute(f"ALTER TABLE {TABLE} ADD COLUMN last_verdict varchar(30) DEFAULT '' NOT NULL", params=None)
    schema_editor.execute(f"ALTER TABLE {TABLE} ADD COLUMN last_summary text DEFAULT '' NOT NULL", params=None)
    schema_editor.execute(f"ALTER TABLE {TABLE} ADD COLUMN last_tested_at {moment} NULL", params=None)
    schema_editor.execute(FILL, params=None)


def remove(apps, schema_editor):
    for column in ("last_verdict", "last_summary", "last_tested_at"):
        schema_editor.execute(f"ALTER TABLE {TABLE} DROP COLUMN {column}", params=None)


class Migration(migrations.Migration):
    dependencies = [("servicenodes", "0003_calls")]
    operations = [
        migrations.SeparateDatabaseAndState(
            [migrations.RunPython(add, remove)],
            [
                migrations.AddField(
                    "servicenode",
                    "last_verdict",
                    models.CharField(blank=True, default="", editable=False, max_length=30),
                ),
                migrations.AddField(
                    "servicenode", "last_summary", models.TextField(blank=True, default="", editable=False)
                ),
                migrations.AddField("servicenode", "last_tested_at", models.DateTimeField(editable=False, null=True)),
            ],
        ),
        migrations.AddIndex(
            model_name="servicenode",
            index=models.Index(fields=["last_verdict", "bot", "last_tested_at"], name="node_by_verdict"),
        ),
    ]
