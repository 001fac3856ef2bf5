"""Ways to bring a secret to a server, most of them wrong: in the wrong place, half, twice, too long, slowly. Each is a row
of PLACES (any route), BODIES (routes that take a body) or WIRE (before any route is looked for), and makes of a request
and a secret what is written to the socket.

    for name, write in PLACES.items():
        talk(connect(), write(shot, secret))
"""
import base64
import json
import socket
import struct
import urllib.parse
from dataclasses import dataclass, field, replace

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
LONG = 9 << 20  # longer than any route takes
ANSWER_MAX = 1 << 20

READ, SHUT, RESET = "read", "shut", "reset"  # how the client ends: reads on, says that nothing follows, breaks off


@dataclass(frozen=True)
class Shot:
    """A request. fields: of its body, which is JSON or a form by kind; free: those, and parameters, that may hold any words,
    and are kept or shown."""
    method: str
    path: str
    headers: dict = field(default_factory=dict)
    fields: object = None
    kind: str = JSON
    free: tuple = ()

    @property
    def body(self):
        if self.fields is None:
            return b""
        if isinstance(self.fields, bytes):
            return self.fields
        return (json.dumps(self.fields) if self.kind == JSON else urllib.parse.urlencode(self.fields)).encode()

    def head(self, length=None, **more):
        headers = {"Host": "localhost", "Connection": "close", **self.headers, **more}
        if self.fields is not None or length is not None:
            headers = {"Content-Type": self.kind, "Content-Length": len(self.body) if length is None else length, **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items() if value is not None)
        return f"{self.method} {self.path} HTTP/1.1\r\n{lines}\r\n".encode()

    @property
    def whole(self):
        return self.head() + self.body

    def holds(self, body, kind=None):
        return replace(self, fields=body if isinstance(body, bytes) else body.encode(), kind=kind or self.kind)


@dataclass
class Talk:
    parts: list
    end: str = READ
    each: bool = False  # an answer is waited for after each part


def said(shot):
    return Talk([shot.whole])


def talk(sock, what):
    """Says it all and returns what came back; whoever hangs up meanwhile may."""
    got = b""
    try:
        for part in what.parts:
            sock.sendall(part)
            if what.each:
                got = answer(sock)
        if what.end == RESET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return got
        if what.end == SHUT:
            sock.shutdown(socket.SHUT_WR)
        if not what.each:
            got = answer(sock)
    except OSError:
        pass
    finally:
        sock.close()
    return got


def is_whole(got):
    head, blank, body = got.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = [line for line in lines if line.startswith(b"content-length:")]
    if not blank or b" 100 " in lines[0]:
        return False
    if b"transfer-encoding: chunked" in lines:
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= int(length[0].split(b":")[1]) if length else b" 204 " in lines[0] or b" 303 " in lines[0]


def answer(sock):
    """One answer, or all until the other side closes."""
    got = b""
    while len(got) < ANSWER_MAX and not is_whole(got):
        part = sock.recv(65536)
        if not part:
            break
        got += part
    return got


# ---------------------------------------------------------------- around the body

def _query(names):
    return lambda shot, s: said(replace(shot, path=shot.path + ("&" if "?" in shot.path else "?") +
                                        "&".join(f"{name}={s}" for name in names if name not in shot.free)))


def _path(change):
    return lambda shot, s: said(replace(shot, path=change(shot.path.split("?")[0], s)))


def _headers(make):
    return lambda shot, s: said(replace(shot, headers={**shot.headers, **make(s)}))


