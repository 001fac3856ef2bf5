"""Goal of this test: a shop owner brings his products from a spreadsheet, sees what became of his messages and sends one
again, and sees how busy the days were; what strangers wrote stays text, and no shop sees another's."""
import datetime
import re

import pytest

import owner as pages
from conftest import PAUL, Shop, wait_for
from owner import owner  # noqa: F401
from provider import Provider
from test_settings import Caller

pytestmark = pages.needed
PAULS, SARAHS = "106540352242922", "106540352242923"
ADA, BEN = "2348012345678", "2348087654321"
MARKUP = "<img src=x onerror=window.pwned=1>\"'><script>window.pwned=1</script>"


@pytest.fixture
def provider():
    with Provider() as p:
        yield p


@pytest.fixture
def paul(gateway, provider):
    return Shop(gateway, provider, "Paul's Electronics", PAULS, verify=True)


@pytest.fixture
def sarah(gateway, provider):
    return Shop(gateway, provider, "Sarah's Fashion", SARAHS, responder="none", verify=True)


def harmless(owner, part=MARKUP):  # noqa: F811
    assert owner.js("return window.pwned") is None
    assert part in owner.words(), owner.words()


def type_into(owner, selector, text):  # noqa: F811
    field = owner.one(selector)
    field.clear()
    field.send_keys(text)


def test_products(owner, paul, sarah, tmp_path):  # noqa: F811
    owner.come(paul)
    owner.go("products")
    owner.says("No products yet")
    owner.shoot_both("products-none")

    # a list with two bad rows: both are named, nothing is stored, the list is still there
    file = tmp_path / "list.csv"
    file.write_text(f'name,aliases,price,currency,stock\niPhone 13,,"450,000",NGN,5\nRice,ofada|jollof,2500.50,NGN,\n'
                    f'"{MARKUP.replace(chr(34), chr(34) * 2)}",,7,ngn,1\n')
    owner.click("a[href='products?import=1']")
    owner.one("#file").send_keys(str(file))
    owner.says("list.csv is in the field")
    owner.click("button[value=preview]")
    owner.says("Line 2: price must be up to 12 digits without spaces or commas")
    owner.says("Line 4: currency must be 3 capital letters")
    owner.says("Lines that are right: 1.")
    harmless(owner, MARKUP.replace('"', '""'))
    owner.shoot_both("products-faults")
    assert paul.gateway.api("GET", paul.path("products")).json["data"] == []

    # mended, it is looked at, and only then stored
    csv = owner.one("#csv").get_attribute("value")
    type_into(owner, "#csv", csv.replace('"450,000"', "450000").replace(",ngn,", ",NGN,"))
    owner.click("button[value=preview]")
    owner.says("3 new, 0 changed. Nothing is stored yet.")
    harmless(owner)
    owner.shoot_both("products-preview")
    assert paul.gateway.api("GET", paul.path("products")).json["data"] == []
    owner.click("button[value=import]")
    owner.says("3 added, 0 changed.")
    owner.says("₦450,000")
    owner.says("Also: ofada, jollof")
    harmless(owner)
    owner.shoot_both("products")

    # one of them is changed: what is wrong is said beside it and nothing typed is lost
    owner.browser.find_element("link text", "Rice").click()
    type_into(owner, "#price", "a lot")
    type_into(owner, "#stock", "40")
    type_into(owner, "#unit", "kg")
    owner.click("button[value=save]")
    owner.says("It must be up to 12 digits")
    assert owner.one("#price").get_attribute("aria-invalid") and owner.one("#stock").get_attribute("value") == "40"
    owner.shoot_both("products-form")
    type_into(owner, "#price", "2600")
    owner.click("button[value=save]")
    owner.says("0 added, 1 changed.")
    owner.says("40 kg")
    assert owner.one("table").text.count("Rice") == 1
    owner.browser.find_element("link text", "iPhone 13").click()
    owner.click("summary")
    owner.click("button[value=remove]")
    owner.says("1 removed.")
    assert "iPhone" not in owner.words()
    owner.go("products?done=3-x")
    assert "added" not in owner.words()
    assert [e for e in owner.complaints() if "422" not in e] == []

    # another shop has a list of its own
    id_ = paul.gateway.api("GET", paul.path("products")).json["data"][0]["id"]
    owner.come(sarah)
    owner.go("products")
    owner.says("No products yet")
    assert "Customers are not answered from this list" in owner.words()
    owner.go("products?change=" + id_)
    owner.says("There is no such product")

    # a long one comes in pages, in its own order
    sarah.products("name,price,currency\n" + "".join(f"Dress {i},12,NGN\n" for i in range(1, 61)))
    owner.go("products")
    assert len(owner.all("tbody tr")) == 50 and "Dress 1\t" in owner.words() and "Dress 51" not in owner.words()
    owner.click("a[rel=next]")
    owner.says("Dress 51")
    assert len(owner.all("tbody tr")) == 10 and not owner.all("a[rel=next]")
    owner.browser.find_element("link text", "First page").click()
    owner.says("Dress 50")
    owner.go("products?after=none")
    owner.says("Dress 50")
    assert [e for e in owner.complaints() if "404" not in e] == []


