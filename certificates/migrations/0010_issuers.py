"""Issuers with their sealed secrets, and how each certificate is renewed."""

import uuid

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bots", "0003_api_tokens"),
        ("certificates", "0009_drafts"),
    ]

    operations = [
        migrations.CreateModel(
            name="CertificateIssuer",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "name",
                    models.CharField(
                        max_length=63,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9]+(?:-[a-z0-9]+)*\\Z", "Use lower-case letters, digits and single hyphens."
                            )
                        ],
                    ),
                ),
                (
                    "kind",
                    models.CharField(choices=[("acme", "ACME"), ("vault", "Vault or OpenBao PKI")], max_length=10),
                ),
                ("url", models.CharField(max_length=500)),
                (
                    "challenge",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("http-01", "HTTP: a page at the name itself (http-01)"),
                            ("dns-01", "DNS: a TXT record beside the name (dns-01)"),
                        ],
                        max_length=10,
                    ),
                ),
                ("contact", models.EmailField(blank=True, max_length=254)),
                ("eab_kid", models.CharField(blank=True, max_length=200)),
                ("mount", models.CharField(blank=True, max_length=200)),
                ("role", models.CharField(blank=True, max_length=200)),
                ("namespace", models.CharField(blank=True, max_length=200)),
                ("role_id", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("created_by", models.CharField(max_length=150)),
                (
                    "bot",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="issuers",
                        to="bots.bot",
                    ),
                ),
                (
                    "trust_store",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="issuers",
                        to="certificates.truststore",
                    ),
                ),
            ],
            options={
                "verbose_name": "issuer",
                "ordering": ("bot__slug", "name"),
            },
        ),
        migrations.CreateModel(
            name="IssuerSecret",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "name",
                    models.CharField(
                        choices=[
                            ("account_key", "account key"),
                            ("eab_key", "key of the external account"),
                            ("token", "token"),
                            ("secret_id", "secret id of the AppRole"),
                        ],
                        max_length=20,
                    ),
                ),
                ("envelope", models.BinaryField()),
                ("key_id", models.CharField(db_index=True, max_length=40)),
                ("sealed_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "issuer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="secrets",
                        to="certificates.certificateissuer",
                    ),
                ),
            ],
            options={
                "ordering": ("issuer", "name"),
            },
        ),
        migrations.CreateModel(
            name="RenewalPolicy",
            fields=[
                (
                    "certificate",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="renewal",
                        serialize=False,
                        to="certificates.clientcertificate",
                    ),
                ),
                ("days_before", models.PositiveSmallIntegerField(null=True)),
                ("key_kind", models.CharField(default="ec-p256", max_length=10)),
                ("auto_promote", models.BooleanField(default=False)),
                ("look_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("lease_until", models.DateTimeField(null=True)),
                ("asked_by", models.CharField(blank=True, max_length=150)),
                ("resume", models.CharField(blank=True, max_length=500)),
                ("attempt", models.PositiveSmallIntegerField(default=0)),
                ("tried_at", models.DateTimeField(null=True)),
                ("error", models.TextField(blank=True)),
                ("standing", models.TextField(blank=True)),
                ("window_start", models.DateTimeField(null=True)),
                ("window_end", models.DateTimeField(null=True)),
                ("window_of", models.CharField(blank=True, max_length=64)),
                ("window_ask_at", models.DateTimeField(null=True)),
                (
                    "draft",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="certificates.certificateversion",
                    ),
                ),
                (
                    "issuer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="policies",
                        to="certificates.certificateissuer",
                    ),
                ),
                (
                    "staged",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="certificates.certificateversion",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "renewal policies",
            },
        ),
        migrations.AddConstraint(
            model_name="certificateissuer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("bot__isnull", False)), fields=("bot", "name"), name="issuer_name_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="certificateissuer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("bot__isnull", True)), fields=("name",), name="issuer_platform_name_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="certificateissuer",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["acme", "vault"])), name="issuer_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="certificateissuer",
            constraint=models.CheckConstraint(
                condition=models.Q(("url__startswith", "https://")), name="issuer_url_https"
            ),
        ),
        migrations.AddConstraint(
            model_name="certificateissuer",
            constraint=models.CheckConstraint(
                condition=models.Q(("name__regex", "^[a-z0-9]+(?:-[a-z0-9]+)*\\Z")), name="issuer_name_form"
            ),
        ),
        migrations.AddConstraint(
            model_name="issuersecret",
            constraint=models.UniqueConstraint(fields=("issuer", "name"), name="issuer_secret_once"),
        ),
        migrations.AddConstraint(
            model_name="issuersecret",
            constraint=models.CheckConstraint(
                condition=models.Q(("name__in", ["account_key", "eab_key", "token", "secret_id"])),
                name="issuer_secret_known",
            ),
        ),
        migrations.AddIndex(
            model_name="renewalpolicy",
            index=models.Index(
                condition=models.Q(("issuer__isnull", False)), fields=["look_at"], name="renewal_to_look_at"
            ),
        ),
    ]
