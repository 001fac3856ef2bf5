"""A small fake of both providers on loopback, for tests: Meta's Graph API (graph.py) and 360dialog's Messaging API
(dialog360.py) behind one address, with what they have in common: who asked what, which messages were accepted, faults.

Usable as a library:

    with Provider() as p:                        # p.url is "http://127.0.0.1:PORT"
        p.add_token("EAA...", numbers=["106540352242922"], app_id="4242", app_secret="...")
        p.add_d360_key("key", "206540352242922", waba_id="77")
        p.fault("error", number="106540352242922", http=400, code=131047)
        ...
        p.sent("106540352242922")                # the messages accepted, as parsed bodies
        p.requests                               # everything that came, as Request
        p.deliver("106540352242922", value)      # a webhook, to whatever address was registered

and by hand: python3 provider.py --port 8900 --token EAAG...=106540352242922 --key secret=206540352242922

A request is recorded before a fault takes hold. Faults:

    error      http=, code=, subcode=, message=, details=, transient=, retry_after=; text= for one of 360dialog's own;
               body= for these very bytes
    hang       reads the request, answers nothing until the provider closes
    drop       reads the request, closes without an answer (what it asked is not accepted)
    accept_drop  accepts the message, then closes without an answer
    drop_before  closes before it reads the body
    slow       delay= seconds, then the usual answer
    huge       a body of 100 MB
    html       http= (default 200), an HTML page
    redirect   http= (default 302), location=
    truncated  promises the whole JSON, sends half of it
    garbled    200 with a body that is cut JSON
    no_id      200 without a message id
"""
import argparse
import base64
import collections
import json
import os
import re
import time
import urllib.parse

import dialog360
import graph
from server import Handler, Loopback, parsed

Request = collections.namedtuple("Request", "at method path query headers body json number token client api")

FAULTS = {"error", "hang", "drop", "accept_drop", "drop_before", "slow", "huge", "html", "redirect",
          "truncated", "garbled", "no_id"}


def wamid(phone, unique=None):
    """A message id as Meta makes them: base64 that carries the customer's phone number."""
    inner = b"\x1c\x18" + bytes([len(phone)]) + phone.encode() + b"\x15\x02\x00\x11\x18" + (unique or os.urandom(9))
    return "wamid." + base64.b64encode(inner).decode()


class Provider(Loopback):
    def __init__(self, port=0):
        self._faults = []
        self._requests = []
        self._sent = []
        self.graph = graph.Graph(self)
        self.d360 = dialog360.Dialog360(self)
        super().__init__(ProviderHandler, port)

    # ------------------------------------------------------------ what it knows

    def add_token(self, token, numbers, **more):
        self.graph.add_token(token, numbers, **more)

    def add_d360_key(self, key, number, **more):
        self.d360.add_key(key, number, **more)

    def describe_number(self, number, **fields):
        self.graph.describe_number(number, **fields)

    def revoke(self, token):
        """A Meta token answers 190 from now on, and debug_token says that it is not valid; a 360dialog key answers 401."""
        (self.d360 if self.d360.knows(token) else self.graph).revoke(token)

    def deliver(self, number, value, **more):
        """A webhook of this number, to wherever the number's provider was told to send it: what each address answered.
        A number of both providers: name one with api="meta" or api="360dialog"."""
        api = more.pop("api", None) or ("360dialog" if self.d360.has_number(number) else "meta")
        return (self.d360 if api == "360dialog" else self.graph).deliver(number, value, **more)

    # ------------------------------------------------------------ faults

    def fault(self, kind, number=None, times=None, on="", holding=b"", **options):
        """What matches meets it: requests of a number, "debug_token", or all; of these such as end with on, which is a
        method and path ("POST /messages" is 360dialog's, "/messages" is everybody's), and whose body holds these bytes.
        times=None: for ever."""
        if kind not in FAULTS:
            raise ValueError(f"no such fault: {kind}")
        with self.lock:
            self._faults.append({"kind": kind, "number": number, "on": on, "holding": holding, "left": times, **options})

    def heal(self):
        with self.lock:
            self._faults.clear()

    def take_fault(self, number, what, body):
        """body None: it is not read yet."""
        with self.lock:
            for fault in self._faults:
                if fault["number"] not in (None, number) or not what.endswith(fault["on"]) or \
                        (fault["kind"] == "drop_before") != (body is None) or fault["holding"] not in (body or b""):
                    continue
                if fault["left"] is not None:
                    fault["left"] -= 1
                    if fault["left"] <= 0:
                        self._faults.remove(fault)
                return dict(fault)
        return None

    # ------------------------------------------------------------ what came

    @property
    def requests(self):
        with self.lock:
            return list(self._requests)

    def sends(self, token=None):
        """Requests to send a message, accepted or not."""
        return [r for r in self.requests if r.method == "POST" and r.path.endswith("/messages") and token in (None, r.token)]

    def sent(self, number=None):
        """Bodies of accepted messages, each with "wamid", in the order of their acceptance."""
        with self.lock:
            return [m for m in self._sent if number is None or m["number"] == number]

    def reset(self):
        with self.lock:
            self._requests.clear()
            self._sent.clear()
            self._faults.clear()

    def wait_requests(self, count, timeout=10, matching=None):
        """The requests once there are count of them; AssertionError after timeout."""
        return self.wait(lambda: [r for r in self._requests if matching is None or matching(r)], count, timeout)

    def wait_sent(self, count, timeout=10, number=None):
        return self.wait(lambda: [m for m in self._sent if number is None or m["number"] == number], count, timeout)

    # ------------------------------------------------------------ for those who answer

    def record(self, request):
        with self.lock:
            self._requests.append(request)
            self.tell()

    def accept(self, api, number, body):
        """Accepts a message as sent: the answer to it."""
        phone = re.sub(r"\D", "", body.get("to", "")) if isinstance(body.get("to"), str) else ""
        contact = {"input": body.get("to") or body.get("recipient")}
        if phone:
            contact["wa_id"] = phone
        else:
            contact["user_id"] = body.get("recipient")
        message = {"api": api, "number": number, "body": body, "wamid": wamid(phone or "0"), "at": time.time()}
        with self.lock:
            self._sent.append(message)
            self.tell()
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": message["wamid"]}]}