def test_messages(owner, provider, paul, sarah):  # noqa: F811
    provider.write(PAULS, {"type": "text", "text": {"body": "Is the red one there? " + MARKUP}}, phone=ADA, name=MARKUP)
    provider.write(SARAHS, {"type": "text", "text": {"body": "A dress for Sarah"}}, phone=BEN, name="Ben")
    provider.fault("error", number=PAULS, http=400, code=131026, message="Undeliverable " + MARKUP, holding="phone is")
    lost = paul.post("Your phone is here", to="+" + BEN).json["id"]
    assert wait_for(lambda: paul.message(lost)["state"] == "dead")
    provider.fault("accept_drop", number=PAULS, holding="o'clock")
    unknown = paul.post("It is 5 o'clock", to="+" + ADA).json["id"]
    assert wait_for(lambda: paul.message(unknown)["state"] == "unknown")
    assert wait_for(lambda: sarah.messages())
    provider.heal()
    provider.reset()

    owner.come(paul)
    owner.go("messages")
    owner.says("Is the red one there?")
    harmless(owner)
    owner.says("This customer cannot be reached on WhatsApp.")
    owner.says("it may have arrived")
    assert "dress" not in owner.words()
    assert len(owner.all("button[value=again]")) == 1
    owner.shoot_both("messages")

    # only what came to nothing is offered, and a second press sends nothing more
    id_ = owner.js("return document.querySelector('button[value=again]').form.elements.id.value")
    assert id_ == lost
    page = owner.js("return new URLSearchParams(new FormData(document.querySelector('button[value=again]').form)).toString()")
    owner.click("button[value=again]")
    owner.says("It is being sent again")
    assert [m["body"]["text"]["body"] for m in provider.wait_sent(1)] == ["Your phone is here"]
    again = "return fetch('messages', {method: 'POST', body: new URLSearchParams(arguments[0])}).then(a => a.url)"
    assert owner.js(again, page + "&do=again").endswith("messages?done=already")
    assert owner.js(again, page.replace(lost, unknown) + "&do=again").endswith("messages?done=not")
    other = sarah.messages()[0]["id"]
    assert owner.js(again, page.replace(lost, other) + "&do=again").endswith("messages?done=not")
    assert len(provider.sent(PAULS)) == 1

    # filtered, and searched by text and by number
    owner.go("messages")
    owner.one("#direction").send_keys("To customers")
    owner.one("#state").send_keys("Not sent")
    owner.click("form[method=get] button")
    owner.one("#state option[value=dead][selected]")
    assert len(owner.all(".log li")) == 1 and "Your phone is here" in owner.words()
    type_into(owner, "#words", "RED ONE")
    owner.click("button[value=search]")
    owner.says("1 found. Looked through 5 messages")
    harmless(owner)
    assert "RED" not in owner.browser.current_url
    type_into(owner, "#words", BEN)
    owner.click("button[value=search]")
    owner.says("2 found.")
    owner.shoot_both("messages-found")

    owner.come(sarah)
    owner.go("messages")
    owner.says("A dress for Sarah")
    assert "phone is here" not in owner.words() and len(owner.all(".log li")) == 1
    type_into(owner, "#words", "phone")
    owner.click("button[value=search]")
    owner.says("0 found. Looked through 1 messages")

    # in pages, which keep what was chosen
    for i in range(1, 52):
        sarah.post(f"Offer {i}", to="+" + BEN)
    owner.go("messages?direction=out")
    assert len(owner.all(".log li")) == 50 and "Offer 51" in owner.words() and "Offer 1\n" not in owner.words()
    owner.click("a[rel=next]")
    owner.says("Offer 1\n")
    assert len(owner.all(".log li")) == 1 and owner.one("#direction option[value=out][selected]")


def test_more_products_than_fit(gateway, paul):
    """Nothing of them is stored, and it is said in plain words."""
    caller = Caller(gateway)
    caller.open(paul)
    csrf = caller.csrf()
    head = "name,price,currency\n"
    for part in range(2):
        paul.products(head + "".join(f"Thing {part * 10000 + i},1,NGN\n" for i in range(10000)))
    more = head + "Thing 5,2,NGN\nOne thing more,1,NGN\n"
    refused = gateway.api("POST", paul.path("products"), more, "text/csv")
    assert (refused.status, refused.json["code"]) == (422, "too_many_products"), refused.body
    for what in ("preview", "import"):
        page = caller.post("products", csrf=csrf, do=what, csv=more)
        assert page.status == 422 and b"more than 20,000 products" in page.body and b"Nothing was stored." in page.body
    page = caller.post("products", csrf=csrf, do="save", name="One thing more", price="1", currency="NGN")
    assert page.status == 422 and b"20,000 products already" in page.body
    assert caller.post("products", csrf=csrf, do="import", csv=head + "Thing 5,2,NGN\n").status == 303


