"""Goal of this test: a message is sent as it was asked for: at most once, or at least once and marked; until it expires and
no longer; not into a window that is known to be closed; not faster than its number takes. What came to nothing is sent again
once, or put aside.

What makes a day pass is the database: while the service is stopped its times are moved back.
"""
import re
import sqlite3
import time

import pytest

from conftest import Gateway, Shop, wait_for
from provider import Provider
from shops import DialogShop, hours_pass

NUMBER = "106540352242922"
ADA, BEN = "16505551234", "16505559999"
HOUR_MS = 3600 * 1000


def state(shop, id_):
    return shop.message(id_)["state"]


def reaches(shop, id_, *states, timeout=10):
    """The message, once it is in one of these states."""
    assert wait_for(lambda: state(shop, id_) in states, timeout), shop.message(id_)
    return shop.message(id_)


def send(shop, text, to="+" + ADA, **query):
    words = "&".join(f"{k}={v}" for k, v in query.items())
    return shop.gateway.api("POST", shop.path("messages") + ("?" + words if words else ""),
                            {"to": to, "type": "text", "text": {"body": text}})


def texts(provider, number=NUMBER):
    return [m["body"]["text"]["body"] for m in provider.sent(number)]


# ---------------------------------------------------------------- the window

def wrote(shop, wamid, customer=ADA, **more):
    """A webhook with a message of the customer's."""
    body = shop.question("Is it there?", wamid, customer)
    body["entry"][0]["changes"][0]["value"]["messages"][0].update(more)
    assert shop.send(body).status == 200
    assert wait_for(lambda: any(m["wamid"] == wamid for m in shop.messages()))


def refusal(answer):
    assert answer.status == 422 and answer.json["code"] == "window_closed", answer.body
    return answer.json["detail"]


@pytest.fixture
def quiet(gateway, provider):
    """A shop without a responder."""
    return Shop(gateway, provider, "Quiet", NUMBER, responder="none")


def test_a_closed_window(gateway, provider, quiet):
    wrote(quiet, "wamid.first")
    hours_pass(gateway, 25)
    wrote(quiet, "wamid.another", customer=BEN)
    wrote(quiet, "wamid.changed", type="system", system={"type": "user_changed_number", "wa_id": ADA})
    words = refusal(send(quiet, "too late"))
    assert re.search(r"last wrote on 20\d\d-\d\d-\d\d at \d\d:\d\d UTC", words) and "template" in words and "window=unchecked" in words
    assert "has not written yet" in refusal(send(quiet, "never wrote", to="+16505550001"))
    # Whom it does not concern: who wrote, a template, a group, who knows better, who has it switched off.
    assert send(quiet, "in time", to="+" + BEN).status == 202
    template = {"to": "+" + ADA, "type": "template", "template": {"name": "hello", "language": {"code": "en"}}}
    assert gateway.api("POST", quiet.path("messages"), template).status == 202
    assert gateway.api("POST", quiet.path("messages"), {"recipient_type": "group", "to": "group-1", "type": "text",
                                                       "text": {"body": "all"}}).status == 202
    assert send(quiet, "unchecked", window="unchecked").status == 202
    assert gateway.api("PATCH", quiet.path(), {"window_check": False}).json["window_check"] is False
    assert send(quiet, "switched off").status == 202
    assert gateway.api("PATCH", quiet.path(), {"window_check": True}).status == 200
    refusal(send(quiet, "too late"))
    provider.wait_sent(5, number=NUMBER)
    # He writes, or calls: it is open, and a message is not sent after its end.
    wrote(quiet, "wamid.again")
    message = quiet.message(send(quiet, "at last").json["id"])
    last = next(m for m in quiet.messages() if m["wamid"] == "wamid.again")
    assert message["expires_at"][:10] == time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400 - 10))
    assert message["expires_at"][10:19] == last["created_at"][10:19]


