"""Goal of this test: a connection is looked at again without anybody asking; only what a provider says of the credential
changes its state; each change is told to the platform once; a token is renewed before it expires."""
import time

import pytest

from conftest import RESPONDER_TIMEOUT_S, DialogShop, Gateway, Shop, wait_for
from fake_platform import empty, fail

PAULS, SARAHS = "106540352242922", "206540352242933"
DAY = 86400


@pytest.fixture
def gateway(directory, provider, platform):
    g = Gateway(directory, provider.url, check_interval=1, responder_allow=platform.place, responder_timeout=RESPONDER_TIMEOUT_S)
    g.start()
    yield g
    assert g.stop() == 0


@pytest.fixture
def paul(gateway, provider, platform):
    return Shop(gateway, provider, "Paul's Electronics", PAULS, responder=platform, verify=True)


def due(gateway):
    """Nobody waits for six hours: what was just connected is due now."""
    import sqlite3
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        db.execute("UPDATE connections SET check_at = 0")
    gateway.start()


def states(platform, shop):
    """The events that the platform got: (previous, state) in order, each change once."""
    events = [a for a in platform.events if a.business == shop.id and a.json["event"] == "connection.state"]
    assert all(a.signed for a in events), [a.fault for a in events]
    seen = {}
    for a in events:
        assert seen.setdefault(a.id, a.body) == a.body and a.json["id"] == a.id
    return [(a.json["previous"], a.json["state"]) for a in events]


def is_state(shop, state, timeout=10):
    return wait_for(lambda: shop.connection_status() == state, timeout, every=0.1)


def test_a_dead_key_is_noticed_and_told_once(gateway, provider, platform, paul):
    assert is_state(paul, "active") and wait_for(lambda: states(platform, paul)) == [("pending", "active")]
    due(gateway)
    provider.patch(tokens={paul.token: {"valid": False}})
    assert is_state(paul, "key_refused"), gateway.log_text()[-2000:]
    assert wait_for(lambda: len(states(platform, paul)) == 2)
    event = platform.events[-1].json
    assert event["object"] == "keyhouse" and event["connection_id"] == paul.connection and event["business_id"] == paul.id
    assert event["provider"] == "meta" and event["phone_number_id"] == PAULS
    assert "refused" in event["title"] and event["meaning"] and "new key" in event["remedy"]
    assert paul.token not in platform.events[-1].body.decode() and paul.app_secret not in platform.events[-1].body.decode()
    time.sleep(2.5)  # looked at twice more, and nothing new to tell
    assert states(platform, paul) == [("pending", "active"), ("active", "key_refused")]
    provider.patch(tokens={paul.token: {"valid": True}})
    assert is_state(paul, "active")
    assert wait_for(lambda: len(states(platform, paul)) == 3) and states(platform, paul)[2] == ("key_refused", "active")


def test_silence_changes_nothing(gateway, provider, platform, paul):
    assert wait_for(lambda: states(platform, paul))
    due(gateway)
    for fault in ({"http": 500, "code": 2}, {"http": 503, "code": 1}, {"http": 400, "code": 4}):
        asked = len(provider.requests)
        provider.fault("error", times=3, **fault)
        assert wait_for(lambda: len(provider.requests) > asked + 1, 5)
        time.sleep(1)
        assert paul.connection_status() == "active", fault
        provider.heal()
    assert states(platform, paul) == [("pending", "active")]


def test_a_platform_that_was_away_is_told_later(gateway, provider, platform, paul):
    assert wait_for(lambda: states(platform, paul))
    due(gateway)
    platform.to_events = fail(500)
    provider.patch(tokens={paul.token: {"valid": False}})
    assert is_state(paul, "key_refused")
    assert wait_for(lambda: len(states(platform, paul)) >= 3, 10), "it is not tried again"
    gateway.kill()
    gateway.start()
    platform.to_events = empty()
    assert wait_for(lambda: "is tried again" in gateway.log_text())
    count = wait_for(lambda: len(states(platform, paul)) >= 4 and len(states(platform, paul)))
    assert set(states(platform, paul)) == {("pending", "active"), ("active", "key_refused")}
    assert len({a.id for a in platform.events}) == 2, "a repeated event has another id"
    time.sleep(2)
    assert len(states(platform, paul)) <= count + 1


