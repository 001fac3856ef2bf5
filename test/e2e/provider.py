"""Both providers, as a test has them in hand: the sandbox (examples/sandbox) in a process of its own, which makes no
status by itself.

    with Provider() as p:                        # p.url is "http://127.0.0.1:PORT"
        p.add_token("EAA...", numbers=["106540352242922"], app_id="4242", app_secret="...")
        p.add_d360_key("key", "206540352242922", waba_id="77")
        p.fault("error", number="106540352242922", http=400, code=131047)
        ...
        p.sent("106540352242922")                # the messages accepted, as parsed bodies
        p.requests                               # everything that came, as Request
        p.deliver("106540352242922", value)      # a webhook, to whatever address was registered

Its faults, and what else it can do: examples/sandbox/README.md.
"""
import base64
import collections
import http.client
import json
import os
import pathlib
import ssl
import subprocess
import threading
import time
import urllib.parse

from server import parsed

ROOT = pathlib.Path(__file__).resolve().parents[2]
BESIDE = pathlib.Path(os.environ.get("KEYHOUSE", ROOT / "build" / "keyhouse")).resolve().with_name("keyhouse-sandbox")
BINARY = pathlib.Path(os.environ.get("KEYHOUSE_SANDBOX", BESIDE)).resolve()
STARTING = "sandbox on "

Request = collections.namedtuple("Request", "at method path query headers body json number token api")
Delivery = collections.namedtuple("Delivery", "url status body")


def wamid(phone, unique=None):
    """A message id as Meta makes them: base64 that carries the customer's phone number."""
    inner = b"\x1c\x18" + bytes([len(phone)]) + phone.encode() + b"\x15\x02\x00\x11\x18" + (unique or os.urandom(9))
    return "wamid." + base64.b64encode(inner).decode()


class Sandbox:
    """The program, and calls of its own API."""

    def __init__(self, *flags, cert=None, key=None):
        tls = ["--cert", cert, "--key", key] if cert else []
        self._context = ssl.create_default_context(cafile=cert) if cert else None
        self._process = subprocess.Popen([BINARY, "--listen", "127.0.0.1:0", *flags, *tls], stdout=subprocess.PIPE,
                                         stdin=subprocess.DEVNULL, text=True, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1"})
        first = self._process.stdout.readline()
        assert first.startswith(STARTING), f"the sandbox did not start: {first!r}"
        self.url = first[len(STARTING):].strip()
        self.port = urllib.parse.urlsplit(self.url).port
        self._local = threading.local()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._process.terminate()
        self._process.wait(20)
        self._process.stdout.close()
        assert self._process.returncode == 0, f"the sandbox ended with {self._process.returncode}"

    def call(self, method, path, document=None, body=None, headers=None):
        """(status, parsed answer or bytes). The connection is the thread's own, and kept."""
        if document is not None:
            body = json.dumps(document).encode()
        for attempt in (1, 2):
            try:
                if getattr(self._local, "connection", None) is None:
                    self._local.connection = self._connect()
                self._local.connection.request(method, path, body, headers or {})
                answer = self._local.connection.getresponse()
                data = answer.read()
                break
            except (OSError, http.client.HTTPException):
                self._local.connection = None  # it was idle for too long
                if attempt == 2:
                    raise
        return answer.status, json.loads(data) if data and answer.getheader("Content-Type") == "application/json" else data

    def _connect(self):
        if self._context:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=90, context=self._context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)

    def ask(self, method, path, document=None):
        """The answer of a call that must succeed."""
        status, answer = self.call(method, path, document)
        assert status < 300, (method, path, status, answer)
        return answer

    @property
    def book(self):
        return self.ask("GET", "/sandbox/book")

    def patch(self, **parts):
        self.ask("PATCH", "/sandbox/book", parts)

    def write(self, number, message, phone="2348012345678", name="Ada", **more):
        """A customer writes to a shop: the entry."""
        return self.ask("POST", "/sandbox/messages", {"number": number, "message": message,
                                                      "customer": {"phone": phone, "name": name}, **more})


class Log:
    """A list of the sandbox's that only grows: what is known of it is not asked for again."""

    def __init__(self, sandbox, name, make):
        self._sandbox, self._name, self._make = sandbox, name, make
        self._lock = threading.Lock()
        self._items, self._next = [], 0

    def items(self, wait_ms=0):
        with self._lock:
            while True:
                answer = self._sandbox.ask("GET", f"/sandbox/{self._name}?after={self._next}&wait_ms={wait_ms}")
                if not answer[self._name]:
                    return list(self._items)
                self._items += map(self._make, answer[self._name])
                self._next, wait_ms = answer["next"], 0

    def forget(self):
        with self._lock:
            self._items = []

    def wait(self, count, timeout, wanted):
        until = time.monotonic() + timeout
        wait_ms = 0
        while True:
            found = [i for i in self.items(wait_ms) if wanted(i)]
            left = until - time.monotonic()
            if len(found) >= count:
                return found
            if left <= 0:
                raise AssertionError(f"{len(found)} of {count} after {timeout} s")
            wait_ms = max(1, min(int(left * 1000), 200))


def request_of(item):
    body = base64.b64decode(item["body"])
    return Request(item["at"], item["method"], item["path"], urllib.parse.parse_qs(item["query"], keep_blank_values=True),
                   dict(item["headers"]), body, parsed(body), item["number"], item["token"], item["api"])


