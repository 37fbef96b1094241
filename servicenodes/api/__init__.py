"""Service nodes in the HTTP API."""

from servicenodes.api import alarms, attaching, calling, definitions, nodes, proving, testing
from servicenodes.api.routing import router

__all__ = ["alarms", "attaching", "calling", "definitions", "nodes", "proving", "router", "testing"]
