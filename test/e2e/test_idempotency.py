"""Goal of this test: a client that does not know whether its call was heard may repeat it. The same key with the same
body gives the first answer and nothing is done twice, across restarts too; a secret is never repeated."""
import socket
import threading

import pytest

from conftest import Shop, wait_for

NUMBER = "106540352242922"


@pytest.fixture
def quiet(gateway, provider):
    return Shop(gateway, provider, "Paul's Electronics", NUMBER, responder="none")


def test_a_message_is_sent_once(provider, quiet):
    first = quiet.post("your order is ready", key="order-5")
    assert first.status == 202 and "idempotent-replayed" not in first.headers
    again = [quiet.post("your order is ready", key="order-5") for _ in range(3)]
    assert {(a.status, a.body, a.headers["idempotent-replayed"]) for a in again} == {(202, first.body, "true")}
    other = quiet.post("your order is ready", key="order-6")
    assert other.json["id"] != first.json["id"]
    provider.wait_sent(2)
    wait_for(lambda: len(provider.sent()) > 2, timeout=0.5)
    assert len(provider.sent()) == 2


def test_another_body_is_refused(provider, quiet):
    quiet.post("hello", key="k")
    for answer in (quiet.post("hello!", key="k"), quiet.post("hello", to="+16505550000", key="k")):
        assert (answer.status, answer.json["code"]) == (422, "idempotency_key_reused"), answer.body
    provider.wait_sent(1)
    assert len(quiet.messages()) == 1


def test_a_key_is_of_one_business(gateway, provider, quiet):
    other = Shop(gateway, provider, "Other", "306540352242922", responder="none", waba="302290129340398")
    mine, theirs = quiet.post("hello", key="same"), other.post("hello", key="same")
    assert mine.status == theirs.status == 202 and mine.json["id"] != theirs.json["id"]
    assert "idempotent-replayed" not in theirs.headers


def test_many_at_the_same_moment(provider, quiet):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(quiet.post("once", key="rush"))) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert {a.status for a in answers} <= {202, 409}
    assert {a.json["code"] for a in answers if a.status == 409} <= {"in_flight"}
    assert len({a.json["id"] for a in answers if a.status == 202}) == 1
    provider.wait_sent(1)
    wait_for(lambda: len(provider.sent()) > 1, timeout=0.5)
    assert len(provider.sent()) == 1


def test_a_restart_does_not_forget(gateway, provider, quiet):
    first = quiet.post("before the cut", key="cut")
    gateway.kill()
    gateway.start()
    again = quiet.post("before the cut", key="cut")
    assert (again.status, again.body) == (202, first.body) and again.headers["idempotent-replayed"] == "true"
    wait_for(lambda: len(provider.sent()) > 1, timeout=0.5)
    assert len(quiet.messages()) == 1 and len(provider.sent()) <= 1


def test_a_mistake_is_answered_again_as_it_was(quiet):
    bad = [quiet.gateway.api("POST", quiet.path("messages"), {"to": "+16505551234"}, headers={"Idempotency-Key": "bad"})
           for _ in range(2)]
    assert [b.status for b in bad] == [400, 400] and bad[0].body == bad[1].body


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"], ids=["empty", "long", "a tab"])
def test_keys_that_are_none(quiet, key):
    answer = quiet.gateway.api("POST", quiet.path("messages"), {"to": "+1650", "type": "text", "text": {"body": "x"}},
                               headers={"Idempotency-Key": key})
    assert answer.status == 400 and quiet.messages() == []


def test_a_business_is_made_once(gateway):
    made = [gateway.api("POST", "/v1/businesses", {"name": "Twice"}, headers={"Idempotency-Key": "b1"}) for _ in range(2)]
    assert [m.status for m in made] == [201, 201] and made[0].json == made[1].json
    assert [b["name"] for b in gateway.api("GET", "/v1/businesses").json["data"]] == ["Twice"]


def test_a_secret_is_never_repeated(gateway, provider, quiet):
    provider.add_d360_key("a-key-of-360dialog-0001", "206540352242922")
    call = {"provider": "360dialog", "api_key": "a-key-of-360dialog-0001"}
    first, again = [gateway.api("POST", quiet.path("connections"), call, headers={"Idempotency-Key": "connect"})
                    for _ in range(2)]
    assert first.status == again.status == 201 and first.json["id"] == again.json["id"]
    secret = first.json["webhook_headers"]["X-Keyhouse-Secret"]
    assert secret.encode() not in again.body and len(quiet.connections()) == 2


def test_two_keys_are_no_key(gateway, shop):
    """Read as none, the call would be done twice by a client that believes itself safe."""
    body = b'{"to":"+16505550199","type":"text","text":{"body":"once"}}'
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as s:
        s.sendall(b"POST /v1/businesses/%s/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nIdempotency-Key: a\r\n"
                  b"Idempotency-Key: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                  % (shop.id.encode(), gateway.token.encode(), len(body), body))
        answer = s.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400") and b"Idempotency-Key" in answer, answer[:300]
    assert shop.messages(direction="outbound") == []
