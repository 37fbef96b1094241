"""App configuration."""

from django.apps import AppConfig


class CertificatesConfig(AppConfig):
    """Client certificates and trust stores."""

    name = "certificates"
    verbose_name = "Certificates"

    def ready(self) -> None:
        from certificates import checks  # noqa: F401 - registers them; needs the models
