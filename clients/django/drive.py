"""Sends the same requests to the real libraries and to polyreset, and compares the answers.

    python drive.py http://127.0.0.1:8000 --out answers.json
    python drive.py http://127.0.0.1:8080 --mails ./mails --against answers.json

The first command asks the reference, server.py. The second asks polyreset, whose mails are `.eml` files in a folder and
which already has the accounts of cases.py, and compares. It fails on every difference that differences.json does not
declare, and on every declared one that is none. Rate limits must be off, and links must have the form of
`http://HOST/#/password/reset/confirm/{uid}/{token}`.
"""

import argparse
import email
import email.policy
import fnmatch
import http.client
import json
import re
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from cases import ACCOUNTS, JSON, LIBRARIES, Case, as_json, asking, confirming

# The headers that a client can depend on.
COMPARED = ("content-type", "allow", "www-authenticate", "retry-after", "location")
DIFFERENCES = Path(__file__).with_name("differences.json")
# Python's parsers name the place of a fault after this; only the text before it is compared.
FIXED = re.compile(r'{"detail":"(JSON|Multipart form) parse error - ')


def send(base, case, body):
    """Sends a request as it stands, with no headers but its own, Host, Content-Length and Connection."""
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=60)
    connection.putrequest(case.method, case.path, skip_accept_encoding=True)
    for name, value in case.headers.items():
        connection.putheader(name, value)
    if body is not None or case.method in ("POST", "PUT", "PATCH"):
        connection.putheader("Content-Length", str(len(body or b"")))
    connection.putheader("Connection", "close")
    try:
        connection.endheaders(body)
    except (BrokenPipeError, ConnectionResetError):
        pass  # a server can answer before it has read a large body
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    answer = {"status": response.status} | {name: headers.get(name) for name in COMPARED}
    answer["body"] = response.read().decode("utf-8", "backslashreplace")
    connection.close()
    return answer


def secret_in(text):
    """Returns the uid and the token: the last two segments of the link in a mail."""
    found = re.search(r"https?://\S+/([^/?#=\s]+)/([^/?#=\s]+)/?(?=\s|$)", text)
    if not found:
        raise SystemExit(f"no link with a uid and a token in this mail:\n{text}")
    return {"uid": found[1], "token": found[2]}


class Reference:
    """server.py, whose routes under /test/ create accounts, return mails and try logins."""

    def __init__(self, base):
        self.base = base

    def call(self, method, path, value=None):
        body = None if value is None else json.dumps(value).encode()
        return json.loads(send(self.base, Case("", path, method=method), body)["body"])

    def prepare(self):
        for account in ACCOUNTS:
            self.call("POST", "/test/users", account)

    def mails(self, address):
        mails = self.call("GET", "/test/mails")["mails"]
        return [mail["body"] for mail in mails if mail["to"][0].lower() == address]

    def block(self, username, blocked):
        self.call("POST", "/test/users", {"username": username, "is_active": not blocked})
        return True

    def login(self, username, password):
        return self.call("POST", "/test/login", {"username": username, "password": password})["accepted"]

    def wait_for_mails(self, address, count):
        """Mails are sent before the answer."""