class Graph:
    """What Meta knows of apps and WABAs."""

    def __init__(self, sandbox):
        self._sandbox = sandbox

    @property
    def apps(self):
        return {id_: {"callback": None, "verify_token": None, "fields": [], **app}
                for id_, app in self._sandbox.book["apps"].items()}

    @property
    def subscribed(self):
        return {waba: {app: override or None for app, override in apps.items()}
                for waba, apps in self._sandbox.book.get("subscribed", {}).items()}

    def override(self, waba, app_id):
        """The address that this WABA has of its own for that app, or None."""
        return self.subscribed.get(waba, {}).get(app_id)

    def set_callback(self, app_id, url):
        """As somebody else's tool would have left it."""
        self._sandbox.patch(apps={app_id: {"callback": url, "verify_token": "theirs", "fields": ["messages"]}})


class Dialog360:
    """What 360dialog knows of a number."""

    def __init__(self, sandbox):
        self._sandbox = sandbox

    def _keys(self, number):
        return [k for k, known in self._sandbox.book.get("keys", {}).items() if known["number"] == number]

    def change(self, number, **fields):
        """health=, platform_secret=, webhook={"url", "headers"}; deaf=True: it answers 200 to a new webhook and keeps the
        old one."""
        key = self._keys(number)[-1]
        self._sandbox.patch(keys={key: {name: None for name in fields}})  # not merged, replaced
        self._sandbox.patch(keys={key: fields})

    def webhook(self, number):
        """{"url", "headers"} as set now, or None."""
        return self._sandbox.book["keys"][self._keys(number)[-1]].get("webhook")


class Provider(Sandbox):
    def __init__(self, statuses="none", **more):
        super().__init__("--statuses", statuses, "--quiet", **more)
        self.graph, self.d360 = Graph(self), Dialog360(self)
        self._requests, self._sent = Log(self, "requests", request_of), Log(self, "sent", dict)

    # ------------------------------------------------------------ what it knows

    def add_token(self, token, numbers, app_id="4242", app_secret="0123456789abcdef0123456789abcdef", waba_ids=(), **more):
        """more: scopes=, expires_at=."""
        waba = {"waba": waba_ids[0]} if waba_ids else {}
        self.patch(apps={app_id: {"secret": app_secret}}, numbers={number: waba for number in numbers},
                   tokens={token: {"app": app_id, "numbers": list(numbers), "wabas": list(waba_ids), **more}})

    def add_d360_key(self, key, number, waba_id="880000000000001", display_phone_number="+49 30 901820", webhook=None, **more):
        """A new key of a number ends the older ones, and its webhook has to be set again (webhook: a foreign one that
        is there). One of 360dialog's sandbox (sandbox=True) ends none: each who tries it has one. more: health=,
        platform_secret=, tells_id=."""
        known = {"number": number, "waba": waba_id, "display_phone_number": display_phone_number, **more}
        if webhook:
            known["webhook"] = {"url": webhook, "headers": {}}
        ended = {} if more.get("sandbox") else self.book.get("keys", {})
        old = {k: {"valid": False} for k, about in ended.items() if about["number"] == number}
        self.patch(keys={**old, key: None})
        self.patch(keys={key: known})

    def describe_number(self, number, **fields):
        self.patch(numbers={number: fields})

    def revoke(self, token):
        """A Meta token answers 190 from now on, and debug_token says that it is not valid; a 360dialog key answers 401."""
        part = "keys" if token in self.book.get("keys", {}) else "tokens"
        self.patch(**{part: {token: {"valid": False}}})

    def deliver(self, number, value, **more):
        """A webhook of this number, to wherever the number's provider was told to send it: what each address answered.
        more: field=, api= (where the number is at both), prefix= and headers= of 360dialog's."""
        answer = self.ask("POST", "/sandbox/deliver", {"number": number, "value": value, **more})
        return [Delivery(d["url"], d["status"], d["body"].encode()) for d in answer["deliveries"]]

    # ------------------------------------------------------------ faults

    def fault(self, kind, **options):
        said = {name: value.decode() if isinstance(value, bytes) else value for name, value in options.items()}
        self.ask("POST", "/sandbox/faults", {"kind": kind, **said})

    def heal(self):
        self.ask("DELETE", "/sandbox/faults")

    # ------------------------------------------------------------ what came

    @property
    def requests(self):
        return self._requests.items()

    def sends(self, token=None):
        """Requests to send a message, accepted or not."""
        return [r for r in self.requests if r.method == "POST" and r.path.endswith("/messages") and token in (None, r.token)]

    def sent(self, number=None):
        """Bodies of accepted messages, each with "wamid", in the order of their acceptance."""
        return [m for m in self._sent.items() if number in (None, m["number"])]

    def reset(self):
        self.ask("DELETE", "/sandbox/requests")
        self._requests.items(), self._sent.items()
        self._requests.forget(), self._sent.forget()

    def wait_requests(self, count, timeout=10, matching=lambda request: True):
        """The requests once there are count of them; AssertionError after timeout."""
        return self._requests.wait(count, timeout, matching)

    def wait_sent(self, count, timeout=10, number=None):
        return self._sent.wait(count, timeout, lambda m: number in (None, m["number"]))
