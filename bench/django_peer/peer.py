"""django-oauth-toolkit on SQLite, as a peer to measure against.

    PEER='{"folder":"…","client_id":"…","client_secret":"…","families":256}' python peer.py
        fills a database and prints one line of JSON
    gunicorn peer:application
        serves it

Everything is at its defaults but for these: refresh tokens rotate at once, tokens live fifteen
minutes, and the client's secret is stored as it is. The default, a slow hash of the secret, would
let through three requests a second.
"""

import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import django
from django.conf import settings

PEER = json.loads(os.environ["PEER"])

settings.configure(
    SECRET_KEY="the benchmark serves no browser",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF="peer",
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(PEER["folder"]) / "peer.db",
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            },
        }
    },
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    OAUTH2_PROVIDER={
        "SCOPES": {"assets:read": "Assets", "introspection": "Introspection"},
        "ACCESS_TOKEN_EXPIRE_SECONDS": 900,
        "ROTATE_REFRESH_TOKEN": True,
        "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
    },
)
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 (after setup)
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.utils import timezone  # noqa: E402
from oauth2_provider.models import AccessToken, Application, RefreshToken  # noqa: E402
from oauthlib.common import generate_token  # noqa: E402

urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]
application = get_wsgi_application()


def fill() -> list[str]:
    """What users' consents would have left behind; the first refresh token of each."""
    call_command("migrate", verbosity=0)
    users = [get_user_model()(username=f"user-{n}") for n in range(PEER["families"])]
    get_user_model().objects.bulk_create(users)
    client = Application(
        name="bench",
        client_id=PEER["client_id"],
        client_secret=PEER["client_secret"],
        hash_client_secret=False,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,  # it may refresh as well
        redirect_uris="https://app.example.com/callback",
    )
    client.save()
    expires = timezone.now() + timedelta(seconds=900)
    tokens = []
    for user in users:
        access = AccessToken.objects.create(
            user=user,
            application=client,
            token=generate_token(),
            expires=expires,
            scope="assets:read",
        )
        refresh = RefreshToken.objects.create(
            user=user, application=client, token=generate_token(), access_token=access
        )
        tokens.append(refresh.token)
    return tokens


if __name__ == "__main__":
    json.dump({"refresh_tokens": fill()}, sys.stdout)
