"""A small fake of Meta's Graph API on loopback, for tests.

Usable as a library:

    with Provider() as p:                        # p.url is "http://127.0.0.1:PORT"
        p.add_token("EAA...", numbers=["106540352242922"], app_id="4242", app_secret="...")
        p.fault(number="106540352242922", kind="error", http=400, code=131047)
        ...
        p.sent("106540352242922")                # the messages accepted, as parsed bodies
        p.requests                               # everything that came, as Request

and by hand: python3 provider.py --port 8900 --token EAA...=106540352242922

What it knows: POST /v{N}.{M}/{number}/messages, GET /v{N}.{M}/{number}?fields=..., and
GET /v{N}.{M}/debug_token. A request is recorded before a fault takes hold. Faults:

    error      http=, code=, subcode=, message=, details=, transient=, retry_after=
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
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Request = collections.namedtuple("Request", "at method path query headers body json number token client")

FAULTS = {"error", "hang", "drop", "accept_drop", "drop_before", "slow", "huge", "html", "redirect",
          "truncated", "garbled", "no_id"}

ROUTE = re.compile(r"^/v\d+\.\d+/(?P<node>\d+|debug_token)(?P<messages>/messages)?$")


def wamid(phone, unique=None):
    """A message id as Meta makes them: base64 that carries the customer's phone number."""
    inner = b"\x1c\x18" + bytes([len(phone)]) + phone.encode() + b"\x15\x02\x00\x11\x18" + (unique or os.urandom(9))
    return "wamid." + base64.b64encode(inner).decode()


class Provider:
    def __init__(self, port=0):
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._closing = threading.Event()
        self._tokens = {}
        self._numbers = {}
        self._faults = []
        self._requests = []
        self._sent = []
        provider = self

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256
            block_on_close = False

            def handle_error(self, request, client_address):
                pass

        self._server = Server(("127.0.0.1", port), type("Bound", (_Handler,), {"provider": provider}))
        self.port = self._server.server_address[1]
        self.url = "http://127.0.0.1:%d" % self.port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    # ------------------------------------------------------------ what it knows

    def add_token(self, token, numbers, app_id="4242", app_secret="0123456789abcdef0123456789abcdef", waba_ids=(),
                  scopes=("whatsapp_business_messaging", "whatsapp_business_management"), expires_at=0):
        with self._lock:
            self._tokens[token] = {"numbers": list(numbers), "app_id": app_id, "app_secret": app_secret,
                                   "waba_ids": list(waba_ids), "scopes": list(scopes), "expires_at": expires_at,
                                   "valid": True}
            for number in numbers:
                self._numbers.setdefault(number, {
                    "id": number, "display_phone_number": "+1 555-%s" % number[-7:], "verified_name": "Test Shop",
                    "quality_rating": "GREEN", "code_verification_status": "VERIFIED", "platform_type": "CLOUD_API",
                    "throughput": {"level": "STANDARD"}})

    def describe_number(self, number, **fields):
        with self._lock:
            self._numbers[number].update(fields)

    def revoke(self, token):
        """The token answers 190 from now on, and debug_token says that it is not valid."""
        with self._lock:
            self._tokens[token]["valid"] = False

    def fault(self, kind, number=None, times=None, **options):
        """What matches (a number's requests, "debug_token", or all) meets it; times=None: for ever."""
        if kind not in FAULTS:
            raise ValueError("no such fault: %s" % kind)
        with self._lock:
            self._faults.append({"kind": kind, "number": number, "left": times, **options})

    def heal(self):
        with self._lock:
            self._faults.clear()

    # ------------------------------------------------------------ what came

    @property
    def requests(self):
        with self._lock:
            return list(self._requests)

    def sent(self, number=None):
        """Bodies of accepted messages, each with "wamid", in the order of their acceptance."""
        with self._lock:
            return [m for m in self._sent if number is None or m["number"] == number]

    def reset(self):
        with self._lock:
            self._requests.clear()
            self._sent.clear()
            self._faults.clear()

    def wait_requests(self, count, timeout=10, matching=None):
        """The requests once there are count of them; AssertionError after timeout."""
        return self._wait(lambda: [r for r in self._requests if matching is None or matching(r)], count, timeout)

    def wait_sent(self, count, timeout=10, number=None):
        return self._wait(lambda: [m for m in self._sent if number is None or m["number"] == number], count, timeout)

    def _wait(self, look, count, timeout):
        until = time.monotonic() + timeout
        with self._changed:
            while True:
                found = look()
                left = until - time.monotonic()
                if len(found) >= count:
                    return found
                if left <= 0:
                    raise AssertionError("%d of %d after %s s" % (len(found), count, timeout))
                self._changed.wait(left)

    # ------------------------------------------------------------ for the handler

    def _record(self, request):
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()

    def _accept(self, number, body):
        phone = re.sub(r"\D", "", body.get("to", "")) if isinstance(body.get("to"), str) else ""
        contact = {"input": body.get("to") or body.get("recipient")}
        if phone:
            contact["wa_id"] = phone
        else:
            contact["user_id"] = body.get("recipient")
        message = {"number": number, "body": body, "wamid": wamid(phone or "0"), "at": time.time()}
        with self._changed:
            self._sent.append(message)
            self._changed.notify_all()
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": message["wamid"]}]}

    def _take_fault(self, number, before_body):
        with self._lock:
            for fault in self._faults:
                if fault["number"] not in (None, number) or (fault["kind"] == "drop_before") != before_body:
                    continue
                if fault["left"] is not None:
                    fault["left"] -= 1
                    if fault["left"] <= 0:
                        self._faults.remove(fault)
                return dict(fault)
        return None

    def _who(self, token):
        with self._lock:
            known = self._tokens.get(token)
            return dict(known) if known else None

    def _number(self, number):
        with self._lock:
            return dict(self._numbers[number]) if number in self._numbers else None


