"""Goal of this test: the sandbox and the fake platform behave as the other tests believe. The provider knows its tokens and keys, makes ids that
carry the customer's phone, keeps connections, shakes hands before it registers, delivers to what was registered, and
each fault is what its name says. The platform tells a good signature from a bad one."""

import base64
import hashlib
import hmac
import http.client
import json
import threading
import time

import pytest

from fake_platform import Platform, fail
from provider import Provider
from server import Handler, Loopback
from server import call as fetch
from shops import asked

TOKEN = "EAAtoken"
NUMBER = "106540352242922"
HELLO = {"messaging_product": "whatsapp", "to": "+15551234567", "type": "text", "text": {"body": "hello"}}


@pytest.fixture
def provider():
    with Provider() as p:
        p.add_token(TOKEN, [NUMBER], app_id="4242", app_secret="s3cret", waba_ids=["77"])
        yield p


def call(provider, method, path, body=None, token=TOKEN, connection=None, timeout=5):
    c = connection or http.client.HTTPConnection("127.0.0.1", provider.port, timeout=timeout)
    c.request(method, path, json.dumps(body) if body is not None else None, {"Authorization": "Bearer " + token})
    answer = c.getresponse()
    return answer.status, answer.read()


def send(provider, **kwargs):
    return call(provider, "POST", "/v26.0/%s/messages" % NUMBER, HELLO, **kwargs)


def test_accepts_and_carries_the_phone(provider):
    connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=5)
    ids, sockets = [], set()
    for _ in range(3):
        status, body = send(provider, connection=connection)
        assert status == 200
        sockets.add(connection.sock.fileno())
        ids.append(json.loads(body)["messages"][0]["id"])
    assert len(set(ids)) == 3 and len(sockets) == 1, "the connection is kept"
    assert b"15551234567" in base64.b64decode(ids[0][len("wamid."):])
    assert [m["wamid"] for m in provider.sent(NUMBER)] == ids
    assert provider.requests[0].token == TOKEN and provider.requests[0].json == HELLO


def test_refuses_what_it_does_not_know(provider):
    def code(answer):
        return answer[0], json.loads(answer[1])["error"]["code"], json.loads(answer[1])["error"].get("error_subcode")

    assert code(send(provider, token="EAAother")) == (401, 190, None)
    assert code(call(provider, "POST", "/v26.0/999/messages", HELLO)) == (400, 100, 33)
    assert code(call(provider, "POST", "/v26.0/%s/messages" % NUMBER, {"to": "1"})) == (400, 100, None)
    assert code(call(provider, "GET", "/v26.0/x/nothing"))[0] == 404
    assert provider.sent() == []


def test_number_and_debug_token(provider):
    status, body = call(provider, "GET", "/v26.0/%s?fields=id,verified_name,throughput" % NUMBER)
    assert (status, json.loads(body)) == (200, {"id": NUMBER, "verified_name": "Test Shop", "throughput": {"level": "STANDARD"}})
    path = "/v26.0/debug_token?input_token=" + TOKEN
    status, body = call(provider, "GET", path, token="4242|s3cret")
    data = json.loads(body)["data"]
    assert status == 200 and data["is_valid"] and data["app_id"] == "4242"
    assert data["granular_scopes"][0]["target_ids"] == ["77"]
    assert call(provider, "GET", path, token="4242|wrong")[0] == 400
    provider.revoke(TOKEN)
    assert not json.loads(call(provider, "GET", path, token="4242|s3cret")[1])["data"]["is_valid"]
    assert send(provider)[0] == 401