def test_a_foreign_webhook_is_noticed(gateway, provider, platform):
    sarah = DialogShop(gateway, provider, "Sarah's Fashion", SARAHS, responder=platform, verify=True)
    assert is_state(sarah, "active") and wait_for(lambda: states(platform, sarah))
    due(gateway)
    provider.d360.change(SARAHS, webhook={"url": "https://elsewhere.example/hook"})
    assert is_state(sarah, "webhook_taken"), gateway.log_text()[-2000:]
    assert wait_for(lambda: states(platform, sarah)[1:] == [("active", "webhook_taken")])


def test_a_token_is_renewed_before_it_expires(gateway, provider, paul):
    """The new one is used once it has worked; it is never in clear outside vault and sender."""
    provider.patch(tokens={paul.token: {"expires_at": int(time.time()) + 3 * DAY}})
    due(gateway)
    assert wait_for(lambda: "access token renewed" in gateway.log_text(), 10), gateway.log_text()[-2000:]
    fresh = [t for t, about in provider.book["tokens"].items() if t != paul.token and about["app"] == paul.app_id]
    assert len(fresh) == 1
    shown = paul.connections()[0]["secrets"]["access_token"]
    assert shown["last4"] == fresh[0][-4:]
    paul.post("Hello")
    assert wait_for(lambda: [r for r in provider.requests if r.path.endswith("/messages")])
    assert [r for r in provider.requests if r.path.endswith("/messages")][-1].token == fresh[0]
    time.sleep(2.5)
    assert gateway.log_text().count("access token renewed") == 1
    for secret in (fresh[0], paul.token, paul.app_secret):
        assert secret not in gateway.log_text()
    gateway.stop()
    for path in gateway.data.iterdir():
        if path.is_file():
            assert fresh[0].encode() not in path.read_bytes(), path
    gateway.start()


@pytest.mark.parametrize("fault", ["refused", "useless"])
def test_a_renewal_that_fails_keeps_the_old_token(gateway, provider, paul, fault):
    if fault == "refused":
        provider.fault("error", on="/oauth/access_token", http=400, code=190)
    else:
        provider.fault("error", on="/oauth/access_token", http=200, body='{"access_token":"EAAGsomethingThatNobodyKnows123"}')
    provider.patch(tokens={paul.token: {"expires_at": int(time.time()) + 3 * DAY}})
    due(gateway)
    assert wait_for(lambda: "was not renewed" in gateway.log_text(), 10), gateway.log_text()[-2000:]
    assert paul.connections()[0]["secrets"]["access_token"]["last4"] == paul.token[-4:]
    assert paul.connection_status() == "active"
    paul.post("Hello")
    assert wait_for(lambda: [r for r in provider.requests if r.path.endswith("/messages") and r.token == paul.token])


def test_an_end_waits_for_no_provider(gateway, provider, paul):
    """A check is out to a provider that hangs: the end comes all the same, and in order."""
    due(gateway)
    asked = len(provider.requests)
    provider.fault("hang")
    assert wait_for(lambda: len(provider.requests) > asked or "debug_token" in str(provider.requests[-1:]), 5)
    began = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - began < 8
    assert "signal=9" not in gateway.log_text()
    provider.heal()
    gateway.start()


def test_a_send_that_is_refused_for_the_account_is_looked_into_at_once(directory, provider):
    """And not for each message again."""
    g = Gateway(directory, provider.url)  # every six hours, else
    g.start()
    paul = Shop(g, provider, "Paul's Electronics", PAULS, responder="none", verify=True)
    import sqlite3
    g.stop()
    with sqlite3.connect(g.data / "keyhouse.db") as db:
        db.execute("UPDATE connection_facts SET looked_at = looked_at - 3600000")
    g.start()
    provider.reset()
    provider.fault("error", number=PAULS, on="/messages", http=400, code=131031)
    provider.describe_number(PAULS, health_status={"can_send_message": "BLOCKED", "entities": []})

    def looks():
        return len([r for r in provider.requests if r.path.endswith("/debug_token")])

    for n in range(5):
        assert paul.post("hello", to=f"+1650555000{n}").status == 202
    assert is_state(paul, "blocked"), paul.messages()
    time.sleep(3)
    assert looks() == 1, looks()
    assert g.stop() == 0
