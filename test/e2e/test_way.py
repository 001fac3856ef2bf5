"""Goal of this test: the way of a message. A signed question to a shop is answered once, with
that shop's own token, however often Meta delivers it; statuses settle what was sent."""
import json
import threading
import time

from conftest import PAUL, Shop, wait_for

QUESTION = "How much is iPhone 13 Pro?"
ANSWER = ("iPhone 13 Pro (128GB)\nPrice: \u20a6450,000\nIn stock: 5 units\nPaul's Electronics\n"
          "Reply ORDER to proceed.")


def sends(provider, token=None):
    return [r for r in provider.requests if r.method == "POST" and r.path.endswith("/messages") and
            (token is None or r.token == token)]


def test_delivered_three_times_answered_once(shop, provider):
    body = json.dumps(shop.question(QUESTION, "wamid.one")).encode()
    for _ in range(3):
        answer = shop.send(body)
        assert (answer.status, answer.body) == (200, b"EVENT_RECEIVED")
    assert wait_for(lambda: sends(provider))
    wait_for(lambda: len(sends(provider)) > 1, timeout=1)
    (request,) = sends(provider)
    assert request.headers["Authorization"] == "Bearer " + shop.token
    assert request.path == f"/v26.0/{shop.number}/messages"
    sent = json.loads(request.body)
    assert sent["messaging_product"] == "whatsapp" and sent["type"] == "text"
    assert sent["to"] == "+16505551234"
    assert sent["text"]["body"] == ANSWER
    assert len(sent["biz_opaque_callback_data"]) == 26
    events = shop.events()
    assert len(events) == 3
    assert sorted((e["delivered"], e["duplicates"]) for e in events) == [(0, 1), (0, 1), (1, 0)]


