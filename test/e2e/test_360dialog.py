"""Goal of this test: 360dialog as a shop meets it. Connecting does the work and says what it found, a webhook that is
somebody else's is not taken unasked, deliveries prove themselves by our header, sends carry the key and no id, and
only a 401 says that the key is dead."""
import json
import os

import pytest

from conftest import PAUL, SAMPLES, DialogShop, Shop, wait_for
from shops import asked, checks, new_key

NUMBER = "206540352242922"
QUESTION = "How much is iPhone 13 Pro?"
FOREIGN = "https://hooks.other-tool.example/in/secret-path?token=abc"
FILES = sorted((SAMPLES / "payloads" / "360dialog").glob("*.cloud.json"))


@pytest.fixture
def dialog(gateway, provider):
    s = DialogShop(gateway, provider, "Paul's Electronics", NUMBER)
    s.products(PAUL)
    return s


def asks_of(provider):
    return [f"{r.method} {r.path}" for r in provider.requests if r.api == "360dialog"]


def mutations(provider):
    return [a for a in asks_of(provider) if not a.startswith("GET ")]


def business(gateway, name="Bare"):
    id_ = gateway.api("POST", "/v1/businesses", {"name": name}).json["id"]
    return lambda key, **more: gateway.api("POST", f"/v1/businesses/{id_}/connections",
                                           {"provider": "360dialog", "api_key": key, **more}), id_


def stored(gateway, id_):
    return gateway.api("GET", f"/v1/businesses/{id_}/connections").json["data"]


# ------------------------------------------------------------ connecting

def test_connecting_does_the_work(gateway, provider, dialog):
    said = dialog.connected
    assert said["status"] == "active" and said["phone_number_id"] == NUMBER and said["waba_id"] == dialog.waba
    results = checks(said)
    assert {n: results[n] for n in ("key", "number", "callback")} == dict.fromkeys(("key", "number", "callback"), "ok"), said
    assert results["webhook"] == "waiting", "nothing came yet"
    assert provider.d360.webhook(NUMBER) == {"url": said["webhook_url"], "headers": said["webhook_headers"]}
    assert asks_of(provider) == ["GET /health_status", "GET /v1/configs/webhook", "POST /v1/configs/webhook",
                                 "GET /v1/configs/webhook"]
    assert {r.token for r in provider.requests} == {dialog.key}
    assert len(dialog.webhook_secret) >= 43, "256 bits"
    shown = json.dumps(stored(gateway, dialog.id))
    assert dialog.key not in shown and dialog.webhook_secret not in shown and "webhook_headers" not in shown
    assert dialog.key not in json.dumps(said) and said["secrets"]["api_key"]["last4"] == dialog.key[-4:]


def test_what_was_registered_works(provider, dialog):
    """From the provider's side: it knows nothing of us but what connecting told it."""
    (delivery,) = provider.deliver(NUMBER, asked(QUESTION, "wamid.one"))
    assert (delivery.status, delivery.body) == (200, b"EVENT_RECEIVED")
    provider.wait_sent(1, number=NUMBER)
    (request,) = provider.sends()
    assert request.path == "/messages" and request.query == {} and "Authorization" not in request.headers
    assert request.headers["D360-API-KEY"] == dialog.key
    assert request.json["messaging_product"] == "whatsapp" and request.json["to"] == "+16505551234"
    assert "450,000" in request.json["text"]["body"]
    message = wait_for(lambda: dialog.messages(direction="outbound", state="sent"))[0]
    provider.deliver(NUMBER, {"statuses": [{"id": message["wamid"], "status": "delivered", "timestamp": "1732132030",
                                            "recipient_id": "16505551234"}]})
    assert wait_for(lambda: dialog.message(message["id"])["state"] == "delivered")
    assert checks(dialog.test())["webhook"] == "ok"


def test_the_number_may_be_told_among_the_entities(gateway, provider):
    shop = DialogShop(gateway, provider, "Older", NUMBER, tells_id=False)
    assert shop.connected["phone_number_id"] == NUMBER and shop.connected["status"] == "active"


@pytest.mark.parametrize("body", [None, b'{"error":"Invalid api key"}', b"<html>no", b""],
                         ids=["theirs", "text", "html", "empty"])
