"""Goal of this test: a developer without a WhatsApp account tries Keyhouse on the sandbox's phone page, in a real browser:
asks a shop and sees its answer read, sends a picture and a place, presses the shop's buttons, changes the shop; whatever
others wrote stays text; it works on a narrow screen, without a shop, and through a restart of the sandbox."""
import json
import os
import struct
import subprocess
import zlib

import pytest

import browser
from browser import NARROW, WIDE, Browser, Keys, wait_for
from conftest import PAUL, ROOT, DialogShop, Shop, free_port
from provider import BINARY, Provider

pytestmark = browser.needed

PAULS, SARAHS = "106540352242922", "206540352242933"
ADA, BEN = "2348012345678", "4915112345678"
MARKUP = "<img src=x onerror=\"window.pwned=1\">"


def png(width, height):
    """A picture of any size, sea below sky."""
    rows = b"".join(b"\0" + (b"\x9c\xc8\xe8" if y < height * .6 else b"\x2f\x6b\x8a") * width for y in range(height))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + \
        chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Page(Browser):
    """The phone page in a browser of its own."""

    def open(self, url, **chat):
        self.browser.get(url + "/phone" + ("?" + "&".join(f"{k}={v}" for k, v in chat.items()) if chat else ""))

    def bubbles(self, selector=".bubble"):
        """What each says and how far it is; read at once, for the page replaces them."""
        return self.js("""return [...document.querySelectorAll("#log " + arguments[0])].map((b) => ({
            id: b.dataset.id, type: b.dataset.type, text: b.innerText, shop: b.classList.contains("shop"),
            state: b.querySelector(".tick").dataset.state, words: b.querySelector(".tick").title}))""", selector)

    def bubble(self, matching, timeout=15):
        found = wait_for(lambda: [b for b in self.bubbles() if matching(b)], timeout)
        assert found, self.bubbles()
        return found[-1]

    def says(self, part, **more):
        return self.bubble(lambda b: part in b["text"] and all(b[k] == v for k, v in more.items()))

    def write(self, text):
        self.one("#text").send_keys(text, Keys.ENTER)

    def attach(self, what):
        self.click("#attach")
        self.click(f"#attach-{what}")


@pytest.fixture
def provider():
    with Provider(statuses="read") as p:
        p.patch(customers={ADA: {"name": "Ada"}, BEN: {"name": "Ben"}})
        yield p


@pytest.fixture
def page(tmp_path):
    p = Page(tmp_path / "profile")
    yield p
    p.browser.quit()


@pytest.fixture
def paul(gateway, provider):
    shop = Shop(gateway, provider, "Paul's Electronics", PAULS, verify=True)
    provider.describe_number(PAULS, verified_name="Paul's Electronics")
    shop.products(PAUL)
    return shop


def send(shop, message, to=ADA):
    answer = shop.gateway.api("POST", shop.path("messages"), {"to": "+" + to, **message})
    assert answer.status == 202, answer.body


def buttons(text, *replies):
    return {"type": "interactive", "interactive": {"type": "button", "body": {"text": text}, "action": {"buttons": [
        {"type": "reply", "reply": {"id": id_, "title": title}} for id_, title in replies]}}}


def inbound(shop, type_):
    """The messages of that type, as the gateway lists them."""
    return [m["content"]["message"] for m in shop.messages(direction="inbound") if m["type"] == type_]