def test_activity(owner, provider, paul, sarah):  # noqa: F811
    paul.products(PAUL + f'"Fan {MARKUP.replace(chr(34), chr(34) * 2)}",12000,NGN,4\n')
    owner.come(paul)
    owner.go("activity")
    owner.says("Nothing in the last 30 days")
    owner.shoot_both("activity-none")

    # asked for nothing that is on the list
    provider.write(PAULS, {"type": "text", "text": {"body": "How much is a television?"}}, phone=BEN)
    provider.wait_sent(1)
    owner.go("activity")
    owner.says("nobody asked about a product on your list")
    for text in ("How much is iPhone 13 Pro?", "Price of a fan and airpods?", "do you have airpods", "Good morning"):
        provider.write(PAULS, {"type": "text", "text": {"body": text}}, phone=ADA)
    provider.wait_sent(5)
    provider.write(PAULS, {"type": "order", "order": {"catalog_id": "1948", "product_items": [
        {"product_retailer_id": "13-pro", "quantity": 1, "item_price": 450000, "currency": "NGN"}]}}, phone=ADA)
    provider.fault("error", number=PAULS, http=400, code=131026, holding="phone is")
    paul.post("Your phone is here", to="+2348099999999")
    assert wait_for(lambda: paul.messages(state="dead") and len(paul.messages(state="sent")) == 5 and
                    len(paul.messages(direction="inbound")) == 6)
    owner.go("activity")
    cells = "return [...document.querySelectorAll(arguments[0])].map(r => [...r.cells].map(c => c.innerText))"
    rows = owner.js(cells, "main > table tbody tr")
    assert rows[:6] == [["Messages from customers", "6", "6"], ["Price questions", "4", "4"], ["Orders", "1", "1"],
                        ["Messages to customers that went out", "5", "5"], ["Messages that came to nothing", "1", "1"],
                        ["Conversations", "3", "3"]]
    assert rows[6][1:] == ["under 1 second"] * 2
    assert "Today: 6." in owner.one("svg[role=img]").get_attribute("aria-label")
    now = datetime.datetime.now(datetime.timezone.utc)
    assert f"most: 6 on {now:%a} {now.day} {now:%b}" in owner.words() and not re.search(r"\d{4}-\d\d-\d\d", owner.words())
    tall = "return [...document.querySelectorAll('svg[role=img] .bar')].map(r => r.height.baseVal.value)"
    assert owner.js(tall) == [0] * 29 + [100]
    asked = "return [...document.querySelectorAll('.asked li')].map(r => r.innerText.trim().split(/\\s*\\n/))"
    once = [["Fan " + MARKUP, "1, today 1"], ["iPhone 13 Pro (128GB)", "1, today 1"]]
    assert owner.js(asked) == [["AirPods Pro 2", "2, today 2"], *once]
    long = "return [...document.querySelectorAll('.asked .bar')].map(r => r.width.baseVal.value)"
    assert owner.js(long) == [1000, 500, 500]
    harmless(owner)
    owner.click("summary")
    days = owner.js(cells, "details tbody tr")
    assert len(days) == 30 and days[0][6:] == ["1", "4"] and days[1][6:] == ["0", "0"]
    owner.shoot_both("activity")
    owner.browser.find_element("link text", "AirPods Pro 2").click()
    assert owner.one("#name").get_attribute("value") == "AirPods Pro 2"

    # what is not sold any more is left out; what is not known is no nought
    sold = {p["name"]: p["id"] for p in paul.gateway.api("GET", paul.path("products")).json["data"]}
    assert paul.gateway.api("DELETE", paul.path("products", sold["AirPods Pro 2"])).status == 204
    owner.go("activity")
    assert owner.js(asked) == once
    owner.come(sarah)
    owner.go("activity")
    owner.says("Nothing in the last 30 days")
    provider.write(SARAHS, {"type": "text", "text": {"body": "How much is the dress?"}}, phone=BEN)
    assert wait_for(lambda: sarah.messages())
    owner.go("activity")
    owner.says("Price questions are counted where this service answers them")
    rows = owner.js(cells, "main > table tbody tr")
    assert rows[1] == ["Orders", "0", "0"] and len(rows) == 6 and not owner.all(".asked")
    owner.shoot_both("activity-unanswered")
