"""Goal of this test: whatever commonly goes wrong between a shop and WhatsApp is found, named in plain words with its cause
and what to do, and said alike by the page, the API and the command; and nothing is said of a shop that is well."""
import concurrent.futures
import itertools
import json
import sqlite3
import tempfile
import time

import pytest

import owner as pages
from conftest import DialogShop, Gateway, Shop, free_port, wait_for
from owner import Owner
from provider import Provider

DAY = 86400
ELSEWHERE = "https://chat.example.com/hook"
numbers = itertools.count(106540352250000)


@pytest.fixture(scope="module")
def provider():
    with Provider() as p:
        yield p


@pytest.fixture(scope="module")
def gateway(provider):
    with tempfile.TemporaryDirectory(prefix="kh-") as directory:
        g = Gateway(directory, provider.url, responder_allow="127.0.0.1:9")
        g.start()
        yield g
        assert g.stop() == 0


@pytest.fixture(scope="module")
def owner():
    with tempfile.TemporaryDirectory(prefix="kh-") as profile:
        o = Owner(profile)
        yield o
        try:
            assert not o.complaints()
        finally:
            o.browser.quit()


@pytest.fixture(autouse=True)
def mended(provider):
    yield
    provider.heal()
    provider.patch(clock=None)


def heard(shop, wamid="wamid.HEARD"):
    """A customer wrote."""
    assert shop.send(shop.question("hello", f"{wamid}{shop.number}")).status == 200
    return shop


def meta(gateway, provider, **more):
    """A shop that is well."""
    number = str(next(numbers))
    return heard(Shop(gateway, provider, "Ada's Shoes", number, responder="none", verify=True, waba="77" + number, **more))


def d360(gateway, provider, **more):
    return heard(DialogShop(gateway, provider, "Ada's Shoes", str(next(numbers)), responder="none", **more))


def refused(shop, provider, code, http=400, times=1, **more):
    """A send that the provider answers with this code."""
    provider.fault("error", number=shop.number, on="/messages", http=http, code=code, times=times, **more)
    answer = shop.post("hello")
    assert answer.status == 202, answer.body
    assert wait_for(lambda: shop.message(answer.json["id"])["state"] in ("dead", "retry", "failed")), shop.messages()
    return shop


# ------------------------------------------------ each makes one failure

def wrong_key(gateway, provider):
    shop = meta(gateway, provider)
    provider.revoke(shop.token)
    return shop


def wrong_key_360dialog(gateway, provider):
    shop = d360(gateway, provider)
    provider.revoke(shop.key)
    return shop


def wrong_app_secret(gateway, provider):
    shop = meta(gateway, provider)
    provider.patch(apps={shop.app_id: {"secret": "0" * 32}})
    return shop


def foreign_signature(gateway, provider):
    """The checks cannot see it: messages come, signed by another app."""
    number = str(next(numbers))
    shop = Shop(gateway, provider, "Ada's Shoes", number, responder="none", verify=False, waba="77" + number)
    assert gateway.webhook(shop.id, shop.question("hello", "wamid.A"), "f" * 32).status == 401
    return shop


def verify_token_mixed_up(gateway, provider):
    number = str(next(numbers))
    shop = Shop(gateway, provider, "Ada's Shoes", number, responder="none", verify=False, waba="77" + number)
    answer = gateway.get(f"/webhooks/{shop.id}?hub.mode=subscribe&hub.verify_token={'E' * 40}&hub.challenge=1")
    assert answer.status == 403
    return shop


def app_not_subscribed(gateway, provider):
    shop = meta(gateway, provider)
    provider.patch(subscribed={shop.waba: {shop.app_id: None}})
    return shop


def override_elsewhere(gateway, provider):
    shop = meta(gateway, provider)
    provider.patch(subscribed={shop.waba: {shop.app_id: ELSEWHERE}})
    return shop


def webhook_taken(gateway, provider):
    shop = meta(gateway, provider)
    provider.graph.set_callback(shop.app_id, ELSEWHERE)
    return shop


def webhook_taken_360dialog(gateway, provider):
    shop = d360(gateway, provider)
    provider.d360.change(shop.number, webhook={"url": ELSEWHERE, "headers": {}})
    return shop


def number_not_registered(gateway, provider):
    shop = meta(gateway, provider)
    provider.describe_number(shop.number, status="DISCONNECTED")
    return shop


def number_not_registered_by_send(gateway, provider):
    return refused(meta(gateway, provider), provider, 133010)


