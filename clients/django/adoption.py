"""Lets polyreset reset a password in Django's own users table, and checks it with Django.

    python adoption.py create postgres://USER@HOST:PORT/DATABASE
    python adoption.py reset postgres://USER@HOST:PORT/DATABASE http://127.0.0.1:8080 --mails ./mails
    python adoption.py drop postgres://USER@HOST:PORT/DATABASE

`create` makes the database with Django's tables and three accounts: one can reset its password, one signs in by other
means and has no password, and one is not active. `reset` requests a mail for each through dj-rest-auth's path below
/dj-rest-auth/, confirms with the mailed link, and checks the rows. Rate limits must be off, and links must have the form
of `http://HOST/#/password/reset/confirm/{uid}/{token}`.
"""

import argparse
import sys
import time
from urllib.parse import urlsplit

import django
import psycopg
from django.conf import settings

from cases import GOOD, JSON, Case, as_json
from drive import Polyreset, secret_in, send
from server import database

OLD = "First-passw0rd"
ASK, CONFIRM = "/dj-rest-auth/password/reset/", "/dj-rest-auth/password/reset/confirm/"
ADDRESS, SILENT = "alice@example.com", ("social@example.com", "inactive@example.com")


def administer(url, statement):
    """Runs a statement about the database itself, connected to the database `postgres` of the same server."""
    parts = urlsplit(url)
    name = psycopg.sql.Identifier(parts.path[1:])
    with psycopg.connect(parts._replace(path="/postgres").geturl(), autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL(statement).format(name))


def create(options):
    """Creates the database, Django's tables, and the accounts."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from rest_framework.authtoken.models import Token

    administer(options.database, "CREATE DATABASE {}")
    call_command("migrate", verbosity=0)
    users = get_user_model().objects
    Token.objects.create(user=users.create_user("alice", ADDRESS, OLD))
    users.create_user("social", SILENT[0])
    users.create_user("inactive", SILENT[1], OLD, is_active=False)


def reset(options):
    """Resets the password of the first account, and checks that nothing else changes."""
    from django.contrib.auth import get_user_model
    from rest_framework.authtoken.models import Token

    def post(path, value):
        return send(options.base, Case("", path, headers={"Content-Type": JSON}), as_json(value))

    def expect(holds, what):
        if not holds:
            sys.exit(f"failed: {what}")

    mails = Polyreset(options.mails)
    users = get_user_model().objects
    columns = [field.attname for field in get_user_model()._meta.concrete_fields]
    before = {row["email"]: row for row in users.values(*columns)}
    session = users.get(email=ADDRESS).get_session_auth_hash()

    asked = {address: post(ASK, {"email": address}) for address in (*SILENT, ADDRESS)}
    expect(asked[ADDRESS]["status"] == 200, f"the request is answered with {asked[ADDRESS]}")
    for address in SILENT:
        expect(asked[address] == asked[ADDRESS], f"the answer for {address} is another: {asked[address]}")
    for _ in range(200):
        if mails.mails(ADDRESS):
            break
        time.sleep(0.05)
    time.sleep(0.5)
    expect(len(mails.mails(ADDRESS)) == 1, f"{ADDRESS} gets {len(mails.mails(ADDRESS))} mails")
    for address in SILENT:
        expect(not mails.mails(address), f"{address} gets a mail")

    confirmation = secret_in(mails.mails(ADDRESS)[0]) | {"new_password1": GOOD, "new_password2": GOOD}
    answer = post(CONFIRM, confirmation)
    expect(answer["status"] == 200, f"the confirmation is answered with {answer}")
    answer = post(CONFIRM, confirmation)
    expect(answer["status"] == 400, f"the same confirmation is answered again, with {answer}")

    after = {row["email"]: row for row in users.values(*columns)}
    changed = {address: {name for name in columns if before[address][name] != row[name]} for address, row in after.items()}
    expect(changed.pop(ADDRESS) == {"password"}, "another column than the password changed")
    expect(not any(changed.values()), f"another account changed: {changed}")
    expect(users.get(email=ADDRESS).get_session_auth_hash() != session, "sessions do not end")
    expect(not Token.objects.exists(), "the rows of authtoken_token are still there")
    print("passed")


def drop(options):
    """Drops the database."""
    administer(options.database, "DROP DATABASE IF EXISTS {} WITH (FORCE)")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (create, reset, drop):
        own = commands.add_parser(command.__name__, help=command.__doc__)
        own.set_defaults(run=command)
        own.add_argument("database", help="postgres://...")
        if command is reset:
            own.add_argument("base", metavar="URL")
            own.add_argument("--mails", metavar="FOLDER", required=True, help="polyreset's mails, as .eml files")
    return parser.parse_args()


def main():
    options = parse_options()
    settings.configure(
        DATABASES={"default": database(options.database)},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "rest_framework",
            "rest_framework.authtoken",
        ],
        SECRET_KEY="reference-key-for-tests-only",
        USE_TZ=True,
    )
    django.setup()
    options.run(options)


if __name__ == "__main__":
    main()
