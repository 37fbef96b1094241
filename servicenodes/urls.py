"""Routes of the overview, bots, service nodes, tests, settings and the pattern page."""

from django.urls import path

from botplatform.console.routes import owned
from servicenodes.views import (
    alarms,
    attaching,
    bots,
    calling,
    definitions,
    nodes,
    overview,
    patterns,
    promoting,
    reminders,
    rotating,
    settings,
    testing,
)

app_name = "servicenodes"
NODE = "bots/<slug:bot>/nodes/<slug:node>/"
CERTIFICATE = "certificates/<slug:name>/"
VERSION = f"{CERTIFICATE}versions/<int:number>/"
urlpatterns = [
    path("", overview.overview, name="overview"),
    path("bots/", bots.listing, name="bots"),
    path("bots/<slug:bot>/", bots.detail, name="bot"),
    path("definition/", definitions.import_new, name="definition_new"),
    path("bots/<slug:bot>/definition/", definitions.import_page, name="definition"),
    path("nodes/", nodes.listing, name="nodes"),
    path("bots/<slug:bot>/nodes/new/", nodes.create, name="node_create"),
    path(NODE, nodes.detail, name="node"),
    path(f"{NODE}edit/", nodes.edit, name="node_edit"),
    path(f"{NODE}delete/", nodes.delete, name="node_delete"),
    path(f"{NODE}attach/", attaching.attach, name="node_attach"),
    path(f"{NODE}call/", calling.call, name="node_call"),
    path(f"{NODE}test/", testing.start, name="node_test"),
    path(f"{NODE}tests/<uuid:test>/", testing.watch, name="test"),
    path(f"{NODE}alarms/<uuid:alarm>/rollback/", alarms.roll_back, name="alarm_rollback"),
    path(f"{NODE}alarms/<uuid:alarm>/close/", alarms.close, name="alarm_close"),
    *owned(f"{CERTIFICATE}attach/", attaching.attach_many, "attach"),
    *owned(f"{CERTIFICATE}rollback/", rotating.rotate, "rollback", act="rollback"),
    *owned(f"{VERSION}retire/", rotating.rotate, "version_retire", act="retire"),
    *owned(f"{VERSION}destroy/", rotating.rotate, "version_destroy", act="destroy"),
    *owned(f"{VERSION}promote/", promoting.promotion, "version_promote"),
    *owned(f"{VERSION}compare/", promoting.compare, "version_compare"),
    *owned(f"{VERSION}tests/", promoting.proof, "version_proof"),
    path("reminders/", reminders.upcoming, name="reminders"),
    path("bots/<slug:bot>/expiry/<str:secret>.ics", reminders.calendar, name="calendar"),
    path("settings/", settings.settings_page, name="settings"),
    path("patterns/", patterns.patterns, name="patterns"),
]
