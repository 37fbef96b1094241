"""Service nodes in the HTTP API."""

from servicenodes.api import attaching, calling, definitions, nodes, testing
from servicenodes.api.routing import router

__all__ = ["attaching", "calling", "definitions", "nodes", "router", "testing"]