def expired_token(gateway, provider):
    shop = meta(gateway, provider)
    provider.patch(tokens={shop.token: {"expires_at": 1700000000}})
    return shop


def missing_permission(gateway, provider):
    shop = meta(gateway, provider)
    provider.patch(tokens={shop.token: {"scopes": ["whatsapp_business_management"]}})
    return shop


def unpaid(gateway, provider):
    return refused(meta(gateway, provider), provider, 131042)


def unpaid_360dialog(gateway, provider):
    shop = d360(gateway, provider)
    provider.fault("error", number=shop.number, on="health_status", http=400,
                   text="Could not send message due to lack of payment. Messaging can resume once overdue invoices are settled.")
    return shop


def unpaid_by_health(gateway, provider):
    shop = meta(gateway, provider)
    provider.describe_number(shop.number, health_status={"can_send_message": "BLOCKED", "entities": [
        {"entity_type": "WABA", "id": shop.waba, "can_send_message": "BLOCKED", "errors": [
            {"error_code": 141006, "error_description": "There is an error with the payment method.",
             "possible_solution": "Mend it."}]}]})
    return shop


def window_closed(gateway, provider):
    return refused(meta(gateway, provider), provider, 131047)


def template_paused(gateway, provider):
    return refused(meta(gateway, provider), provider, 132015)


def clock_skew(gateway, provider):
    provider.patch(clock={"all": {"ahead_s": 420}})
    return meta(gateway, provider)


def blocked_by_quality(gateway, provider):
    shop = meta(gateway, provider)
    provider.describe_number(shop.number, quality_rating="RED", health_status={"can_send_message": "BLOCKED", "entities": []})
    return shop


def blocked_by_quality_by_send(gateway, provider):
    return refused(meta(gateway, provider), provider, 131048)


def low_quality(gateway, provider):
    shop = meta(gateway, provider)
    provider.describe_number(shop.number, quality_rating="RED")
    return shop


def limited(gateway, provider):
    shop = meta(gateway, provider)
    provider.describe_number(shop.number, health_status={"can_send_message": "LIMITED", "entities": []})
    return shop


def messages_switched_off(gateway, provider):
    shop = meta(gateway, provider)
    provider.patch(apps={shop.app_id: {"fields": ["account_update"]}})
    return shop


def platform_secret(gateway, provider):
    number = str(next(numbers))
    shop = DialogShop(gateway, provider, "Ada's Shoes", number, responder="none", fields={"platform_secret": "p" * 32})
    assert shop.send(shop.question("hello", "wamid.P"), **{"x-360dialog-signature": "0" * 64}).status == 401
    return shop


def nobody_answers(gateway, provider):
    shop = meta(gateway, provider)
    shop.use_platform(Nobody)
    assert shop.send(shop.question("hello", f"wamid.N{shop.number}")).status == 200
    assert wait_for(lambda: "responder_failing" in names(doctor(shop, "GET")), timeout=20), gateway.log_text()[-2000:]
    return shop


def no_products(gateway, provider):
    shop = meta(gateway, provider)
    assert gateway.api("PUT", shop.path("responder"), {"kind": "catalogue"}).status == 200
    return shop


def test_number(gateway, provider):
    return refused(meta(gateway, provider), provider, 131030)


def other_refusals(gateway, provider):
    return refused(meta(gateway, provider), provider, 131026)


def quiet(gateway, provider):
    """Connected an hour ago, and nobody wrote."""
    number = str(next(numbers))
    shop = Shop(gateway, provider, "Ada's Shoes", number, responder="none", verify=True, waba="77" + number)
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        db.execute("UPDATE connections SET created_at = created_at - 3600000 WHERE id = ?", [shop.connection])
    gateway.start()
    return shop


def token_of_a_day(gateway, provider):
    shop = meta(gateway, provider)
    provider.patch(tokens={shop.token: {"expires_at": int(time.time()) + 72000}})
    return shop


test_number.__test__ = False


class Nobody:
    url = "http://127.0.0.1:9"
    secrets = {}


def blocked(gateway, provider):
    return d360(gateway, provider, health="BLOCKED")


def webhook_without_secret(gateway, provider):
    shop = d360(gateway, provider)
    url = provider.d360.webhook(shop.number)["url"]
    provider.d360.change(shop.number, webhook={"url": url, "headers": {}})
    return shop


def token_of_another_app(gateway, provider):
    shop = meta(gateway, provider)
    provider.patch(apps={"5" + shop.number: {"secret": "1" * 32}}, tokens={shop.token: {"app": "5" + shop.number}})
    return shop


