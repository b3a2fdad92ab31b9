"""The requests that are sent to both servers.

A case is one request. `{uid}` and `{token}` in its body stand for those of a mailed link, and `secret` says of which:

    fresh   of a new mail               current  of the last mail; of a new one if that was used
    spent   already used                older    of a mail that was followed by another one
    blocked of a mail to an account that was blocked afterwards
"""

import base64
import json
from dataclasses import dataclass, field

ACCOUNTS = [
    {"username": "alice", "email": "alice@example.com", "password": "First-passw0rd"},
    {"username": "carol", "email": "Carol@Example.com", "password": "First-passw0rd"},
    {"username": "blocked", "email": "blocked@example.com", "password": "First-passw0rd", "is_active": False},
]

LIBRARIES = {
    "dj-rest-auth": {
        "ask": "/auth/password/reset/",
        "confirm": "/auth/password/reset/confirm/",
        "passwords": ("new_password1", "new_password2"),
    },
    "djoser": {
        "ask": "/auth/users/reset_password/",
        "confirm": "/auth/users/reset_password_confirm/",
        "passwords": ("new_password",),
    },
}

GOOD = "A-new-passw0rd"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@dataclass
class Case:
    name: str
    path: str
    body: bytes = None
    method: str = "POST"
    headers: dict = field(default_factory=dict)
    secret: str = None
    login: str = None  # the password that Django must accept for alice after a success
    address: str = None  # the address whose mails are counted


