"""Routes of accounts."""

from django.urls import path

from botplatform.accounts import people, views

app_name = "accounts"
urlpatterns = [
    path("sign-in/", views.sign_in, name="sign_in"),
    path("sign-out/", views.sign_out, name="sign_out"),
    path("password/", views.password, name="password"),
    path("people/", views.people, name="people"),
    path("people/new/", people.create, name="new_person"),
    path("people/<uuid:user>/", people.change, name="person"),
    path("people/<uuid:user>/password/", people.reset_password, name="reset_password"),
]