def test_a_call_opens_it(gateway, provider, quiet):
    wrote(quiet, "wamid.first")
    hours_pass(gateway, 25)
    wrote(quiet, "wamid.another", customer=BEN)
    refusal(send(quiet, "too late"))
    assert quiet.send(quiet.envelope({"calls": [{"id": "c", "from": ADA, "event": "connect"}]}, field="calls")).status == 200
    assert wait_for(lambda: send(quiet, "you called").status == 202)


def test_an_advertisement_opens_it_for_three_days(gateway, provider, quiet):
    wrote(quiet, "wamid.first", referral={"source_type": "ad", "source_id": "1"})
    wrote(quiet, "wamid.plain", customer=BEN)
    hours_pass(gateway, 47)
    wrote(quiet, "wamid.other", customer="16505550002")
    assert send(quiet, "from the advertisement").status == 202
    refusal(send(quiet, "from nowhere", to="+" + BEN))
    hours_pass(gateway, 25)
    wrote(quiet, "wamid.third", customer="16505550003")
    refusal(send(quiet, "too late"))


def test_where_it_is_not_known_nothing_is_refused(gateway, provider, quiet):
    """A fresh connection; one of which no webhook was accepted; one of which some were refused."""
    assert send(quiet, "fresh").status == 202
    hours_pass(gateway, 25)
    assert send(quiet, "never a webhook").status == 202
    wrote(quiet, "wamid.first", customer=BEN)
    assert send(quiet, "proven only now").status == 202
    hours_pass(gateway, 25)
    refusal(send(quiet, "all came here"))
    assert quiet.gateway.webhook(quiet.id, quiet.question("?", "wamid.bad", ADA), "another secret of an app").status == 401
    assert wait_for(lambda: send(quiet, "one was refused").status == 202)


# ---------------------------------------------------------------- policies

def test_at_least_once_is_sent_twice_and_marked(gateway, provider, shop):
    """It waits a minute for a status before it goes again: the database makes that pass."""
    provider.fault("accept_drop", number=NUMBER, on="/messages", times=1)
    id_ = send(shop, "at least once", policy="at_least_once").json["id"]
    message = reaches(shop, id_, "retry")
    assert message["maybe_duplicate"] is True and message["policy"] == "at_least_once" and message["attempts"] == 1
    assert len(provider.wait_sent(1, number=NUMBER)) == 1
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        left = db.execute("SELECT next_at FROM messages WHERE id = ?", (id_,)).fetchone()[0] / 1000 - time.time()
        db.execute("UPDATE messages SET next_at = 1 WHERE id = ?", (id_,))
    db.close()
    assert 50 < left < 65
    gateway.start()
    message = reaches(shop, id_, "sent")
    assert texts(provider) == ["at least once"] * 2 and message["maybe_duplicate"] is True and message["attempts"] == 2


def test_what_waits_behind_one_that_a_status_settles_goes_at_once(gateway, provider, shop):
    provider.fault("accept_drop", number=NUMBER, on="/messages", times=1)
    first = send(shop, "at least once", policy="at_least_once").json["id"]
    reaches(shop, first, "retry")
    behind = send(shop, "behind it").json["id"]
    time.sleep(1)
    assert shop.message(behind)["state"] == "queued"
    began = time.monotonic()
    shop.send(shop.status("wamid.x", "delivered", opaque=first))
    assert reaches(shop, first, "delivered")["attempts"] == 1
    reaches(shop, behind, "sent")
    assert time.monotonic() - began < 20
    assert texts(provider) == ["at least once", "behind it"]


