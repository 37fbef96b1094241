# Client certificate console. One image for the console, the worker and the commands.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
COPY requirements.txt ./
RUN python -m venv /venv \
    && /venv/bin/pip install --require-hashes --only-binary :all: -r requirements.txt

FROM python:3.11-slim-bookworm
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    VAR_DIR=/var/lib/console \
    KEYRING_FILE=/var/lib/keyring/keyring.json
RUN groupadd --gid 10001 console \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin console \
    && install -d -o console -g console -m 0700 /var/lib/console /var/lib/keyring
WORKDIR /app
COPY --from=build /venv /venv
COPY manage.py pyproject.toml CHANGELOG.md ./
COPY botplatform ./botplatform
COPY certificates ./certificates
COPY servicenodes ./servicenodes
COPY templates ./templates
COPY static ./static
USER 10001:10001
VOLUME ["/var/lib/console", "/var/lib/keyring"]
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen(r.Request('http://127.0.0.1:8000/healthz', headers={'Host': 'localhost', 'X-Forwarded-Proto': 'https'}), timeout=4)"]
CMD ["gunicorn", "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--no-control-socket", "--worker-tmp-dir", "/dev/shm", "--bind", "0.0.0.0:8000", "botplatform.wsgi:application"]