def test_two_deliveries_in_the_same_moment(shop, provider):
    body = json.dumps(shop.question(QUESTION, "wamid.twin")).encode()
    threads = [threading.Thread(target=shop.send, args=(body,)) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wait_for(lambda: sends(provider))
    wait_for(lambda: len(sends(provider)) > 1, timeout=1)
    assert len(sends(provider)) == 1


def test_statuses_settle_the_outbox(shop, provider):
    shop.send(shop.question(QUESTION, "wamid.two"))
    out = wait_for(lambda: [m for m in shop.messages(direction="outbound") if m["state"] == "sent"])
    (message,) = out
    assert message["wamid"].startswith("wamid.")
    assert message["customer"].lstrip("+") == "16505551234"

    def state():
        return shop.messages(direction="outbound")[0]["state"]

    shop.send(shop.status(message["wamid"], "sent", opaque=message["id"]))
    shop.send(shop.status(message["wamid"], "read"))
    assert wait_for(lambda: state() == "read"), "a status without our id is found by its message id; steps may be missing"
    shop.send(shop.status(message["wamid"], "delivered", opaque=message["id"]))
    assert wait_for(lambda: len(shop.events()) == 4 and all(e["state"] == "settled" for e in shop.events()))
    assert state() == "read", "a late status does not move a message back"


def test_each_shop_answers_with_its_own_token(gateway, provider, shop):
    other = Shop(gateway, provider, "Sarah's Fashion", "206540352242922", waba="202290129340398")
    other.products("name,price,currency,stock\nAnkara dress,15000,NGN,2\n")
    shop.send(shop.question(QUESTION, "wamid.a"))
    other.send(other.question("price of ankara dress", "wamid.b"))
    assert wait_for(lambda: len(sends(provider)) == 2)
    (paul,), (sarah,) = sends(provider, shop.token), sends(provider, other.token)
    assert f"/{shop.number}/" in paul.path and f"/{other.number}/" in sarah.path
    assert "Ankara" in json.loads(sarah.body)["text"]["body"]
    assert "Sarah's Fashion" in json.loads(sarah.body)["text"]["body"]


def test_misspelt(shop, provider):
    shop.send(shop.question("abeg how much be iphnoe 13", "wamid.mis"))
    assert wait_for(lambda: sends(provider))
    assert "450,000" in json.loads(sends(provider)[0].body)["text"]["body"]


def test_silence_where_no_answer_is_wanted(gateway, provider, shop):
    quiet = Shop(gateway, provider, "Quiet", "306540352242922", responder="none", waba="302290129340398")
    quiet.products(PAUL)
    quiet.send(quiet.question(QUESTION, "wamid.q1"))
    shop.send(shop.question(QUESTION, "wamid.old", when=1000000000))
    shop.send(shop.envelope({"message_echoes": [{"from": "1", "to": "16505551234", "id": "wamid.echo", "type": "text",
                             "timestamp": "1", "text": {"body": QUESTION}}]}, field="smb_message_echoes"))
    shop.send(shop.envelope({"messages": [{"from": "16505551234", "id": "wamid.sys", "type": "system", "timestamp": "1",
                             "system": {"body": QUESTION}}]}))
    group = shop.question(QUESTION, "wamid.group")
    group["entry"][0]["changes"][0]["value"]["messages"][0]["group_id"] = "Y2FwaQ"
    shop.send(group)
    wait_for(lambda: sends(provider), timeout=1.5)
    assert sends(provider) == []
    assert len(quiet.messages(direction="inbound")) == 1, "kept and listed all the same"


def test_a_customer_without_a_phone_number(shop, provider):
    body = shop.question(QUESTION, "wamid.bsuid")
    value = body["entry"][0]["changes"][0]["value"]
    del value["messages"][0]["from"]
    value["messages"][0]["from_user_id"] = "US.13491208655302741918"
    value["contacts"] = [{"profile": {"name": "Ada", "username": "ada"}, "user_id": "US.13491208655302741918"}]
    shop.send(body)
    assert wait_for(lambda: sends(provider))
    sent = json.loads(sends(provider)[0].body)
    assert sent["recipient"] == "US.13491208655302741918" and "to" not in sent


def test_a_failed_status_is_shown_with_its_reason(shop):
    shop.send(shop.question(QUESTION, "wamid.fail"))
    message = wait_for(lambda: [m for m in shop.messages(direction="outbound") if m["state"] == "sent"])[0]
    shop.send(shop.status(message["wamid"], "failed", opaque=message["id"], errors=[
        {"code": 131026, "title": "Message undeliverable", "message": "Message undeliverable",
         "error_data": {"details": "16505551234 is not on WhatsApp"}}]))
    failed = wait_for(lambda: [m for m in shop.messages(direction="outbound") if m["state"] == "failed"])[0]
    assert failed["error"]["code"] == 131026
    assert "16505551234" not in failed["error"]["reason"]


def test_the_owners_own_reply_pauses_the_bot(shop, provider):
    """What the owner types in the WhatsApp app silences the bot in that conversation, and in no other."""
    echo = {"from": "15550783881", "to": "16505551234", "id": "wamid.mine", "timestamp": str(int(time.time())), "type": "text",
            "text": {"body": "I am here myself"}}
    shop.send(shop.envelope({"message_echoes": [echo]}, field="smb_message_echoes"))
    assert wait_for(lambda: [e for e in shop.events() if e["state"] == "settled"])
    shop.send(shop.question(QUESTION, "wamid.to-owner"))
    shop.send(shop.question(QUESTION, "wamid.to-bot", customer="16505559999"))
    assert wait_for(lambda: sends(provider))
    wait_for(lambda: len(sends(provider)) > 1, timeout=0.7)
    assert [r.json["to"] for r in sends(provider)] == ["+16505559999"]


def test_two_bots_do_not_talk_for_ever(shop, provider):
    """A customer who asks again at once, like a machine, gets ten answers a minute; others are answered all the same."""
    for n in range(25):
        shop.send(shop.question(QUESTION, f"wamid.loop{n}"))
    shop.send(shop.question(QUESTION, "wamid.person", customer="16505559999"))
    assert wait_for(lambda: [m for m in provider.sent() if m["body"]["to"] == "+16505559999"])
    wait_for(lambda: len(provider.sent()) > 11, timeout=1)
    assert len(provider.sent()) == 11
    assert len(shop.messages(direction="inbound", limit=200)) == 26
