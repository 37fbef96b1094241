"""Routes of bots and their people. The pages of a bot itself are in `servicenodes`."""

from django.urls import path

from botplatform.bots import views

app_name = "bots"
urlpatterns = [
    path("bots/new/", views.create, name="create"),
    path("bots/<slug:bot>/people/", views.people, name="people"),
    path("bots/<slug:bot>/people/add/", views.add, name="add_member"),
    path("bots/<slug:bot>/people/<str:username>/change/", views.change, name="change_member"),
    path("bots/<slug:bot>/people/<str:username>/remove/", views.remove, name="remove_member"),
]
