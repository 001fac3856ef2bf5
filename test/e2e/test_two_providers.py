"""Goal of this test: several ways in and out of one house. A shop may have Meta and 360dialog, and several numbers; an
answer leaves by the way its question came. Shops that share one Meta app keep out of each other's webhooks."""
import json
import threading
import time

import pytest

from conftest import PAUL, DialogShop, Shop, wait_for
from shops import Business, asked, checks, new_key

QUESTION = "How much is iPhone 13 Pro?"
META, SECOND, D360 = "106540352242922", "116540352242922", "206540352242922"


class Both(Shop):
    """A shop with a Meta connection that also gets one of 360dialog."""

    def add_360dialog(self, provider, number, **fields):
        self.key = new_key(self.name)
        provider.add_d360_key(self.key, number, waba_id="880000000000007")
        answer = self.gateway.api("POST", self.path("connections"), {"provider": "360dialog", "api_key": self.key, **fields})
        assert answer.status == 201, answer.body
        self.webhook_secret = answer.json["webhook_headers"]["X-Keyhouse-Secret"]
        return answer.json


@pytest.fixture
def both(gateway, provider):
    shop = Both(gateway, provider, "Paul's Electronics", META, verify=True)
    shop.products(PAUL)
    return shop


def sent_by(provider):
    return [(r.api, r.number, r.token) for r in provider.sends()]


def test_an_answer_leaves_by_the_way_of_its_question(provider, both):
    both.add_360dialog(provider, D360)
    assert [d.status for d in provider.deliver(D360, asked(QUESTION, "wamid.d"))] == [200]
    provider.wait_sent(1)
    assert [d.status for d in provider.deliver(META, asked(QUESTION, "wamid.m"))] == [200]
    provider.wait_sent(2)
    assert sent_by(provider) == [("360dialog", D360, both.key), ("meta", META, both.token)]


def test_the_same_number_with_both(provider, both):
    """While a shop moves from one to the other: each delivery is of the provider that proved itself."""
    both.add_360dialog(provider, META)
    assert [d.status for d in provider.deliver(META, asked(QUESTION, "wamid.m", "16505550001"), api="meta")] == [200]
    provider.wait_sent(1)
    assert [d.status for d in provider.deliver(META, asked(QUESTION, "wamid.d", "16505550002"), api="360dialog")] == [200]
    provider.wait_sent(2)
    assert sent_by(provider) == [("meta", META, both.token), ("360dialog", META, both.key)]
    assert all(e["quarantined"] == 0 for e in both.events())
    assert both.post("by the last way", to="+16505550001").status == 202
    provider.wait_sent(3)
    assert provider.sends()[2].api == "meta", "the conversation's connection"
    provider.deliver(META, asked(QUESTION, "wamid.d2", "16505550001"), api="360dialog")
    provider.wait_sent(4)
    assert both.post("moved", to="+16505550001", start=f"messages?from={META}").status == 202
    provider.wait_sent(5)
    assert [r.api for r in provider.sends()[3:]] == ["360dialog", "360dialog"]


def test_one_providers_proof_is_not_the_others(gateway, provider, both):
    """What proves itself as 360dialog may speak for 360dialog's number alone, and the other way round."""
    both.add_360dialog(provider, D360)
    of_meta, of_d360 = both.question("hello", "wamid.1"), both.question("hello", "wamid.2", number=D360)
    assert gateway.webhook(both.id, of_meta, headers={"X-Keyhouse-Secret": both.webhook_secret}).status == 200
    assert gateway.webhook(both.id, of_d360, both.app_secret).status == 200
    assert wait_for(lambda: [e["quarantined"] for e in both.events() if e["state"] == "settled"] == [1, 1])
    assert both.messages() == []


def test_several_numbers_of_one_connection_each(gateway, provider, both):
    """Replies leave by the number that was written to; who starts a conversation says which, or is asked to."""
    second = both.connect(phone_number_id=SECOND, verify=False)
    assert second.status == 201, second.body
    provider.add_token(both.token, [META, SECOND], app_id=both.app_id, app_secret=both.app_secret, waba_ids=[both.waba])
    both.send(both.question(QUESTION, "wamid.n1", number=SECOND))
    provider.wait_sent(1, number=SECOND)
    both.send(both.question(QUESTION, "wamid.n2"))
    provider.wait_sent(1, number=META)
    refused = both.post("hello", to="+16505550009")
    assert (refused.status, refused.json["code"]) == (422, "number_required"), refused.body
    assert both.post("hello", to="+16505550009", start=f"messages?from={SECOND}").status == 202
    provider.wait_sent(2, number=SECOND)
    assert both.post("again", to="+16505550009").status == 202, "the conversation has a number now"
    provider.wait_sent(3, number=SECOND)
    assert both.post("hello", start="messages?from=999").status == 404
    both.send(both.question("hello there", "wamid.n3", number=SECOND))
    assert wait_for(lambda: len(both.messages(direction="inbound")) == 3)
    assert both.post("to the one who wrote last to the second").status == 202
    assert wait_for(lambda: [m for m in provider.sent(SECOND) if m["body"]["text"]["body"].startswith("to the one")])
    assert len(provider.sent(META)) == 1


