"""Serves the reset operations of dj-rest-auth and Djoser on a plain Django project, as the reference to compare with.

    python server.py 8000 [--database sqlite:///reference.sqlite3] [--retype] [--tokens]

Both libraries answer under /auth/. The settings are those that `startproject` writes, with DEBUG off; the libraries
keep their defaults. Mails stay in memory. The routes under /test/ read them, create accounts and try logins, so the
server belongs on the loopback interface only.
"""

import argparse
import json
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings

VALIDATORS = ["UserAttributeSimilarity", "MinimumLength", "CommonPassword", "NumericPassword"]
BACKENDS = {"sqlite": "sqlite3", "postgres": "postgresql", "postgresql": "postgresql"}

AUTHENTICATION = [
    "rest_framework.authentication.TokenAuthentication",
    "rest_framework.authentication.SessionAuthentication",
]

urlpatterns = []


def database(url):
    """Returns Django's settings for `sqlite:///FILE` or `postgres://USER:PASSWORD@HOST:PORT/NAME`."""
    parts = urlsplit(url)
    if parts.scheme not in BACKENDS:
        raise SystemExit(f"a database is sqlite:///FILE or postgres://..., not {url}")
    return {
        "ENGINE": f"django.db.backends.{BACKENDS[parts.scheme]}",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
    }


def configure(options):
    """Applies the settings of `startproject`, and adds the two libraries."""
    settings.configure(
        SECRET_KEY="reference-key-for-tests-only",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        DATABASES={"default": database(options.database)},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "rest_framework",
            "rest_framework.authtoken",
            "dj_rest_auth",
            "djoser",
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        AUTH_PASSWORD_VALIDATORS=[
            {"NAME": f"django.contrib.auth.password_validation.{name}Validator"} for name in VALIDATORS
        ],
        TIME_ZONE="UTC",
        USE_TZ=True,
        EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend",
        DJOSER={
            "PASSWORD_RESET_CONFIRM_URL": "#/password/reset/confirm/{uid}/{token}",
            "PASSWORD_RESET_CONFIRM_RETYPE": options.retype,
        },
        # Without `--tokens` the framework's own defaults apply.
        REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": AUTHENTICATION} if options.tokens else {},
    )


def routes():
    """Returns the routes of both libraries, of the page in dj-rest-auth's mails, and of the tests."""
    from django.urls import include, path
    from django.views.generic import TemplateView

    # dj-rest-auth looks its link up under this name; a real project serves its own page here.
    page = TemplateView.as_view(template_name="password_reset_confirm.html")
    return [
        path("password-reset/confirm/<uidb64>/<token>/", page, name="password_reset_confirm"),
        path("auth/", include("dj_rest_auth.urls")),
        path("auth/", include("djoser.urls")),
        path("test/mails", test_mails),
        path("test/users", test_users),
        path("test/login", test_login),
    ]


def test_mails(request):
    """GET returns every mail, oldest first."""
    from django.core import mail
    from django.http import JsonResponse

    mails = [{"to": message.to, "body": message.body} for message in getattr(mail, "outbox", [])]
    return JsonResponse({"mails": mails})


def test_users(request):
    """POST {username, email, password, is_active} creates an account, or changes the fields that are sent."""
    from django.contrib.auth import get_user_model
    from django.http import JsonResponse

    fields = json.loads(request.body)
    user, _ = get_user_model().objects.get_or_create(username=fields["username"])
    user.email = fields.get("email", user.email)
    user.is_active = fields.get("is_active", True)
    if "password" in fields:
        user.set_password(fields["password"])
    user.save()
    return JsonResponse({"pk": user.pk})


def test_login(request):
    """POST {username, password} returns whether Django accepts them."""
    from django.contrib.auth import authenticate
    from django.http import JsonResponse

    return JsonResponse({"accepted": authenticate(request, **json.loads(request.body)) is not None})


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--database", default="sqlite:///reference.sqlite3", help="sqlite:///FILE or postgres://...")
    parser.add_argument("--retype", action="store_true", help="set Djoser's PASSWORD_RESET_CONFIRM_RETYPE")
    parser.add_argument("--tokens", action="store_true", help="accept the tokens and sessions of a sign-in")
    return parser.parse_args()


def main():
    options = parse_options()
    configure(options)
    django.setup()

    from django.core.management import call_command
    from django.core.servers.basehttp import run
    from django.core.wsgi import get_wsgi_application

    call_command("migrate", verbosity=0)
    for view in (test_mails, test_users, test_login):
        view.csrf_exempt = True
    urlpatterns.extend(routes())
    print(f"http://127.0.0.1:{options.port}/auth/", flush=True)
    run("127.0.0.1", options.port, get_wsgi_application(), threading=True)


if __name__ == "__main__":
    main()
