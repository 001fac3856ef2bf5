"""A fake of the platform that writes the answers. It checks both signatures by itself, keeps every ask as it came, and
answers as it is told: each step of then() is used once, after these comes usual.

    with Platform() as p:
        p.secrets[business] = "whsec_..."
        p.then(fail(500), fail(500))             # the next two asks; after them:
        p.usual = say("It is 450,000")
        (ask,) = p.wait_asks(1)
        ask.id, ask.message, ask.signed
"""
import base64
import hashlib
import hmac
import time

from server import Handler, Loopback, parsed

CLOCK_TOLERANCE_S = 300  # as the Standard Webhooks libraries have it


class Ask:
    """One POST of the gateway's."""

    def __init__(self, headers, body, secret):
        self.at, self.body, self.json = time.monotonic(), body, parsed(body)
        self.headers = {k.lower(): v for k, v in headers.items()}
        self.id = self.headers.get("webhook-id")
        self.business = self.headers.get("x-keyhouse-business")
        self.fault = signature_fault(self.headers, body, secret)

    @property
    def is_event(self):
        """Of the gateway's own, not a customer's."""
        return isinstance(self.json, dict) and self.json.get("object") == "keyhouse"

    @property
    def signed(self):
        return self.fault is None

    @property
    def value(self):
        return self.json["entry"][0]["changes"][0]["value"]

    @property
    def message(self):
        """The one message it carries, or None."""
        return self.value.get("messages", [None])[0]

    @property
    def status(self):
        return self.value.get("statuses", [None])[0]


def signature_fault(headers, body, secret):
    """None, or what is wrong with an ask's signatures: Standard Webhooks' over "id.timestamp.body" with the bytes in
    the secret, and Meta's with the secret's whole text."""
    if secret is None:
        return "no secret is known for this business"
    id_, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not id_ or not at.isdigit() or abs(time.time() - int(at)) > CLOCK_TOLERANCE_S:
        return "webhook-id or webhook-timestamp"
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    mac = hmac.new(key, f"{id_}.{at}.".encode() + body, hashlib.sha256).digest()
    if "v1," + base64.b64encode(mac).decode() not in headers.get("webhook-signature", "").split(" "):
        return "webhook-signature"
    if headers.get("x-hub-signature-256") != "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest():
        return "X-Hub-Signature-256"
    return None


# ------------------------------------------------------------ steps: each is called with the handler and the ask

def reply(status, document, headers=()):
    return lambda handler, ask: handler.answer(status, document, headers)


def say(text, **more):
    """One text message, and what else it is to name, such as to=."""
    return reply(200, {"messages": [{"type": "text", "text": {"body": text}, **more}]})


def echo(handler, ask):
    """An answer by which its question is known; nothing is said to a status."""
    if ask.message is None:
        empty()(handler, ask)
    else:
        say("Re: " + ask.message["text"]["body"])(handler, ask)


def empty(status=204, body=b""):
    return lambda handler, ask: handler.raw(status, body)


def fail(status, headers=()):
    return reply(status, {"error": "the model is tired"}, headers)


def hang(handler, ask):
    handler.hang()


def drop(handler, ask):
    handler.drop()


def slow(seconds, step):
    def late(handler, ask):
        handler.house.closing.wait(seconds)
        step(handler, ask)
    return late


def garbage(body=b"<!doctype html><p>Welcome!", kind="text/html"):
    return lambda handler, ask: handler.raw(200, body, kind)


def redirect(location):
    return lambda handler, ask: handler.raw(307, b"", headers=[("Location", location)])


def huge(handler, ask):
    handler.huge()


class Platform(Loopback):
    def __init__(self, port=0):
        self._asks, self._events = [], []
        self._steps = []
        self.to_events = empty()  # what events of the gateway's own are answered; they are no asks, and use up no step
        self.secrets = {}  # of businesses
        self.usual = echo
        super().__init__(PlatformHandler, port)

    @property
    def place(self):
        """For responder_allow."""
        return f"127.0.0.1:{self.port}"

    def then(self, *steps):
        with self.lock:
            self._steps += steps

    def take_step(self):
        with self.lock:
            return self._steps.pop(0) if self._steps else self.usual

    @property
    def events(self):
        with self.lock:
            return list(self._events)

    @property
    def asks(self):
        with self.lock:
            return list(self._asks)

    def questions(self, business=None):
        return [a for a in self.asks if a.message is not None and business in (None, a.business)]

    def statuses(self):
        return [a for a in self.asks if a.status is not None]

    def wait_asks(self, count, timeout=10):
        return self.wait(lambda: list(self._asks), count, timeout)

    def record(self, ask):
        with self.lock:
            (self._events if ask.is_event else self._asks).append(ask)
            self.tell()


class PlatformHandler(Handler):
    def serve(self):
        body = self.body()
        if body is None:
            self.drop()
            return
        ask = Ask(self.headers, body, self.house.secrets.get(self.headers.get("X-Keyhouse-Business")))
        ask.path = self.path
        self.house.record(ask)
        (self.house.to_events if ask.is_event else self.house.take_step())(self, ask)