def provider_down(gateway, provider):
    shop = meta(gateway, provider)
    provider.fault("error", number=shop.number, http=503, code=2)
    provider.fault("drop", on="debug_token")
    return shop


# failure: finding, a word of its cause, a word of its remedy
FAILURES = {
    wrong_key: ("key_refused", "does not accept", "System users"),
    wrong_key_360dialog: ("key_refused", "does not accept", "360dialog Hub"),
    wrong_app_secret: ("app_secret_wrong", "signs every message", "App settings > Basic"),
    foreign_signature: ("signed_by_others", "another app", "every other app"),
    verify_token_mixed_up: ("verify_token_wrong", "verify token", "callback URL"),
    app_not_subscribed: ("app_not_subscribed", "subscribed", "Set our address again"),
    override_elsewhere: ("override_elsewhere", "override", "Take over"),
    webhook_taken: ("webhook_taken", "another system", "Take over"),
    webhook_taken_360dialog: ("webhook_taken", "another system", "Take over"),
    number_not_registered: ("number_not_registered", "not registered", "WhatsApp Manager"),
    number_not_registered_by_send: ("number_not_registered", "not registered", "WhatsApp Manager"),
    expired_token: ("token_expired", "time that is over", "expiry Never"),
    missing_permission: ("permission_missing", "may not do all", "whatsapp_business_messaging"),
    unpaid: ("unpaid", "payment", "Billing"),
    unpaid_360dialog: ("unpaid", "payment", "360dialog Hub"),
    unpaid_by_health: ("unpaid", "payment", "Billing"),
    window_closed: ("window_closed", "24 hours", "writes again"),
    template_paused: ("template_paused", "template", "Message templates"),
    clock_skew: ("clock_wrong", "clock", "NTP"),
    blocked_by_quality: ("quality_blocked", "reported", "wrote first"),
    blocked_by_quality_by_send: ("quality_blocked", "reported", "wrote first"),
    blocked: ("number_blocked", "lets this number", "360dialog Hub"),
    low_quality: ("quality_low", "reported", "wrote first"),
    limited: ("number_limited", "all that it could", "WhatsApp Manager"),
    messages_switched_off: ("field_off", "field messages", "switch messages on"),
    platform_secret: ("platform_secret_wrong", "platform secret", "Partner Hub"),
    nobody_answers: ("responder_failing", "does not give any", "Tell whoever"),
    no_products: ("catalogue_empty", "nothing is on it", "under Products"),
    test_number: ("test_number", "few numbers", "API setup"),
    other_refusals: ("messages_refused", "nothing is known that stops them all", "under Messages"),
    quiet: ("nothing_heard", "not one message", "Live"),
    token_of_a_day: ("token_expires", "last a day", "Never"),
    webhook_without_secret: ("webhook_secret_wrong", "without the secret", "Set our address again"),
    token_of_another_app: ("other_app", "one app", "that one app"),
    provider_down: ("provider_silent", "did not answer", "few minutes"),
}


def secrets_of(shop):
    return [s for s in (getattr(shop, n, None) for n in ("token", "app_secret", "key", "webhook_secret")) if s]


def doctor(shop, method="POST"):
    answer = shop.gateway.api(method, shop.path("doctor"))
    assert answer.status == 200, answer.body
    assert not any(secret.encode() in answer.body for secret in secrets_of(shop))
    return answer.json["findings"]


def names(findings):
    return [f["finding"] for f in findings]


def test_a_shop_that_is_well_has_no_finding(gateway, provider):
    for shop in (meta(gateway, provider), d360(gateway, provider)):
        assert doctor(shop, "GET") == [] and doctor(shop) == []
        assert shop.gateway.run("doctor", shop.id).stdout == "All is well: nothing was found.\n"


