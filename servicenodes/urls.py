"""Routes of the overview, bots, service nodes, tests, settings and the pattern page."""

from django.urls import path

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
CERTIFICATES = (("bots/<slug:bot>/certificates/<slug:name>/", ""), ("platform/certificates/<slug:name>/", "platform_"))
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
    path("bots/<slug:bot>/certificates/<slug:name>/attach/", attaching.attach_many, name="attach"),
    path("platform/certificates/<slug:name>/attach/", attaching.attach_many, name="platform_attach"),
    path("reminders/", reminders.upcoming, name="reminders"),
    path("bots/<slug:bot>/expiry/<str:secret>.ics", reminders.calendar, name="calendar"),
    path("settings/", settings.settings_page, name="settings"),
    path("patterns/", patterns.patterns, name="patterns"),
]
for start, whose in CERTIFICATES:
    urlpatterns += [
        path(f"{start}versions/<int:number>/{act}/", rotating.rotate, {"act": act}, name=f"{whose}version_{act}")
        for act in ("retire", "destroy")
    ]
    urlpatterns += [
        path(f"{start}versions/<int:number>/promote/", promoting.promotion, name=f"{whose}version_promote"),
        path(f"{start}versions/<int:number>/compare/", promoting.compare, name=f"{whose}version_compare"),
        path(f"{start}versions/<int:number>/tests/", promoting.proof, name=f"{whose}version_proof"),
    ]
    urlpatterns.append(path(f"{start}rollback/", rotating.rotate, {"act": "rollback"}, name=f"{whose}rollback"))