def test_a_conversation(page, provider, paul, tmp_path):
    """All that a customer does in a chat, with a shop of Meta's that Keyhouse answers for."""
    page.open(provider.url)
    page.click(f"#shops [data-number='{PAULS}']")
    page.click(f"#chats [data-customer='{BEN}']")
    page.click(f"#chats [data-customer='{ADA}']")
    assert "Ada" in page.text("#writing-as") and not page.seen("#unconnected")
    assert f"shop={PAULS}" in page.browser.current_url and f"customer={ADA}" in page.browser.current_url

    # a question, its answer, the ticks of both
    page.write("How much is iPhone 13 Pro?")
    assert page.one("#text").get_attribute("value") == ""
    answer = page.says("₦450,000", shop=True, state="read")
    assert f"read · key ...{paul.token[-4:]}" in answer["text"] and answer["text"].index("Price:") < answer["text"].index("In stock:")
    asked = page.says("How much is iPhone 13 Pro?", shop=False, state="delivered")
    assert asked["words"] == "the shop's webhook took it"
    told = page.text("#trips").replace("\n", " ").replace("\xa0", " ")
    assert "Ada wrote → Keyhouse took it (200)" in told
    assert f"answer sent with key ...{paul.token[-4:]} → delivered → read" in told

    # what a shop reads is told, with blue ticks
    status, _ = provider.call("POST", f"/v26.0/{PAULS}/messages", {
        "messaging_product": "whatsapp", "status": "read", "message_id": asked["id"]}, headers={"Authorization": "Bearer " + paul.token})
    assert status == 200 and page.says("How much is", shop=False, state="read")["words"] == "read by the shop"

    # two lines in one message
    page.one("#text").send_keys("Hello", Keys.SHIFT, Keys.ENTER, Keys.NULL, "and *thanks*", Keys.ENTER)
    assert "Hello\nand thanks" in page.says("Hello", shop=False)["text"]
    assert page.text("#log .bubble b") == "thanks"

    # a picture, with words under it
    picture = tmp_path / "sea.png"
    picture.write_bytes(png(480, 300))
    page.all("#file")[0].send_keys(str(picture))
    assert page.text("#picked").startswith("sea.png")
    page.write("Is it like this?")
    page.says("Is it like this?", type="image", state="delivered")
    assert wait_for(lambda: page.js("return document.querySelector('#log img').naturalWidth") == 480)
    assert wait_for(lambda: inbound(paul, "image"))[0]["image"]["caption"] == "Is it like this?"

    # a place
    page.attach("place")
    page.click("#place-dialog .main")
    assert "6.5244, 3.3792" in page.says("Lagos", type="location", state="delivered")["text"]
    assert wait_for(lambda: inbound(paul, "location"))[0]["location"]["latitude"] == 6.5244

    # the shop's buttons and lists, sent by Keyhouse's API
    send(paul, buttons("Shall we keep it for you?", ("order-1", "Order now"), ("later", "Later")))
    offer = page.says("Shall we keep it", shop=True, state="read")
    page.click(f".bubble[data-id='{offer['id']}'] .press")
    page.says("button reply · id order-1", shop=False, state="delivered")
    reply = wait_for(lambda: inbound(paul, "interactive"))[0]
    assert reply["interactive"] == {"type": "button_reply", "button_reply": {"id": "order-1", "title": "Order now"}}
    assert reply["context"]["id"] == offer["id"]
    assert page.text(".press[data-pressed]") == "Order now"
    send(paul, {"type": "interactive", "interactive": {"type": "list", "body": {"text": "How shall it come?"}, "action": {
        "button": "Ways", "sections": [{"title": "To you", "rows": [{"id": "bike", "title": "Bike", "description": "today"}]}]}}})
    ways = page.says("How shall it come?", shop=True)
    page.click(f".bubble[data-id='{ways['id']}'] .press")
    page.click("#list-dialog .row")
    page.says("list reply · id bike", shop=False, state="delivered")
    assert wait_for(lambda: [m for m in inbound(paul, "interactive") if m["interactive"] == {
        "type": "list_reply", "list_reply": {"id": "bike", "title": "Bike", "description": "today"}}])

    # a template's button, and a button that the shop did not send here
    send(paul, {"type": "template", "template": {"name": "price_drop", "language": {"code": "en_US"}, "components": [
        {"type": "body", "parameters": [{"type": "text", "text": "Ada"}]},
        {"type": "button", "sub_type": "quick_reply", "index": "0", "parameters": [{"type": "payload", "payload": "YES"}]}]}})
    drop = page.says("price_drop", shop=True)
    page.click(f".bubble[data-id='{drop['id']}'] .press")
    page.says("payload YES", shop=False, state="delivered")
    assert wait_for(lambda: inbound(paul, "button"))[0]["button"] == {"payload": "YES", "text": "YES"}
    # one that the account has is read as customers read it
    provider.patch(templates={paul.waba: {"1": {"name": "order_sent", "language": "en_US", "status": "APPROVED", "components": [
        {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}"}, {"type": "FOOTER", "text": "Thank you"},
        {"type": "BODY", "text": "Hello {{1}}, your {{item}} is on its way, {{3}}"}]}}})
    send(paul, {"type": "template", "template": {"name": "order_sent", "language": {"code": "en_US"}, "components": [
        {"type": "header", "parameters": [{"type": "text", "text": "17"}]},
        {"type": "body", "parameters": [{"type": "text", "text": "Ada"}, {"type": "text", "parameter_name": "item", "text": MARKUP}]}]}})
    told = page.says(f"Hello Ada, your {MARKUP} is on its way, {{{{3}}}}", shop=True)["text"]
    assert told.index("Order 17") < told.index("Hello") < told.index("Thank you") < told.index("order_sent")
    assert page.js("return window.pwned") is None
    page.attach("reply")
    page.click("#reply-dialog .main")
    page.says("button reply · id order\n", shop=False, state="delivered")

    # a reaction sits on what it is about
    send(paul, {"type": "reaction", "reaction": {"message_id": asked["id"], "emoji": "👍"}})
    assert page.text(f".bubble[data-id='{asked['id']}'] .reaction") == "👍"

    page.js("document.getElementById('log').scrollTop = 0")
    page.shoot("phone-wide")
    page.look(*WIDE, scheme="dark")
    page.shoot("phone-wide-dark")
    assert page.complaints() == []