def test_a_refused_key_stores_nothing(gateway, provider, body):
    connect, id_ = business(gateway)
    key = new_key()
    if body is not None:
        provider.add_d360_key(key, NUMBER)
        provider.fault("error", number=NUMBER, http=401, body=body)
    answer = connect(key)
    assert (answer.status, answer.json["code"]) == (422, "credential_refused"), answer.body
    assert key.encode() not in answer.body and stored(gateway, id_) == []
    assert mutations(provider) == []


@pytest.mark.parametrize("fault", [{"kind": "error", "http": 500, "text": "oops"},
                                   {"kind": "error", "http": 555, "text": "restart"}, {"kind": "html", "http": 502}, {"kind": "drop"}, {"kind": "redirect"}, {"kind": "garbled"},
                                   {"kind": "error", "http": 400, "text": "endpoint rate limit exceeded"}],
                         ids=lambda f: f["kind"] + str(f.get("http", "")))
def test_a_provider_that_is_unwell_refuses_no_key(gateway, provider, fault):
    connect, id_ = business(gateway)
    key = new_key()
    provider.add_d360_key(key, NUMBER)
    provider.fault(number=NUMBER, on="/health_status", **fault)
    answer = connect(key)
    assert (answer.status, answer.json["status"]) == (201, "pending"), answer.body


@pytest.mark.parametrize("health", ["BLOCKED", "LIMITED"])
def test_a_number_that_may_not_send(gateway, provider, health):
    shop = DialogShop(gateway, provider, "Blocked", NUMBER, health=health)
    assert checks(shop.connected)["key"] == "ok", "the key is alive"
    assert shop.connected["status"] == ("blocked" if health == "BLOCKED" else "active")
    provider.d360.change(NUMBER, health="AVAILABLE")
    assert shop.test()["status"] == "active"


def test_an_account_that_was_disabled_is_no_dead_key(gateway, provider):
    connect, id_ = business(gateway)
    key = new_key()
    provider.add_d360_key(key, NUMBER)
    provider.fault("error", number=NUMBER, on="/health_status", http=400, text="WhatsApp Business API has been disabled")
    answer = connect(key)
    assert (answer.status, answer.json["status"]) == (201, "blocked"), answer.body
    assert (checks(answer.json)["key"], checks(answer.json)["number"]) == ("ok", "failed")


# ------------------------------------------------------------ whose webhook it is

def test_a_foreign_webhook_is_not_taken_unasked(gateway, provider):
    connect, id_ = business(gateway)
    key = new_key()
    provider.add_d360_key(key, NUMBER, webhook=FOREIGN)
    answer = connect(key)
    assert (answer.status, answer.json["code"]) == (409, "webhook_taken"), answer.body
    assert b"hooks.other-tool.example" in answer.body
    assert b"secret-path" not in answer.body and b"abc" not in answer.body and key.encode() not in answer.body
    assert stored(gateway, id_) == [] and mutations(provider) == []
    assert provider.d360.webhook(NUMBER)["url"] == FOREIGN
    taken = connect(key, take_over=True)
    assert (taken.status, taken.json["status"]) == (201, "active"), taken.body
    assert provider.d360.webhook(NUMBER) == {"url": taken.json["webhook_url"], "headers": taken.json["webhook_headers"]}


def test_a_webhook_that_did_not_stick(gateway, provider):
    """The provider says yes and keeps what it had: found by reading back."""
    shop = DialogShop(gateway, provider, "Deaf", NUMBER, waba="881")
    provider.d360.change(NUMBER, deaf=True, webhook={"url": "", "headers": {}})
    answer = shop.patch(take_over=True)
    assert answer.status == 200 and checks(answer.json)["callback"] == "failed", answer.body
    other, key = business(gateway, "Deaf too")[0], new_key()
    provider.add_d360_key(key, "306540352242922")
    provider.d360.change("306540352242922", deaf=True)
    answer = other(key)
    assert (answer.status, answer.json["status"], checks(answer.json)["callback"]) == (201, "pending", "failed"), answer.body


def test_a_number_of_another_business(gateway, provider, dialog):
    connect, id_ = business(gateway, "Thief")
    before = provider.d360.webhook(NUMBER)
    answer = connect(dialog.key)
    assert (answer.status, answer.json["code"]) == (409, "number_taken"), answer.body
    for word in (dialog.id, dialog.name, dialog.key):
        assert word.encode() not in answer.body
    assert stored(gateway, id_) == [] and provider.d360.webhook(NUMBER) == before
    assert connect(dialog.key, take_over=True).status == 409 and provider.d360.webhook(NUMBER) == before