def test_a_number_of_another_shop_is_not_a_way_out(gateway, provider, both):
    other = DialogShop(gateway, provider, "Other", D360)
    answer = both.post("hello", start=f"messages?from={other.number}")
    assert answer.status == 404 and other.id not in answer.body.decode()


# ------------------------------------------------------------ Meta's registration

def test_connecting_registers_at_meta(gateway, provider, both):
    said = both.connected
    results = checks(said)
    assert {n: results[n] for n in ("callback", "subscription", "webhook")} == dict.fromkeys(
        ("callback", "subscription", "webhook"), "ok"), said
    assert said["status"] == "active"
    app = provider.graph.apps[both.app_id]
    assert app["callback"] == said["webhook_url"] and "messages" in app["fields"] and "account_update" in app["fields"]
    assert provider.graph.subscribed[both.waba] == {both.app_id: None}
    provider.deliver(META, asked(QUESTION, "wamid.r"))
    provider.wait_sent(1)
    for request in provider.requests:
        assert both.app_secret not in request.path + json.dumps(request.query), "no secret in a URL of ours"


def test_shops_on_one_app(gateway, provider, both):
    """The second gets an override for its WABA; the app's callback stays the first's."""
    second = Shop(gateway, provider, "Sarah's Fashion", SECOND, verify=True, waba="202290129340398", app=both)
    first_url, second_url = both.connected["webhook_url"], second.connected["webhook_url"]
    assert provider.graph.apps[both.app_id]["callback"] == first_url
    assert provider.graph.override(second.waba, both.app_id) == second_url
    assert provider.graph.override(both.waba, both.app_id) is None
    assert checks(second.connected)["callback"] == "ok" and second.connected["status"] == "active"
    assert [d.url for d in provider.deliver(META, asked("for Paul", "wamid.p"))] == [first_url]
    assert [d.url for d in provider.deliver(SECOND, asked("for Sarah", "wamid.s"))] == [second_url]
    assert wait_for(lambda: [m["wamid"] for m in both.messages(direction="inbound")] == ["wamid.p"])
    assert wait_for(lambda: [m["wamid"] for m in second.messages(direction="inbound")] == ["wamid.s"])
    assert both.test()["status"] == second.test()["status"] == "active"
    assert provider.graph.apps[both.app_id]["callback"] == first_url


def test_shops_on_one_app_and_account(gateway, provider, both):
    """Meta keeps one address for the two: who has it keeps it, whatever the other says."""
    first_url = both.connected["webhook_url"]
    second = Shop(gateway, provider, "Sarah's Fashion", SECOND, verify=True, waba=both.waba, app=both)
    for said in (second.connected, second.patch(take_over=True).json, second.test()):
        detail = next(c["detail"] for c in said["checks"] if c["name"] == "callback")
        assert checks(said)["callback"] == "failed" and "one address per account" in detail and both.id not in detail, said
        assert said["status"] == "webhook_taken"
    assert provider.graph.apps[both.app_id]["callback"] == first_url
    assert provider.graph.override(both.waba, both.app_id) is None
    assert [d.url for d in provider.deliver(META, asked(QUESTION, "wamid.p"))] == [first_url]
    provider.wait_sent(1, number=META)
    again = both.patch(take_over=False)
    assert (checks(again.json)["callback"], again.json["status"]) == ("ok", "active"), "ours already"
    assert second.patch(take_over=True).json["status"] == "webhook_taken"


