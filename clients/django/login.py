"""Reports whether Django accepts a password, and what its login would do with the stored hash.

    python login.py sqlite:///reference.sqlite3 alice@example.com A-new-passw0rd

The database needs Django's `auth_user` table. Prints one line of JSON, and ends with 0 if Django accepts the password
and with 1 otherwise. The row stays as it is, although a login would hash the password again under another cost.
"""

import argparse
import json
import sys

import django
from django.conf import settings

from server import database


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database", help="sqlite:///FILE or postgres://...")
    parser.add_argument("email")
    parser.add_argument("password")
    return parser.parse_args()


def main():
    options = parse_options()
    settings.configure(
        DATABASES={"default": database(options.database)},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
        USE_TZ=True,
    )
    django.setup()

    from django.contrib.auth import authenticate, get_user_model
    from django.contrib.auth.hashers import identify_hasher
    from django.db import transaction

    user = get_user_model().objects.filter(email__iexact=options.email).first()
    if user is None:
        print(json.dumps({"found": False}))
        sys.exit(1)
    with transaction.atomic():
        accepted = authenticate(None, username=user.username, password=options.password) is not None
        transaction.set_rollback(True)
    try:
        hasher = identify_hasher(user.password)
        hash_form = {"algorithm": hasher.algorithm, "upgrade_at_login": hasher.must_update(user.password)}
    except ValueError:  # none of PASSWORD_HASHERS reads this hash
        hash_form = {"algorithm": None, "upgrade_at_login": None}
    print(json.dumps({"found": True, "pk": user.pk, "is_active": user.is_active, "accepted": accepted, **hash_form}))
    sys.exit(0 if accepted else 1)


if __name__ == "__main__":
    main()