def test_testing_changes_nothing(gateway, provider, dialog):
    provider.reset()
    assert dialog.test()["status"] == "active"
    provider.d360.change(NUMBER, webhook={"url": FOREIGN, "headers": {}})
    taken = dialog.test()
    assert (taken["status"], checks(taken)["callback"]) == ("webhook_taken", "failed"), taken
    detail = next(c["detail"] for c in taken["checks"] if c["name"] == "callback")
    assert "hooks.other-tool.example" in detail and "secret-path" not in detail
    assert mutations(provider) == [] and provider.d360.webhook(NUMBER)["url"] == FOREIGN
    assert dialog.post("still sent").status == 202
    assert wait_for(lambda: provider.sent(NUMBER)), "who hears the answers does not decide who may speak"
    provider.reset()
    assert checks(dialog.patch(take_over=True).json)["callback"] == "ok"
    assert mutations(provider) == ["POST /v1/configs/webhook"]
    assert dialog.connection_status() == "active" and provider.deliver(NUMBER, asked("hello", "wamid.back"))[0].status == 200


def test_a_foreign_webhook_is_not_taken_by_a_rotation(provider, dialog):
    provider.d360.change(NUMBER, webhook={"url": FOREIGN, "headers": {}})
    key = new_key()
    provider.add_d360_key(key, NUMBER, webhook=FOREIGN)
    answer = dialog.patch(api_key=key)
    assert answer.status in (200, 409), answer.body
    assert provider.d360.webhook(NUMBER)["url"] == FOREIGN


# ------------------------------------------------------------ webhooks

def test_the_header_decides(gateway, provider, dialog):
    body = json.dumps(dialog.question(QUESTION, "wamid.h")).encode()

    def post(business, **headers):
        answer = gateway.request("POST", f"/webhooks/{business}", body, {"Content-Type": "application/json", **{
            k.replace("_", "-"): v for k, v in headers.items()}})
        return answer.status, answer.body
    unknown = post("nobody", X_Keyhouse_Secret=dialog.webhook_secret)
    assert unknown[0] == 401
    meta = Shop(gateway, provider, "Meta", "406540352242922", waba="402290129340398")
    refusals = {"none": post(dialog.id), "wrong": post(dialog.id, X_Keyhouse_Secret="x" * 43),
                "a part": post(dialog.id, X_Keyhouse_Secret=dialog.webhook_secret[:-1]),
                "more": post(dialog.id, X_Keyhouse_Secret=dialog.webhook_secret + "x"),
                "empty": post(dialog.id, X_Keyhouse_Secret=""), "long": post(dialog.id, X_Keyhouse_Secret="x" * 4000),
                "the key": post(dialog.id, X_Keyhouse_Secret=dialog.key),
                "Meta's form": gateway_sign(gateway, dialog, body),
                "another shop": post(meta.id, X_Keyhouse_Secret=dialog.webhook_secret)}
    assert set(refusals.values()) == {unknown}, refusals
    assert dialog.events() == [] and meta.events() == []
    assert post(dialog.id, X_Keyhouse_Secret=dialog.webhook_secret) == (200, b"EVENT_RECEIVED")


def gateway_sign(gateway, dialog, body):
    answer = gateway.webhook(dialog.id, body, dialog.webhook_secret)
    return answer.status, answer.body


@pytest.mark.parametrize("prefix", ["", "sha256="])
def test_a_platform_secret_is_demanded_where_it_is_known(gateway, provider, prefix):
    """Both ways in which the signature is written, and only together with our header."""
    secret = "partner-platform-secret-0123456789"
    shop = DialogShop(gateway, provider, "Partner", NUMBER, fields={"platform_secret": secret}, platform_secret=secret,
                      responder="none")
    assert provider.deliver(NUMBER, asked("hello", "wamid.p1"), prefix=prefix)[0].status == 200
    wrong = {"X-Keyhouse-Secret": "x" * 43}
    assert provider.deliver(NUMBER, asked("hello", "wamid.p2"), prefix=prefix, headers=wrong)[0].status == 401
    assert shop.send(shop.question("hello", "wamid.p3")).status == 401, "our header alone"
    assert shop.send(shop.question("hello", "wamid.p4"), **{"x-360dialog-signature": prefix + "0" * 64}).status == 401
    provider.d360.change(NUMBER, platform_secret="another")
    assert provider.deliver(NUMBER, asked("hello", "wamid.p5"), prefix=prefix)[0].status == 401
    assert len(shop.events()) == 1


