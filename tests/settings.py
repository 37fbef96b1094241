"""Settings of the test suite: the product's own, with fast hashing, and nothing that touches `var/`."""

import os

from tests.engines import database_url, temporary_directory

TEST_DIRECTORY = temporary_directory()
os.environ["SECRET_KEY"] = "tests-only"
os.environ["BASE_URL"] = "http://localhost:8000"
os.environ["DATABASE_URL"] = database_url(TEST_DIRECTORY)
os.environ["VAR_DIR"] = str(TEST_DIRECTORY)
os.environ["KEYRING_FILE"] = str(TEST_DIRECTORY / "keyring.json")
for name in ("DEBUG", "ALLOWED_HOSTS", "EGRESS_ALLOW", "EGRESS_PROXY", "MAX_UPLOAD_KB", "TEST_TIMEOUT_S", "CACHE_URL"):
    os.environ.pop(name, None)

from botplatform.settings import *  # noqa: E402, F403
from botplatform.settings import DATABASES, LOGGING  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT = TEST_DIRECTORY / "static"
STATIC_ROOT.mkdir()  # whitenoise warns about a missing one; the files themselves come from their sources
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CALL_COUNTERS_FLUSH_S = 0  # tests write them when they want to
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: threads and child processes of a test must see the same database.
    DATABASES["default"]["TEST"] = {"NAME": str(TEST_DIRECTORY / "tests.sqlite3")}
else:
    DATABASES["default"]["TEST"] = {"NAME": f"test_botplatform_{os.getpid()}"}
LOGGING["root"]["handlers"] = []  # pytest listens by itself, and its streams end before the process does
