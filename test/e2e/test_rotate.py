"""Goal of this test: every secret of a connection is replaced without a message lost. The old one stays until the new one
has worked, or its time is over; a new one that is refused gives way to the old one; what was stolen can be ended at once;
whatever the moment of a kill or of somebody else's change, one that the provider takes is there."""
import concurrent.futures
import datetime
import hashlib
import os
import random
import re
import sqlite3
import threading
import time

import pytest

import owner as pages
from conftest import RESPONDER_TIMEOUT_S, DialogShop, Gateway, Shop, sign, wait_for
from owner import owner  # noqa: F401
from shops import checks, new_key

PAULS, SARAHS = "106540352242922", "206540352242922"
WEEK, TEN_MINUTES = 7 * 86400, 600


@pytest.fixture
def paul(gateway, provider):
    return Shop(gateway, provider, "Paul's Electronics", PAULS, responder="none", verify=True)


@pytest.fixture
def sarah(gateway, provider):
    return DialogShop(gateway, provider, "Sarah's Fashion", SARAHS, responder="none")


def secret_of(shop, field):
    return shop.gateway.api("GET", shop.path("connections", shop.connection)).json["secrets"][field]


def lasts(when):
    """Seconds from now."""
    return datetime.datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp() - time.time()


def next_secret(shop, provider):
    """The app's secret is reset at Meta."""
    fresh = hashlib.md5(os.urandom(8)).hexdigest()
    provider.patch(apps={shop.app_id: {"secret": fresh}})
    return fresh


def next_token(shop, provider, letter="n"):
    token = "EAAG" + letter * 60
    provider.add_token(token, [shop.number], app_id=shop.app_id, app_secret=shop.app_secret, waba_ids=[shop.waba])
    return token


def webhook(shop, secret, wamid="wamid.1"):
    return shop.gateway.webhook(shop.id, shop.question("Boots?", wamid), secret).status


def change(gateway, sql, *values):
    """While it is stopped: as if time had passed."""
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        assert db.execute(sql, values).rowcount > 0, sql
    gateway.start()


def rows(gateway, sql):
    with sqlite3.connect(f"file:{gateway.data}/keyhouse.db?mode=ro", uri=True) as db:
        return db.execute(sql).fetchall()


class Traffic(threading.Thread):
    """Sends go on, one after the other, with webhooks where somebody signs them."""

    def __init__(self, shop, signed=None):
        super().__init__()
        self.shop, self.signed = shop, signed
        self.ids, self.statuses, self.over = [], [], threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.03):
            n = len(self.ids)
            self.ids.append(self.shop.post(f"text {n}", to=f"+1650555{n:04}").json["id"])
            if self.signed:
                self.statuses.append(self.signed(f"wamid.traffic{n}"))

    def end(self):
        """Everything that was to be sent is, once; no webhook was refused."""
        self.over.set()
        self.join(30)

        def left():
            return [(m["state"], m.get("error")) for m in map(self.shop.message, self.ids) if m["state"] != "sent"]
        assert wait_for(lambda: not left(), 15), left()
        assert len(self.ids) > 3 and set(self.statuses) <= {200}, self.statuses


# ---------------------------------------------------------------- what webhooks are known by