def test_a_platform_secret_that_comes_later(provider, dialog):
    assert provider.deliver(NUMBER, asked("hello", "wamid.l1"))[0].status == 200
    assert dialog.patch(platform_secret="later-platform-secret").status == 200
    assert provider.deliver(NUMBER, asked("hello", "wamid.l2"))[0].status == 401
    provider.d360.change(NUMBER, platform_secret="later-platform-secret")
    assert provider.deliver(NUMBER, asked("hello", "wamid.l3"))[0].status == 200


def test_a_number_is_learnt_from_the_first_webhook(gateway, provider):
    shop = DialogShop(gateway, provider, "Learner", NUMBER, fields={"verify": False})
    assert shop.connected["status"] == "pending" and shop.connected["phone_number_id"] is None
    assert asks_of(provider) == []
    shop.products(PAUL)
    assert shop.send(shop.question(QUESTION, "wamid.learn")).status == 200
    provider.wait_sent(1, number=NUMBER)
    (connection,) = shop.connections()
    assert (connection["phone_number_id"], connection["status"]) == (NUMBER, "active")
    shop.send(shop.question(QUESTION, "wamid.strange", number="999999999999999"))
    assert wait_for(lambda: [e for e in shop.events() if e["quarantined"] == 1]), "it has its number now"


@pytest.mark.skipif(not FILES, reason="skipped: no samples")
def test_every_sample(dialog):
    """Their ids are no numbers, so nothing of them is this shop's: kept, shown, not delivered."""
    for n, path in enumerate(FILES):
        assert dialog.send(path.read_bytes()).status == 200, path.name
        assert wait_for(lambda: len(dialog.events()) == n + 1 and dialog.events()[0]["state"] == "settled"), path.name
        assert dialog.events()[0]["quarantined"] == 1, path.name
    for path in FILES:
        body = path.read_text().replace("some_valid_id\"}", NUMBER + "\"}").replace("some_external_id", dialog.waba)
        assert dialog.send(body.encode()).status == 200, path.name
        assert wait_for(lambda: dialog.events()[0]["delivered"] == 1), path.name
    assert [m["wamid"] for m in dialog.messages(direction="inbound")] == ["some_valid_id"]


# ------------------------------------------------------------ sending

BAD = [  # what the provider says; what becomes of the message
    ({"http": 400, "text": "WhatsApp Business API has been disabled"}, "retry"),
    ({"http": 400, "text": "Lack of payment: overdue invoices"}, "retry"),
    ({"http": 400, "text": "endpoint rate limit exceeded"}, "retry"),
    ({"http": 400, "text": "Parameter value is not valid"}, "dead"),
    ({"http": 400, "code": 131047}, "dead"),
    ({"http": 400, "code": 131026}, "dead"),
    ({"http": 400, "code": 131042}, "retry"),
    ({"http": 400, "code": 131056}, "retry"),
    ({"http": 429, "code": 130429}, "retry"),
    ({"http": 400, "code": 190}, "retry"),
    ({"http": 403, "text": "URL blocked"}, "retry"),
    ({"http": 404, "body": b""}, "retry"),
    ({"http": 500, "text": "Internal error"}, "unknown"),
    ({"http": 502, "text": "Integration is not running"}, "unknown"),
    ({"http": 555, "text": "Restarting"}, "unknown"),
]


def test_what_each_refusal_means(gateway, provider):
    """A shop each: what is said of one message holds up those after it. Not one of these is about the key."""
    shops = [DialogShop(gateway, provider, f"Shop {n}", str(int(NUMBER) + n)) for n in range(len(BAD))]
    ids = []
    for shop, (fault, _) in zip(shops, BAD):
        provider.fault("error", number=shop.number, on="POST /messages", **fault)
        ids.append(shop.post("hello").json["id"])
    provider.wait_requests(len(BAD), matching=lambda r: r.path == "/messages")
    for shop, id_, (fault, state) in zip(shops, ids, BAD):
        # What is tried again is for a moment on its way again.
        shown = wait_for(lambda: (m := shop.message(id_))["state"] == state and m, timeout=5)
        assert shown and shown["error"]["reason"], (fault, shop.message(id_))
        assert shop.connection_status() != "key_refused", fault
    tries = [r.json["biz_opaque_callback_data"] for r in provider.sends()]
    assert {i for i in ids if tries.count(i) > 1} <= {i for i, (_, state) in zip(ids, BAD) if state == "retry"}
    provider.heal()
    throttled = next(n for n, (fault, _) in enumerate(BAD) if "rate limit" in fault.get("text", ""))
    assert wait_for(lambda: shops[throttled].message(ids[throttled])["state"] == "sent", timeout=8), "their throttle is a 400"


