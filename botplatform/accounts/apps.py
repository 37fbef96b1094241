"""App configuration."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users and sign-in."""

    name = "botplatform.accounts"
    label = "accounts"
    verbose_name = "Accounts"
