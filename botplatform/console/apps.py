"""App configuration."""

from django.apps import AppConfig
from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator


class ConsoleConfig(AppConfig):
    """The console's kit."""

    name = "botplatform.console"
    label = "console"
    verbose_name = "Console"

    def ready(self) -> None:
        """Say what Django's validators say as the console does, in every form and model at once."""
        MaxLengthValidator.message = "At most %(limit_value)s characters; these are %(show_value)s."
        MaxValueValidator.message = "At most %(limit_value)s."
        MinValueValidator.message = "At least %(limit_value)s."
