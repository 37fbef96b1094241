import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("certificates", "0006_destroyed_is_final"),
        ("servicenodes", "0005_test_basis"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="connectiontest",
            name="side",
            field=models.CharField(
                blank=True, choices=[("now", "Now"), ("next", "Next"), ("after", "After")], default="", max_length=5
            ),
        ),
        migrations.CreateModel(
            name="Proof",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=[("comparison", "Comparison"), ("retest", "Retest")], max_length=10)),
                ("requested_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("requested_by", models.CharField(max_length=150)),
                ("due_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("started_at", models.DateTimeField(null=True)),
                (
                    "certificate",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="proofs",
                        to="certificates.clientcertificate",
                    ),
                ),
                (
                    "next_version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="proofs",
                        to="certificates.certificateversion",
                    ),
                ),
                (
                    "now_version",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="certificates.certificateversion",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("-requested_at",),
            },
        ),
        migrations.AddField(
            model_name="connectiontest",
            name="proof",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="tests", to="servicenodes.proof"
            ),
        ),
        migrations.CreateModel(
            name="Alarm",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("verdict", models.CharField(max_length=30)),
                ("summary", models.TextField()),
                ("raised_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "closed_how",
                    models.CharField(
                        blank=True,
                        choices=[("switched", "Switched"), ("accepted", "Accepted"), ("by hand", "By Hand")],
                        default="",
                        max_length=10,
                    ),
                ),
                ("closed_by", models.CharField(blank=True, default="", max_length=150)),
                ("reason", models.CharField(blank=True, default="", max_length=500)),
                (
                    "before",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="certificates.certificateversion",
                    ),
                ),
                (
                    "node",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="alarms",
                        to="servicenodes.servicenode",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="alarms",
                        to="certificates.certificateversion",
                    ),
                ),
            ],
            options={
                "ordering": ("-raised_at",),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at__isnull", True)), fields=("node",), name="alarm_one_open"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closed_at__isnull", True), ("closed_how", "")),
                            models.Q(("closed_at__isnull", False), models.Q(("closed_how", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="alarm_closed_how",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="proof",
            index=models.Index(fields=["next_version", "kind", "-requested_at"], name="proof_by_version"),
        ),
        migrations.AddIndex(
            model_name="proof",
            index=models.Index(condition=models.Q(("started_at__isnull", True)), fields=["due_at"], name="proof_due"),
        ),
        migrations.AddConstraint(
            model_name="proof",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ("comparison", "retest"))), name="proof_kind_known"
            ),
        ),
    ]