def test_an_app_secret_is_replaced(gateway, provider, paul):
    """Both are good; the old one for ten minutes more once a webhook came by the new one, and not a moment longer."""
    old, new = paul.app_secret, next_secret(paul, provider)
    assert secret_of(paul, "app_secret")["proven_at"] is None
    assert webhook(paul, old) == 200
    assert secret_of(paul, "app_secret")["proven_at"] is not None
    assert webhook(paul, new, "wamid.2") == 401
    answer = paul.patch(app_secret=new)
    assert answer.status == 200, answer.body
    shown = answer.json["secrets"]["app_secret"]
    assert (shown["version"], shown["last4"], shown["proven_at"]) == (2, new[-4:], None)
    assert (shown["previous"]["version"], shown["previous"]["last4"]) == (1, old[-4:])
    assert WEEK - 60 < lasts(shown["previous"]["accepted_until"]) <= WEEK
    assert webhook(paul, old, "wamid.3") == 200
    assert secret_of(paul, "app_secret")["proven_at"] is None, "a webhook by the old one proves nothing of the new one"
    assert webhook(paul, new, "wamid.4") == 200
    shown = secret_of(paul, "app_secret")
    assert shown["proven_at"] is not None and TEN_MINUTES - 60 < lasts(shown["previous"]["accepted_until"]) <= TEN_MINUTES
    assert webhook(paul, old, "wamid.5") == 200 and webhook(paul, new, "wamid.6") == 200
    assert secret_of(paul, "app_secret")["proven_at"] == shown["proven_at"], "it is noted once"

    # the end comes while both are at hand in memory
    change(gateway, "UPDATE credentials SET ends_at = ? WHERE slot = 2", int(time.time() * 1000) + 4000)
    assert webhook(paul, old, "wamid.7") == 200
    assert wait_for(lambda: webhook(paul, old, "wamid.8") == 401, 10)
    assert webhook(paul, new, "wamid.9") == 200
    assert secret_of(paul, "app_secret")["previous"] is None
    # and what has ended goes from the disk
    gateway.stop()
    gateway.start()
    assert wait_for(lambda: rows(gateway, "SELECT count(*) FROM credentials WHERE slot = 2") == [(0,)], 5)


def test_webhooks_and_sends_go_on(gateway, provider, paul):
    """While secret and token are replaced, and the app's secret changes at Meta between two webhooks."""
    signing = [paul.app_secret]
    traffic = Traffic(paul, lambda wamid: webhook(paul, signing[0], wamid))
    time.sleep(0.3)
    for letter in "abc":
        fresh = next_secret(paul, provider)
        assert paul.patch(app_secret=fresh).status == 200
        time.sleep(0.2)
        signing[0] = paul.app_secret = fresh
        time.sleep(0.2)
        assert paul.patch(access_token=next_token(paul, provider, letter)).status == 200
        time.sleep(0.2)
    traffic.end()
    assert secret_of(paul, "app_secret")["version"] == 4 and secret_of(paul, "access_token")["version"] == 4
    assert {r.token for r in provider.sends()} == {paul.token, *("EAAG" + letter * 60 for letter in "abc")}


def test_twice_without_a_webhook_between(gateway, provider, paul):
    """The one that webhooks still come by is kept, not the one that nobody used."""
    assert webhook(paul, paul.app_secret) == 200
    second = next_secret(paul, provider)
    assert paul.patch(app_secret=second).status == 200
    third = next_secret(paul, provider)
    assert paul.patch(app_secret=third).status == 200
    assert webhook(paul, paul.app_secret, "wamid.2") == 200
    assert webhook(paul, second, "wamid.3") == 401
    assert webhook(paul, third, "wamid.4") == 200


def test_a_stolen_secret_is_ended_at_once(gateway, provider, paul):
    old = paul.app_secret
    new = next_secret(paul, provider)
    assert webhook(paul, old) == 200 and paul.patch(app_secret=new).status == 200
    assert webhook(paul, old, "wamid.2") == 200
    answer = paul.patch(end_previous="app_secret")
    assert answer.status == 200 and answer.json["secrets"]["app_secret"]["previous"] is None
    assert webhook(paul, old, "wamid.3") == 401 and webhook(paul, new, "wamid.4") == 200
    assert paul.patch(end_previous="app_secret").status == 200, "it has ended already: that is as good"
    for wrong in ({"end_previous": "name"}, {"rotate": "app_secret"}, {"rotate": "webhook_secret"},
                  {"end_previous": "app_secret", "take_over": True}, {"rotate": "verify_token", "end_previous": "app_secret"}):
        answer = paul.patch(**wrong)
        assert (answer.status, answer.json["code"]) == (400, "invalid_field"), answer.body


