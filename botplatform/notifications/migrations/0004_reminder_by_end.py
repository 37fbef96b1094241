from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0003_calendar_feeds")]

    operations = [
        migrations.AddIndex(
            model_name="reminder",
            index=models.Index(name="reminder_by_end", fields=["ends_at"]),
        ),
    ]
