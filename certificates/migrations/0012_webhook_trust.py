import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("certificates", "0011_fallback"),
        ("notifications", "0004_reminder_by_end"),
    ]

    operations = [
        migrations.CreateModel(
            name="WebhookTrust",
            fields=[
                (
                    "endpoint",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="trust",
                        serialize=False,
                        to="notifications.webhookendpoint",
                    ),
                ),
                (
                    "trust_store",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="webhooks",
                        to="certificates.truststore",
                    ),
                ),
            ],
        ),
    ]
