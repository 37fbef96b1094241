"""Service nodes in the HTTP API."""

from servicenodes.api import attaching, calling, nodes, testing
from servicenodes.api.routing import router

__all__ = ["attaching", "calling", "nodes", "router", "testing"]