def test_at_most_once_stays_unknown_until_a_status_tells(directory):
    with Provider(statuses="delivered") as provider:
        gateway = Gateway(directory, provider.url).start()
        try:
            shop = Shop(gateway, provider, "Paul's Electronics", NUMBER, responder="none", verify=True)
            provider.fault("accept_drop", number=NUMBER, on="/messages", times=1)
            taken = send(shop, "was taken").json["id"]
            message = reaches(shop, taken, "unknown", "sent", "delivered")
            assert "maybe_duplicate" not in message
            reaches(shop, taken, "delivered")
            provider.fault("drop", number=NUMBER, on="/messages", times=1)
            lost = send(shop, "was not").json["id"]
            reaches(shop, lost, "unknown")
            time.sleep(2)
            assert state(shop, lost) == "unknown" and texts(provider) == ["was taken"]
        finally:
            gateway.stop()


# ---------------------------------------------------------------- expiry

def test_what_waits_behind_a_refused_key_goes_or_expires(gateway, provider, shop):
    provider.revoke(shop.token)
    first = send(shop, "finds out", expires_in=3600).json["id"]
    assert wait_for(lambda: shop.connections()[0]["status"] == "key_refused")
    old, young = send(shop, "expires", to="+" + BEN, expires_in=1).json["id"], send(shop, "goes", to="+16505550007").json["id"]
    assert "next_at" in shop.message(young)
    time.sleep(2)
    assert state(shop, young) == "queued" and state(shop, first) == "retry" and texts(provider) == []
    # A working key is pasted.
    fresh = shop.token + "fresh"
    provider.add_token(fresh, [NUMBER], app_id=shop.app_id, app_secret=shop.app_secret, waba_ids=[shop.waba])
    answer = gateway.api("PATCH", shop.path("connections", shop.connection), {"access_token": fresh})
    assert answer.status == 200, answer.body
    reaches(shop, young, "sent")
    reaches(shop, first, "sent")
    assert reaches(shop, old, "dead")["error"]["reason"].startswith("expired")
    assert sorted(texts(provider)) == ["finds out", "goes"]


# ---------------------------------------------------------------- dead letters

def letter(shop, provider, text, to="+" + ADA):
    provider.fault("error", number=shop.number, on="/messages", times=1, http=400, code=131026, holding=text)
    id_ = send(shop, text, to=to).json["id"]
    reaches(shop, id_, "dead")
    return id_


def test_a_letter_is_sent_again_once_or_put_aside(gateway, provider, shop):
    lost, aside = letter(shop, provider, "lost"), letter(shop, provider, "aside")
    answer = gateway.api("POST", shop.path("messages", lost, "replay"))
    assert answer.status == 202 and answer.json["replay_of"] == lost and answer.json["status"] == "queued"
    reaches(shop, answer.json["id"], "sent")
    assert texts(provider) == ["lost"]
    assert gateway.api("POST", shop.path("messages", lost, "replay")).status == 409
    assert "discarded_at" in shop.message(lost) and state(shop, lost) == "dead"
    assert gateway.api("POST", shop.path("messages", aside, "discard")).status == 204
    assert gateway.api("POST", shop.path("messages", aside, "replay")).status == 409
    assert shop.messages(state="dead", discarded="false") == [] and len(shop.messages(state="dead")) == 2
    # What may have arrived: only by who takes that.
    provider.fault("drop", number=NUMBER, on="/messages", times=1)
    unknown = send(shop, "perhaps").json["id"]
    reaches(shop, unknown, "unknown")
    answer = gateway.api("POST", shop.path("messages", unknown, "replay"), {})
    assert answer.status == 409 and "maybe_duplicate" in answer.json["detail"]
    answer = gateway.api("POST", shop.path("messages", unknown, "replay"), {"maybe_duplicate": True})
    assert answer.status == 202
    assert reaches(shop, answer.json["id"], "sent")["maybe_duplicate"] is True
    assert texts(provider) == ["lost", "perhaps"]
    other = Shop(gateway, provider, "Another", "106540352242955", responder="none")
    assert gateway.api("POST", other.path("messages", aside, "replay")).status == 404


def test_a_letter_of_a_removed_number(gateway, provider, shop):
    lost = letter(shop, provider, "lost")
    assert gateway.api("DELETE", shop.path("connections", shop.connection)).status == 204
    answer = gateway.api("POST", shop.path("messages", lost, "replay"))
    assert answer.status == 409 and "not connected" in answer.json["detail"]


