"""Goal of this test: a shop can be told when its webhooks came last and what was wrong with those that did not: in the
API, on its pages, for the operator, in figures, over a restart. A stranger is told nothing, and costs no write."""
import re

from conftest import DialogShop, Shop, sign, wait_for
from test_admin import Operator
from test_settings import Caller

META, D360 = "106540352242922", "206540352242922"


def last(shop, connection=None):
    return shop.gateway.api("GET", shop.path("connections", connection or shop.connection)).json["last_delivery"]


def told(shop, reason, count=None):
    def is_told():
        d = last(shop)
        return d if d["refused_reason"] == reason and count in (None, d["refused_count"]) else None
    return wait_for(is_told, timeout=5)


def refusals(gateway):
    return {k: int(v) for k, v in re.findall(r'keyhouse_webhooks_refused_total\{reason="(\w+)"\} (\d+)',
                                             gateway.get("/metrics").body.decode())}


def test_what_came_last_is_known(gateway, provider):
    paul = Shop(gateway, provider, "Paul's Electronics", META, responder="none")
    sarah = DialogShop(gateway, provider, "Sarah's Fashion", D360, responder="none", fields={"platform_secret": "p" * 32})
    none = {"accepted_at": None, "refused_at": None, "refused_reason": None, "refused_detail": None, "refused_count": 0}
    assert last(paul) == last(sarah) == none

    assert paul.send(paul.question("hello", "wamid.1")).status == 200
    assert wait_for(lambda: last(paul)["accepted_at"])
    assert last(sarah) == none, "and of another shop nothing"
    body = b"{}"
    platform = {"x-360dialog-signature": sign("p" * 32, body)}
    answers = []
    for shop, headers, reason in ((paul, {}, "no_proof"),
                                  (paul, {"X-Hub-Signature-256": sign("0" * 32, body)}, "wrong_signature"),
                                  (paul, {"X-Keyhouse-Secret": "x"}, "other_provider"),
                                  (sarah, {"X-Keyhouse-Secret": "x", **platform}, "wrong_secret_header"),
                                  (sarah, {"X-Keyhouse-Secret": sarah.webhook_secret}, "wrong_platform_signature"),
                                  (sarah, platform, "other_provider")):
        before = refusals(gateway)
        answers.append(gateway.webhook(shop.id, body, headers=headers))
        got = told(shop, reason)
        assert got and len(got["refused_detail"]) > 30, (reason, last(shop))
        assert refusals(gateway) == {**before, reason: before[reason] + 1}
    answers.append(gateway.webhook("nobody", body))
    assert {(a.status, a.body) for a in answers} == {(401, b"unauthorized\n")}
    assert last(paul)["refused_count"] == 3 and last(sarah)["refused_count"] == 3

    assert gateway.get(f"/webhooks/{paul.id}?hub.mode=subscribe&hub.verify_token=x&hub.challenge=1").status == 403
    assert told(paul, "wrong_verify_token", 4)
    assert gateway.webhook(paul.id, b"x" * (3 * 2**20 + 2**17)).status == 413
    assert told(paul, "too_large", 5)
    assert paul.send(paul.question("hello", "wamid.2", number="999999994321")).status == 200
    assert told(paul, "wrong_number", 6)
    assert paul.send(paul.envelope({}, field="security") | {"entry": [{"id": "7", "changes": [
        {"field": "account_update", "value": {}}]}]}).status == 200
    assert told(paul, "wrong_account", 7)
    assert paul.send(paul.question("hello", "wamid.3")).status == 200
    assert told(paul, "wrong_account", 0), "one was accepted"


def test_it_outlives_a_restart(gateway, provider):
    paul = Shop(gateway, provider, "Paul's Electronics", META, responder="none")
    sarah = DialogShop(gateway, provider, "Sarah's Fashion", D360, responder="none")
    assert paul.send(paul.question("hello", "wamid.1")).status == 200
    assert wait_for(lambda: last(paul)["accepted_at"])
    for _ in range(3):
        assert gateway.webhook(paul.id, b"{}", secret="0" * 32).status == 401
    assert gateway.webhook(sarah.id, b"{}", headers={"X-Keyhouse-Secret": "wrong"}).status == 401
    before = last(paul), last(sarah)
    assert before[0]["refused_reason"] == "wrong_signature" and before[0]["refused_count"] == 3
    gateway.stop()
    gateway.start()
    assert (last(paul), last(sarah)) == before
    his, hers = Caller(gateway), Caller(gateway)
    his.open(paul)
    hers.open(sarah)
    assert b"not signed with the app secret" in his.get().body
    assert b"the secret that we gave 360dialog" in hers.get().body
    findings = [f["finding"] for f in gateway.api("GET", sarah.path("doctor")).json["findings"]]
    assert "signed_by_others" in findings, "nothing good ever came there"
    operator = Operator(gateway)
    operator.sign_in()
    page = operator.get(f"business?id={paul.id}").body
    assert b"3 since the last good one" in page and b"not signed with the app secret" in page
    # What is added later adds up.
    assert gateway.webhook(paul.id, b"{}", secret="0" * 32).status == 401
    assert last(paul)["refused_count"] == 4


