"""Goal of this test: one tenant, who can sign what he likes, holds up nobody else. Bodies that cost much, that
cannot be sealed or cannot be answered are settled, and the next shop is served at once."""
import json
import time

import pytest

from conftest import Shop, wait_for

QUESTION = "How much is iPhone 13?"
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