def test_faults(provider):
    def broken(**kwargs):
        with pytest.raises((http.client.HTTPException, OSError)):
            send(provider, **kwargs)

    provider.fault("error", number=NUMBER, times=1, http=429, code=130429, retry_after=7)
    status, body = send(provider)
    assert status == 429 and json.loads(body)["error"]["code"] == 130429
    assert send(provider)[0] == 200, "healed after so many times"
    accepted = len(provider.sent())
    for kind, more in (("drop", 0), ("drop_before", 0), ("accept_drop", 1), ("truncated", 1)):
        provider.fault(kind, times=1)
        broken()
        accepted += more
        assert len(provider.sent()) == accepted, kind
    provider.fault("hang", times=1)
    broken(timeout=0.2)
    provider.fault("redirect", times=1)
    assert send(provider)[0] == 302
    provider.fault("html", times=1, http=502)
    assert send(provider) == (502, b"<!doctype html><title>Sorry</title><p>Something went wrong.")
    provider.fault("no_id", times=1)
    assert json.loads(send(provider)[1])["messages"] == [{}]
    provider.fault("garbled", times=1)
    with pytest.raises(ValueError):
        json.loads(send(provider)[1])
    provider.fault("huge", times=1)
    assert len(send(provider)[1]) == 1600 * 65536
    provider.fault("error", number="1")
    assert send(provider)[0] == 200, "a fault of another number"


def test_waiting(provider):
    thread = threading.Timer(0.1, send, [provider])
    thread.start()
    assert provider.wait_sent(1, timeout=5)[0]["body"] == HELLO
    assert provider.wait_requests(1)[0].number == NUMBER
    with pytest.raises(AssertionError):
        provider.wait_sent(2, timeout=0.05)
    thread.join()


# ------------------------------------------------------------ 360dialog

D360 = "206540352242922"


def dialog(provider, method, path, body=None, key="key-of-shop"):
    status, answer = fetch(provider.url + path, method, json.dumps(body).encode() if body is not None else None,
                           {"D360-API-KEY": key})
    return status, json.loads(answer)


def test_a_key_is_a_number(provider):
    provider.add_d360_key("key-of-shop", D360, waba_id="88", display_phone_number="+49 1")
    status, body = dialog(provider, "GET", "/health_status?fields=display_phone_number")
    assert (status, body["id"], body["display_phone_number"]) == (200, D360, "+49 1")
    assert {e["entity_type"]: e["id"] for e in body["health_status"]["entities"]}["WABA"] == "88"
    assert dialog(provider, "POST", "/messages", HELLO)[0] == 200
    (message,) = provider.sent(D360)
    assert message["api"] == "360dialog" and provider.requests[-1].number == D360
    assert dialog(provider, "GET", "/health_status", key="another")[0] == 401
    assert dialog(provider, "GET", "/phone_numbers")[0] == 403
    provider.fault("error", http=400, text="endpoint rate limit exceeded", on="POST /messages", times=1)
    assert send(provider)[0] == 200, "a fault of the other provider's path"
    status, body = dialog(provider, "POST", "/messages", HELLO)
    assert status == 400 and body["meta"]["developer_message"] == "endpoint rate limit exceeded"
    provider.add_d360_key("new", D360)
    assert dialog(provider, "POST", "/messages", HELLO)[0] == 401, "a new key ends the old one"


class Listening(Loopback):
    """An address that webhooks may go to: it shakes hands with the right token and keeps what comes."""

    def __init__(self, token="right", port=0):
        self.token, self.got = token, []
        super().__init__(ListeningHandler, port)


class ListeningHandler(Handler):
    def serve(self):
        if self.command == "POST":
            self.house.got.append((self.body(), dict(self.headers.items())))
            self.raw(200, b"EVENT_RECEIVED", "text/plain")
        elif f"hub.verify_token={self.house.token}" in self.path:
            self.raw(200, self.path.split("hub.challenge=")[1].split("&")[0].encode(), "text/plain")
        else:
            self.raw(403, b"")


def test_a_webhook_of_360dialog_goes_where_it_was_told(provider):
    provider.add_d360_key("key-of-shop", D360, platform_secret="partner secret")
    with Listening() as ours:
        config = {"url": ours.url + "/hook", "headers": {"X-Ours": "1"}}
        assert dialog(provider, "GET", "/v1/configs/webhook")[1]["url"] == ""
        provider.d360.change(D360, deaf=True)
        assert dialog(provider, "POST", "/v1/configs/webhook", config)[0] == 200
        assert dialog(provider, "GET", "/v1/configs/webhook")[1]["url"] == "", "it only said so"
        provider.d360.change(D360, deaf=False)
        assert dialog(provider, "POST", "/v1/configs/webhook", config) == (200, config)
        assert dialog(provider, "GET", "/v1/configs/webhook") == (200, config)
        (delivery,) = provider.deliver(D360, asked("hello", "wamid.x"))
        assert (delivery.url, delivery.status) == (ours.url + "/hook", 200)
        ((body, headers),) = ours.got
    assert headers["X-Ours"] == "1"
    assert headers["x-360dialog-signature"] == hmac.new(b"partner secret", body, hashlib.sha256).hexdigest()


