"""Certificates and trust stores in the HTTP API."""

from certificates.api import certificates, importing, renewals, requests, trust_stores, versions
from certificates.api.routing import router

__all__ = ["certificates", "importing", "renewals", "requests", "router", "trust_stores", "versions"]