@pages.needed
@pytest.mark.parametrize("failure", FAILURES, ids=lambda f: f.__name__)
def test_a_failure_is_found_and_named_alike_everywhere(gateway, provider, owner, failure):
    name, cause, remedy = FAILURES[failure]
    shop = failure(gateway, provider)
    owner.come(shop)
    owner.click("form[action=doctor] button")
    assert wait_for(lambda: owner.seen("#outcome")), owner.words()
    found = {f["finding"]: f for f in doctor(shop)}
    assert name in found, found
    f = found[name]
    assert cause in f["cause"] and remedy in f["remedy"], f
    words = owner.words()
    assert all(said in words for said in (f["title"], f["cause"], f["remedy"])), words
    assert not any(secret in owner.browser.page_source for secret in secrets_of(shop))
    # What was found stands on Status without asking again, and the command says the same.
    owner.go("")
    if name != "provider_silent":
        assert f["title"] in owner.words() and f["remedy"] in owner.words(), owner.words()
        assert name in names(doctor(shop, "GET"))
    done = gateway.run("doctor", shop.id, check=False)
    # but for whom to send it to: who reads that is whom it is sent to
    mine = f["remedy"].removeprefix("Send this to whoever runs this service: ")
    assert f["title"] in done.stdout and f"To do: {mine}" in done.stdout and f"[{name}]" in done.stdout, done.stdout + done.stderr
    assert done.returncode == (1 if any(g["stops_messages"] for g in doctor(shop)) else 0)
    assert not any(secret in done.stdout + done.stderr for secret in secrets_of(shop))
    # What it asks for is one press away.
    if f["action"] in ("register", "take_over") and f["connection_id"]:
        assert f"keyhouse connection register {shop.id} {shop.connection}" in done.stdout
        owner.click(f".note input[name=connection][value='{shop.connection}'] ~ button")
        assert wait_for(lambda: owner.seen("#outcome")), owner.words()
        assert name not in names(doctor(shop)), owner.words()


@pages.needed
def test_the_pages_can_be_read(gateway, provider, owner):
    shop = app_not_subscribed(gateway, provider)
    DialogShop(gateway, provider, "unused", str(next(numbers)), responder="none")  # another shop's
    refused(shop, provider, 131047)
    owner.come(shop)
    owner.click("form[action=doctor] button")
    assert wait_for(lambda: owner.seen("#outcome"))
    assert owner.js("return document.activeElement.id") == "outcome"
    owner.shoot_both("doctor")
    owner.go("")
    owner.shoot_both("status-findings")
    owner.come(meta(gateway, provider))
    owner.click("form[action=doctor] button")
    owner.says("All is well")
    owner.shoot_both("doctor-well")


def test_every_one_of_the_fifteen_is_among_them():
    fifteen = {"key_refused", "app_secret_wrong", "verify_token_wrong", "app_not_subscribed", "override_elsewhere", "webhook_taken",
               "number_not_registered", "token_expired", "permission_missing", "unpaid", "window_closed", "template_paused",
               "clock_wrong", "quality_blocked"}
    assert fifteen <= {name for name, *_ in FAILURES.values()}  # and url_unusable, below


def test_an_address_that_cannot_be_reached(directory, provider):
    gateway = Gateway(directory, provider.url, public_url=f"http://127.0.0.1:{free_port()}")
    gateway.start()
    number = str(next(numbers))
    shop = Shop(gateway, provider, "Ada's Shoes", number, responder="none", verify=True, waba="77" + number)
    found = {f["finding"]: f for f in doctor(shop)}
    assert "could not be reached" in found["url_unusable"]["detail"], found
    assert "public_url" in found["url_unusable"]["remedy"]
    # Once a webhook came it can be reached, whatever it looks like from here.
    heard(shop)
    assert not [f for f in doctor(shop) if f["finding"] == "url_unusable" and f["connection_id"] is None]
    assert gateway.stop() == 0


def test_something_else_at_our_address_is_noticed(directory, provider):
    gateway = Gateway(directory, provider.url, public_url=provider.url)
    gateway.start()
    number = str(next(numbers))
    shop = Shop(gateway, provider, "Ada's Shoes", number, responder="none", verify=False, waba="77" + number)
    found = [f for f in doctor(shop) if f["finding"] == "url_unusable" and f["connection_id"] is None]
    assert found and "something else answers there" in found[0]["detail"], found
    assert gateway.stop() == 0


def test_what_was_mended_is_found_no_more(gateway, provider):
    shop = unpaid(gateway, provider)
    assert names(doctor(shop)) == ["unpaid"]
    gateway.api("POST", shop.path("connections", shop.connection, "test"))
    provider.heal()
    assert shop.post("again", to="+16505559999").status == 202
    assert wait_for(lambda: any(m["state"] == "sent" for m in shop.messages())), shop.messages()
    assert doctor(shop, "GET") == []
    shop = app_not_subscribed(gateway, provider)
    assert names(doctor(shop)) == ["app_not_subscribed"] and names(doctor(shop, "GET")) == ["app_not_subscribed"]
    assert shop.patch(take_over=False).status == 200
    assert doctor(shop, "GET") == []


