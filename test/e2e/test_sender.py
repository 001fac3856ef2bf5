"""Goal of this test: the fake provider behaves as the other tests believe: it knows its tokens, makes ids
that carry the customer's phone, keeps connections, and each fault is what its name says."""

import base64
import http.client
import json
import threading

import pytest

from provider import Provider

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
    ids = []
    for _ in range(3):
        status, body = send(provider, connection=connection)
        assert status == 200
        ids.append(json.loads(body)["messages"][0]["id"])
    assert len(set(ids)) == 3
    assert b"15551234567" in base64.b64decode(ids[0][len("wamid."):])
    assert [m["wamid"] for m in provider.sent(NUMBER)] == ids
    assert len({r.client for r in provider.requests}) == 1, "the connection is kept"
    assert provider.requests[0].token == TOKEN and provider.requests[0].json == HELLO


def test_refuses_what_it_does_not_know(provider):
    def code(answer):
        return answer[0], json.loads(answer[1])["error"]["code"], json.loads(answer[1])["error"].get("error_subcode")

    assert code(send(provider, token="EAAother")) == (401, 190, 463)
    assert code(call(provider, "POST", "/v26.0/999/messages", HELLO)) == (400, 100, 33)
    assert code(call(provider, "POST", "/v26.0/%s/messages" % NUMBER, {"to": "1"})) == (400, 100, None)
    assert code(call(provider, "GET", "/nothing"))[0] == 404
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
