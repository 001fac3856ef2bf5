"""Goal of this test: a message that a client asks for twice under one Idempotency-Key is sent once, whatever happens in
between; it gets its first answer again where that was one; what came to nothing may be asked for again, and does not count
for the day's budget; and nothing of the answers that are kept lies in clear."""
import concurrent.futures
import json
import os
import signal
import sqlite3

import pytest

from conftest import wait_for
from shops import hours_pass
from test_front import META, TO, V, client_of, error, meta, text  # noqa: F401

PATH = f"{V}/{META}/messages"


def key(name="order-1"):
    return {"Idempotency-Key": name}


def asked(provider):
    """How often the provider was asked to send."""
    return len([r for r in provider.requests if r.path.endswith("/messages")])


@pytest.mark.parametrize("dies", ["listener", "sender", "all"])
def test_a_kill_while_it_is_on_its_way(provider, meta, gateway, dies):
    client = client_of(meta)
    provider.fault("slow", delay=3, on="/messages", times=1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(client, "POST", PATH, text(), key())
        assert wait_for(lambda: asked(provider))
        assert error(client("POST", PATH, text(), key()))[0] == 409, "it is on its way"
        if dies == "all":
            gateway.kill()
            gateway.start()
        else:
            before = gateway.role_pid("vault")
            os.kill(gateway.role_pid(dies), signal.SIGKILL)
            assert wait_for(lambda: gateway.role_pid("vault") not in (before, None))
        assert first.exception() is not None or first.result().status == 504
    assert gateway.ready()
    for _ in range(2):
        assert error(client("POST", PATH, text(), key()))[:2] == (504, 131000)
    assert asked(provider) == 1 and [m["state"] for m in meta.messages()] == ["unknown"]
    assert client("POST", PATH, text(), key("order-2")).status == 200


def test_a_stop_while_it_is_on_its_way(provider, meta, gateway):
    client = client_of(meta)
    provider.fault("slow", delay=5, on="/messages", times=1)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(client, "POST", PATH, text(), key())
        assert wait_for(lambda: asked(provider))
        gateway.stop()
    gateway.start()
    assert client("POST", PATH, text(), key()).status in (200, 504)
    assert asked(provider) == 1


def test_what_is_kept_is_sealed(provider, meta, gateway):
    """Neither the customer's number nor the message's id, which carries it; and after a restart it opens."""
    client = client_of(meta)
    first = client("POST", PATH, text(), key())
    wamid = first.json["messages"][0]["id"]
    queued = meta.post("hello", key="order-2")
    gateway.stop()
    data = b"".join((gateway.data / n).read_bytes() for n in os.listdir(gateway.data) if n.startswith("keyhouse.db"))
    assert wamid.encode() not in data and TO[1:].encode() not in data
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        kept = [body for body, in db.execute("SELECT body FROM once WHERE business_id = ?", (meta.id,)) if body]
    assert len(kept) >= 2 and all(body.startswith(b"KHSB") for body in kept)
    gateway.start()
    again = client("POST", PATH, text(), key())
    assert (again.status, again.body, again.headers["idempotent-replayed"]) == (200, first.body, "true")
    again = meta.post("hello", key="order-2")
    assert (again.status, again.body, again.headers["idempotent-replayed"]) == (202, queued.body, "true")


def test_new_keys_are_no_second_send(provider, meta, gateway):
    """What was answered before is known to be done; what comes after is answered again."""
    client = client_of(meta)
    assert client("POST", PATH, text(), key()).status == 200
    assert meta.post("hello", key="order-2").status == 202
    provider.wait_sent(2)
    gateway.stop()
    assert "The shop has new keys" in gateway.run("key", "rotate", meta.id).stdout  # off line: the older ones are gone at once
    gateway.start()
    assert error(client("POST", PATH, text(), key()))[:2] == (504, 131000)
    answer = meta.post("hello", key="order-2")
    assert (answer.status, answer.json["code"]) == (409, "conflict")
    first, again = (client("POST", PATH, text(), key("order-3")) for _ in range(2))
    assert first.status == 200 and again.body == first.body
    assert asked(provider) == 3


def test_what_does_not_open_is_not_done_again(provider, meta, gateway):
    """What an older version kept in clear is given as it is."""
    client = client_of(meta)
    assert client("POST", PATH, text(), key()).status == 200
    assert meta.post("hello", key="order-2").status == 202
    provider.wait_sent(2)
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        db.execute("UPDATE once SET body = CAST(substr(body, 1, 40) || randomblob(length(body) - 40) AS BLOB) WHERE body IS NOT NULL")
    gateway.start()
    assert error(client("POST", PATH, text(), key()))[:2] == (504, 131000)
    answer = meta.post("hello", key="order-2")
    assert (answer.status, answer.json["code"]) == (409, "conflict")
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        db.execute("UPDATE once SET body = CAST('{\"id\":\"of before\"}' AS BLOB) WHERE status = 202")
    gateway.start()
    assert meta.post("hello", key="order-2").json == {"id": "of before"}
    assert len(meta.messages()) == 2 and len(provider.sends()) == 2


@pytest.mark.parametrize("fault", [{"http": 400, "code": 131056}, {"http": 400, "code": 131047}, {"http": 503, "code": 2}],
                         ids=["limit", "window", "transient"])
def test_what_may_be_otherwise_later_is_not_kept(provider, meta, fault):
    client = client_of(meta)
    provider.fault("error", on="/messages", times=1, **fault)
    assert error(client("POST", PATH, text(), key()))[:2] == (fault["http"], fault["code"])
    assert wait_for(lambda: client("POST", PATH, text(), key()).status == 200, every=0.5), "it is sent at last"
    again = client("POST", PATH, text(), key())
    assert again.status == 200 and again.headers["idempotent-replayed"] == "true"
    assert asked(provider) == 2


def test_a_key_that_may_not_is_no_answer(provider, meta):
    """The shop mends it, and the message goes; meanwhile it is asked anew, or told to wait."""
    client = client_of(meta)
    provider.fault("error", on="/messages", times=1, http=403, code=10)
    assert error(client("POST", PATH, text(), key()))[:2] == (403, 10)
    again = client("POST", PATH, text(), key())
    assert again.status in (200, 403) and "idempotent-replayed" not in again.headers


def test_what_is_wrong_with_the_message_is_kept(provider, meta):
    client = client_of(meta)
    provider.fault("error", http=400, code=131026, on="/messages", times=1)
    first, again = (client("POST", PATH, text(), key()) for _ in range(2))
    assert error(first)[:2] == (400, 131026) and again.body == first.body
    assert again.headers["idempotent-replayed"] == "true" and asked(provider) == 1


@pytest.mark.parametrize("length", [100_000, 300_000])
def test_an_answer_too_long_to_keep(provider, meta, length):
    """It was accepted: it is not sent again, though the answer cannot be given."""
    client = client_of(meta)
    body = json.dumps({"messages": [{"id": "wamid.x"}], "more": "y" * length})
    provider.fault("error", http=200, body=body, on="/messages", times=1)
    for _ in range(3):
        answer = client("POST", PATH, text(), key())
        assert error(answer)[:2] == (504, 131000), answer.body
    assert asked(provider) == 1


def test_what_was_answered_is_answered(provider, meta, gateway):
    """Also where it could not be sent now: the day's messages are used up, and the customer wrote long ago."""
    client = client_of(meta, messages_per_day=1)
    assert meta.send(meta.question("hello", "wamid.old")).status == 200
    assert wait_for(lambda: meta.messages(direction="inbound"))
    first = client("POST", PATH, text(), key())
    assert first.status == 200
    again = client("POST", PATH, text(), key())
    assert (again.status, again.body) == (200, first.body)
    for _ in range(2):
        assert error(client("POST", PATH, text(), key("order-2")))[:2] == (429, 130429)
    hours_pass(gateway, 25)
    assert meta.send(meta.question("hello", "wamid.another", customer="16505559999")).status == 200
    assert wait_for(lambda: len(meta.messages(direction="inbound")) == 2)
    other = client_of(meta)
    assert error(other("POST", PATH, text(), key()))[:2] == (400, 131047), "another consumer's key is another's"
    assert wait_for(lambda: error(other("POST", PATH, text(), key()))[:2] == (400, 131047)), "and that is not kept"
    again = client("POST", PATH, text(), key())
    assert (again.status, again.body) == (200, first.body)
    assert asked(provider) == 1
    assert gateway.api("PATCH", meta.path(), {"window_check": False}).status == 200
    assert error(client("POST", PATH, text("other"), key()))[:2] == (422, 100)


def test_what_came_to_nothing_is_given_back(provider, meta, gateway):
    """To the day's budget; a message that the provider refuses for its own sake is counted."""
    made = gateway.api("POST", meta.path("keys"), {"name": "poor", "messages_per_day": 2}).json
    client = client_of(meta)
    client.key = made["key"]

    def today():
        return gateway.api("GET", meta.path("keys", made["id"])).json["messages_today"]
    provider.fault("error", http=503, code=2, on="/messages", times=3)
    for n in range(3):
        assert client("POST", PATH, text(to=f"+1650555{n:04}")).status == 503
        assert wait_for(lambda: today() == 0)
    provider.fault("error", http=400, code=131026, on="/messages", times=1)
    assert client("POST", PATH, text()).status == 400
    assert client("POST", PATH, text()).status == 200
    assert today() == 2 and error(client("POST", PATH, text()))[:2] == (429, 130429)
