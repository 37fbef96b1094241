"""Settings, read from the environment, an optional `.env`, and secret files (`NAME_FILE`).

Production is the default; development is opted into. `docs/settings.md` lists every variable, and a test holds
that list to this file.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF

from botplatform import logs

PROJECT_DIR = Path(__file__).resolve().parent.parent

env = environ.FileAwareEnv()
if (PROJECT_DIR / ".env").is_file():
    env.read_env(PROJECT_DIR / ".env")

VAR_DIR = Path(env.str("VAR_DIR", default=str(PROJECT_DIR / "var"))).resolve()


def _secret_key() -> str:
    """SECRET_KEY, SECRET_KEY_FILE, or the file `quickstart` made. Empty stops Django with its own clear error."""
    if value := str(env.str("SECRET_KEY", default="")).strip():
        return value
    generated = VAR_DIR / "secret_key"
    return generated.read_text().strip() if generated.is_file() else ""


SECRET_KEY = _secret_key()
DEBUG = env.bool("DEBUG", default=False)
BASE_URL = env.str("BASE_URL", default="http://localhost:8000").rstrip("/")
_base = urlsplit(BASE_URL)
_https = _base.scheme == "https"
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[_base.hostname or "localhost", "localhost", "127.0.0.1", "[::1]"])
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True
LANGUAGE_CODE = "en-gb"
USE_I18N = True

# --- The product's own settings -------------------------------------------------------------------------------------
KEYRING_FILE = Path(env.str("KEYRING_FILE", default=str(VAR_DIR / "keyring.json")))
KEY_PROVIDER = env.str("KEY_PROVIDER", default="local")
EGRESS_ALLOW = env.list("EGRESS_ALLOW", default=[])
EGRESS_PROXY = env.str("EGRESS_PROXY", default="")
MAX_UPLOAD_KB = env.int("MAX_UPLOAD_KB", default=256)
TEST_TIMEOUT_S = env.int("TEST_TIMEOUT_S", default=10)
API_CALLS_PER_MINUTE = env.int("API_CALLS_PER_MINUTE", default=3000)  # of one token; 0: no limit
CALL_COUNTERS_FLUSH_S = 5  # how much of the counting of calls a killed process loses at most
LOG_FORMAT = env.str("LOG_FORMAT", default="console" if DEBUG else "json")
LOGGING = logs.configure(LOG_FORMAT)
# Each returns a sentence that says why the product is not ready, or None. Named by string, as URLs are.
READINESS_CHECKS = ["certificates.key_storage.sealed_reason"]

# --- Apps and middleware --------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "botplatform.console",
    "botplatform.accounts",
    "botplatform.bots",
    "botplatform.audit",
    "botplatform.jobs",
    "botplatform.api_kit",
    "certificates",
    "servicenodes",
    "botplatform.accounts.apps.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "django_tasks",
    "django_tasks_db",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "botplatform.api_kit.middleware.ProblemMiddleware",
    "botplatform.middleware.BodyLimitMiddleware",
    "botplatform.middleware.SanitisingMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "botplatform.middleware.DomainErrorMiddleware",
    "botplatform.middleware.DatabaseBusyMiddleware",
]
ROOT_URLCONF = "botplatform.urls"
WSGI_APPLICATION = "botplatform.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PROJECT_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- Database, cache, tasks, mail -----------------------------------------------------------------------------------
DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Django's defaults fail one write in ten with eight writers; these fail none (docs/architecture.md).
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {"min_size": 1, "max_size": 12, "timeout": 10}
    DATABASES["default"]["CONN_MAX_AGE"] = 0  # the pool keeps the connections
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://")}
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default"]}}
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))

# --- People ---------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "accounts:sign_in"
LOGIN_REDIRECT_URL = "servicenodes:overview"
LOGOUT_REDIRECT_URL = "accounts:sign_in"

# --- Static files and uploads ---------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [PROJECT_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
# Uploads hold private keys: they stay in memory, whatever their size; the cap keeps that size small.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = MAX_UPLOAD_KB * 1024 * 12
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_UPLOAD_KB * 1024 * 12

# --- Security headers -----------------------------------------------------------------------------------------------
SECURE_SSL_REDIRECT = _https
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # asked by the machine next door, not through the proxy
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _https
SECURE_HSTS_PRELOAD = _https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_TLS_PROXY", default=False) else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600
CSRF_TRUSTED_ORIGINS = [BASE_URL]
CSRF_FAILURE_VIEW = "botplatform.console.errors.csrf_failure"
X_FRAME_OPTIONS = "DENY"
DEFAULT_EXCEPTION_REPORTER_FILTER = "botplatform.security.ReportFilter"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