# ---------------------------------------------------------------- how fast

def fastest(provider, number):
    """The most that were accepted in any one second."""
    at = sorted(m["at"] for m in provider.sent(number))
    most = 0
    for i, start in enumerate(at):
        most = max(most, sum(1 for t in at[i:] if t < start + 1))
    return most


def limited(gateway, provider, name, number, **fields):
    waba = "7" + number[1:]
    provider.describe_number(number, waba=waba, **fields)
    shop = Shop(gateway, provider, name, number, waba=waba, responder="none")
    assert gateway.api("POST", shop.path("connections", shop.connection, "test")).status == 200
    return shop


def flood(shop, count):
    for i in range(count):
        assert send(shop, f"no {i}", to=f"+1650555{2000 + i}").status == 202


def test_a_number_is_not_overdriven(gateway, provider):
    """Of the app, too: 20 a second; as most: 80; of one that was raised more."""
    app = limited(gateway, provider, "On the app", "106540352242931", is_on_biz_app=True)
    high = limited(gateway, provider, "High", "106540352242932", throughput={"level": "HIGH"})
    flood(app, 60)
    flood(high, 150)
    provider.wait_sent(150, 20, number=high.number)
    provider.wait_sent(60, 20, number=app.number)
    assert 10 <= fastest(provider, app.number) <= 20, fastest(provider, app.number)
    # What the other is not held to: 150 at 20 a second take seven seconds.
    at = [m["at"] for m in provider.sent(high.number)]
    assert max(at) - min(at) < 4


def test_what_is_told_of_a_number_counts(gateway, provider, quiet):
    def mps():
        with sqlite3.connect(f"file:{gateway.data}/keyhouse.db?mode=ro", uri=True) as db:
            found = db.execute("SELECT mps FROM connections WHERE id = ?", (quiet.connection,)).fetchone()[0]
        db.close()
        return found
    assert mps() == 0
    assert gateway.api("POST", quiet.path("connections", quiet.connection, "test")).status == 200
    assert mps() == 80  # the sandbox's numbers are STANDARD, and not on the app
    told = {"object": "whatsapp_business_account", "entry": [{"id": quiet.waba, "time": int(time.time()) + 5, "changes": [
        {"field": "phone_number_quality_update", "value": {"event": "THROUGHPUT_UPGRADE"}}]}]}
    assert quiet.send(told).status == 200
    assert wait_for(lambda: mps() == 1000)
    # A look says what is.
    assert gateway.api("POST", quiet.path("connections", quiet.connection, "test")).status == 200
    assert mps() == 80
    # Echoes of the app tell only where the provider did not.
    echo = {"message_echoes": [{"from": quiet.display, "to": ADA, "id": "wamid.echo", "timestamp": str(int(time.time())), "type": "text",
                                "text": {"body": "by hand"}}]}
    assert quiet.send(quiet.envelope(echo, field="smb_message_echoes")).status == 200
    assert wait_for(lambda: any(m.get("echo") for m in quiet.messages())) and mps() == 80


def test_echoes_tell_of_a_number_that_nobody_speaks_of(gateway, provider):
    shop = DialogShop(gateway, provider, "Sarah's", "206540352242922", responder="none")
    echo = {"message_echoes": [{"from": shop.display, "to": ADA, "id": "wamid.echo", "timestamp": str(int(time.time())), "type": "text",
                                "text": {"body": "by hand"}}]}
    assert shop.send(shop.envelope(echo, field="smb_message_echoes")).status == 200

    def mps():
        with sqlite3.connect(f"file:{gateway.data}/keyhouse.db?mode=ro", uri=True) as db:
            found = db.execute("SELECT mps FROM connections WHERE id = ?", (shop.connection,)).fetchone()[0]
        db.close()
        return found
    assert wait_for(lambda: mps() == 20)
