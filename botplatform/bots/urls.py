"""Routes of bots, their people, and API tokens. The pages of a bot itself are in `servicenodes`."""

from django.urls import path

from botplatform.bots.views import bots, tokens

app_name = "bots"
urlpatterns = [
    path("bots/new/", bots.create, name="create"),
    path("bots/<slug:bot>/people/", bots.people, name="people"),
    path("bots/<slug:bot>/people/add/", bots.add, name="add_member"),
    path("bots/<slug:bot>/people/<str:username>/change/", bots.change, name="change_member"),
    path("bots/<slug:bot>/people/<str:username>/remove/", bots.remove, name="remove_member"),
    path("tokens/", tokens.listing, name="tokens"),
    path("tokens/new/", tokens.create, name="create_token"),
    path("tokens/<uuid:token>/revoke/", tokens.revoke, name="revoke_token"),
]
