"""Service nodes in the HTTP API."""

from servicenodes.api import attaching, nodes, testing
from servicenodes.api.routing import router

__all__ = ["attaching", "nodes", "router", "testing"]
