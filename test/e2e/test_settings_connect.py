"""Goal of this test: a shop owner who knows no API connects a number on the settings pages, by keyboard alone; what is
pasted wrongly or refused is named in plain words, with what to do; and no secret is ever seen again."""
import hashlib
import os
import time
import urllib.parse
import urllib.request

import pytest

import owner as pages
from browser import Keys
from conftest import DialogShop, Shop
from owner import owner  # noqa: F401
from provider import Provider
from remains import search
from shops import Business, new_key
from test_memory import SKIP

pytestmark = pages.needed
META, D360 = "106540352242922", "206540352242922"
WABA, APP = "102290129340398", "4242424242"
ELSEWHERE = "https://chat.example.com"


class Newcomer(Business):
    """A business without a connection, and the keys that its owner has in hand."""

    def __init__(self, gateway, provider, name="Ada's Shoes"):
        super().__init__(gateway, name, "none")
        self.provider = provider
        self.secret = hashlib.md5(os.urandom(8)).hexdigest()
        self.token = "EAAG" + hashlib.sha256(os.urandom(8)).hexdigest() + "ZD"
        self.key = new_key(name)
        provider.add_token(self.token, [META], app_id=APP, app_secret=self.secret, waba_ids=[WABA])
        provider.describe_number(META, verified_name="Ada's Shoes", display_phone_number="+234 801 234 5678")

    @property
    def meta(self):
        return {"app_id": APP, "app_secret": self.secret, "access_token": self.token, "phone_number_id": META, "waba_id": WABA}


@pytest.fixture
def provider():
    with Provider() as p:
        yield p


@pytest.fixture
def ada(gateway, provider):
    return Newcomer(gateway, provider)


def focused(owner, selector):  # noqa: F811
    return owner.js("return document.activeElement.matches(arguments[0])", selector)


def tab_to(owner, selector):  # noqa: F811
    for _ in range(40):
        if focused(owner, selector):
            return owner.browser.switch_to.active_element
        owner.browser.switch_to.active_element.send_keys(Keys.TAB)
    raise AssertionError(f"{selector} is not reached by Tab; the page says: {owner.words()}")


def type_in(owner, values):  # noqa: F811
    """Without a mouse."""
    for name, value in values.items():
        tab_to(owner, f"#{name}").send_keys(value)
    tab_to(owner, "form button:not([type=button])").send_keys(Keys.ENTER)


def fill(owner, values):  # noqa: F811
    """What was typed is there at once. The module is not asked: what it stops has to be stopped by the server, too."""
    owner.js("""for (const [id, value] of Object.entries(arguments[0])) document.getElementById(id).value = value;
                document.querySelector('form').submit()""", values)


def connect(owner, provider_name, values):  # noqa: F811
    owner.go(f"connect-{provider_name}")
    fill(owner, values)


def shows_no_secret(owner, gateway, *secrets):  # noqa: F811
    """Neither the page, its fields, nor the log."""
    everywhere = owner.browser.page_source + owner.js(
        "return [...document.querySelectorAll('input')].map(i => i.value).join()") + gateway.log_text()
    for secret in secrets:
        assert secret not in everywhere


