"""Unfinished tests are found without reading the others, and a test knows in which way its requester acted."""

from django.db import migrations, models
from django.db.models import Q


def fill(apps, schema_editor):
    """Of those that are still to be run; for the others nobody asks."""
    tests = apps.get_model("servicenodes", "ConnectionTest").objects
    tests.filter(finished_at__isnull=True, user__isnull=True).update(requested_as="operating_system")


class Migration(migrations.Migration):
    dependencies = [("servicenodes", "0011_nodes_without_url")]

    operations = [
        migrations.AddField("connectiontest", "requested_as", models.CharField(default="user", max_length=20)),
        migrations.AddField("proof", "requested_as", models.CharField(default="user", max_length=20)),
        migrations.AddIndex(
            "connectiontest",
            models.Index(fields=["requested_at"], name="test_unfinished", condition=Q(finished_at__isnull=True)),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
