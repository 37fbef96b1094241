"""What a connection test was about, to tell a verdict that is out of date."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("servicenodes", "0004_last_test")]

    operations = [
        migrations.AddField("connectiontest", "basis", models.CharField(blank=True, default="", max_length=64)),
    ]
