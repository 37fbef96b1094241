"""Whether a test really presented its version, so that lists need not read whole reports."""

from django.db import migrations, models


def fill(apps, schema_editor):
    tests = apps.get_model("servicenodes", "ConnectionTest").objects
    tests.filter(report__client_certificate__sent="certificate").update(presented=True)


class Migration(migrations.Migration):
    dependencies = [("servicenodes", "0009_node_indexes")]

    operations = [
        migrations.AddField("connectiontest", "presented", models.BooleanField(default=False)),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
