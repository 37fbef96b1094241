"""Settings, read from the environment, an optional `.env`, and secret files (`NAME_FILE`).

Production is the default; development is opted into. `docs/settings.md` lists every variable, and a test holds
that list to this file.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from botplatform import logs
from botplatform.environment import SQLITE, Environment, WrongSetting

PROJECT_DIR = Path(__file__).resolve().parent.parent

env = Environment(PROJECT_DIR / ".env")

VAR_DIR = Path(env.text("VAR_DIR", str(PROJECT_DIR / "var"))).resolve()


def _secret_key() -> str:
    """SECRET_KEY, SECRET_KEY_FILE, or the file `quickstart` made. Empty stops Django with its own clear error."""
    if value := env.text("SECRET_KEY"):
        return value
    generated = VAR_DIR / "secret_key"
    try:
        return generated.read_text().strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise WrongSetting(f"The secret key in {generated} cannot be read: {error.strerror}.") from error


SECRET_KEY = _secret_key()
DEBUG = env.flag("DEBUG")
BASE_URL = env.origin("BASE_URL", "http://localhost:8000")
_base = urlsplit(BASE_URL)
_https = _base.scheme == "https"
_host = f"[{_base.hostname}]" if ":" in (_base.hostname or "") else _base.hostname or "localhost"
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", [_host, "localhost", "127.0.0.1", "[::1]"])
TIME_ZONE = env.zone("TIME_ZONE", "UTC")
USE_TZ = True
LANGUAGE_CODE = "en-gb"
USE_I18N = True

# --- The product's own settings -------------------------------------------------------------------------------------
KEYRING_FILE = Path(env.text("KEYRING_FILE", str(VAR_DIR / "keyring.json")))
KEY_PROVIDER = env.text("KEY_PROVIDER", "local")  # one that is not known seals the product, which then says so
EGRESS_ALLOW = env.words("EGRESS_ALLOW", [])
EGRESS_PROXY = env.text("EGRESS_PROXY")
MAX_UPLOAD_KB = env.number("MAX_UPLOAD_KB", 256, least=1, most=10_240)
ACME_HOOK = env.text("ACME_HOOK")  # a program of the operator's; empty: nothing is ordered by ACME
ACME_HOOK_TIMEOUT_S = env.number("ACME_HOOK_TIMEOUT_S", 60, least=1, most=180)
KEEP_DAYS = env.number("KEEP_DAYS", 400, least=30, most=36_500)  # of reports of tests, and of what was told
TEST_TIMEOUT_S = env.number("TEST_TIMEOUT_S", 10, least=1, most=60)
API_CALLS_PER_MINUTE = env.number("API_CALLS_PER_MINUTE", 3000, least=0, most=1_000_000)  # of one token; 0: no limit
CALL_COUNTERS_FLUSH_S = 5  # how much of the counting of calls a killed process loses at most
LOG_FORMAT = env.choice("LOG_FORMAT", "console" if DEBUG else "json", logs.FORMATS)
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", logs.LEVELS)
LOGGING = logs.configure(LOG_FORMAT, LOG_LEVEL)
# Each returns a sentence that says why the product is not ready, or None. Named by string, as URLs are.
READINESS_CHECKS = ["certificates.key_storage.sealed_reason"]

# --- Apps and middleware --------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "botplatform.console",
    "botplatform.accounts",
    "botplatform.bots",
    "botplatform.audit",
    "botplatform.jobs",
    "botplatform.notifications",
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
DATABASES = {"default": env.database("DATABASE_URL", f"sqlite:///{VAR_DIR / 'db.sqlite3'}")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if DATABASES["default"]["ENGINE"] == SQLITE:
    # Django's defaults fail one write in ten with eight writers; these fail none (docs/architecture.md).
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;",
    }
else:
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)  # seconds; libpq waits for minutes
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 12, "timeout": 10}
    DATABASES["default"]["CONN_MAX_AGE"] = 0  # the pool keeps the connections
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
CACHES = {"default": env.cache("CACHE_URL", "locmemcache://")}
# Periodic work: name → (what it does, in words; function by its path, as URLs name views; seconds between two starts).
# See `jobs.duties`.
DUTIES: dict[str, tuple[str, str, int]] = {
    "renewals": ("Begin renewals that are due", "certificates.services.renewing.queue_due_renewals", 60),
    "forget-ended-tasks": ("Clear ended tasks from the queue", "botplatform.jobs.services.forget_ended_tasks", 3600),
    "deliver-notifications": (
        "Send mail and webhooks",
        "botplatform.notifications.services.delivering.deliver_due",
        10,
    ),
    "promote-renewals": (
        "Test and promote what renewals staged",
        "servicenodes.services.auto_promoting.promote_proven",
        30,
    ),
    "start-re-tests": ("Test nodes again after a promotion", "servicenodes.services.proving.start_due_proofs", 5),
    "take-up-tests": ("Queue again tests that a worker lost", "servicenodes.services.queueing.take_up_tests", 15),
    "watch-expiry": ("Remind of certificates that expire", "certificates.services.expiry.watch_expiry", 900),
    "watch-server-certificates": (
        "Remind of servers’ certificates that expire",
        "servicenodes.services.server_certificates.watch_server_certificates",
        900,
    ),
    "prune-notifications": (
        "Remove old deliveries and reminders",
        "botplatform.notifications.services.pruning.prune_notifications",
        3600,
    ),
    "prune-tests": ("Remove old reports of tests", "servicenodes.services.pruning.prune_tests", 3600),
}
# How lower packages reach other hosts (`botplatform.outbound`): through the only package that opens sockets.
OUTBOUND_CONNECTOR = "servicenodes.services.outbound.send"
OUTBOUND_CHECK = "servicenodes.services.outbound.check"
WEBHOOK_ANCHORS = "certificates.services.webhook_trust.anchors_of"  # what proves the server of a webhook
# How lower packages keep secrets (`botplatform.sealing`): with the keyring, which they do not know.
SECRET_SEALER = "certificates.services.secrets.seal_text"  # noqa: S105
SECRET_OPENER = "certificates.services.secrets.open_text"  # noqa: S105
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default"]}}
vars().update(env.email("EMAIL_URL", "consolemail://"))
EMAIL_TIMEOUT = 10  # seconds for each step of a conversation with the mail server
DEFAULT_FROM_EMAIL = env.text("MAIL_FROM", f"console@{_base.hostname}")
SECURITY_EMAIL = env.text("SECURITY_EMAIL")

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
# Exports of bots are larger: the addresses that take them have a cap of their own (`BodyLimitMiddleware`).
DEFINITION_PATHS = r"/(api/v1/)?(bots/[^/]+/)?definition/?"
DEFINITION_UPLOAD_BYTES = 9 * 1024 * 1024  # of a whole request; `servicenodes.definitions` reads at most 8 MB of it
FILE_UPLOAD_MAX_MEMORY_SIZE = max(MAX_UPLOAD_KB * 1024 * 12, DEFINITION_UPLOAD_BYTES)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_UPLOAD_KB * 1024 * 12

# --- Security headers -----------------------------------------------------------------------------------------------
SECURE_SSL_REDIRECT = _https
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # asked by the machine next door, not through the proxy
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _https
SECURE_HSTS_PRELOAD = _https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_TLS_PROXY") else None
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