def test_a_webhook_secret_is_replaced(gateway, provider, sarah):
    """It is set at 360dialog at once; what is on its way with the old one is still taken."""
    old = provider.d360.webhook(SARAHS)["headers"]["X-Keyhouse-Secret"]
    assert old == sarah.webhook_secret and sarah.send(sarah.question("Boots?", "wamid.1")).status == 200
    answer = sarah.patch(rotate="webhook_secret")
    assert answer.status == 200 and checks(answer.json)["callback"] == "ok", answer.body
    new = provider.d360.webhook(SARAHS)["headers"]["X-Keyhouse-Secret"]
    assert new != old and new not in answer.body.decode() and new not in gateway.log_text()
    for secret in (old, new, old):
        assert sarah.send(sarah.question("Boots?", "wamid.2"), secret=secret).status == 200
    shown = secret_of(sarah, "webhook_secret")
    assert shown["proven_at"] is not None and lasts(shown["previous"]["accepted_until"]) <= TEN_MINUTES
    assert [d.status for d in provider.deliver(SARAHS, sarah.question("Red?", "wamid.3")["entry"][0]["changes"][0]["value"])] == [200]
    assert sarah.patch(end_previous="webhook_secret").status == 200
    assert sarah.send(sarah.question("Boots?", "wamid.4"), secret=old).status == 401


def test_a_webhook_secret_that_is_not_set_is_not_kept(gateway, provider, sarah):
    """360dialog says no: the old one stays, and works. It does not say: both are good."""
    old = sarah.webhook_secret
    provider.fault("error", on="POST /v1/configs/webhook", http=400, code=100, message="Not now")
    for body in ({"rotate": "webhook_secret"}, {"webhook_secret": "w" * 40}):
        answer = sarah.patch(**body)
        assert answer.status == 422 and "the old one stays" in answer.json["detail"], answer.body
        shown = secret_of(sarah, "webhook_secret")
        assert (shown["last4"], shown["previous"], shown["newer_refused_at"]) == (old[-4:], None, None)
        assert sarah.send(sarah.question("Boots?", "wamid.1")).status == 200
    provider.heal()
    assert provider.d360.webhook(SARAHS)["headers"]["X-Keyhouse-Secret"] == old
    assert sarah.patch(rotate="webhook_secret").status == 200
    second = provider.d360.webhook(SARAHS)["headers"]["X-Keyhouse-Secret"]
    assert sarah.send(sarah.question("Boots?", "wamid.2"), secret=second).status == 200
    # no answer: it may come yet, so both are good
    provider.fault("drop", on="POST /v1/configs/webhook", times=1)
    answer = sarah.patch(webhook_secret="v" * 40)
    assert (answer.status, checks(answer.json)["callback"]) == (200, "waiting"), answer.body
    assert sarah.send(sarah.question("Boots?", "wamid.3"), secret=second).status == 200
    assert sarah.test()["secrets"]["webhook_secret"]["last4"] == "vvvv"
    # who looks later sees that it did not come, and the old one stays for good
    change(gateway, "UPDATE credentials SET created_at = created_at - 130000 WHERE field = 'webhook_secret' AND slot = 1")
    answer = sarah.test()
    assert checks(answer)["callback"] == "ok", answer
    shown = answer["secrets"]["webhook_secret"]
    assert (shown["last4"], shown["previous"], shown["newer_refused_at"]) == (second[-4:], None, None)
    assert sarah.send(sarah.question("Boots?", "wamid.4"), secret=second).status == 200
    assert sarah.send(sarah.question("Boots?", "wamid.5"), secret="v" * 40).status == 401


# ---------------------------------------------------------------- keys that send

def test_a_token_that_works_is_alone(gateway, provider, paul):
    shown = secret_of(paul, "access_token")
    assert shown["proven_at"] is not None, "the checks passed with it"
    answer = paul.patch(access_token=next_token(paul, provider))
    assert answer.status == 200 and answer.json["status"] == "active"
    shown = answer.json["secrets"]["access_token"]
    assert (shown["version"], shown["last4"], shown["previous"]) == (2, "nnnn", None) and shown["proven_at"] is not None


def unproven(shop, provider, **secret):
    """Pasted while the provider is silent."""
    provider.fault("error", http=503, code=2)
    answer = shop.patch(**secret)
    provider.heal()
    assert answer.status == 200, answer.body
    field, value = next(iter(secret.items()))
    shown = answer.json["secrets"][field]
    assert (shown["last4"], shown["proven_at"]) == (value[-4:], None) and shown["previous"] is not None
    return shown