def test_a_stranger_makes_no_finding_where_all_is_well_and_hides_none(gateway, provider):
    def strange(shop, **headers):
        assert gateway.webhook(shop.id, b"{}", **headers).status == 401

    for shop in (meta(gateway, provider), d360(gateway, provider)):
        strange(shop, signature="sha256=" + "0" * 64)
        strange(shop, headers={"X-Keyhouse-Secret": "x" * 40})
        assert gateway.get(f"/webhooks/{shop.id}?hub.mode=subscribe&hub.verify_token=x&hub.challenge=1").status == 403
        assert doctor(shop, "GET") == [] and doctor(shop) == []
    shop = foreign_signature(gateway, provider)
    strange(shop)
    strange(shop, headers={"X-Keyhouse-Secret": "x" * 40})
    assert "signed_by_others" in names(doctor(shop, "GET"))
    # Of a number at 360dialog nothing is to be done at Meta.
    sarah = DialogShop(gateway, provider, "Sarah's Fashion", str(next(numbers)), responder="none")
    strange(sarah, headers={"X-Keyhouse-Secret": "x" * 40})
    (told,) = [f for f in doctor(sarah, "GET") if f["finding"] == "signed_by_others"]
    assert "Set our address again" in told["remedy"] and "Meta" not in told["cause"] + told["remedy"]


def test_a_refused_webhook_has_the_keys_looked_at(gateway, provider):
    """Whether a secret was changed at Meta is found out at once, not in six hours."""
    shop = wrong_app_secret(gateway, provider)
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        db.execute("UPDATE connection_facts SET looked_at = looked_at - 3600000")
    gateway.start()
    assert gateway.webhook(shop.id, shop.question("hello", "wamid.R"), "0" * 32).status == 401
    assert wait_for(lambda: "app_secret_wrong" in names(doctor(shop, "GET")), timeout=15)


def test_one_look_at_a_time(gateway, provider):
    shop = meta(gateway, provider)
    provider.fault("slow", on="debug_token", delay=2)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = sorted(a.status for a in pool.map(lambda _: gateway.api("POST", shop.path("doctor")), range(3)))
    assert answers == [200, 503, 503]


def test_what_a_provider_says_is_no_way_for_customers_numbers(gateway, provider):
    shop = meta(gateway, provider)
    provider.describe_number(shop.number, health_status={"can_send_message": "BLOCKED", "entities": [
        {"entity_type": "PHONE_NUMBER", "id": shop.number, "errors": [
            {"error_code": 1, "error_description": f"Call +49 151 23456789 \u202e\u009b2J<b>now</b> {shop.token}"}]}] +
        [{"entity_type": "X" * 100, "id": str(n)} for n in range(1000)]})
    f = [f for f in doctor(shop) if f["finding"] == "number_blocked"][0]
    assert "it says: Call +***" in f["detail"] and "23456789" not in f["detail"] and shop.token not in f["detail"], f
    shown = gateway.run("doctor", shop.id, check=False).stdout
    assert not set("\u202e\u009b\x1b") & set(shown), repr(shown)


def test_a_look_without_an_answer_forgets_nothing(gateway, provider):
    shop = app_not_subscribed(gateway, provider)
    doctor(shop)
    provider.fault("error", http=503, code=2)
    assert set(names(doctor(shop))) >= {"app_not_subscribed"}


def test_all_businesses_at_once(directory, provider):
    gateway = Gateway(directory, provider.url)
    gateway.start()
    assert "0 of 0 businesses" in gateway.run("doctor").stdout
    well, ill = meta(gateway, provider), wrong_key(gateway, provider)
    doctor(ill)
    done = gateway.run("doctor", check=False)
    assert done.returncode == 1 and ill.id in done.stdout and well.id not in done.stdout, done.stdout
    assert "1 of 2 businesses" in done.stdout
    rows = {r["business"]: names(r["findings"]) for r in json.loads(gateway.run("doctor", "--json", check=False).stdout)}
    assert rows == {None: ["kit_missing"], well.id: [], ill.id: ["key_refused"]}
    assert gateway.stop() == 0
    offline = gateway.run("doctor", check=False)
    assert offline.returncode == 1 and "[not_serving]" in offline.stdout and "[key_refused]" in offline.stdout
    assert offline.stdout.count("[not_serving]") == 1
    assert "All is well" not in gateway.run("doctor", well.id, check=False).stdout


def test_who_may_ask(gateway, provider):
    shop = meta(gateway, provider)
    assert gateway.request("POST", shop.path("doctor")).status == 401
    assert gateway.api("GET", "/v1/businesses/nobody/doctor").status == 404
    assert gateway.run("doctor", "nobody", check=False).returncode == 1
    assert gateway.run("doctor", "a", "b", check=False).returncode == 2