def test_an_apps_foreign_callback_is_not_taken(gateway, provider):
    foreign = "https://hooks.other-tool.example/in/secret-path"
    shop = Shop(gateway, provider, "Newcomer", META)
    provider.graph.set_callback(shop.app_id, foreign)
    other = Shop(gateway, provider, "Other", SECOND, waba="202290129340398")
    provider.graph.set_callback(other.app_id, foreign)
    for taken in (False, True):
        number = f"30000000000000{int(taken)}"
        provider.add_token(shop.token, [META, number], app_id=shop.app_id, app_secret=shop.app_secret, waba_ids=[shop.waba])
        answer = shop.connect(phone_number_id=number, verify=True, take_over=taken)
        assert answer.status == 201, answer.body
        assert checks(answer.json)["callback"] == ("ok" if taken else "failed"), answer.body
        assert answer.json["status"] == ("active" if taken else "webhook_taken"), answer.body
        assert b"secret-path" not in answer.body
        assert provider.graph.apps[shop.app_id]["callback"] == foreign, "an app's callback is never taken from somebody"
        assert provider.graph.override(shop.waba, shop.app_id) == (answer.json["webhook_url"] if taken else None)


def test_meta_that_refuses_to_register(gateway, provider):
    """Said in the checks; the connection is stored and works as soon as the webhook is set by hand."""
    shop = Shop(gateway, provider, "Later", META)
    provider.fault("error", http=400, code=100, on="/subscriptions")
    provider.fault("error", http=403, code=200, on="/subscribed_apps")
    number = "300000000000005"
    provider.add_token(shop.token, [META, number], app_id=shop.app_id, app_secret=shop.app_secret, waba_ids=[shop.waba])
    answer = shop.connect(phone_number_id=number, verify=True)
    assert answer.status == 201, answer.body
    results = checks(answer.json)
    assert results["callback"] != "ok" and results["subscription"] != "ok" and results["token"] == "ok"
    assert shop.send(shop.question("hello", "wamid.byhand", number=number)).status == 200


def test_testing_a_meta_connection_changes_nothing(provider, both):
    provider.reset()
    assert checks(both.test())["callback"] == "ok"
    provider.graph.set_callback(both.app_id, "https://hooks.other-tool.example/in")
    results = both.test()
    assert checks(results)["callback"] == "failed" and results["status"] == "webhook_taken"
    assert {r.method for r in provider.requests} == {"GET"}
    provider.graph.set_callback(both.app_id, both.connected["webhook_url"])
    assert both.test()["status"] == "active", "ours again"


def test_shops_that_connect_to_one_app_at_once(gateway, provider):
    """While Meta is still busy with the first, the second comes: each must get its own webhooks."""
    class app:
        app_id, app_secret = "9" + META, "0123456789abcdef0123456789abcdef"
    shops = {}
    provider.fault("slow", on=f"POST /v26.0/{app.app_id}/subscriptions", delay=1.5)

    def connect(number, waba):
        shops[number] = Shop(gateway, provider, "Shop " + number, number, responder="none", verify=True, waba=waba, app=app)
    assert gateway.token  # made before the threads, once
    threads = [threading.Thread(target=connect, args=a) for a in ((META, "102290129340398"), (SECOND, "202290129340398"))]
    for t in threads:
        t.start()
        time.sleep(0.6)  # the first has looked, and sets
    for t in threads:
        t.join()
    provider.heal()
    for number, shop in shops.items():
        assert checks(shop.connected)["callback"] == "ok", shop.connected
        assert [d.url for d in provider.deliver(number, asked("hello", f"wamid.{number}"))] == [shop.connected["webhook_url"]]


def test_a_number_that_was_only_claimed(gateway, provider):
    """Anybody can write a number down; whom the provider names has it."""
    squatter = Business(gateway, "Squatter", "none")
    claimed = gateway.api("POST", squatter.path("connections"), {
        "provider": "360dialog", "api_key": "a-key-of-nobody", "phone_number_id": D360, "verify": False})
    assert claimed.status == 201, claimed.body
    owner = DialogShop(gateway, provider, "Owner", D360, responder="none")
    assert owner.connected["status"] == "active"
    assert [d.status for d in provider.deliver(D360, asked("hello", "wamid.mine"))] == [200]
    assert wait_for(lambda: [m["wamid"] for m in owner.messages()] == ["wamid.mine"])
    # The squatter's own webhooks are still taken, and nothing of that number is delivered to him.
    forged = owner.question("hello", "wamid.forged")
    header = claimed.json["webhook_headers"]
    assert gateway.webhook(squatter.id, forged, headers=header).status == 200
    assert wait_for(lambda: [e for e in squatter.events() if e["quarantined"] == 1])
    assert squatter.messages() == []
    late = gateway.api("POST", squatter.path("connections"), {
        "provider": "360dialog", "api_key": "another-key", "phone_number_id": D360, "verify": False})
    assert (late.status, late.json["code"]) == (409, "number_taken")
