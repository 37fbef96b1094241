"""Nodes that come with a bot definition, and a variable in place of the method.

SQLite rebuilds the table and drops its triggers, so they are made again. Backwards, a node whose method is a variable
gets GET; one without a URL cannot be kept, and stops the migration.
"""

from importlib import import_module

from django.db import migrations, models
from django.db.models import Q

triggers = import_module("servicenodes.migrations.0002_only_own_or_platform")
NODE = "servicenode"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
FORGET_VARIABLES = "UPDATE servicenodes_servicenode SET method = 'GET' WHERE method LIKE '{{%'"


def forget_variables(apps, schema_editor):
    schema_editor.execute(FORGET_VARIABLES, params=None)
    if schema_editor.connection.vendor == "postgresql":  # which alters no table while checks of its rows wait
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE", params=None)


class Migration(migrations.Migration):
    dependencies = [("servicenodes", "0007_server_certificates")]
    operations = [
        migrations.RunPython(triggers.remove, triggers.add),
        migrations.RemoveConstraint(NODE, "node_method_known"),
        migrations.RemoveConstraint(NODE, "node_url_https"),
        migrations.AddField(
            NODE, "external_id", models.CharField(blank=True, default="", editable=False, max_length=200)
        ),
        migrations.AddField(
            NODE, "exported_url", models.CharField(blank=True, default="", editable=False, max_length=2000)
        ),
        migrations.AddField(
            NODE, "secrets_digest", models.CharField(blank=True, default="", editable=False, max_length=64)
        ),
        migrations.AlterField(NODE, "method", models.CharField(default="GET", max_length=69)),
        migrations.AlterField(NODE, "url", models.CharField(blank=True, max_length=2000)),
        migrations.RunPython(migrations.RunPython.noop, forget_variables),
        migrations.AddConstraint(
            NODE,
            models.UniqueConstraint(
                name="node_external_id_once", fields=("bot", "external_id"), condition=~Q(external_id="")
            ),
        ),
        migrations.AddConstraint(
            NODE,
            models.CheckConstraint(
                name="node_method_known", condition=Q(method__in=METHODS) | Q(method__startswith="{{")
            ),
        ),
        migrations.AddConstraint(
            NODE,
            models.CheckConstraint(
                name="node_url_https", condition=Q(url__startswith="https://") | (Q(url="") & ~Q(exported_url=""))
            ),
        ),
        migrations.RunPython(triggers.add, triggers.remove),
    ]
