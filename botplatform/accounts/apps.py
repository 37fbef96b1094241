"""App configuration."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class AccountsConfig(AppConfig):
    """Users and sign-in."""

    name = "botplatform.accounts"
    label = "accounts"
    verbose_name = "Accounts"


class ConsoleAdminConfig(admin_apps.AdminConfig):
    """The Django admin, with `ConsoleAdminSite` in the place of its own site."""

    default = False
    default_site = "botplatform.accounts.admin_site.ConsoleAdminSite"