def as_json(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def multipart(fields):
    parts = "".join(
        f'--frontier\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    )
    return (parts + "--frontier--\r\n").encode()


BROKEN_JSON = {
    "open object": b"{",
    "open key": b'{"a',
    "no colon": b'{"a"',
    "no value": b'{"a":',
    "no comma": b'{"a":1',
    "trailing comma": b'{"a":1,}',
    "trailing comma, spaces": b'{"a":1, \n }',
    "missing comma": b'{"a":1 "b":2}',
    "single quotes": b"{'a':1}",
    "bare word": b"hello",
    "second line": b'{\n  "a": 1,\n  b\n}',
    "open list": b"[",
    "open list after item": b"[1",
    "list trailing comma": b"[1,]",
    "extra data": b"{} x",
    "two documents": b"{}\n{}",
    "open string": b'"abc',
    "bad escape": b'{"a":"\\x"}',
    "short escape": b'{"a":"\\u12"}',
    "escape at end": b'"abc\\',
    "control character": b'{"a":"\t"}',
    "nan": b'{"a":NaN}',
    "infinity": b'{"a":Infinity}',
    "minus infinity": b'{"a":-Infinity}',
    "minus": b'{"a":-}',
    "leading zero": b'{"a":01}',
    "fraction": b'{"a":1.}',
    "huge number": b'{"a":' + b"1" * 4301 + b"}",
    "invalid utf-8": b'{"a":"\xff"}',
    "cut utf-8": b'{"a":"\xc3"}',
    "utf-8 at end": b'{"a":"\xe2\x82',
    "byte order mark": b"\xef\xbb\xbf{}",
    "whitespace only": b" \n",
    "umlauts before the fault": '{"ä":"ö",}'.encode(),
    "deep nesting": b"[" * 100_000,
}


def common(path):
    """Yields the requests whose answers do not depend on the operation."""
    yield from [
        Case("get", path, method="GET"),
        Case("head", path, method="HEAD"),
        Case("put", path, b"{}", method="PUT", headers={"Content-Type": JSON}),
        Case("patch", path, b"{}", method="PATCH", headers={"Content-Type": JSON}),
        Case("delete", path, method="DELETE"),
        Case("trace", path, method="TRACE"),
        Case("unknown method", path, method="BREW"),
        Case("options", path, method="OPTIONS"),
        Case("get without slash", path[:-1], method="GET"),
        Case("options without slash", path[:-1], method="OPTIONS"),
        Case("post without slash", path[:-1], b"{}", headers={"Content-Type": JSON}),
        Case("post without slash, with query", path[:-1] + "?a=b", b"{}", headers={"Content-Type": JSON}),
        Case("post with two slashes", path + "/", b"{}", headers={"Content-Type": JSON}),
        Case("post below", path + "x", b"{}", headers={"Content-Type": JSON}),
        Case("post with suffix .json", path[:-1] + ".json", b"{}", headers={"Content-Type": JSON}),
        Case("format=json", path + "?format=json", b"{}", headers={"Content-Type": JSON}),
        Case("format=xml", path + "?format=xml", b"{}", headers={"Content-Type": JSON}),
        Case("accept xml", path, b"{}", headers={"Content-Type": JSON, "Accept": "application/xml"}),
        Case("accept json with indent", path, b"{}", headers={"Content-Type": JSON, "Accept": "application/json; indent=4"}),
        Case("accept any", path, b"{}", headers={"Content-Type": JSON, "Accept": "*/*"}),
        Case("accept language de", path, b"{}", headers={"Content-Type": JSON, "Accept-Language": "de"}),
        Case("no body, json", path, headers={"Content-Type": JSON}),
        Case("no body, no content type", path),
        Case("no body, text/plain", path, headers={"Content-Type": "text/plain"}),
        Case("body, no content type", path, b"{}"),
        Case("text/plain", path, b"{}", headers={"Content-Type": "text/plain"}),
        Case("text/plain, charset", path, b"{}", headers={"Content-Type": "text/plain; charset=utf-8"}),
        Case("vendor json", path, b"{}", headers={"Content-Type": "application/vnd.api+json"}),
        Case("unreadable content type", path, b"{}", headers={"Content-Type": "json"}),
        Case("json, charset utf-8", path, b"{}", headers={"Content-Type": "application/json; charset=utf-8"}),
        Case("json, charset unknown", path, b"{}", headers={"Content-Type": "application/json; charset=klingon"}),
        Case("json in capitals", path, b"{}", headers={"Content-Type": "Application/JSON"}),
        Case("json list", path, b"[]", headers={"Content-Type": JSON}),
        Case("json string", path, b'"a"', headers={"Content-Type": JSON}),
        Case("json number", path, b"1", headers={"Content-Type": JSON}),
        Case("json fraction", path, b"1.5", headers={"Content-Type": JSON}),
        Case("json true", path, b"true", headers={"Content-Type": JSON}),
        Case("json null", path, b"null", headers={"Content-Type": JSON}),
        Case("form, empty", path, b"", headers={"Content-Type": FORM}),
        Case("multipart without boundary", path, b"x", headers={"Content-Type": "multipart/form-data"}),
        Case("multipart cut short", path, b"--frontier\r\n", headers={"Content-Type": "multipart/form-data; boundary=frontier"}),
        Case("form, 1001 fields", path, b"&".join([b"a=1"] * 1001), headers={"Content-Type": FORM}),
        Case("form of 3 MB", path, b"a=" + b"x" * 3_000_000, headers={"Content-Type": FORM}),
        Case("json of 3 MB", path, b'{"a":"' + b"x" * 3_000_000 + b'"}', headers={"Content-Type": JSON}),
        Case("basic authorization, wrong", path, b"{}", headers={"Content-Type": JSON, "Authorization": "Basic YTpi"}),
        Case("token authorization, wrong", path, b"{}", headers={"Content-Type": JSON, "Authorization": "Token abc"}),
        Case("bearer authorization, wrong", path, b"{}", headers={"Content-Type": JSON, "Authorization": "Bearer abc"}),
    ]
    for name, body in BROKEN_JSON.items():
        yield Case(f"broken json, {name}", path, body, headers={"Content-Type": JSON})


def asking(library):
    """Yields the reset requests of a library."""
    path = library["ask"]

    def case(name, email, **more):
        return Case(name, path, as_json({"email": email}), headers={"Content-Type": JSON}, **more)

    yield from [
        case("known", "alice@example.com", address="alice@example.com"),
        case("unknown", "nobody@example.com", address="nobody@example.com"),
        case("blocked", "blocked@example.com", address="blocked@example.com"),
        case("stored in capitals", "Carol@Example.com", address="carol@example.com"),
        case("stored in capitals, asked without", "carol@example.com", address="carol@example.com"),
        case("asked in capitals", "ALICE@example.com", address="alice@example.com"),
        case("capital domain", "alice@EXAMPLE.com", address="alice@example.com"),
        case("spaces around", "  alice@example.com\n", address="alice@example.com"),
        case("no-break space around", "\u00a0alice@example.com", address="alice@example.com"),
        case("look-alike letter", "al\u0131ce@example.com", address="alice@example.com"),
        case("wide letter in the domain", "alice@ｅxample.com", address="alice@example.com"),
        case("malformed", "alice"),
        case("no domain", "alice@"),
        case("no local part", "@example.com"),
        case("no dot", "alice@example"),
        case("localhost", "alice@localhost"),
        case("address literal", "alice@[127.0.0.1]"),
        case("quoted local part", '"a b"@example.com'),
        case("two dots", "a..b@example.com"),
        case("plus", "a+b@example.com"),
        case("umlaut in the domain", "alice@exämple.com"),
        case("umlaut in the local part", "älice@example.com"),
        case("domain ends in a dot", "alice@example.com."),
        case("domain ends in digits", "alice@example.1"),
        case("underscore in the domain", "alice@ex_ample.com"),
        case("label of 64", "a@" + "b" * 64 + ".com"),
        case("254 characters", "a" * 242 + "@example.com"),
        case("255 characters", "a" * 243 + "@example.com"),
        case("320 characters", "a" * 308 + "@example.com"),
        case("321 characters", "a" * 309 + "@example.com"),
        case("several addresses", "alice@example.com,b@example.com"),
        case("name and address", "Alice <alice@example.com>"),
        case("nul", "alice@example.com\0"),
        case("nul inside", "ali\0ce@example.com"),
        Case("surrogate", path, b'{"email":"\\ud800@example.com"}', headers={"Content-Type": JSON}),
        case("empty", ""),
        case("blank", "  "),
        case("null", None),
        case("number", 5),
        case("fraction", 1.5),
        case("true", True),
        case("list", ["alice@example.com"]),
        case("object", {"a": 1}),
        Case("missing", path, b"{}", headers={"Content-Type": JSON}),
        Case("other name", path, b'{"Email":"alice@example.com"}', headers={"Content-Type": JSON}),
        Case("extra fields", path, as_json({"email": "alice@example.com", "x": 1}), headers={"Content-Type": JSON}, address="alice@example.com"),
        Case("given twice", path, b'{"email":"x","email":"alice@example.com"}', headers={"Content-Type": JSON}, address="alice@example.com"),
        Case("form", path, b"email=alice%40example.com", headers={"Content-Type": FORM}, address="alice@example.com"),
        Case("form, given twice", path, b"email=x&email=alice%40example.com", headers={"Content-Type": FORM}, address="alice@example.com"),
        Case("form, blank", path, b"email=", headers={"Content-Type": FORM}),
        Case("form, plus", path, b"email=alice+x", headers={"Content-Type": FORM}),
        Case("form, malformed", path, b"email=alice", headers={"Content-Type": FORM}),
        Case("multipart", path, multipart({"email": "alice@example.com"}), headers={"Content-Type": "multipart/form-data; boundary=frontier"}, address="alice@example.com"),
        Case("query only", path + "?email=alice@example.com", b"{}", headers={"Content-Type": JSON}),
    ]
    yield from common(path)


def confirming(library):
    """Yields the confirmations of a library."""
    path, passwords = library["confirm"], library["passwords"]
    order = [*passwords, "uid", "token"] if passwords[0] == "new_password1" else ["uid", "token", *passwords]

    def fields(password=GOOD, **changed):
        values = {"uid": "{uid}", "token": "{token}"} | {name: password for name in passwords} | changed
        return {name: values[name] for name in order if values[name] is not ...}

    def case(name, secret="current", login=None, extra=(), **changed):
        body = as_json(fields(**changed) | dict(extra))
        return Case(name, path, body, headers={"Content-Type": JSON}, secret=secret, login=login)

    # One field at a time.
    for name in order:
        yield case(f"{name} missing", **{name: ...})
        for what, value in {
            "empty": "", "blank": " \t\n", "null": None, "number": 5, "fraction": 1.5, "zero": 0, "true": True, "list": ["x"],
            "empty list": [], "object": {"a": 1}, "nul": "a\0b", "of 129 characters": "x" * 129, "of 5000 characters": "x" * 5000,
        }.items():
            if what in ("number", "fraction", "zero") and name in passwords and name != passwords[0]:
                continue
            yield case(f"{name} {what}", **{name: value})
    yield Case("everything missing", path, b"{}", headers={"Content-Type": JSON})
    yield Case("everything blank", path, as_json({name: "" for name in order}), headers={"Content-Type": JSON})
    yield Case("everything null", path, as_json({name: None for name in order}), headers={"Content-Type": JSON})
    yield Case("uid surrogate", path, as_json(fields()).replace(b'"{uid}"', b'"\\ud800"'), headers={"Content-Type": JSON}, secret="current")

    # Uids.
    for what, uid in {
        "of nobody": "OTk5OTk5", "no base64": "!!!", "one character": "M", "no number": "YWJj", "of account 0": "MA", "of account -1": "LTE",
        "no utf-8": "_w", "beyond the column": base64.urlsafe_b64encode(b"9" * 30).decode(), "umlaut": "ä", "in capitals": "mq", "number in the clear": "1",
    }.items():
        yield case(f"uid {what}", uid=uid)
    yield case("uid with spaces around, password too short", uid=" {uid} ", password="a1Z-x")
    yield case("uid padded, password too short", uid="{uid}==", password="a1Z-x")
    yield case("uid with an exclamation mark, password too short", uid="{uid}!", password="a1Z-x")

    # Tokens.
    for what, token in {
        "wrong": "abc", "of the right form": "ditx7c-0123456789abcdef0123456789abcdef", "without hyphen": "ditx7c0123456789abcdef",
        "with two hyphens": "a-b-c", "hyphen only": "-", "umlaut": "ä-ö", "with more behind": "{token}x",
        "with a timestamp too long": "zzzzzzzzzzzzzz-0123456789abcdef0123456789abcdef",
    }.items():
        yield case(f"token {what}", token=token)
    yield case("token with spaces around, password too short", token=" {token}\n", password="a1Z-x")

    # Passwords.
    for what, password in {
        "too short": "a1Z-x", "too common": "password1", "numeric": "8264917350", "common, short, numeric": "1234",
        "short and numeric": "8264917", "common and numeric": "123456789", "common in capitals": "PASSWORD1",
        "like the username": "xaliceyz", "like the address": "alice@example.com", "like the address, nearly": "alicexample.com1",
        "like the domain": "example.com1", "arabic digits": "٣١٤١٥٩٢٦٥٣", "seven umlauts": "äöüÄÖÜß", "seven emoji": "🦀🦀🦀🦀🦀🦀🦀",
        "like everything, short": "alice",
    }.items():
        yield case(f"password {what}", password=password)
    if len(passwords) == 2:
        first, second = passwords
        yield case("mismatch", **{second: "Another-passw0rd"})
        yield case("mismatch, second too short", **{second: "a1Z-x"})
        yield case("mismatch, first too short", **{first: "a1Z-x"})
        yield case("mismatch by capitals", **{second: GOOD.upper()})
        yield case("mismatch and wrong token", token="abc", **{second: "Another-passw0rd"})
        yield case("second missing and wrong token", token="abc", **{second: ...})

    # Several faults at once.
    yield case("wrong uid, wrong token, password too short", uid="!!!", token="abc", password="a1Z-x")
    yield case("wrong uid, token missing, password too short", uid="!!!", token=..., password="a1Z-x")
    yield case("wrong uid, password missing", uid="!!!", **{name: ... for name in passwords})
    yield case("wrong token, password too short", token="abc", password="a1Z-x")
    yield case("wrong token, password of 129 characters", token="abc", password="x" * 129)

    # Successes, and what follows them.
    yield case("success", secret="fresh", login=GOOD)
    yield case("spent token", secret="spent")
    yield case("spent token, password too short", secret="spent", password="a1Z-x")
    yield case("older of two tokens", secret="older", login=GOOD)
    yield case("same password as before", secret="fresh", login=GOOD)
    yield case("spaces around the password", secret="fresh", password="  B-new-passw0rd\t", login="B-new-passw0rd")
    yield case("spaces inside the password", secret="fresh", password="C new  passw0rd", login="C new  passw0rd")
    yield case("password decomposed", secret="fresh", password="a\u0308bcdefg-pass", login="a\u0308bcdefg-pass")
    yield case("password of 8 emoji", secret="fresh", password="🦀" * 8, login="🦀" * 8)
    yield case("password of 128 characters", secret="fresh", password="x9" * 64, login="x9" * 64)
    yield case("password is a long number", secret="fresh", **{name: 1.2345678912 for name in passwords}, login="1.2345678912")
    yield case("extra fields", secret="fresh", login=GOOD, extra={"email": "nobody@example.com", "x": [1]})
    yield case("uid padded", secret="fresh", uid="{uid}==", login=GOOD)
    yield case("uid with spaces around", secret="fresh", uid=" {uid} ", login=GOOD)
    yield case("uid with an exclamation mark", secret="fresh", uid="{uid}!", login=GOOD)
    yield case("token with spaces around", secret="fresh", token=" {token} ", login=GOOD)
    yield case("token in capitals", secret="fresh", token="{TOKEN}")
    values = fields()
    form = "&".join(f"{name}={value}" for name, value in values.items()).encode()
    yield Case("form", path, form, headers={"Content-Type": FORM}, secret="fresh", login=GOOD)
    yield Case("form, blank", path, "&".join(f"{name}=" for name in order).encode(), headers={"Content-Type": FORM})
    yield Case("form, wrong token", path, form.replace(b"{token}", b"abc"), headers={"Content-Type": FORM}, secret="current")
    yield Case("multipart", path, multipart(values), headers={"Content-Type": "multipart/form-data; boundary=frontier"}, secret="fresh", login=GOOD)
    if len(passwords) == 1:
        yield case("retyped password ignored", secret="fresh", login=GOOD, extra={"re_new_password": "Another-passw0rd"})
    yield case("blocked account", secret="blocked")
    yield from common(path)
