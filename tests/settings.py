"""Settings of the test suite: the product's own, with fast hashing and a keyring made for the run."""

import os

os.environ.setdefault("SECRET_KEY", "tests-only")
os.environ.setdefault("BASE_URL", "http://localhost:8000")

from botplatform.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