def test_a_newcomer_connects_by_keyboard(owner, gateway, provider, ada):  # noqa: F811
    owner.come(ada)
    owner.shoot_both("status-welcome")
    tab_to(owner, "a[href=connect]").send_keys(Keys.ENTER)
    owner.says("At 360dialog")
    owner.shoot_both("connect")
    tab_to(owner, "a[href=connect-meta]").send_keys(Keys.ENTER)
    owner.one("#app_id")
    weight = owner.js("""return performance.getEntries().map(e => e.encodedBodySize ?? 0).reduce((a, b) => a + b)""")
    assert 5000 < weight < 60000, "the first page is small, with all that it needs"
    owner.shoot_both("connect-meta")
    type_in(owner, {name: ada.meta[name] for name in ("app_id", "app_secret", "access_token")})
    owner.says("Connected: +234 801 234 5678", timeout=20)
    assert focused(owner, "#outcome")
    shows_no_secret(owner, gateway, ada.secret, ada.token)
    owner.shoot_both("connected-meta")
    tab_to(owner, "a[href='./']").send_keys(Keys.ENTER)
    owner.says("The keys work, and messages come and go.")
    owner.says("Does not expire")
    provider.patch(tokens={ada.token: {"expires_at": int(time.time()) + 12 * 86400 + 3600}})
    tab_to(owner, "form[action=check] button").send_keys(Keys.SPACE)
    owner.says("Connected: +234 801 234 5678")
    assert [c["status"] for c in ada.connections()] == ["active"]
    owner.go("")
    owner.says("Expires in 12 days, on")
    owner.shoot_both("status-meta")
    provider.revoke(ada.token)
    tab_to(owner, "form[action=check] button").send_keys(Keys.SPACE)
    owner.says("The key is refused: +234 801 234 5678")
    assert "Waiting for" not in owner.words()
    # Said once; what waits for it is short.
    words = owner.words()
    assert words.count("enerate a new one") == 1 and words.count("Known once the access token is right.") >= 4, words
    owner.shoot_both("check-refused")


def test_meta_does_not_answer(owner, provider, ada):  # noqa: F811
    """What to press then, and when."""
    owner.come(ada)
    provider.fault("error", http=503, code=2)
    owner.go("connect-meta")
    keys_alone = {name: ada.meta[name] for name in ("app_id", "app_secret", "access_token")}
    fill(owner, keys_alone)
    owner.says("Wait a few minutes, then press Connect again.", timeout=20)
    assert "Check now" not in owner.words(), "there is no such button yet"
    owner.shoot_both("connect-silent")
    assert ada.connections() == []
    provider.heal()
    connect(owner, "meta", keys_alone)
    owner.says("Connected: ", timeout=20)
    provider.fault("error", http=503, code=2)
    owner.go("")
    owner.click("form[action=check] button")
    owner.says("press Check now again in a few minutes", timeout=20)