PLACES = {
    "as the token": _headers(lambda s: {"Authorization": "Bearer " + s}),
    "as a password": _headers(lambda s: {"Authorization": "Basic " + base64.b64encode(b"admin:" + s.encode()).decode()}),
    "as the session": _headers(lambda s: {"Cookie": f"__Host-keyhouse={s}; __Host-keyhouse-admin={s}"}),
    "in others' headers": _headers(lambda s: {"D360-API-KEY": s, "X-Keyhouse-Secret": s, "X-Hub-Signature-256": "sha256=" + s,
                                              "x-360dialog-signature": s, "Referer": "http://localhost/?" + s,
                                              "User-Agent": s, "Origin": "https://" + s, "Cookie": s, "Accept": s}),
    "as a query of others": _query(["access_token", "hub.verify_token", "hub.challenge", "token", "appsecret_proof"]),
    "as a query of ours": _query(["limit", "cursor", "order", "state", "direction", "from", "after", "id", "done", "text",
                                  "connection", "change", "add", "since", "tokens", "sessions"]),
    "as the last of the path": _path(lambda path, s: path.rsplit("/", 1)[0] + "/" + s),
    "as the second of the path": _path(lambda path, s: "/".join(path.split("/")[:3] + [s] + path.split("/")[4:])),
    "behind the path": _path(lambda path, s: path + "/" + s),
    "in front of the path": _path(lambda path, s: "/" + s + path),
    "percent-encoded in the path": _path(lambda path, s: path + "/" + "".join(f"%{b:02x}" for b in s.encode())),
    "by an unknown method": lambda shot, s: said(replace(shot, method="BREW").holds(json.dumps({"api_key": s}))),
    "by another method": lambda shot, s: said(replace(shot, method={"GET": "PUT", "POST": "DELETE", "PUT": "POST"}.get(
        shot.method, "GET")).holds(json.dumps({"api_key": s}))),
    "by HEAD": lambda shot, s: said(replace(shot, method="HEAD", path=shot.path + "?token=" + s, fields=None)),
}


# ---------------------------------------------------------------- in the body

def _escaped(s):
    return "".join(f"\\u{ord(c):04x}" for c in s)


def _each(shot, value):
    """The request once for each field that is not anybody's to fill, with the value in it."""
    if not isinstance(shot.fields, dict):
        return Talk([shot.holds(json.dumps(value)).whole])
    names = [name for name in shot.fields if name not in shot.free]
    keep = replace(shot, headers={**shot.headers, "Connection": "keep-alive"})
    return Talk([replace(keep, fields={**shot.fields, name: value}).whole for name in names] or [keep.whole], each=True)


def _more(shot, name, value):
    return said(replace(shot, fields={**(shot.fields if isinstance(shot.fields, dict) else {}), name: value}))


def _chunks(shot, *chunks, last=b"0\r\n\r\n", end=READ):
    parts = [f"{len(c):x}\r\n".encode() + c + b"\r\n" for c in chunks]
    head = replace(shot, fields=None).head(Content_Type=shot.kind, Transfer_Encoding="chunked")
    return Talk([head, *parts, last], end)


def _cut(shot, s, end):
    body = json.dumps({"access_token": s, "app_secret": s}).encode() if shot.kind == JSON else f"access_token={s}&x=".encode()
    return Talk([shot.head(len(body) + 100) + body], end)


