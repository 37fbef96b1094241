"""Routes of notifications."""

from django.urls import path

from botplatform.console.routes import owned
from botplatform.notifications.views import channels, log

app_name = "notifications"
urlpatterns = [
    path("reminders/log/", log.log, name="log"),
    path("reminders/log/<uuid:delivery>/again/", log.again, name="again"),
    path("platform/notifications/", channels.of_platform, name="of_platform"),
    path("bots/<slug:bot>/notifications/", channels.of_bot, name="of_bot"),
    path("bots/<slug:bot>/notifications/calendar/", channels.add_calendar, name="add_calendar"),
    path(
        "bots/<slug:bot>/notifications/calendar/<uuid:feed>/remove/", channels.remove_calendar, name="remove_calendar"
    ),
    *owned("notifications/webhooks/", channels.add, "add_webhook"),
    *owned("notifications/webhooks/<uuid:endpoint>/remove/", channels.remove, "remove_webhook"),
    *owned("notifications/webhooks/<uuid:endpoint>/test/", channels.try_out, "test_webhook"),
]