def test_a_send_proves_a_new_token(gateway, provider, paul):
    new = next_token(paul, provider)
    unproven(paul, provider, access_token=new)
    id_ = paul.post("Hello").json["id"]
    assert wait_for(lambda: paul.message(id_)["state"] == "sent") and provider.sends()[-1].token == new
    assert wait_for(lambda: secret_of(paul, "access_token")["proven_at"])
    assert secret_of(paul, "access_token")["previous"] is None


def test_a_refused_token_gives_way(directory, provider, platform):
    """The message that met the refusal is sent with the old one. Owner, platform and operator are told."""
    gateway = Gateway(directory, provider.url, responder_allow=platform.place, responder_timeout=RESPONDER_TIMEOUT_S).start()
    paul = Shop(gateway, provider, "Paul's Electronics", PAULS, responder=platform, verify=True)
    wrong = "EAAG" + "w" * 60
    assert wait_for(lambda: platform.events)
    told = len(platform.events)
    unproven(paul, provider, access_token=wrong)
    id_ = paul.post("Hello").json["id"]
    assert wait_for(lambda: paul.message(id_)["state"] == "sent"), (paul.message(id_), gateway.log_text()[-2000:])
    assert [r.token for r in provider.sends()] == [wrong, paul.token]
    answer = gateway.api("GET", paul.path("connections", paul.connection)).json
    shown = answer["secrets"]["access_token"]
    assert (answer["status"], shown["version"], shown["last4"]) == ("active", 1, paul.token[-4:])
    assert shown["previous"] is None and shown["newer_refused_at"] is not None
    assert rows(gateway, "SELECT count(*) FROM credentials WHERE field = 'access_token'") == [(1,)]
    assert "the one before it is used again" in gateway.log_text() and wrong not in gateway.log_text()
    assert wait_for(lambda: len(platform.events) > told)
    event = platform.events[-1].json
    assert (event["state"], event["previous"]) == ("active", "key_refused") and "old one is used again" in event["note"]
    found = gateway.api("GET", paul.path("doctor")).json["findings"]
    assert [f["finding"] for f in found if f["connection_id"] == paul.connection] == ["new_key_refused"]
    # the next one has a version of its own, and ends the matter
    assert paul.patch(access_token=next_token(paul, provider)).status == 200
    shown = secret_of(paul, "access_token")
    assert (shown["version"], shown["newer_refused_at"]) == (3, None)
    assert gateway.api("GET", paul.path("doctor")).json["findings"] == []
    gateway.stop()


def test_a_refused_token_is_noticed_by_a_check(gateway, provider, paul):
    unproven(paul, provider, access_token="EAAG" + "w" * 60)
    answer = paul.test()
    assert answer["status"] == "active" and checks(answer)["token"] == "ok", answer
    shown = answer["secrets"]["access_token"]
    assert shown["last4"] == paul.token[-4:] and shown["newer_refused_at"] is not None
    # a good one is proven by it
    unproven(paul, provider, access_token=next_token(paul, provider))
    assert paul.test()["secrets"]["access_token"]["proven_at"] is not None
    assert secret_of(paul, "access_token")["previous"] is None


def test_a_refused_api_key_gives_way(gateway, provider, sarah):
    traffic = Traffic(sarah)
    assert wait_for(lambda: len(traffic.ids) > 3)
    unproven(sarah, provider, api_key=new_key("nobody's"))
    assert wait_for(lambda: "used again" in gateway.log_text()), gateway.log_text()[-2000:]
    traffic.end()
    shown = secret_of(sarah, "api_key")
    assert shown["last4"] == sarah.key[-4:] and shown["newer_refused_at"] is not None
    assert sarah.connection_status() == "active"


def test_a_key_refused_for_many_at_once(gateway, provider, sarah):
    """Sends and checks find it at the same time: one takes it back, the others see that it is another key by then."""
    traffic = Traffic(sarah)
    assert wait_for(lambda: len(traffic.ids) > 3)
    unproven(sarah, provider, api_key=new_key("nobody's"))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: sarah.test(), range(8)))
    traffic.end()
    assert [a["status"] for a in answers] == ["active"] * 8, answers
    shown = secret_of(sarah, "api_key")
    assert shown["last4"] == sarah.key[-4:] and shown["newer_refused_at"] is not None
    assert sarah.connection_status() == "active"


