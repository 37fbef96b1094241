"""App configuration."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CertificatesConfig(AppConfig):
    """Client certificates and trust stores."""

    name = "certificates"
    verbose_name = "Certificates"

    def ready(self) -> None:
        from certificates import checks, sealed_tables  # noqa: F401 - registers checks; both need the models

        post_migrate.connect(sealed_tables.install_guards, sender=self)