class ProviderHandler(Handler):
    """Whose path it is, answers: Graph paths begin with a version, the rest is 360dialog's."""

    def serve(self):
        parts = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
        speaker = self.house.graph if graph.VERSIONED.match(parts.path) else self.house.d360
        number, token = speaker.who(parts.path, self.headers)
        what = f"{self.command} {parts.path}"

        def record(body):
            document = parsed(body)
            self.house.record(Request(time.time(), self.command, parts.path, query, dict(self.headers.items()), body,
                                      document, number, token, self.client_address, speaker.name))
            return document

        if self.house.take_fault(number, what, None):
            record(b"")
            self.drop()
            return
        body = self.body()
        if body is None:
            self.drop()
            return
        document = record(body)
        fault = self.house.take_fault(number, what, body)
        if fault and not self.meet(fault, speaker, number, document):
            return
        status, answer = speaker.answer(self.command, parts.path, query, document, token)
        self.answer(status, answer, [("x-fb-trace-id", "AbCdEf0123")])

    def meet(self, fault, speaker, number, document):
        """True: go on and answer as usual."""
        kind = fault["kind"]
        if kind == "slow":
            self.house.closing.wait(fault.get("delay", 1))
            return True
        if kind == "error":
            headers = [("Retry-After", str(fault["retry_after"]))] if "retry_after" in fault else []
            body = fault["body"] if "body" in fault else json.dumps(refusal(fault)).encode()
            self.raw(fault.get("http", 400), body, headers=headers)
        elif kind == "hang":
            self.hang()
        elif kind == "drop":
            self.drop()
        elif kind == "accept_drop":
            self.house.accept(speaker.name, number, document or {})
            self.drop()
        elif kind == "huge":
            self.huge()
        elif kind == "html":
            self.raw(fault.get("http", 200), b"<!doctype html><title>Sorry</title><p>Something went wrong.", "text/html")
        elif kind == "redirect":
            self.raw(fault.get("http", 302), b"", headers=[("Location", fault.get("location", self.house.url + "/stolen"))])
        elif kind == "truncated":
            whole = json.dumps(self.house.accept(speaker.name, number, document or {})).encode()
            self.raw(200, whole[:len(whole) // 2], promise=len(whole))
            self.drop()
        elif kind == "garbled":
            whole = json.dumps(self.house.accept(speaker.name, number, document or {})).encode()
            self.raw(200, whole[:len(whole) // 2])
        elif kind == "no_id":
            self.answer(200, {"messaging_product": "whatsapp", "contacts": [], "messages": [{}]})
        return False


def refusal(fault):
    if "text" in fault:
        return dialog360.error(fault.get("http", 400), fault["text"])
    code = fault.get("code", 131000)
    return graph.error(code, fault.get("message", f"(#{code}) Fault"), fault.get("subcode"), fault.get("details"),
                       fault.get("transient"))


def main():
    parser = argparse.ArgumentParser(description="A fake Graph API and 360dialog API on loopback.")
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--token", action="append", default=[], help="TOKEN=NUMBER[,NUMBER...]")
    parser.add_argument("--app", default="4242=0123456789abcdef0123456789abcdef", help="APP_ID=APP_SECRET")
    parser.add_argument("--key", action="append", default=[], help="KEY=NUMBER of 360dialog")
    arguments = parser.parse_args()
    app_id, _, app_secret = arguments.app.partition("=")
    with Provider(arguments.port) as provider:
        for item in arguments.token:
            token, _, numbers = item.partition("=")
            provider.add_token(token, [n for n in numbers.split(",") if n], app_id=app_id, app_secret=app_secret)
        for item in arguments.key:
            key, _, number = item.partition("=")
            provider.add_d360_key(key, number)
        print("listening on", provider.url, flush=True)
        seen = 0
        while True:
            time.sleep(0.2)
            for request in provider.requests[seen:]:
                seen += 1
                print(request.method, request.path, len(request.body), flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