def test_both_refused(gateway, provider, paul):
    """There is nothing to go back to twice: then the state says it, and the message waits."""
    provider.revoke(paul.token)
    unproven(paul, provider, access_token="EAAG" + "w" * 60)
    id_ = paul.post("Hello").json["id"]
    assert wait_for(lambda: paul.connection_status() == "key_refused")
    assert paul.message(id_)["state"] in ("retry", "queued")
    assert paul.patch(access_token=next_token(paul, provider)).status == 200
    assert wait_for(lambda: paul.message(id_)["state"] == "sent"), paul.message(id_)


def test_a_pasted_token_wins_over_a_renewal(directory, provider):
    """A renewal is on its way while the owner pastes a token of his own."""
    gateway = Gateway(directory, provider.url, check_interval=1).start()
    paul = Shop(gateway, provider, "Paul's Electronics", PAULS, responder="none", verify=True)
    provider.patch(tokens={paul.token: {"expires_at": int(time.time()) + 3 * 86400}})
    provider.fault("slow", on="/oauth/access_token", delay=2, times=1)
    change(gateway, "UPDATE connections SET check_at = 0")
    assert wait_for(lambda: [r for r in provider.requests if r.path.endswith("/oauth/access_token")], 15)
    pasted = next_token(paul, provider)
    assert paul.patch(access_token=pasted).status == 200
    assert wait_for(lambda: "was not renewed" in gateway.log_text(), 10), gateway.log_text()[-2000:]
    shown = secret_of(paul, "access_token")
    assert (shown["last4"], shown["version"], shown["previous"]) == ("nnnn", 2, None)
    paul.post("Hello")
    assert provider.wait_requests(1, matching=lambda r: r.method == "POST" and r.path.endswith("/messages"))[0].token == pasted
    gateway.stop()


# ---------------------------------------------------------------- verify tokens

def handshake(shop, token):
    return shop.gateway.get(f"/webhooks/{shop.id}?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=77").status


def test_a_verify_token_is_replaced(gateway, provider, paul):
    old = paul.connected["verify_token"]
    answer = paul.patch(rotate="verify_token")
    new = answer.json["verify_token"]
    assert answer.status == 200 and new != old and re.fullmatch("kh[0-9a-f]{32}", new)
    assert WEEK - 60 < lasts(answer.json["previous_verify_token_until"]) <= WEEK
    assert [handshake(paul, t) for t in (old, new, old)] == [200, 200, 403]
    assert paul.connections()[0]["previous_verify_token_until"] is None
    # by command; ended at once, and in time
    shown = gateway.run("connection", "rotate", paul.id, paul.connection, "verify_token").stdout
    third = re.search("kh[0-9a-f]{32}", shown).group()
    assert handshake(paul, new) == 200
    gateway.run("connection", "rotate", paul.id, paul.connection, "verify_token", "--end-previous")
    assert [handshake(paul, t) for t in (new, third)] == [403, 200]
    fourth = paul.patch(rotate="verify_token").json["verify_token"]
    change(gateway, "UPDATE connections SET previous_verify_token_ends_at = ?", int(time.time() * 1000) + 4000)
    assert handshake(paul, third) == 200
    assert wait_for(lambda: handshake(paul, third) == 403, 10)
    assert handshake(paul, fourth) == 200


# ---------------------------------------------------------------- by command