def test_another_shop_and_customer(page, provider, gateway, paul):
    """Chats are apart; what comes elsewhere is counted; the address opens a chat; a customer is added."""
    sarah = DialogShop(gateway, provider, "Sarah's Fashion", SARAHS, verified_name="Sarah's Fashion")
    sarah.products("name,price,currency,stock\nAnkara dress,49.90,EUR,4\n")
    page.open(provider.url, shop=PAULS, api="meta", customer=ADA)
    page.click("#log .chip")
    page.says("₦450,000", shop=True, state="read")

    page.click(f"#shops [data-number='{SARAHS}']")
    page.one("#log .chip")
    assert page.bubbles() == [] and page.text("#shop-name") == "Sarah's Fashion"
    page.write("How much is the ankara dress?")
    assert f"key ...{sarah.key[-4:]}" in page.says("49.90", shop=True, state="read")["text"]
    assert len(page.bubbles()) == 2

    provider.write(PAULS, {"type": "text", "text": {"body": "AirPods Pro 2?"}}, phone=BEN, name="Ben")
    assert page.text(f"#shops [data-number='{PAULS}'] .badge") == "1"
    page.click(f"#shops [data-number='{PAULS}']")
    assert page.text(f"#chats [data-customer='{BEN}'] .badge") == "1"
    page.click(f"#chats [data-customer='{BEN}']")
    page.says("₦180,000", shop=True)
    assert wait_for(lambda: not page.seen(".badge"))
    page.browser.back()
    page.says("₦450,000", shop=True)

    page.click("#add-customer")
    page.one("#customer-dialog [name=name]").send_keys("Chidi")
    page.one("#customer-dialog [name=phone]").send_keys("12", Keys.ENTER)
    assert "7 to 15 digits" in page.text("#customer-dialog .error")
    page.one("#customer-dialog [name=phone]").send_keys("34 803 555-0199", Keys.ENTER)
    assert "Chidi" in page.text("#chats [aria-current]") and page.bubbles() == []
    assert provider.book["customers"]["12348035550199"] == {"name": "Chidi"}
    page.write("Samsung Galaxy S22?")
    page.says("₦380,000", shop=True)
    assert page.complaints() == []