def graph_error(code, message, subcode=None, details=None, transient=None, kind="OAuthException"):
    error = {"message": message, "type": kind, "code": code, "fbtrace_id": "AbCdEf0123"}
    if subcode is not None:
        error["error_subcode"] = subcode
    if details is not None:
        error["error_data"] = {"messaging_product": "whatsapp", "details": details}
    if transient is not None:
        error["is_transient"] = transient
    return {"error": error}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider = None
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._serve()

    def do_POST(self):
        self._serve()

    # ------------------------------------------------------------ one request

    def _serve(self):
        parts = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
        route = ROUTE.match(parts.path)
        node = route.group("node") if route else None
        early = self.provider._take_fault(node, before_body=True)
        if early:
            self._record(node, parts.path, query, b"")
            self._drop()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parsed = self._record(node, parts.path, query, body)
        fault = self.provider._take_fault(node, before_body=False)
        if fault and not self._fault(fault, node, parsed):
            return
        if route is None:
            self._answer(404, graph_error(2500, "Unknown path components", kind="OAuthException"))
        elif node == "debug_token":
            self._debug_token(query)
        elif route.group("messages") and self.command == "POST":
            self._message(node, parsed)
        elif not route.group("messages") and self.command == "GET":
            self._node(node, query)
        else:
            self._answer(400, graph_error(100, "Unsupported request"))

    def _record(self, node, path, query, body):
        try:
            parsed = json.loads(body) if body else None
        except ValueError:
            parsed = None
        self.provider._record(Request(time.time(), self.command, path, query, dict(self.headers.items()), body, parsed,
                                      node, self._bearer(), self.client_address))
        return parsed

    def _bearer(self):
        value = self.headers.get("Authorization") or ""
        return value[7:] if value.startswith("Bearer ") else None

    def _answer(self, status, document, headers=()):
        self._raw(status, json.dumps(document).encode(), headers=headers)

    def _raw(self, status, body, kind="application/json; charset=UTF-8", headers=(), promise=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if promise is None else promise))
        self.send_header("x-fb-trace-id", "AbCdEf0123")
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _drop(self):
        self.close_connection = True

    # ------------------------------------------------------------ faults

    def _fault(self, fault, node, parsed):
        """True: go on and answer as usual."""
        kind = fault["kind"]
        if kind == "slow":
            self.provider._closing.wait(fault.get("delay", 1))
            return True
        if kind == "error":
            headers = [("Retry-After", str(fault["retry_after"]))] if "retry_after" in fault else []
            self._answer(fault.get("http", 400), graph_error(
                fault.get("code", 131000), fault.get("message", "(#%d) Fault" % fault.get("code", 131000)),
                fault.get("subcode"), fault.get("details"), fault.get("transient")), headers)
        elif kind == "hang":
            self.provider._closing.wait()
            self._drop()
        elif kind == "drop":
            self._drop()
        elif kind == "accept_drop":
            self.provider._accept(node, parsed or {})
            self._drop()
        elif kind == "huge":
            self._huge()
        elif kind == "html":
            self._raw(fault.get("http", 200), b"<!doctype html><title>Sorry</title><p>Something went wrong.", "text/html")
        elif kind == "redirect":
            self._raw(fault.get("http", 302), b"", headers=[("Location", fault.get("location", self.provider.url + "/stolen"))])
        elif kind == "truncated":
            whole = json.dumps(self.provider._accept(node, parsed or {})).encode()
            self._raw(200, whole[:len(whole) // 2], promise=len(whole))
            self._drop()
        elif kind == "garbled":
            whole = json.dumps(self.provider._accept(node, parsed or {})).encode()
            self._raw(200, whole[:len(whole) // 2])
        elif kind == "no_id":
            self._answer(200, {"messaging_product": "whatsapp", "contacts": [], "messages": [{}]})
        return False

    def _huge(self):
        chunk = b" " * 65536
        self._raw(200, b"", promise=len(chunk) * 1600)
        try:
            for _ in range(1600):
                self.wfile.write(chunk)
        except OSError:
            self._drop()

    # ------------------------------------------------------------ what Meta does

    def _refuse_token(self):
        self._answer(401, graph_error(190, "Error validating access token: Session has expired", 463))

    def _message(self, number, body):
        who = self.provider._who(self._bearer())
        if who is None or not who["valid"]:
            self._refuse_token()
        elif number not in who["numbers"]:
            self._answer(400, graph_error(100, "Unsupported post request. Object with ID '%s' does not exist" % number, 33))
        elif not isinstance(body, dict) or body.get("messaging_product") != "whatsapp":
            self._answer(400, graph_error(100, "(#100) The parameter messaging_product is required."))
        elif not (body.get("to") or body.get("recipient")) or not isinstance(body.get(body.get("type", "")), (dict, list)):
            self._answer(400, graph_error(131008, "(#131008) Required parameter is missing"))
        else:
            self._answer(200, self.provider._accept(number, body))

    def _node(self, number, query):
        who = self.provider._who(self._bearer())
        known = self.provider._number(number)
        if who is None or not who["valid"]:
            self._refuse_token()
        elif known is None or number not in who["numbers"]:
            self._answer(400, graph_error(100, "Unsupported get request. Object with ID '%s' does not exist" % number, 33))
        else:
            wanted = (query.get("fields") or ["id,display_phone_number,verified_name,quality_rating"])[0].split(",")
            self._answer(200, {key: known[key] for key in dict.fromkeys(wanted + ["id"]) if key in known})

    def _debug_token(self, query):
        asked = self.provider._who((query.get("input_token") or [""])[0])
        bearer = self._bearer() or ""
        app_id, _, secret = bearer.partition("|")
        with self.provider._lock:
            apps = {(t["app_id"], t["app_secret"]) for t in self.provider._tokens.values()}
        if (app_id, secret) not in apps:
            self._answer(400, graph_error(190, "Invalid OAuth access token signature."))
        elif asked is None:
            self._answer(200, {"data": {"is_valid": False, "scopes": [], "error": {
                "code": 190, "message": "Malformed access token", "subcode": 467}}})
        else:
            self._answer(200, {"data": {
                "app_id": asked["app_id"], "type": "SYSTEM_USER", "application": "Test App",
                "data_access_expires_at": 0, "expires_at": asked["expires_at"], "is_valid": asked["valid"],
                "issued_at": 1700000000, "scopes": asked["scopes"], "user_id": "1000",
                "granular_scopes": [{"scope": s, "target_ids": asked["waba_ids"]} if asked["waba_ids"] else {"scope": s}
                                    for s in asked["scopes"]]}})


def main():
    parser = argparse.ArgumentParser(description="A fake Graph API on loopback.")
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--token", action="append", default=[], help="TOKEN=NUMBER[,NUMBER...]")
    parser.add_argument("--app", default="4242=0123456789abcdef0123456789abcdef", help="APP_ID=APP_SECRET")
    arguments = parser.parse_args()
    app_id, _, app_secret = arguments.app.partition("=")
    with Provider(arguments.port) as provider:
        for item in arguments.token:
            token, _, numbers = item.partition("=")
            provider.add_token(token, [n for n in numbers.split(",") if n], app_id, app_secret)
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
