"""Drafts: versions that have a key and wait for the CA's reply, and the requests that were sent for them.

The triggers on versions go before the table is altered, because SQLite rebuilds it, and come again afterwards. The one
about material now lets a draft's leaf be written once, together with the end of being a draft, and never its key.
"""

from importlib import import_module

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.models import Q

material = import_module("certificates.migrations.0002_material_never_changes")
destroyed = import_module("certificates.migrations.0006_destroyed_is_final")

VERSION, REQUEST = "certificates_certificateversion", "certificates_certificaterequest"
REQUEST_FIXED = "A certificate request never changes."
COMPLETED = "OLD.status = 'draft' AND NEW.status IN ('staged', 'active')"
SQLITE = (
    f"""CREATE TRIGGER version_material_fixed BEFORE UPDATE ON {VERSION}
        WHEN OLD.number IS NOT NEW.number OR OLD.certificate_id IS NOT NEW.certificate_id
             OR OLD.spki_sha256 IS NOT NEW.spki_sha256
             OR (NOT ({COMPLETED}) AND (OLD.leaf_der IS NOT NEW.leaf_der OR OLD.sha256 IS NOT NEW.sha256))
        BEGIN SELECT RAISE(ABORT, '{material.MATERIAL}'); END""",
    f"""CREATE TRIGGER certificate_request_fixed BEFORE UPDATE ON {REQUEST}
        BEGIN SELECT RAISE(ABORT, '{REQUEST_FIXED}'); END""",
)
POSTGRESQL = (
    f"""CREATE TRIGGER version_material_fixed BEFORE UPDATE ON {VERSION}
        FOR EACH ROW WHEN (OLD.number <> NEW.number OR OLD.certificate_id <> NEW.certificate_id
            OR OLD.spki_sha256 <> NEW.spki_sha256
            OR (NOT ({COMPLETED}) AND (OLD.leaf_der <> NEW.leaf_der OR OLD.sha256 <> NEW.sha256)))
        EXECUTE FUNCTION certificates_refuse_change('{material.MATERIAL}')""",
    f"""CREATE TRIGGER certificate_request_fixed BEFORE UPDATE ON {REQUEST}
        FOR EACH ROW EXECUTE FUNCTION certificates_refuse_change('{REQUEST_FIXED}')""",
)


def _drop(schema_editor, name, table):
    postgresql = schema_editor.connection.vendor == "postgresql"
    schema_editor.execute(f"DROP TRIGGER {name}" + (f" ON {table}" if postgresql else ""), params=None)


def drop_old(apps, schema_editor):
    _drop(schema_editor, "version_material_fixed", VERSION)


def add_old(apps, schema_editor):
    statements = material.POSTGRESQL if schema_editor.connection.vendor == "postgresql" else material.SQLITE
    (statement,) = (sql for sql in statements if "version_material_fixed" in sql)
    schema_editor.execute(statement, params=None)


def add_new(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement, params=None)


def drop_new(apps, schema_editor):
    """Also the way back, which versions without a leaf do not survive."""
    if apps.get_model("certificates", "CertificateVersion").objects.filter(not_after=None).exists():
        raise RuntimeError("There are drafts, open or destroyed: delete their certificates before you go back.")
    _drop(schema_editor, "version_material_fixed", VERSION)
    _drop(schema_editor, "certificate_request_fixed", REQUEST)


class Migration(migrations.Migration):
    dependencies = [("certificates", "0008_retired_keys")]
    operations = [
        migrations.RunPython(destroyed.remove, destroyed.add),
        migrations.RunPython(drop_old, add_old),
        migrations.AlterField("certificateversion", "not_before", models.DateTimeField(null=True)),
        migrations.AlterField("certificateversion", "not_after", models.DateTimeField(null=True)),
        migrations.AddConstraint(
            "certificateversion",
            models.UniqueConstraint(
                name="version_one_draft_per_key",
                fields=("certificate", "spki_sha256"),
                condition=Q(status="draft"),
            ),
        ),
        migrations.AddConstraint(
            "certificateversion",
            models.CheckConstraint(
                name="version_leaf_unless_draft",
                condition=Q(
                    Q(sha256="", serial="", issuer="", not_before__isnull=True, not_after__isnull=True),
                    status="draft",
                )
                | Q(
                    Q(sha256="", serial="", issuer="", not_before__isnull=True, not_after__isnull=True),
                    status="destroyed",
                )
                | (Q(not_before__isnull=False, not_after__isnull=False) & ~Q(sha256="") & ~Q(status="draft")),
            ),
        ),
        migrations.CreateModel(
            name="CertificateRequest",
            fields=[
                (
                    "version",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="signing_request",
                        serialize=False,
                        to="certificates.certificateversion",
                    ),
                ),
                ("csr_der", models.BinaryField()),
                ("subject", models.TextField()),
                ("sans", models.JSONField(default=list)),
                ("same_key", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("created_by", models.CharField(max_length=150)),
            ],
        ),
        migrations.RunPython(add_new, drop_new),
        migrations.RunPython(destroyed.add, destroyed.remove),
    ]
