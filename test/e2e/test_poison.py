"""Goal of this test: one tenant, who can sign what he likes, holds up nobody else. Bodies that cost much, that
cannot be sealed or cannot be answered are settled, and the next shop is served at once, however many of them wait."""
import json
import sqlite3
import threading
import time

import pytest

from conftest import Shop, wait_for

QUESTION = "How much is iPhone 13?"
QUEUE = 200000
PRODUCT = "name,price,currency,stock\niPhone 13,350000,NGN,1\n"


@pytest.fixture
def shops(gateway, provider):
    evil = Shop(gateway, provider, "Evil", "306540352242922", waba="302290129340398")
    good = Shop(gateway, provider, "Good", "406540352242922", waba="402290129340398")
    for s in (evil, good):
        s.products(PRODUCT)
    return evil, good


def served(good, provider, within):
    """How long the good shop's customer waits for an answer."""
    began = time.monotonic()
    assert good.send(good.question(QUESTION, "wamid.good")).status == 200
    assert wait_for(lambda: provider.sent(good.number), timeout=within + 10)
    took = time.monotonic() - began
    assert took < within, took


def raw(shop, message, contacts="[]", times=1):
    """An envelope whose message and contacts are JSON text of any kind."""
    messages = ",".join(message.replace("ID", f"wamid.evil{n}") for n in range(times))
    head = json.dumps(shop.envelope({"messages": "M", "contacts": "C"}))
    return head.replace('"M"', "[" + messages + "]").replace('"C"', contacts).encode()


def test_a_message_too_long_to_be_kept(shops, provider):
    """Numbers of four bytes that print as fifteen: the log's copy outgrows what can be sealed."""
    evil, good = shops
    body = raw(evil, '{"id":"ID","type":"text","from":"16505551234","text":{"body":"x"},"z":[' + ",".join(["1e14"] * 600000) + "]}")
    assert evil.send(body).status == 200
    served(good, provider, within=6)
    assert wait_for(lambda: evil.events()[0]["state"] == "unparsed")


def test_customers_who_cannot_be_written_to(shops, provider):
    evil, good = shops
    body = raw(evil, '{"id":"ID","type":"text","from_user_id":"nodot","timestamp":"%d","text":{"body":"%s"}}' %
               (time.time(), QUESTION), times=300)
    assert evil.send(body).status == 200
    served(good, provider, within=6)
    assert provider.sent(evil.number) == []


def test_a_long_contact_of_many_messages(shops, provider):
    evil, good = shops
    contacts = '[{"wa_id":"16505551234","profile":{"name":"' + "x" * 2000000 + '"}}]'
    body = raw(evil, '{"id":"ID","type":"image","from":"16505551234","timestamp":"1"}', contacts, times=3500)
    assert evil.send(body).status == 200
    served(good, provider, within=6)


def test_control_characters_do_not_grow(shops, provider):
    evil, good = shops
    contacts = '[{"wa_id":"16505551234","profile":{"name":"' + "\\u0001" * 300000 + '"}}]'
    body = raw(evil, '{"id":"ID","type":"image","from":"16505551234","timestamp":"1"}', contacts, times=3500)
    assert evil.send(body).status == 200
    served(good, provider, within=6)


def dense(shop, n, updates):
    """Next to nothing to send, and an update for each character; before them a message."""
    return raw(shop, '{"id":"wamid.dense%d","type":"image","from":"16505551234","timestamp":"1"}' % n + ",1" * (updates - 1))


def written_down(good, n):
    """Seconds until the good shop's message is in its log."""
    began = time.monotonic()
    assert good.send(good.question("Hello", f"wamid.good{n}")).status == 200
    assert wait_for(lambda: len(good.messages(direction="inbound")) == n + 1, timeout=30, every=0.01)
    return time.monotonic() - began


def in_order(evil):
    """Whether what is kept of the flood is, and how much that is."""
    numbers = [int(m["wamid"].removeprefix("wamid.dense")) for m in evil.messages(direction="inbound", limit=200)]
    assert numbers == sorted(numbers, reverse=True), numbers
    return len(numbers)


def test_a_flood_of_updates(gateway, shops):
    """Seconds of work wait, and more comes meanwhile; another's message is settled between. The flood keeps its order."""
    evil, good = shops
    end = threading.Event()

    def flood():
        for body in [dense(evil, n, 3990) for n in range(200)]:
            while evil.send(body).status != 200 and not end.is_set():
                time.sleep(0.02)
    thread = threading.Thread(target=flood)
    thread.start()
    try:
        assert wait_for(lambda: evil.messages(direction="inbound"))
        took = [written_down(good, n) for n in range(3)]
        thread.join(timeout=30)
        took += [written_down(good, n) for n in range(3, 6)]
        waits = len(evil.events("accepted"))
    finally:
        end.set()
        thread.join()
    print(took, waits)
    assert max(took) < 1, took
    assert waits > 50, "it was no flood"
    assert wait_for(lambda: in_order(evil) > 5)


def test_a_long_queue_of_one_shop(gateway, shops):
    """What waits was accepted before a restart: behind it comes another's message."""
    evil, good = shops
    assert evil.send(evil.question("Hello", "wamid.dense0")).status == 200
    assert wait_for(lambda: in_order(evil) == 1)
    gateway.kill()
    db = sqlite3.connect(next(gateway.data.glob("*.db")), isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
               "INSERT INTO events (id, business_id, connection_id, state, received_at, body) "
               "SELECT printf('e%025d', i), business_id, connection_id, 1, received_at, body FROM n, "
               "(SELECT * FROM events WHERE business_id = ? LIMIT 1)", (QUEUE, evil.id))
    db.close()
    gateway.start()
    took = [written_down(good, n) for n in range(3)]
    waits = gateway.metric("keyhouse_events_unsettled")
    print(took, waits)
    assert max(took) < 1, took
    assert waits > QUEUE / 10, "it was no queue"