def test_a_shop_owner_reads_it_at_his_number(gateway, provider):
    """What was refused last, how often since the last good one, and no "nothing to do" while that might have been Meta."""
    paul = Shop(gateway, provider, "Paul's Electronics", META, responder="none")
    owner = Caller(gateway)
    owner.open(paul)
    page = lambda: owner.get().body
    assert gateway.webhook(paul.id, b"{}", secret="0" * 32).status == 401
    assert b", 1 so far, and no good one yet. It was not signed" in page()
    assert paul.send(paul.question("hello", "wamid.1")).status == 200
    assert wait_for(lambda: b"Good ones have come since." in page())
    assert b"not signed with" not in page() and b"There is nothing to do." in page()
    for _ in range(2):
        assert gateway.webhook(paul.id, b"{}", secret="0" * 32).status == 401
    assert b", 2 since the last good one. It was not signed" in page()
    assert b"what came last was refused" in page() and b"There is nothing to do." not in page()
    assert page().count(b"Last refused</dt>") == 1, "not once more below"
    # Who proves nothing is a stranger: he hides nothing that is to be mended.
    assert gateway.webhook(paul.id, b"{}").status == 401
    assert b", 3 since the last good one. It was not signed" in page() and b"There is nothing to do." not in page()
    assert paul.send(paul.question("hello", "wamid.2")).status == 200
    assert wait_for(lambda: b"Good ones have come since." in page())
    assert gateway.webhook(paul.id, b"{}").status == 401
    assert b"did not prove who sent it" in page() and b"There is nothing to do." in page()


def test_strangers_cost_no_write(gateway, provider):
    """A thousand refused calls write less than a hundred pages: what goes on anyway."""
    paul = Shop(gateway, provider, "Paul's Electronics", META, responder="none")

    def pages():
        data = (gateway.data / "keyhouse.db-wal").read_bytes()
        return [data[n:n + 4120] for n in range(32, len(data), 4120)]
    before = pages()
    for _ in range(1000):
        assert gateway.webhook(paul.id, b"{}", secret="0" * 32).status == 401
    assert len(set(pages()) - set(before)) < 100
    assert last(paul)["refused_count"] == 1000


def test_what_was_put_aside_comes_when_its_number_is_connected(gateway, provider):
    """Two numbers of one Meta app, of which the shop connects one and then the other."""
    paul = Shop(gateway, provider, "Paul's Electronics", META, responder="catalogue")
    paul.products("name,price,currency,stock\nRice,900,NGN,5\n")
    second = "306540352244321"
    both = paul.question("How much is Rice?", "wamid.first")
    both["entry"] += paul.question("How much is Rice?", "wamid.second", number=second, customer="16505550000",
                                   waba="302290129340398")["entry"]
    assert paul.send(both).status == 200
    event = wait_for(lambda: paul.events(state="quarantined"))[0]
    assert (event["delivered"], event["quarantined"], event["state"]) == (1, 1, "settled")
    owner = Caller(gateway)
    owner.open(paul)
    connect_it, connected = b"If that is yours, connect it.", b"It is connected now"
    words = b"1 update was about another number (its id at WhatsApp ends in <bdi>4321</bdi>)"
    operator = Operator(gateway)
    operator.sign_in()
    assert words in owner.get().body and connect_it in owner.get().body
    assert words in operator.get(f"business?id={paul.id}").body
    replay = paul.path("events", event["id"], "replay")
    assert gateway.api("POST", replay).status == 202
    assert wait_for(lambda: [e for e in paul.events(state="quarantined") if e["duplicates"] == 1]), "as before"
    assert [m["wamid"] for m in paul.messages(direction="inbound")] == ["wamid.first"]

    token = "EAAGsecond" + "x" * 30
    provider.add_token(token, [second], app_id=paul.app_id, app_secret=paul.app_secret, waba_ids=["302290129340398"])
    added = gateway.api("POST", paul.path("connections"), {
        "provider": "meta", "app_id": paul.app_id, "app_secret": paul.app_secret, "access_token": token,
        "waba_id": "302290129340398", "phone_number_id": second, "verify": False})
    assert added.status == 201, added.body
    assert connect_it not in owner.get().body and connected in owner.get().body
    aside = operator.get(f"business?id={paul.id}").body
    assert connected in aside and aside.count(b'action="replay"') == 1
    (id_,) = re.findall(rb'name="event" value="(\w+)"', aside)
    assert id_.decode() == event["id"]
    settle = lambda business, **more: operator.post("replay", csrf=operator.csrf(), business=business, **more).headers["location"]
    assert settle(paul.id, event="01nobody").endswith("done=gone")
    other = Shop(gateway, provider, "Another shop", "406540352244321", responder="none")
    assert settle(other.id, event=event["id"]).endswith("done=gone"), "another shop's"
    assert settle(paul.id, event=event["id"]).endswith("done=settling")
    assert wait_for(lambda: len(paul.messages(direction="inbound")) == 2)
    assert {m["wamid"] for m in paul.messages(direction="inbound")} == {"wamid.first", "wamid.second"}
    assert wait_for(lambda: len(paul.messages(direction="outbound")) == 2), "and it is answered"
    assert {m["customer"] for m in paul.messages(direction="outbound")} == {"+16505551234", "+16505550000"}
    assert paul.events(state="quarantined") == []
    assert words not in owner.get().body and connected not in owner.get().body
    assert settle(paul.id, event=event["id"]).endswith("done=nothing-aside")
    assert b'action="replay"' not in operator.get(f"business?id={paul.id}").body
    again = gateway.api("POST", replay)
    assert (again.status, again.json["code"]) == (409, "conflict")
    assert gateway.api("POST", paul.path("events", "01nobody", "replay")).status == 404
