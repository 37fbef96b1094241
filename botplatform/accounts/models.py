"""The user. What a user may do is decided in `botplatform.bots.roles`, never here."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db import models
from django.utils import timezone


class PlatformRole(models.TextChoices):
    """What a user is on the whole platform, beside the roles per bot."""

    NONE = "", "none"
    ADMINISTRATOR = "administrator", "platform administrator"
    AUDITOR = "auditor", "auditor"


class UserManager(BaseUserManager["User"]):
    """Makes users, without judging and without an audit row: use `accounts.services`."""

    def create_user(self, username: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(username=self.model.normalize_username(username), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    """A person who signs in. The Django admin is open to platform administrators and auditors only."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    username = models.CharField(max_length=150, unique=True, validators=[UnicodeUsernameValidator()])
    full_name = models.CharField(max_length=150, blank=True)
    email = models.EmailField(blank=True)
    platform_role = models.CharField(max_length=20, choices=PlatformRole.choices, default=PlatformRole.NONE, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ("username",)
        constraints = (
            models.CheckConstraint(
                name="user_platform_role_known", condition=models.Q(platform_role__in=PlatformRole.values)
            ),
        )

    def __str__(self) -> str:
        return self.username

    @property
    def is_administrator(self) -> bool:
        return self.is_active and self.platform_role == PlatformRole.ADMINISTRATOR

    @property
    def is_auditor(self) -> bool:
        return self.is_active and self.platform_role == PlatformRole.AUDITOR

    # What the Django admin asks of a user model.

    @property
    def is_staff(self) -> bool:
        return self.is_administrator or self.is_auditor

    @property
    def is_superuser(self) -> bool:
        return self.is_administrator

    def has_perm(self, perm: str, obj: object = None) -> bool:
        codename = perm.rpartition(".")[2]
        return self.is_administrator or (self.is_auditor and codename.startswith("view_"))

    def has_perms(self, perm_list: list[str], obj: object = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_staff
