"""App configuration."""

from django.apps import AppConfig


class CertificatesConfig(AppConfig):
    """Client certificates and trust stores."""

    name = "certificates"
    verbose_name = "Certificates"