BODIES = {
    "in cut JSON": lambda shot, s: said(shot.holds('{"app_secret": "' + s)),
    "in an unknown field": lambda shot, s: _more(shot, "secret_key", s),
    "as a field's name": lambda shot, s: _more(shot, s, "x"),
    "in each field": _each,
    "in a list in each field": lambda shot, s: _each(shot, [s, {"key": s}]),
    "in a field that is there twice": lambda shot, s: said(shot.holds(
        shot.body[:-1] + b', "api_key": "' + s.encode() + b'", "api_key": "' + s.encode() + b'"}' if shot.kind == JSON
        else shot.body + b"&api_key=" + s.encode() + b"&api_key=" + s.encode())),
    "escaped": lambda shot, s: said(shot.holds('{"' + _escaped("api_key") + '": "' + _escaped(s) + '"}')),
    "in deep JSON": lambda shot, s: said(shot.holds('{"a":' * 70 + f'"{s}"' + "}" * 70)),
    "beside what is no UTF-8": lambda shot, s: said(shot.holds(b'{"api_key": "' + s.encode() + b'\xff"}')),
    "beside a NUL": lambda shot, s: said(shot.holds('{"api_key": "' + s + '\\u0000"}')),
    "beside a NUL byte": lambda shot, s: said(shot.holds(b"api_key=" + s.encode() + b"\0")),
    "as a plain text": lambda shot, s: said(shot.holds(s, "text/plain")),
    "as a form": lambda shot, s: said(shot.holds("access_token=" + s, FORM)),
    "as JSON": lambda shot, s: said(shot.holds(json.dumps({"access_token": s}), JSON)),
    "as CSV": lambda shot, s: said(shot.holds(f"name,price\n{s},{s}\n", "text/csv")),
    "as a file": lambda shot, s: said(shot.holds(f'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n{s}\r\n--x--\r\n',
                                                 "multipart/form-data; boundary=x")),
    "as an idempotency key": _headers(lambda s: {"Idempotency-Key": s}),
    "of another session's form": lambda shot, s: _more(shot, "csrf", s),
    "in too long a body": lambda shot, s: Talk([shot.head(LONG), (s + " ").encode() * 1500]),
    "in a long body": lambda shot, s: said(shot.holds(json.dumps({"api_key": [s] * 2000}))),
    "in a body cut off": lambda shot, s: _cut(shot, s, SHUT),
    "in a body broken off": lambda shot, s: _cut(shot, s, RESET),
    "in chunks": lambda shot, s: _chunks(shot, b'{"api_key": "' + s[:17].encode(), s[17:].encode() + b'"}'),
    "in broken chunks": lambda shot, s: _chunks(shot, b'{"api_key": "' + s.encode(), last=b"zz\r\n" + s.encode()),
    "in chunks cut off": lambda shot, s: _chunks(shot, b'{"api_key": "' + s.encode(), last=b"fff\r\n" + s.encode(), end=SHUT),
    "in chunks broken off": lambda shot, s: _chunks(shot, b'{"api_key": "' + s.encode(), last=b"fff\r\n" + s.encode(), end=RESET),
    "where the client asks first": lambda shot, s: Talk([shot.head(len(s) + 9, Expect="100-continue"), s.encode()], SHUT),
}


# ---------------------------------------------------------------- on the wire

def _lines(*lines, end=SHUT):
    return lambda shot, s: Talk([("\r\n".join((f"{shot.method} {shot.path} HTTP/1.1", "Host: x", *(l % {"s": s} for l in lines)))).encode()],
                                end)


WIRE = {
    "in half a head": _lines("Authorization: Bearer %(s)s", "X: %(s)s"),
    "in half a head broken off": _lines("Authorization: Bearer %(s)s", "X: %(s)s", end=RESET),
    "in too long a head": lambda shot, s: Talk([shot.head(X_Long="a" * 20000, X_Key=s) + b"", s.encode()], SHUT),
    "in too many headers": lambda shot, s: Talk([shot.head(**{f"X{n}": s for n in range(70)})], SHUT),
    "in a broken header": _lines("Authorization : Bearer %(s)s", "X-Key %(s)s", "", ""),
    "in a folded header": _lines("Authorization: Bearer", " %(s)s", "", ""),
    "beside two lengths": _lines("Content-Length: 5", "Content-Length: 60", "X: %(s)s", "", "%(s)s"),
    "beside length and chunks": _lines("Content-Length: 60", "Transfer-Encoding: chunked", "", "%(s)s"),
    "beside a length that is none": _lines("Content-Length: +60", "X: %(s)s", "", "%(s)s"),
    "beside a NUL in the head": _lines("X: %(s)s\0", "Authorization: Bearer %(s)s", "", "%(s)s"),
    "without a version": lambda shot, s: Talk([f"GET /{s}\r\n\r\n".encode()], SHUT),
    "as no HTTP at all": lambda shot, s: Talk([f"\x16\x03\x01{s}\n{s}\n\n".encode()], SHUT),
    "in a pipeline": lambda shot, s: Talk([b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + replace(
        shot, headers={**shot.headers, "Authorization": "Bearer " + s}).holds(json.dumps({"api_key": s})).whole +
        f"POST /{s} HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{s}".encode()], SHUT),
    "behind an answer": lambda shot, s: Talk([b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                                              f"POST / HTTP/1.1\r\nAuthorization: Bearer {s}\r\n".encode()], RESET),
}
