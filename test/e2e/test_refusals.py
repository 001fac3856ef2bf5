"""Goal of this test: what is refused, and how. One 401 for everything that does not prove itself, the right
status for each kind of bad input, and never a trace of it in the inbox."""
import json
import socket
import time

import pytest

from conftest import Shop, sign, wait_for

QUESTION = "How much is iPhone 13 Pro?"


def raw(gateway, data, timeout=15, close=False):
    """Sends bytes as they are; returns all that comes back until the server closes or time is up."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=timeout) as s:
        s.sendall(data)
        if close:
            s.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while chunk := s.recv(65536):
                got += chunk
        except socket.timeout:
            got += b"(open)"
        return got


def refused(answer):
    return answer.status, answer.body, {k: v for k, v in answer.headers.items() if k != "date"}


def test_one_401_for_all(gateway, provider, shop):
    body = json.dumps(shop.question(QUESTION, "wamid.x")).encode()
    right = sign(shop.app_secret, body)
    suspended = Shop(gateway, provider, "Gone", "406540352242922", waba="402290129340398")
    gateway.run("business", "suspend", suspended.id)
    forms = {
        "missing": gateway.webhook(shop.id, body),
        "wrong": gateway.webhook(shop.id, body, signature="sha256=" + "0" * 64),
        "short": gateway.webhook(shop.id, body, signature=right[:-2]),
        "long": gateway.webhook(shop.id, body, signature=right + "00"),
        "not hex": gateway.webhook(shop.id, body, signature="sha256=" + "g" * 64),
        "no prefix": gateway.webhook(shop.id, body, signature=right[7:]),
        "sha1": gateway.webhook(shop.id, body, signature="sha1=" + "0" * 40),
        "empty": gateway.webhook(shop.id, body, signature=""),
        "another body": gateway.webhook(shop.id, body + b" ", signature=right),
        "another shop's secret": gateway.webhook(shop.id, body, secret=suspended.app_secret),
        "unknown business": gateway.webhook("nobody", body, secret=shop.app_secret),
        "odd business": gateway.webhook("a%2f..%00", body, secret=shop.app_secret),
        "long business": gateway.webhook("a" * 500, body, secret=shop.app_secret),
        "suspended": gateway.webhook(suspended.id, body, secret=suspended.app_secret),
    }
    first = refused(forms["missing"])
    assert first[0] == 401
    for name, answer in forms.items():
        assert refused(answer) == first, name
    assert shop.events() == []
    twice = raw(gateway, b"POST /webhooks/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n"
                b"X-Hub-Signature-256: %s\r\nX-Hub-Signature-256: %s\r\n\r\n%s" %
                (shop.id.encode(), len(body), right.encode(), right.encode(), body))
    assert twice.startswith(b"HTTP/1.1 401"), "a header sent twice says nothing"
    assert shop.send(body).status == 200


def test_upper_case_signature_is_a_signature(shop):
    body = json.dumps(shop.question(QUESTION, "wamid.up")).encode()
    assert shop.gateway.webhook(shop.id, body, signature="sha256=" + sign(shop.app_secret, body)[7:].upper()).status == 200


def test_a_resumed_shop_is_heard_again(gateway, shop):
    gateway.run("business", "suspend", shop.id)
    assert shop.send(shop.question(QUESTION, "wamid.s")).status == 401
    gateway.run("business", "resume", shop.id)
    assert shop.send(shop.question(QUESTION, "wamid.s")).status == 200


def test_another_shops_event_is_quarantined(provider, shop):
    """Rightly signed, but for a number or an account that is not this connection's."""
    shop.send(shop.question(QUESTION, "wamid.foreign", number="999999999"))
    shop.send({"object": "whatsapp_business_account", "entry": [{"id": "777", "time": 1, "changes": [
        {"field": "account_update", "value": {"event": "DISABLED_UPDATE"}}]}]})
    events = wait_for(lambda: [e for e in shop.events() if e["state"] != "accepted"][1:] and shop.events())
    assert [(e["quarantined"], e["delivered"]) for e in events] == [(1, 0), (1, 0)]
    time.sleep(0.3)
    assert not [r for r in provider.requests if r.path.endswith("/messages")]
    assert shop.messages() == []


@pytest.mark.parametrize("body", [b"", b"hello", b"{", b"[1,2]", b"{}", b'"text"', b"null", b"\xff\xfe", b'{"entry":5}',
                                  b"[" * 70 + b"]" * 70, b'{"a":' * 100000, b'{"entry":[{"changes":[{"value":{"a":"\\u0000"}}]}]}',
                                  b'{"object":"page","entry":[]}'], ids=lambda b: repr(b[:20]) + str(len(b)))