def test_the_command_says_what_became_of_it(gateway, provider, paul, sarah):
    def rotate(shop, field, *more, value=None, status=0):
        done = gateway.run("connection", "rotate", shop.id, shop.connection, field, *more, check=False,
                           **({"stdin": value + "\n"} if value else {}))
        assert done.returncode == status, (done.stdout, done.stderr)
        return done

    def until(shop, field):
        return secret_of(shop, field)["previous"]["accepted_until"]
    token = rotate(paul, "access_token", value=next_token(paul, provider)).stdout
    assert "access_token is replaced, and the new one has proven to work.\nThe one before it is gone.\n" in token
    assert webhook(paul, paul.app_secret) == 200
    secret = rotate(paul, "app_secret", value=next_secret(paul, provider)).stdout
    assert "app_secret is replaced, and no webhook has proven the new one yet.\n" in secret
    assert f"The one before it is still accepted until {until(paul, 'app_secret')}.\n" in secret
    provider.fault("error", http=503, code=2)
    key = rotate(sarah, "api_key", value=new_key("silent")).stdout
    provider.heal()
    assert "api_key is replaced, and nothing has proven the new one yet.\n" in key
    assert f"is kept until the new one works, at most until {until(sarah, 'api_key')}.\n" in key
    assert "verify_token is replaced" in rotate(paul, "verify_token").stdout
    for shop, field in ((paul, "app_secret"), (paul, "verify_token"), (sarah, "api_key")):
        assert f"The {field} before this one is not accepted any more.\n" in rotate(shop, field, "--end-previous").stdout
        again = rotate(shop, field, "--end-previous")
        assert f"There is no {field} before this one, or it has ended already.\n" in again.stdout
        assert ("verify_token" in again.stdout) == (shop is paul), "360dialog knows none"
    assert "ended already" in rotate(paul, "app_secret", "--end-previous", "--json").stderr


# ---------------------------------------------------------------- killed meanwhile

def test_killed_at_any_moment(gateway, provider, paul):
    """The old one is good as long as no webhook came by a new one; the new one from the answer on."""
    chance = random.Random(5)
    assert webhook(paul, paul.app_secret) == 200
    for n in range(6):
        fresh = next_secret(paul, provider)
        answers = []

        def rotate():
            try:
                answers.append(paul.patch(app_secret=fresh).status)
            except OSError:
                pass  # killed
        rotating = threading.Thread(target=rotate)
        rotating.start()
        time.sleep(chance.random() * 0.08)
        gateway.kill()
        rotating.join(30)
        gateway.start()
        assert webhook(paul, paul.app_secret, f"wamid.old{n}") == 200, n
        stored = secret_of(paul, "app_secret")["last4"] == fresh[-4:]
        assert stored or answers != [200]
        assert webhook(paul, fresh, f"wamid.new{n}") == (200 if stored else 401), n
        if stored:
            paul.app_secret = fresh
        else:
            provider.patch(apps={paul.app_id: {"secret": paul.app_secret}})


# ---------------------------------------------------------------- the page

@pages.needed
def test_the_page_of_keys(owner, gateway, provider, paul):  # noqa: F811
    """What is proven, how long the old one lasts, that a new one was refused; ending, and making anew."""
    assert webhook(paul, paul.app_secret) == 200
    owner.come(paul)
    owner.go("access")
    assert owner.words().count("works since") == 2
    new = next_secret(paul, provider)
    assert paul.patch(app_secret=new).status == 200
    owner.go("access")
    owner.says("no message has come with it yet")
    owner.says("App secret before")
    owner.says("still accepted until")
    unproven(paul, provider, access_token="EAAG" + "w" * 60)
    owner.go("access")
    owner.says("not used yet")
    owner.says("kept until the new one works, at most until")
    owner.shoot_both("overlap")
    assert new not in owner.browser.page_source
    old_token = paul.connected["verify_token"]
    owner.says(old_token)
    {e.text: e for e in owner.all("summary")}["Make a new verify token"].click()
    owner.click("form[action=rotate] button")
    owner.says("A new one was made.")
    owner.says("The one before is still accepted until Meta comes with this one")
    assert old_token not in owner.words()
    owner.shoot_both("overlap-token")
    assert paul.test()["status"] == "active"
    owner.go("access")
    owner.says("A newer one was refused on")
    {e.find_element("css selector", "[name=field]").get_attribute("value"): e
     for e in owner.all("form[action=end-previous]")}["app_secret"].find_element("css selector", "button").click()
    owner.says("The old one is not accepted any more.")
    assert "App secret before" not in owner.words()
    assert webhook(paul, paul.app_secret, "wamid.2") == 401 and webhook(paul, new, "wamid.3") == 200
    owner.shoot_both("overlap-over")
