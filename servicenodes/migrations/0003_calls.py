"""What the real call needs: a body, whether mutual TLS is required, sealed headers, counters.

New columns come by plain SQL: on SQLite Django would rebuild the table and drop its triggers.
"""

import uuid

import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.db import migrations, models

TABLE = "servicenodes_servicenode"


def add(apps, schema_editor):
    boolean = "boolean DEFAULT true" if schema_editor.connection.vendor == "postgresql" else "bool DEFAULT 1"
    schema_editor.execute(f"ALTER TABLE {TABLE} ADD COLUMN body text DEFAULT '' NOT NULL", params=None)
    schema_editor.execute(f"ALTER TABLE {TABLE} ADD COLUMN require_mutual_tls {boolean} NOT NULL", params=None)


def remove(apps, schema_editor):
    for column in ("body", "require_mutual_tls"):
        schema_editor.execute(f"ALTER TABLE {TABLE} DROP COLUMN {column}", params=None)


class Migration(migrations.Migration):
    dependencies = [("servicenodes", "0002_only_own_or_platform"), ("certificates", "0003_allowed_hosts")]
    operations = [
        migrations.SeparateDatabaseAndState(
            [migrations.RunPython(add, remove)],
            [
                migrations.AddField(
                    "servicenode", "body", models.TextField(blank=True, default="", max_length=100_000)
                ),
                migrations.AddField("servicenode", "require_mutual_tls", models.BooleanField(default=True)),
            ],
        ),
        migrations.CreateModel(
            name="SealedHeader",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=200)),
                ("envelope", models.BinaryField()),
                ("key_id", models.CharField(db_index=True, max_length=40)),
                ("sealed_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "node",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sealed_headers",
                        to="servicenodes.servicenode",
                    ),
                ),
            ],
            options={"ordering": ("node", "name")},
        ),
        migrations.AddConstraint(
            model_name="sealedheader",
            constraint=models.UniqueConstraint(
                models.F("node"), django.db.models.functions.text.Lower("name"), name="sealed_header_once"
            ),
        ),
        migrations.CreateModel(
            name="CallCounter",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("outcome", models.CharField(max_length=30)),
                ("calls", models.PositiveBigIntegerField()),
                ("last_used_at", models.DateTimeField()),
                (
                    "node",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="call_counters",
                        to="servicenodes.servicenode",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="call_counters",
                        to="certificates.certificateversion",
                    ),
                ),
            ],
            options={"ordering": ("node", "version", "outcome")},
        ),
    ]