def test_what_goes_wrong_at_meta(owner, gateway, provider, ada):  # noqa: F811
    owner.come(ada)
    # A token in the secret's box is named, and moved.
    owner.go("connect-meta")
    box = tab_to(owner, "#app_secret")
    box.send_keys(ada.token, Keys.TAB)
    owner.says("This looks like an access token: it begins with EAA. It belongs into the field “Access token”.")
    owner.shoot_both("connect-misplaced")
    tab_to(owner, "#app_secret-error button").send_keys(Keys.ENTER)
    assert box.get_attribute("value") == "" and owner.one("#access_token").get_attribute("value") == ada.token
    assert focused(owner, "#app_secret")
    # The server says the same, shows no secret, and keeps the rest.
    fill(owner, {**ada.meta, "app_secret": ada.token, "access_token": ada.secret, "waba_id": "+49 170 1234567"})
    owner.says("This looks like an app secret")
    owner.says("This looks like a phone number. Wanted here is an ID")
    assert owner.one("#app_id").get_attribute("value") == APP
    shows_no_secret(owner, gateway, ada.secret, ada.token)
    owner.shoot_both("connect-faults")
    assert ada.connections() == []
    # Each refusal in its own words, and the form once more.
    other = "EAAG" + "x" * 60
    for values, words in (({"access_token": other}, "Meta does not accept this access token."),
                          ({"app_secret": "f" * 32}, "App ID and App secret together: one of them is wrong."),
                          ({"phone_number_id": "999999"}, "has no number with this Phone number ID")):
        fill(owner, {**ada.meta, **values})
        owner.says(words, timeout=20)
        owner.says("The secret values have to be pasted again.")
        shows_no_secret(owner, gateway, ada.secret, ada.token, other)
        assert owner.one("#app_id").get_attribute("value") == APP
        assert ada.connections() == []
    owner.shoot_both("connect-refused")
    # Somebody else's number.
    theirs = Shop(gateway, provider, "Bola's Phones", "306540352242922", verify=True)
    provider.add_token(ada.token, [META, theirs.number], app_id=APP, app_secret=ada.secret, waba_ids=[WABA])
    fill(owner, {**ada.meta, "phone_number_id": "", "waba_id": ""})
    owner.says("This account has several numbers.", timeout=20)
    owner.shoot_both("connect-which")
    owner.click(f"[name=phone_number_id][value='{theirs.number}']")
    fill(owner, {"app_secret": ada.secret, "access_token": ada.token})
    owner.says("This number is connected already", timeout=20)
    assert "Bola" not in owner.words() and ada.connections() == []
    owner.shoot_both("connect-number-taken")
    # Another system gets this number's webhooks.
    provider.graph.set_callback(APP, ELSEWHERE + "/hook")
    connect(owner, "meta", ada.meta)
    owner.says("Another system gets the messages", timeout=20)
    owner.says(ELSEWHERE)
    owner.shoot_both("webhook-taken-meta")
    owner.go("")
    owner.shoot_both("status-taken")
    # By hand: the line turns when Meta's call comes.
    owner.says("Waiting for Meta’s call")
    url, token = (owner.one(f"input[id^={what}-]").get_attribute("value") for what in ("url", "token"))
    query = urllib.parse.urlencode({"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "31"})
    assert urllib.request.urlopen(f"{url}?{query}").read() == b"31"
    owner.says("Meta’s call came: messages reach us.")
    owner.shoot_both("waiting-came")
    # Or by a button.
    tab_to(owner, "form[action=register] button").send_keys(Keys.ENTER)
    owner.says("Connected: +234", timeout=20)
    assert provider.graph.override(WABA, APP) == url
    owner.shoot_both("taken-over-meta")


def test_what_goes_wrong_at_360dialog(owner, gateway, provider, ada):  # noqa: F811
    other = DialogShop(gateway, provider, "Sarah's Fashion", "206540352242923")
    owner.come(ada)
    connect(owner, "360dialog", {"api_key": ada.key})
    owner.says("360dialog does not accept this key.", timeout=20)
    shows_no_secret(owner, gateway, ada.key)
    fill(owner, {"api_key": other.key})
    owner.says("This number is connected already", timeout=20)
    shows_no_secret(owner, gateway, other.key)
    assert "Sarah" not in owner.words()
    provider.add_d360_key(ada.key, D360, webhook=ELSEWHERE + "/hook", verified_name="Ada's Shoes")
    fill(owner, {"api_key": ada.key})
    owner.says(f"is sent to {ELSEWHERE} now", timeout=20)
    shows_no_secret(owner, gateway, ada.key)
    owner.shoot_both("webhook-taken-360dialog")
    owner.click("[name=take_over]")
    fill(owner, {"api_key": ada.key})
    owner.says("Connected: +49 30 901820", timeout=20)
    owner.says("Waiting for the first message")
    owner.shoot_both("connected-360dialog")
    shows_no_secret(owner, gateway, ada.key)
    # The webhook cannot be set: by hand, with its secret shown once.
    key = new_key()
    provider.add_d360_key(key, "206540352242924")
    provider.fault("error", on="POST /v1/configs/webhook", http=500)
    connect(owner, "360dialog", {"api_key": key})
    owner.says("The value is shown this once.", timeout=20)
    assert owner.one("input[id^=header-]").get_attribute("value") == "X-Keyhouse-Secret"
    secret = owner.one("input[id^=value-]").get_attribute("value")
    assert gateway.webhook(ada.id, {}, headers={"X-Keyhouse-Secret": secret}).status == 200
    owner.says("The first message came: messages reach us.")
    owner.shoot_both("by-hand-360dialog")
    owner.go("")
    shows_no_secret(owner, gateway, key, secret)


SECOND = "106540352242923"


def value(owner, name):  # noqa: F811
    return owner.one(f"#{name}").get_attribute("value")


def press(owner):  # noqa: F811
    tab_to(owner, "form[action^=connect-] button:not([type=button])").send_keys(Keys.ENTER)


def test_what_was_pasted_stays_in_the_browser(owner, gateway, provider, ada):  # noqa: F811
    """After a refusal, and until a number is chosen; the page itself never holds it, and reloading sends nothing."""
    provider.add_token(ada.token, [META, SECOND], app_id=APP, app_secret=ada.secret, waba_ids=[WABA])
    owner.come(ada)
    owner.go("connect-meta")
    type_in(owner, {"app_id": APP, "app_secret": "f" * 32, "access_token": ada.token})
    owner.says("App ID and App secret together: one of them is wrong.", timeout=20)
    owner.says("Nothing was kept. What you pasted is still in its fields.")
    assert focused(owner, "#outcome") and "pasted again" not in owner.words()
    assert [value(owner, name) for name in ("app_id", "app_secret", "access_token")] == [APP, "f" * 32, ada.token]
    assert ada.token not in owner.browser.page_source and "f" * 32 not in owner.browser.page_source
    owner.shoot_both("connect-kept")
    # What is wrong is seen again, and the rest need not be pasted again.
    owner.click("[data-show=access_token]")
    assert owner.one("#access_token").get_attribute("type") == "text"
    owner.one("#app_secret").clear()
    provider.fault("slow", on="/phone_numbers", delay=2, times=1)
    type_in(owner, {"app_secret": ada.secret})
    owner.says("Access token: Valid.")
    assert "one of them is wrong" not in owner.words() and not owner.seen("#access_token"), "lines of this time alone"
    owner.says("This account has several numbers.", timeout=20)
    assert focused(owner, "#outcome") and value(owner, "access_token") == ada.token
    owner.shoot_both("connect-which-kept")
    tab_to(owner, "[name=phone_number_id]").send_keys(Keys.ARROW_DOWN)
    chosen = owner.js("return document.querySelector('[name=phone_number_id]:checked').value")
    press(owner)
    owner.says("Connected: ", timeout=20)
    assert focused(owner, "#outcome") and [c["phone_number_id"] for c in ada.connections()] == [chosen]
    shows_no_secret(owner, gateway, ada.secret, ada.token)
    # Neither reloading nor going back sends anything.
    asked = len(provider.requests)
    owner.browser.refresh()
    assert value(owner, "access_token") == "" and "Connected: " not in owner.words()
    owner.go("connect")
    owner.browser.back()
    assert value(owner, "app_secret") == ""
    assert len(provider.requests) == asked and len(ada.connections()) == 1


def test_taking_over_without_pasting_again(owner, gateway, provider, ada):  # noqa: F811
    owner.come(ada)
    provider.add_d360_key(ada.key, D360, webhook=ELSEWHERE + "/hook")
    owner.go("connect-360dialog")
    type_in(owner, {"api_key": ada.key})
    owner.says(f"is sent to {ELSEWHERE} now", timeout=20)
    tab_to(owner, "[name=take_over]").send_keys(Keys.SPACE)
    press(owner)
    owner.says("Connected: +49 30 901820", timeout=20)
    owner.says("Waiting for the first message")
    shows_no_secret(owner, gateway, ada.key)


def test_what_was_pasted_stays_where_no_answer_comes(owner, gateway, provider, ada):  # noqa: F811
    owner.come(ada)
    owner.go("connect-meta")

    def offline(is_offline):
        owner.browser.execute_cdp_cmd("Network.emulateNetworkConditions", {
            "offline": is_offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
    owner.browser.execute_cdp_cmd("Network.enable", {})
    offline(True)
    type_in(owner, {name: ada.meta[name] for name in ("app_id", "app_secret", "access_token")})
    owner.says("No answer came")
    assert focused(owner, "#outcome") and value(owner, "access_token") == ada.token
    offline(False)
    # The session has ended: said, and nothing is lost.
    cookies = owner.browser.get_cookies()
    owner.browser.delete_all_cookies()
    press(owner)
    owner.says("Please open your settings again")
    assert focused(owner, "#outcome") and len(owner.seen("h2#outcome")) == 1 and "No answer came" not in owner.words()
    owner.shoot_both("connect-not-heard")
    for cookie in cookies:
        owner.browser.add_cookie(cookie)
    press(owner)
    owner.says("Connected: +234 801 234 5678", timeout=20)
    assert all("Failed to load resource" in line for line in owner.complaints())


def test_connecting_without_javascript(owner, gateway, provider, ada):  # noqa: F811
    provider.add_token(ada.token, [META, SECOND], app_id=APP, app_secret=ada.secret, waba_ids=[WABA])
    owner.come(ada)
    owner.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    owner.go("connect-meta")
    for chosen in (None, SECOND):
        for name in ("app_secret", "access_token"):
            owner.one(f"#{name}").send_keys(ada.meta[name])
        if chosen:
            owner.click(f"[name=phone_number_id][value='{chosen}']")
        else:
            owner.one("#app_id").send_keys(APP)
        owner.click("form button:not([type=button])")
        owner.one("#outcome", timeout=20)
        if not chosen:
            assert "The secret values have to be pasted again." in owner.text("main")
    assert owner.text("#outcome").startswith("Connected"), owner.text("main")
    assert [c["phone_number_id"] for c in ada.connections()] == [SECOND]


def test_a_key_of_the_sandbox(owner, gateway, provider, ada):  # noqa: F811
    provider.add_d360_key(ada.key, D360, sandbox=True)
    owner.come(ada)
    connect(owner, "360dialog", {"api_key": ada.key})
    owner.says("or the box about the sandbox says the wrong thing", timeout=20)
    tab_to(owner, "[name=sandbox]").send_keys(Keys.SPACE)
    fill(owner, {"api_key": ada.key})
    owner.says("360dialog's sandbox accepts the key", timeout=20)
    owner.says("Waiting for the first message")
    owner.shoot_both("connected-sandbox")
    owner.go("")
    owner.says("360dialog's sandbox")
    assert [c["sandbox"] for c in ada.connections()] == [True]
    # The tick stays where something else is asked; without it, the key's ending tells.
    for key, ticked in ((new_key(), True), (os.urandom(8).hex() + "_sandbox", False)):
        provider.add_d360_key(key, D360, sandbox=True, webhook=ELSEWHERE + "/hook")
        owner.go("connect-360dialog")
        if ticked:
            owner.click("[name=sandbox]")
        fill(owner, {"api_key": key})
        owner.says(f"is sent to {ELSEWHERE} now", timeout=20)
        assert owner.one("[name=sandbox]").is_selected() == ticked
        owner.click("[name=take_over]")
        fill(owner, {"api_key": key})
        owner.says("Waiting for the first message", timeout=20)
        owner.says("360dialog's sandbox accepts the key")
        shows_no_secret(owner, gateway, key)
    assert [c["sandbox"] for c in ada.connections()] == [True] * 3


@SKIP
def test_nothing_pasted_stays_in_memory(gateway, provider, ada):
    """Through the form, without a browser: well, into wrong fields, and refused."""
    link = gateway.api("POST", ada.path("settings-links")).json["url"]
    opened = gateway.request("POST", "/settings/open", urllib.parse.urlencode({"token": link.split("#")[1]}), FORM)
    cookie = {"Cookie": opened.headers["set-cookie"].split(";")[0]}
    csrf = gateway.get("/settings/connect-meta", cookie).body.decode().split('name="csrf" value="')[1].split('"')[0]

    def send(name, **values):
        answer = gateway.request("POST", f"/settings/{name}", urllib.parse.urlencode({"csrf": csrf, **values}), {**FORM, **cookie})
        assert answer.status == 200, answer.body
        return answer.body.decode()
    provider.add_d360_key(ada.key, D360)
    refused = "EAAG" + os.urandom(30).hex()
    assert "belongs into" in send("connect-meta", **{**ada.meta, "app_secret": ada.token, "access_token": ada.secret})
    assert "Not connected" in send("connect-meta", **{**ada.meta, "access_token": refused})
    assert "Connected" in send("connect-meta", **ada.meta)
    assert "Connected" in send("connect-360dialog", api_key=ada.key)
    time.sleep(1)
    pasted = {"access token": ada.token, "app secret": ada.secret, "refused token": refused, "360dialog key": ada.key}
    assert search(gateway.role_pid("listener"), pasted) == []


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
