"""Routes of the audit trail."""

from django.urls import path

from botplatform.audit import views

app_name = "audit"
urlpatterns = [path("audit/", views.trail, name="trail")]