def test_a_401_alone_is_about_the_key(provider, dialog):
    provider.revoke(dialog.key)
    waiting = [dialog.post(f"waits {n}", to=f"+1650555{n:04}").json["id"] for n in range(3)]
    assert wait_for(lambda: dialog.connection_status() == "key_refused")
    wait_for(lambda: len(provider.sends()) > 3, timeout=0.7)
    assert len(provider.sends()) <= 3, "a refused key is not tried on and on"
    assert {dialog.message(i)["state"] for i in waiting} <= {"queued", "retry"}, "what waits is not lost"
    assert provider.deliver(NUMBER, asked("hello", "wamid.still"))[0].status == 200, "its webhooks are still taken"
    key = new_key()
    provider.add_d360_key(key, NUMBER)
    answer = dialog.patch(api_key=key)
    assert (answer.status, answer.json["status"]) == (200, "active"), answer.body

    def sent():
        return [m["body"]["biz_opaque_callback_data"] for m in provider.sent(NUMBER)]
    assert wait_for(lambda: set(waiting) <= set(sent())), ("what waited goes with the new key", [dialog.message(i) for i in waiting])
    assert len(sent()) == len(set(sent())) and {r.token for r in provider.sends()[-len(waiting):]} == {key}


# ------------------------------------------------------------ the sandbox

SANDBOX = "/360dialog-sandbox"
TRIAL = "306540352242966"  # all who try it have the same number


def sandbox_key(provider, ending="_sandbox", **more):
    key = os.urandom(8).hex() + ending
    provider.add_d360_key(key, TRIAL, sandbox=True, **more)
    return key


def sandbox_shop(gateway, provider, name, **more):
    return DialogShop(gateway, provider, name, TRIAL, fields={"sandbox": True}, sandbox=True, **more)


@pytest.mark.parametrize(("ending", "said"), [("_sandbox", {}), ("_AK", {"sandbox": True})], ids=["by its ending", "said"])
def test_a_key_of_the_sandbox(gateway, provider, ending, said):
    connect, id_ = business(gateway)
    key = sandbox_key(provider, ending)
    answer = connect(key, **said)
    assert (answer.status, answer.json["status"], answer.json["sandbox"]) == (201, "active", True), answer.body
    assert answer.json["phone_number_id"] is None
    assert checks(answer.json) == {"key": "ok", "number": "skipped", "callback": "ok", "webhook": "waiting"}
    assert asks_of(provider) == [f"GET {SANDBOX}/v1/configs/webhook", f"POST {SANDBOX}/v1/configs/webhook",
                                 f"GET {SANDBOX}/v1/configs/webhook"]
    assert provider.d360.webhook(TRIAL) == {"url": answer.json["webhook_url"], "headers": answer.json["webhook_headers"]}
    assert [c["sandbox"] for c in stored(gateway, id_)] == [True]


def test_the_sandbox_from_end_to_end(gateway, provider, dialog):
    shop = sandbox_shop(gateway, provider, "Trial")
    shop.products(PAUL)
    provider.reset()
    assert provider.deliver(TRIAL, asked(QUESTION, "wamid.trial"))[0].status == 200
    provider.wait_sent(1, number=TRIAL)
    (connection,) = shop.connections()
    assert (connection["phone_number_id"], connection["status"]) == (TRIAL, "active"), "learnt"
    assert dialog.post("from the live one").status == 202
    provider.wait_sent(1, number=NUMBER)
    assert {(r.path, r.token) for r in provider.requests} == {(f"{SANDBOX}/v1/messages", shop.key), ("/messages", dialog.key)}
    shown = shop.test()
    assert (shown["status"], checks(shown)["webhook"]) == ("active", "ok"), shown
    (answer,) = [m["body"] for m in provider.sent(TRIAL)]
    assert "450,000" in answer["text"]["body"]
    provider.revoke(shop.key)
    shop.post("no more")
    assert wait_for(lambda: shop.connection_status() == "key_refused")
    assert dialog.connection_status() == "active"