def test_what_others_wrote_is_text(page, provider, gateway, paul):
    """Names, texts and products with markup in them, and messages of forms that nobody expects."""
    provider.describe_number(PAULS, verified_name=f"Shop {MARKUP}")
    provider.patch(customers={ADA: {"name": f"Ada {MARKUP}"}})
    paul.products(f"name,price,currency,stock\n\"Radio {MARKUP.replace(chr(34), chr(34) * 2)}\",5,EUR,1\n")
    page.open(provider.url, shop=PAULS, api="meta", customer=ADA)
    page.write(f"{MARKUP} javascript:alert(1) https://example.com/?a=<b>")
    page.says(MARKUP, shop=False, state="delivered")
    page.write("How much is the Radio?")
    page.says("Price: €5", shop=True)
    odd = [{"type": "text", "text": {"body": f"*{MARKUP}* _</p><script>window.pwned=1</script>_"}},
           {"type": "image", "image": {"link": "javascript:window.pwned=1", "caption": MARKUP}},
           {"type": "image", "image": {"link": "https://example.com/a.png"}},
           {"type": "document", "document": {"id": "../../phone", "filename": MARKUP}},
           {"type": "location", "location": {"name": MARKUP, "latitude": MARKUP, "longitude": {}}},
           {"type": "contacts", "contacts": [{"name": {"formatted_name": MARKUP}}, {}, {"phones": "x"}]},
           buttons(MARKUP, (MARKUP, MARKUP)),
           {"type": "interactive", "interactive": {"type": "cta_url", "body": {"text": "x"}, "action": {
               "name": "cta_url", "parameters": {"display_text": MARKUP, "url": "javascript:window.pwned=1"}}}},
           {"type": "interactive", "interactive": {"type": "list", "body": 3, "action": {"sections": {}}}},
           {"type": "template", "template": {"name": MARKUP, "language": 3, "components": [
               {"type": "body", "parameters": [MARKUP, {"type": "text", "text": MARKUP}]}]}},
           {"type": "reaction", "reaction": {"message_id": "none", "emoji": MARKUP}},
           {"type": MARKUP, MARKUP: {"a": MARKUP}}]
    for message in odd:
        status, _ = provider.call("POST", f"/v26.0/{PAULS}/messages", {"messaging_product": "whatsapp", "to": ADA, **message},
                                  headers={"Authorization": "Bearer " + paul.token})
        assert status == 200, message
    assert wait_for(lambda: len(page.bubbles(".bubble.shop")) >= len(odd) + 1), page.bubbles()
    assert MARKUP in page.text("#shop-name") and MARKUP in page.text("#chats [aria-current]")
    page.click("#log summary")
    page.shoot("phone-markup")
    assert page.js("return window.pwned") is None
    assert page.js("return document.querySelectorAll('[onerror], #log script, #log img, .book img, .trips img').length") == 0
    links = page.js("return [...document.querySelectorAll('#log a[target]')].map((a) => [a.protocol, a.rel])")
    assert links and all(link == ["https:", "noreferrer noopener"] for link in links), links
    loaded = page.js("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert [url for url in loaded if not url.startswith((provider.url, "blob:"))] == []
    assert page.complaints() == []


def test_narrow(page, provider, gateway, paul):
    """360 pixels: one pane at a time, nothing wider than the screen, all of it by keyboard."""
    page.look(*NARROW)
    page.open(provider.url, shop=PAULS, api="meta", customer=ADA)

    def nothing_sticks_out():
        return page.js("""return document.documentElement.scrollWidth <= innerWidth &&
            document.getElementById("log").scrollWidth <= document.getElementById("log").clientWidth""")

    page.enter("#log .chip")
    page.says("₦450,000", shop=True, state="read")
    page.write("W" * 200)
    page.says("W" * 200, state="delivered")
    send(paul, buttons("Shall we keep it for you?", ("order-1", "Order now"), ("later", "Later")))
    page.says("Shall we keep it", state="read")
    page.enter(".press")
    page.says("button reply · id order-1", shop=False, state="delivered")
    assert page.js("return document.activeElement.innerText.trim()") == "Order now"
    page.click("#text")
    assert nothing_sticks_out()
    page.shoot("phone-narrow")
    page.look(*NARROW, scheme="dark")
    page.shoot("phone-narrow-dark")
    page.look(*NARROW)

    # who has scrolled up is not pulled down, but told
    for i in range(8):
        page.write(f"One more, {i}")
        page.says(f"One more, {i}", shop=False)
    page.js("document.getElementById('log').scrollTop = 0")
    send(paul, {"type": "text", "text": {"body": "You are welcome."}})
    page.says("You are welcome.", state="read")
    assert page.text("#newer").strip() == "New message" and page.js("return document.getElementById('log').scrollTop") == 0
    page.click("#newer")
    assert wait_for(lambda: not page.seen("#newer"))

    page.enter("#open-book")
    page.one("#shops [aria-current]")
    assert nothing_sticks_out() and not page.seen(".phone")
    page.shoot("phone-narrow-book")
    page.enter(f"#chats [data-customer='{BEN}']")
    assert "Ben" in page.text("#writing-as")
    page.enter("#open-trips")
    assert "Nothing yet" in page.text("#trips") and nothing_sticks_out()
    page.enter("#close-trips")
    page.enter("#attach")
    assert page.browser.switch_to.active_element.get_attribute("id") == "attach-picture"
    page.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert page.browser.switch_to.active_element.get_attribute("id") == "attach"
    unnamed = page.js("""return [...document.querySelectorAll("button, input, textarea")].filter((e) =>
        !(e.innerText || e.textContent).trim() && !e.getAttribute("aria-label") && !e.labels?.length).map((e) => e.outerHTML)""")
    assert unnamed == []
    assert page.complaints() == []


def test_what_goes_wrong_is_said(page, provider):
    """No shop; a shop without a webhook; a customer that the sandbox refuses: the text stays in its box."""
    provider.patch(customers={ADA: None, BEN: None})
    page.open(provider.url)
    assert "make run" in page.text("#no-shop") and "/sandbox/book" in page.text("#no-shop")
    assert not page.one("#text").is_enabled()
    page.shoot("phone-no-shop")

    provider.add_token("EAAG0000", [PAULS], waba_ids=["77"])
    page.one("#shops .choice", timeout=15)  # without a reload
    assert "No webhook is registered" in page.text("#unconnected") and "Nobody writes yet" in page.text("#log")
    provider.patch(customers={ADA: {"name": "Ada"}})
    page.one(f"#chats [data-customer='{ADA}']", timeout=15)
    page.write("Is anybody there?")
    assert "no webhook is registered" in page.says("Is anybody there?", state="failed")["text"]
    assert "no webhook is registered" in page.text("#trips .failed")
    page.shoot("phone-not-connected")
    provider.fault("error", http=503, code=131016, times=1)
    provider.call("POST", f"/v26.0/{PAULS}/messages", {"to": "+" + ADA, "type": "text", "text": {"body": "x"}},
                  headers={"Authorization": "Bearer EAAG0000"})
    assert wait_for(lambda: "a send with key ...0000: refused: 503, code 131016" in page.text("#trips"))
    assert len(page.bubbles()) == 1, "a try is no message"
    assert page.complaints() == []

    page.open(provider.url, shop="999", api="meta", customer=ADA)
    assert "No such shop" in page.text("#log")
    page.open(provider.url, shop=PAULS, api="meta", customer="x" * 200)
    page.write("Is this kept?")
    assert "Not sent" in page.text("#error")
    assert page.one("#text").get_attribute("value") == "Is this kept?"
    assert all("400" in c for c in page.complaints())


def test_the_sandbox_starts_again(page, tmp_path):
    """The feed is followed again; what an ended sandbox knew is gone from the page as well."""
    port = free_port()
    book = tmp_path / "book.json"
    book.write_text(json.dumps({"apps": {"4242": {"secret": "s"}}, "numbers": {PAULS: {"waba": "77", "verified_name": "Paul"}},
                                "tokens": {"EAAG0000": {"app": "4242", "numbers": [PAULS], "wabas": ["77"]}},
                                "customers": {ADA: {"name": "Ada"}}}))

    def start():
        p = subprocess.Popen([BINARY, "--listen", f"127.0.0.1:{port}", "--book", book, "--quiet"], stdout=subprocess.PIPE, text=True)
        assert p.stdout.readline().startswith("sandbox on ")
        return p

    def end(p):
        p.terminate()
        p.wait(20)
        p.stdout.close()

    first = start()
    try:
        page.open(f"http://127.0.0.1:{port}")
        page.write("Before")
        page.says("Before")
    finally:
        end(first)
    assert "Connection lost, trying again" in page.text("#offline")
    page.one("#text").send_keys("Meanwhile", Keys.ENTER)
    assert "does not answer" in page.text("#error") and page.one("#text").get_attribute("value") == "Meanwhile"
    page.shoot("phone-lost")
    second = start()
    try:
        assert wait_for(lambda: not page.seen("#offline"))
        assert wait_for(lambda: page.bubbles() == [])
        page.write("")
        page.says("Meanwhile")
    finally:
        end(second)