class Polyreset:
    """A server with its mails in a folder. Its accounts can be neither blocked nor signed in to from here."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.read = {}

    def prepare(self):
        pass

    def mails(self, address):
        texts = []
        for path in sorted(self.folder.glob("**/*.eml"), key=lambda path: (path.stat().st_mtime_ns, path.name)):
            # A mail appears in the folder when it is complete, so it is read once.
            if path not in self.read:
                message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                self.read[path] = str(message["To"]).lower(), message.get_body(("plain", "html")).get_content()
            to, text = self.read[path]
            # Notices of a new password have no such link.
            if address in to and "/password/reset/confirm/" in text:
                texts.append(text)
        return texts

    def block(self, username, blocked):
        return False

    def login(self, username, password):
        return None

    def wait_for_mails(self, address, count):
        """Waits until there are so many mails, which takes long on a busy machine, and a moment for one too many."""
        for _ in range(200):
            if len(self.mails(address)) >= count:
                break
            time.sleep(0.05)
        time.sleep(0.5)


class Driver:
    """Runs the cases of one library on one server."""

    def __init__(self, base, server, library):
        self.base, self.server, self.library = base, server, library
        self.current = self.spent = None

    def new_secret(self, address="alice@example.com"):
        """Requests a reset and returns the secret in its mail."""
        before = len(self.server.mails(address))
        ask = Case("", self.library["ask"], headers={"Content-Type": JSON})
        answer = send(self.base, ask, as_json({"email": address}))
        for _ in range(100):
            mails = self.server.mails(address)
            if len(mails) > before:
                return secret_in(mails[-1])
            time.sleep(0.05)
        raise SystemExit(f"no mail for {address} after {answer}")

    def secret(self, kind):
        if kind == "spent":
            return self.spent
        if kind != "current" or self.current is None:
            self.current = self.new_secret()
        if kind == "older":
            time.sleep(1.1)  # Django's tokens differ by the second
            self.new_secret()
        if kind == "blocked" and not self.server.block("alice", True):
            return None
        return self.current

    def run(self, case, mails):
        """Returns the answer, after so many mails or a while; None if the case needs a state that this server cannot be
        brought into."""
        body = case.body
        if case.secret:
            secret = self.secret(case.secret)
            if secret is None:
                return None
            values = {"{uid}": secret["uid"], "{token}": secret["token"], "{TOKEN}": secret["token"].upper()}
            for name, value in values.items():
                body = body.replace(name.encode(), value.encode())
        before = len(self.server.mails(case.address)) if case.address else 0
        answer = send(self.base, case, body)
        accepted = answer["status"] < 300
        if case.address:
            self.server.wait_for_mails(case.address, before + mails)
            answer["mails"] = len(self.server.mails(case.address)) - before
        if case.login and accepted and self.server.login("alice", case.login) is False:
            raise SystemExit(f"Django does not accept the new password after {case.name!r}")
        if case.secret and accepted:
            self.spent, self.current = self.current, None
        if case.secret == "older":
            self.current = None  # its mail was followed by another one
        if case.secret == "blocked":
            self.server.block("alice", False)
            self.current = None
        return answer


def compare(expected, found):
    """Returns what differs, one line for each."""
    lines = []
    for name in expected:
        left, right = expected[name], found.get(name)
        if name == "body" and (prefix := FIXED.match(left)) and right.startswith(prefix.group()):
            continue
        if left != right:
            lines.append(f"{name}: {left!r} of the library, {right!r} of polyreset")
    return lines


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", metavar="URL")
    parser.add_argument("--retype", action="store_true", help="Djoser requires re_new_password")
    parser.add_argument("--mails", metavar="FOLDER", help="polyreset's mails, as .eml files")
    parser.add_argument("--only", metavar="PATTERN", default="*", help="run only the cases with such names")
    parser.add_argument("--out", metavar="FILE", help="write the answers as JSON")
    parser.add_argument("--against", metavar="FILE", help="compare with these answers")
    return parser.parse_args()


def answers(options, expected):
    """Yields the name and the answer of every case that this server can be asked."""
    base = options.base.rstrip("/")
    server = Polyreset(options.mails) if options.mails else Reference(base)
    for library_name, library in LIBRARIES.items():
        if options.retype and library_name == "djoser":
            library = library | {"passwords": ("new_password", "re_new_password")}
        server.prepare()
        driver = Driver(base, server, library)
        for operation, cases in (("ask", asking(library)), ("confirm", confirming(library))):
            for case in cases:
                name = f"{library_name}: {operation}: {case.name}"
                if not fnmatch.fnmatchcase(name, options.only):
                    continue
                mails = expected.get(name, {}).get("mails", 0)
                if answer := driver.run(case, mails):
                    yield name, answer


def main():
    options = parse_options()
    expected = json.loads(Path(options.against).read_text()) if options.against else {}
    declared = json.loads(DIFFERENCES.read_text()) if options.against else {}
    found, failures, unused = {}, 0, set(declared)
    for name, answer in answers(options, expected):
        found[name] = answer
        lines = compare(expected[name], answer) if name in expected else []
        if options.against and name not in expected:
            lines = ["the library was not asked"]
        pattern = next((pattern for pattern in declared if fnmatch.fnmatchcase(name, pattern)), None)
        unused.discard(pattern)
        if lines and not pattern:
            print(f"different: {name}", *lines, sep="\n    ")
        elif pattern and not lines:
            print(f"declared as different, but equal: {name}")
        failures += bool(lines) != bool(pattern)
    if options.only == "*":
        for pattern in sorted(unused):
            print(f"declared as different, but no such request: {pattern}")
        failures += len(unused)
    print(f"{len(found)} answers, {failures} undeclared or outdated differences")
    if options.out:
        Path(options.out).write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