def test_meta_shakes_hands_before_it_registers(provider):
    def graph(method, path, body=None, token="4242|s3cret"):
        status, answer = call(provider, method, "/v26.0/" + path, body, token)
        return status, json.loads(answer)

    def subscribe(url, verify_token="right", fields="messages,account_update"):
        return graph("POST", "4242/subscriptions", {"object": "whatsapp_business_account", "callback_url": url,
                                                    "verify_token": verify_token, "fields": fields})

    with Listening() as first, Listening() as second:
        assert graph("GET", "4242/subscriptions") == (200, {"data": []})
        assert subscribe(first.url, "wrong")[1]["error"]["code"] == 2200
        assert subscribe("http://127.0.0.1:9/")[1]["error"]["code"] == 2200
        assert subscribe(first.url, fields="messages,nonsense")[1]["error"]["code"] == 100
        assert subscribe(first.url) == (200, {"success": True})
        assert graph("GET", "4242/subscriptions")[1]["data"][0]["callback_url"] == first.url
        assert graph("GET", "4242/subscriptions", token="4242|wrong")[0] == 400
        assert provider.deliver(NUMBER, asked("a", "wamid.a")) == [], "the WABA is not subscribed"
        assert graph("POST", "77/subscribed_apps", {}, TOKEN) == (200, {"success": True})
        assert graph("POST", "78/subscribed_apps", {}, TOKEN)[0] == 400, "another's WABA"
        assert [d.url for d in provider.deliver(NUMBER, asked("b", "wamid.b"))] == [first.url]
        override = {"override_callback_uri": second.url, "verify_token": "right"}
        assert graph("POST", "77/subscribed_apps", {**override, "verify_token": "wrong"}, TOKEN)[0] == 400
        assert graph("POST", "77/subscribed_apps", override, TOKEN)[0] == 200
        assert graph("GET", "77/subscribed_apps", token=TOKEN)[1]["data"][0]["override_callback_uri"] == second.url
        assert [d.url for d in provider.deliver(NUMBER, asked("c", "wamid.c"))] == [second.url]
        assert [d.url for d in provider.deliver(NUMBER, {}, field="account_update")] == [first.url], "not overridable"
        body, headers = second.got[0]
    assert headers["X-Hub-Signature-256"] == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()


# ------------------------------------------------------------ the platform

def test_the_platform_knows_a_signature():
    key = bytes(range(32))
    secret = "whsec_" + base64.b64encode(key).decode()
    body = b'{"entry":[{"changes":[{"value":{"statuses":[{"id":"wamid.x"}]}}]}]}'

    def ask(platform, body=body, **change):
        at = str(int(time.time()))
        mac = hmac.new(key, b"id1." + at.encode() + b"." + body, hashlib.sha256).digest()
        headers = {"webhook-id": "id1", "webhook-timestamp": at, "X-Keyhouse-Business": "b",
                   "webhook-signature": "v1,other v1," + base64.b64encode(mac).decode(),
                   "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(), **change}
        status, _ = fetch(platform.url + "/hook", "POST", body, headers)
        return status, platform.asks[-1].fault

    with Platform() as platform:
        assert ask(platform)[1] == "no secret is known for this business"
        platform.secrets["b"] = secret
        assert ask(platform) == (204, None)
        assert ask(platform, **{"webhook-id": "id2"})[1] == "webhook-signature"
        assert ask(platform, **{"webhook-timestamp": "1000000000"})[1] == "webhook-id or webhook-timestamp"
        assert ask(platform, **{"X-Hub-Signature-256": "sha256=" + "0" * 64})[1] == "X-Hub-Signature-256"
        platform.then(fail(500))
        assert ask(platform) == (500, None) and ask(platform) == (204, None)