def test_signed_but_strange_is_kept(shop, body):
    assert shop.send(body).status == 200
    events = wait_for(lambda: [e for e in shop.events() if e["state"] != "accepted"])
    assert len(events) == 1
    assert shop.send(shop.question(QUESTION, "wamid.after")).status == 200
    assert wait_for(lambda: shop.messages(direction="inbound")), "what comes after is not held up"


def test_deep_json_is_unparsed(shop):
    deep = b'{"entry":[{"changes":[{"value":' + b"[" * 62 + b"]" * 62 + b"}]}]}"
    assert shop.send(deep).status == 200
    assert wait_for(lambda: [e for e in shop.events() if e["state"] == "unparsed"])


def test_handshake(shop):
    get = shop.gateway.get
    token = shop.gateway.api("GET", f"/v1/businesses/{shop.id}/connections/{shop.connection}").json["verify_token"]
    good = f"/webhooks/{shop.id}?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444"
    answer = get(good)
    assert (answer.status, answer.body) == (200, b"1158201444")
    assert answer.headers["content-type"].startswith("text/plain")
    script = get(good.replace("1158201444", "%3Cscript%3Ealert(1)%3C%2Fscript%3E"))
    assert script.headers["content-type"].startswith("text/plain") and script.headers["x-content-type-options"] == "nosniff"
    bad = [get(good.replace(token, "x" * len(token))), get(good.replace("subscribe", "unsubscribe")),
           get(f"/webhooks/{shop.id}"), get(good.replace(shop.id, "nobody")), get(good.replace("hub.challenge", "x"))]
    assert [a.status for a in bad] == [403] * 5
    assert len({a.body for a in bad}) == 1
    status = shop.gateway.api("GET", f"/v1/businesses/{shop.id}/connections/{shop.connection}").json["status"]
    assert status == "active", "the handshake proved the connection"


@pytest.mark.parametrize("head", [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n",
    b"Content-Length: 5\r\nContent-Length: 5\r\n",
    b"Content-Length: +5\r\n", b"Content-Length: 5a\r\n", b"Content-Length: -1\r\n", b"Content-Length: 0x5\r\n",
    b"Content-Length: 5 5\r\n", b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked, identity\r\n", b"Transfer-Encoding: xchunked\r\n",
    b"A: b\r\n continued\r\nContent-Length: 5\r\n",
    b"A: b\r\n\tcontinued\r\nContent-Length: 5\r\n",
    b"Content-Length : 5\r\n",
    b"X: a\x00b\r\nContent-Length: 5\r\n",
    b"".join(b"H%d: x\r\n" % i for i in range(65)) + b"Content-Length: 5\r\n",
], ids=lambda b: repr(b[:40]))
def test_smuggling_is_refused(gateway, shop, head):
    """Whatever could be read in two ways is 400 and the connection closes: what follows is never a request."""
    got = raw(gateway, b"POST /webhooks/%s HTTP/1.1\r\nHost: x\r\n%s\r\nhello"
              b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" % (shop.id.encode(), head), timeout=5)
    assert got.startswith(b"HTTP/1.1 400"), got[:80]
    assert got.count(b"HTTP/1.1") == 1 and b"(open)" not in got
    assert shop.events() == []


def test_over_the_limit(gateway, shop):
    big = b'{"a":"' + b"x" * (3 * 1024 * 1024 + 64 * 1024) + b'"}'
    assert shop.send(big).status == 413
    largest = b'{"a":"' + b"x" * (3 * 1024 * 1024) + b'"}'
    assert shop.send(largest).status == 200
    got = raw(gateway, b"POST /webhooks/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" % shop.id.encode(), timeout=5)
    assert got.startswith(b"HTTP/1.1 413") or got.startswith(b"HTTP/1.1 401"), "said before the body is sent"


def test_dripped_head_and_body(gateway, shop):
    """One absolute deadline (10 s): a byte now and then does not move it."""
    def drip(start, bytes_left):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=15) as s:
            s.sendall(start)
            s.settimeout(0.25)
            got = b""
            while time.monotonic() - began < 14:
                try:
                    got = s.recv(4096)
                    break
                except socket.timeout:
                    try:
                        s.sendall(bytes_left)
                    except OSError:
                        break
            return time.monotonic() - began, got

    took, got = drip(b"POST /webhooks/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" % shop.id.encode(), b"x")
    assert 8 < took < 13 and got.startswith(b"HTTP/1.1 408"), (took, got)
    took, got = drip(b"POST /webhooks/%s HTTP/1.1\r\nX: " % shop.id.encode(), b"x")
    assert 8 < took < 13 and (got == b"" or got.startswith(b"HTTP/1.1 408")), (took, got)


def test_other_methods(gateway, shop):
    for method in ("PUT", "DELETE", "PATCH"):
        answer = gateway.request(method, f"/webhooks/{shop.id}")
        assert answer.status == 405 and "POST" in answer.headers["allow"]
    assert gateway.get("/nothing").status == 404
    assert gateway.get("/").status == 404
