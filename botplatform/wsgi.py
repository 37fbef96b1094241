"""WSGI entry point."""

import os

from django.core.wsgi import get_wsgi_application

from botplatform.security import forbid_core_dumps

forbid_core_dumps()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "botplatform.settings")

application = get_wsgi_application()
