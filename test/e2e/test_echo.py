"""Goal of this test: a provider that repeats every key it is given, in headers and in each field of good answers and of
refusals, raw, encoded and in bodies of any length, teaches the rest of the house nothing: no answer of ours, no page, no
log line, no file and neither the listener's nor the sender's memory holds one afterwards."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import random
import re
import string
import threading
import urllib.parse

import pytest

from conftest import Gateway, wait_for
from remains import needles, search, search_files

NUMBER, WABA, APP, D360_NUMBER = "106540352242922", "102290129340398", "4242", "206540352242922"
TOO_LONG = 1 << 20

WRITINGS = {
    "raw": lambda s: s,
    "url": lambda s: urllib.parse.quote(s, safe=""),
    "url, all and in lower case": lambda s: "".join(f"%{b:02x}" for b in s.encode()),
    "url twice": lambda s: urllib.parse.quote(urllib.parse.quote(s, safe=""), safe=""),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "in base64": lambda s: base64.b64encode(f"4:{s}:".encode()).decode(),
}


class Echo:
    """Repeats what it was asked with. good: its answers are such as the providers give; else refusals with this status."""

    def __init__(self):
        self.good, self.status, self.writing, self.pad, self.seen = True, 400, "raw", 0, []
        echo = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                echo.answer(self)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # who hears too much hangs up
        self.place = f"127.0.0.1:{self.server.server_port}"
        self.url = "http://" + self.place
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def keys_of(self, request, body):
        """Everything in the request that is a key or made of one."""
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
        keys = [request.headers.get("D360-API-KEY"), (request.headers.get("Authorization") or "").partition(" ")[2]]
        keys += [v for name in ("input_token", "client_secret", "fb_exchange_token", "appsecret_proof") for v in query.get(name, [])]
        if request.path.endswith("/configs/webhook") and body:
            keys += json.loads(body)["headers"].values()
        return [k for k in keys if k]

    def document(self, said, path):
        if not self.good:
            return {"error": {"message": f"bad {said}", "code": 131047, "error_data": {"details": f"{said} at {path}"}},
                    "meta": {"success": False, "developer_message": f"Invalid {said}"}}
        number = {"id": said, "display_phone_number": said, "verified_name": said, "quality_rating": {said: [said]},
                  "platform_type": said, "status": said, "name_status": said, "throughput": {"level": said}}
        listed = [{**number, "object": "whatsapp_business_account", "callback_url": f"https://{said}/{said}",
                   "whatsapp_business_api_data": {"id": APP}, "override_callback_uri": f"https://x:{said}@{said}.example/"}]
        token = {"app_id": said, "type": said, "is_valid": True, "expires_at": 0, "scopes": [said],
                 "granular_scopes": [{"scope": said, "target_ids": [said]}]}
        return {**number, "messages": [{"id": "wamid." + said, "message_status": said}],
                "contacts": [{"wa_id": said, "user_id": said}], "data": token if "debug_token" in path else listed,
                "health_status": {"can_send_message": said, "entities": [
                    {"entity_type": said, "id": said, "errors": [{"error_description": f"it is {said}"}]}]},
                "success": True, "url": f"https://{said}.example/{said}", "headers": {said: said}}

    def answer(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        said = " ".join(WRITINGS[self.writing](key) for key in self.keys_of(request, body))
        text = json.dumps({**self.document(said, request.path), "padding": (said + " ") * (self.pad // (len(said) + 1))})
        self.seen.append((request.command, request.path.partition("?")[0]))
        request.send_response(200 if self.good else self.status, said)
        for name in ("X-Echo", "Retry-After", "Location", "WWW-Authenticate", "Set-Cookie"):
            request.send_header(name, said)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text.encode())


@pytest.fixture
def echo():
    e = Echo()
    yield e
    e.close()


@pytest.fixture
def house(echo, directory):
    g = Gateway(directory, echo.url)
    g.start()
    yield g
    g.stop()


def word(length):
    return "".join(random.choices(string.ascii_lowercase, k=length))


class Asker:
    """Whose answers are kept, to be searched."""

    def __init__(self, gateway):
        self.gateway, self.heard = gateway, []

    def __call__(self, method, path, body=None):
        answer = self.gateway.api(method, path, body)
        self.heard.append(answer.body + repr(answer.headers).encode())
        return answer

    def words(self, *command):
        done = self.gateway.run(*command, check=False)
        self.heard.append((done.stdout + done.stderr).encode())


def connect(ask, secrets):
    for business in ("meta", "dialog"):
        assert ask("POST", "/v1/businesses", {"id": business, "name": business}).status == 201
    meta = ask("POST", "/v1/businesses/meta/connections", {
        "provider": "meta", "app_id": APP, "app_secret": secrets["app secret"], "access_token": secrets["access token"],
        "waba_id": WABA, "phone_number_id": NUMBER, "verify": False})
    dialog = ask("POST", "/v1/businesses/dialog/connections", {
        "provider": "360dialog", "api_key": secrets["key"], "phone_number_id": D360_NUMBER, "verify": False})
    assert (meta.status, dialog.status) == (201, 201), (meta.body, dialog.body)
    secrets["webhook secret"] = dialog.json["webhook_headers"]["X-Keyhouse-Secret"]
    ask.heard.clear()  # it was shown there, once
    return [("meta", meta.json["id"]), ("dialog", dialog.json["id"])]


def use(ask, connections, register=False):
    """Everything that asks a provider; register: also what waits for its handshake."""
    for business, connection in connections:
        at = f"/v1/businesses/{business}"
        sent = ask("POST", at + "/messages", {"to": "+16505551234", "type": "text", "text": {"body": "hello"}})
        assert sent.status == 202, sent.body
        ask("POST", f"{at}/connections/{connection}/test")
        if register:
            ask("PATCH", f"{at}/connections/{connection}", {"take_over": True})
            ask.words("doctor", business)
        ask("POST", at + "/doctor")
        ask.words("connection", "test", business, connection)
        wait_for(lambda: ask("GET", f"{at}/messages/{sent.json['id']}").json["state"] not in ("queued", "sending"), 5, 0.1)
        for path in ("", "/connections", f"/connections/{connection}", "/messages", "/events", "/usage"):
            ask("GET", at + path)


def left(ask, gateway, values):
    """Where any of it is."""
    wanted = needles(values)
    said = [f"{label} in an answer: {text[:300]!r}" for text in ask.heard for label, needle in wanted if needle in text]
    files = [p for p in gateway.data.iterdir() if p.is_file()] + [gateway.log_path]
    return said + search_files(files, values)


def remembered(gateway, values):
    if os.environ.get("KH_SKIP_MEMORY") == "1":
        return []
    return [f"{role}: {hit}" for role in ("listener", "sender") for hit in search(gateway.role_pid(role), values)]


def test_a_provider_that_repeats_every_key(echo, house):
    # Letters alone: by its look, as it would hide most keys, a reason hides none of these.
    secrets = {"access token": "EAAG" + word(60), "app secret": word(32), "key": word(40)}
    proof = hmac.new(secrets["app secret"].encode(), secrets["access token"].encode(), hashlib.sha256).hexdigest()
    ask = Asker(house)
    connections = connect(ask, secrets)
    rounds = 0
    for writing in WRITINGS:
        for good, status, pad in ((True, 200, 0), (False, 400, 0), (False, 500, 0)):
            if writing != "raw" and status == 500:
                continue
            echo.writing, echo.good, echo.status, echo.pad = writing, good, status, pad
            use(ask, connections, register=writing == "raw")
            rounds += 1
    echo.writing, echo.good = "raw", True
    for pad in (200_000, TOO_LONG - 4096, TOO_LONG + 4096):
        echo.pad = pad
        use(ask, connections)
    asked = {f"{method} " + re.sub(r"\d{6,}", "N", path) for method, path in echo.seen}
    for wanted in ("POST /v26.0/N/messages", "GET /v26.0/debug_token", "GET /v26.0/N", "GET /v26.0/4242/subscriptions",
                   "GET /v26.0/N/subscribed_apps", "POST /messages", "GET /health_status", "GET /v1/configs/webhook"):
        assert wanted in asked, (wanted, sorted(asked))
    assert rounds == 13 and b"***" in b"".join(ask.heard), "nothing was repeated where anybody could see it"
    values = {**secrets, "proof": proof}
    assert left(ask, house, values) == []
    assert remembered(house, values) == []
    assert house.process.poll() is None
