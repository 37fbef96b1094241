"""Certificates and trust stores in the HTTP API."""

from certificates.api import certificates, importing, requests, trust_stores, versions
from certificates.api.routing import router

__all__ = ["certificates", "importing", "requests", "router", "trust_stores", "versions"]
