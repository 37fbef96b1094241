"""An index of the nodes that need a URL: the overview counts them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("servicenodes", "0010_presented")]

    operations = [
        migrations.AddIndex(
            model_name="servicenode",
            index=models.Index(condition=models.Q(("url", "")), fields=["bot", "last_verdict"], name="node_needs_url"),
        ),
    ]
