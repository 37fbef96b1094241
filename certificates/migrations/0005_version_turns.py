"""In which order versions were active, so that a rollback knows where to go back to.

A nullable column without a default is added in place, so SQLite keeps the triggers. What is known of the past is
guessed from the numbers: those that are retired had their turns in that order, and the active one's is the last.
"""

from django.db import migrations, models

TABLE = "certificates_certificateversion"
RETIRED = f"UPDATE {TABLE} SET turn = number WHERE status = 'retired'"  # noqa: S608
ACTIVE = f"""UPDATE {TABLE} SET turn = 1 + (SELECT MAX(o.number) FROM {TABLE} o
             WHERE o.certificate_id = {TABLE}.certificate_id) WHERE status = 'active'"""  # noqa: S608


class Migration(migrations.Migration):
    dependencies = [("certificates", "0004_version_by_status")]
    operations = [
        migrations.AddField("certificateversion", "turn", models.PositiveIntegerField(null=True, editable=False)),
        migrations.RunSQL(RETIRED, migrations.RunSQL.noop),
        migrations.RunSQL(ACTIVE, migrations.RunSQL.noop),
    ]