def test_a_key_of_the_other_kind_is_refused(gateway, provider):
    connect, id_ = business(gateway)
    live = new_key()
    provider.add_d360_key(live, NUMBER)
    for key, sandbox in ((live, True), (sandbox_key(provider), False)):
        answer = connect(key, sandbox=sandbox)
        assert (answer.status, answer.json["code"]) == (422, "credential_refused"), answer.body
        assert key.encode() not in answer.body
    assert stored(gateway, id_) == [] and mutations(provider) == []
    answer = gateway.api("POST", f"/v1/businesses/{id_}/connections", {"provider": "meta", "sandbox": True})
    assert (answer.status, answer.json["code"]) == (400, "unknown_field"), answer.body
    assert connect(live, sandbox=False).json["sandbox"] is False


def test_everybody_may_try_the_sandbox(gateway, provider):
    shops = [sandbox_shop(gateway, provider, name, responder="none") for name in ("One", "Two")]
    for n, shop in enumerate(shops):
        assert shop.send(shop.question("hello", f"wamid.try{n}")).status == 200
        assert wait_for(lambda s=shop: [e for e in s.events() if e["delivered"] == 1]), shop.events()
        assert shop.connections()[0]["phone_number_id"] == TRIAL
    assert shops[0].send(shops[0].question("hello", "wamid.not"), shops[1].webhook_secret).status == 401


def test_the_sandbox_on_the_command_line(gateway, provider):
    connect, id_ = business(gateway)
    key = sandbox_key(provider, "_AK")
    refused = gateway.run("connection", "add", id_, "--app-id", "1", "--sandbox", stdin="x\nx\n", check=False)
    assert refused.returncode == 2 and "--provider 360dialog" in refused.stderr
    said = gateway.run("connection", "add", id_, "--provider", "360dialog", "--sandbox", stdin=key + "\n").stdout
    assert "360dialog's sandbox accepts the key" in said and key not in said
    header, row = gateway.run("connection", "list", id_).stdout.splitlines()
    assert dict(zip(header.split(), row.split()))["sandbox"] == "yes"


# ------------------------------------------------------------ rotating

def test_a_new_key_gets_the_webhook_again(provider, dialog):
    key = new_key()
    provider.add_d360_key(key, NUMBER)
    assert provider.d360.webhook(NUMBER) is None, "a new key has none"
    answer = dialog.patch(api_key=key)
    assert (answer.status, checks(answer.json)["callback"]) == (200, "ok"), answer.body
    assert provider.deliver(NUMBER, asked(QUESTION, "wamid.rotated"))[0].status == 200
    provider.wait_sent(1, number=NUMBER)
    assert provider.sends()[-1].token == key


def test_a_refused_new_key_leaves_the_old_one(provider, dialog):
    answer = dialog.patch(api_key=new_key("refused"))
    assert (answer.status, answer.json["code"]) == (422, "credential_refused"), answer.body
    assert dialog.post("with the old key").status == 202
    provider.wait_sent(1, number=NUMBER)


def test_a_key_of_another_number_is_refused(provider, dialog):
    key = new_key()
    provider.add_d360_key(key, "906540352242922")
    answer = dialog.patch(api_key=key)
    assert (answer.status, answer.json["code"]) == (400, "invalid_field"), answer.body
    assert provider.d360.webhook("906540352242922") is None


def test_a_new_webhook_secret(provider, dialog):
    old, new = dialog.webhook_secret, "the-next-webhook-secret-of-this-shop-0123456"
    assert dialog.patch(webhook_secret=new).status == 200
    assert provider.d360.webhook(NUMBER)["headers"] == {"X-Keyhouse-Secret": new}
    assert dialog.send(dialog.question("hello", "wamid.n1"), new).status == 200
    assert dialog.send(dialog.question("hello", "wamid.n2"), old).status == 200, "what was on its way still counts"
    assert dialog.patch(webhook_secret="another-webhook-secret-of-this-shop-0123456").status == 200
    assert dialog.send(dialog.question("hello", "wamid.n3"), old).status == 401
