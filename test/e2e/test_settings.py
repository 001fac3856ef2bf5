"""Goal of this test: a settings link opens its own shop's pages, once, in one browser, for a while; nobody else comes in,
and nothing can be done from another site. On the page of keys a shop replaces one, leaves, and deletes itself."""
import http.server
import json
import re
import sqlite3
import threading
import time
import urllib.parse

import pytest

import owner as pages
from conftest import PAUL, DialogShop, Shop, free_port
from owner import owner, wait_for  # noqa: F401
from provider import Provider
from shops import Business

PAULS, SARAHS = "106540352242922", "206540352242933"
MARKUP = "<img src=x onerror='window.pwned=1'>&amp;\""
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def provider():
    with Provider(statuses="read") as p:
        yield p


@pytest.fixture
def paul(gateway, provider):
    shop = Shop(gateway, provider, "Paul's Electronics", PAULS, verify=True)
    shop.products(PAUL)
    return shop


class Caller:
    """One who speaks HTTP to the pages, with whatever cookie and headers he likes."""

    def __init__(self, gateway):
        self.gateway, self.cookie = gateway, None

    def get(self, name="", **headers):
        return self.gateway.get("/settings/" + name, headers={**({"Cookie": self.cookie} if self.cookie else {}), **headers})

    def post(self, page, /, headers=(), **fields):
        all_ = {"Content-Type": FORM, **({"Cookie": self.cookie} if self.cookie else {}), **dict(headers)}
        return self.gateway.request("POST", "/settings/" + page, urllib.parse.urlencode(fields).encode(), all_)

    def open(self, business):
        """With a fresh link; returns what the API said of it."""
        link = business.gateway.api("POST", business.path("settings-links")).json
        answer = self.post("open", token=link["url"].split("#")[1])
        assert answer.status == 200, answer.body
        self.cookie = answer.headers["set-cookie"].split(";")[0]
        return link

    def csrf(self):
        return re.search(rb'name="csrf" value="([0-9a-f]+)"', self.get("access").body).group(1).decode()


@pytest.fixture
def caller(gateway):
    return Caller(gateway)


# ---------------------------------------------------------------- links

def test_links_are_made_listed_and_revoked(gateway, caller):
    business = Business(gateway, "Ada's", "none")
    link = gateway.api("POST", business.path("settings-links"), {"expires_in": 60}).json
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/settings/open#[A-Za-z0-9_-]{43}", link["url"]) and link["state"] == "unopened"
    assert "url" not in gateway.api("GET", business.path("settings-links")).json["data"][0]
    for body in ({"expires_in": 59}, {"expires_in": 604801}, {"expires_in": "60"}, {"life": 60}):
        assert gateway.api("POST", business.path("settings-links"), body).status == 400, body
    assert gateway.api("POST", "/v1/businesses/nobody/settings-links").status == 404
    assert gateway.request("POST", business.path("settings-links")).status == 401

    opened = caller.open(business)
    states = {row["id"]: row["state"] for row in gateway.api("GET", business.path("settings-links")).json["data"]}
    assert states == {link["id"]: "unopened", opened["id"]: "open"}
    assert caller.get().status == 200
    for one in (opened, link):
        assert gateway.api("DELETE", business.path("settings-links", one["id"])).status == 204
    assert caller.get().status == 401
    assert caller.post("open", token=link["url"].split("#")[1]).status == 410

    # the same by commands; the link alone is printed on standard output
    made = gateway.run("link", business.id)
    assert Caller(gateway).post("open", token=made.stdout.strip().split("#")[1]).status == 200
    listed = gateway.run("link", "list", business.id).stdout
    assert "open" in listed and "revoked" in listed and "#" not in listed
    gateway.run("link", "revoke", business.id, re.search(r"(?m)^(\w+) +open", listed).group(1))
    assert gateway.run("link", "nobody", check=False).returncode == 1


def test_a_repeated_call_does_not_repeat_the_link(gateway):
    business = Business(gateway, "Ada's", "none")
    first, second = (gateway.api("POST", business.path("settings-links"), headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json["id"] == second.json["id"] and "url" in first.json and "url" not in second.json


def test_only_hashes_are_kept(gateway, caller):
    business = Business(gateway, "Ada's", "none")
    token = caller.open(business)["url"].split("#")[1]
    session = caller.cookie.split("=")[1]
    assert caller.get().status == 200
    gateway.stop()
    for path in gateway.data.iterdir():
        if path.is_file():
            assert token.encode() not in path.read_bytes() and session.encode() not in path.read_bytes(), path
    assert token not in gateway.log_text() and session not in gateway.log_text()


def test_a_session_ends_in_time(gateway, caller):
    """Two hours without a visit, twelve in all; a link that was not opened expires. Time passes in the database."""
    business = Business(gateway, "Ada's", "none")
    caller.open(business)
    unopened = gateway.api("POST", business.path("settings-links")).json["url"].split("#")[1]

    def passes(column, ms):
        gateway.stop()
        with sqlite3.connect(gateway.data / "keyhouse.db") as db:
            assert db.execute(f"UPDATE settings_links SET {column} = {column} - ?", (ms,)).rowcount == 2
        gateway.start()

    passes("seen_at", 2 * 3600_000 - 60_000)
    assert caller.get().status == 200
    passes("seen_at", 2 * 3600_000 + 1)
    assert caller.get().status == 401
    other = Caller(gateway)
    other.open(business)
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        db.execute("UPDATE settings_links SET ends_at = ends_at - 12 * 3600000, expires_at = expires_at - 3600000")
    gateway.start()
    assert other.get().status == 401
    assert other.post("open", token=unopened).status == 410


# ---------------------------------------------------------------- attacks

def test_guessing_and_fixing_a_session(gateway, caller, paul):
    """Whoever guesses hears the same of every guess, and locks nobody out; a cookie that an attacker planted is no
    session before the visitor signs in, and not the one that he gets."""
    token = gateway.api("POST", paul.path("settings-links")).json["url"].split("#")[1]
    flipped = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    answers = {(a.status, a.body) for a in (caller.post("open", token=t) for t in
                                            (flipped, token[:-1], token + "A", "", "x" * 500, token.swapcase()))}
    assert answers == {(410, b'{"code":"link_spent"}')}
    for guess in range(300):
        assert caller.post("open", token=f"guess-{guess}").status == 410

    caller.cookie = "__Host-keyhouse=planted"
    assert caller.get().status == 401
    answer = caller.post("open", token=token)
    assert answer.status == 200
    cookie = answer.headers["set-cookie"]
    assert "planted" not in cookie and token not in cookie
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; ")) and "Domain" not in cookie
    assert caller.get().status == 401, "the planted one is a session now"
    good = cookie.split(";")[0]
    for other in (f"{good}; __Host-keyhouse=planted", f"__Host-keyhouse=planted; {good}", good.lower(), good + "x",
                  good.replace("__Host-", ""), "__Host-keyhouse=" + token):
        assert gateway.get("/settings/", {"Cookie": other}).status == 401, other
    assert gateway.get("/settings/", {"Cookie": f"a=b; {good}; c=d"}).status == 200


def test_a_forwarded_link_does_not_replace_a_shop_unseen(gateway, caller, paul, provider):
    sarah = DialogShop(gateway, provider, "Sarah's <Fashion>", SARAHS)
    caller.open(paul)
    hers, own = (gateway.api("POST", shop.path("settings-links")).json["url"].split("#")[1] for shop in (sarah, paul))
    answer = caller.post("open", token=hers)
    assert answer.status == 200
    assert answer.json == {"opened": False, "here": "Paul's Electronics", "there": "Sarah's <Fashion>"}
    assert "set-cookie" not in answer.headers and b"Paul" in caller.get().body
    assert caller.post("open", token=hers, instead="yes").status == 200, "it was spent by asking"
    assert caller.post("open", token=own).status == 200, "one's own shop is no other"


def test_the_owner_of_a_suspended_shop_may_look_and_leave(gateway, caller, paul):
    caller.open(paul)
    csrf = caller.csrf()
    assert gateway.api("PATCH", paul.path(), {"status": "suspended"}).status == 200
    assert b"<b>Paused</b>" in caller.get().body
    for page, fields in (("disconnect", {"connection": paul.connection, "sure": "yes"}), ("check", {"connection": paul.connection}),
                         ("connect-360dialog", {"api_key": "x" * 20}), ("products", {"do": "import", "csv": PAUL})):
        assert caller.post(page, csrf=csrf, **fields).status == 403, page
    assert len(paul.connections()) == 1
    assert caller.post("delete", csrf=csrf, name="Paul's Electronics").status == 200
    assert gateway.api("GET", paul.path()).status == 404


def test_forms_come_from_the_same_session_and_site(gateway, caller, paul):
    """Cross-site request forgery: each guard for itself."""
    caller.open(paul)
    csrf, fields = caller.csrf(), {"connection": paul.connection, "sure": "yes"}
    other = Caller(gateway)
    other.open(paul)
    assert caller.post("disconnect", **fields).status == 403
    assert caller.post("disconnect", csrf=other.csrf(), **fields).status == 403
    assert caller.post("disconnect", csrf=csrf, headers={"Origin": "https://evil.example"}, **fields).status == 403
    assert caller.post("disconnect", csrf=csrf, headers={"Origin": "null"}, **fields).status == 403
    assert caller.post("disconnect", csrf=csrf, headers={"Sec-Fetch-Site": "cross-site"}, **fields).status == 403
    assert caller.post("disconnect", csrf=csrf, headers={"Sec-Fetch-Site": "same-site"}, **fields).status == 403
    assert caller.post("disconnect", csrf=csrf, headers={"Content-Type": "text/plain"}, **fields).status == 415
    assert caller.get("disconnect?" + urllib.parse.urlencode({"csrf": csrf, **fields})).status == 303
    assert len(paul.connections()) == 1
    # who plants his own session by a form on his site does not get far
    token = gateway.api("POST", paul.path("settings-links")).json["url"].split("#")[1]
    assert caller.post("open", token=token, headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    assert caller.post("open", token=token, headers={"Origin": "https://evil.example"}).status == 403
    public = f"http://127.0.0.1:{gateway.port}"
    for near in (public[:-1], public + "0", public + ".evil.example", "http://127.0.0.1", "http:/", ""):
        assert caller.post("disconnect", csrf=csrf, headers={"Origin": near, "Host": "inside:1"}, **fields).status == 403, near
    same = {"Sec-Fetch-Site": "same-origin", "Origin": public, "Host": "inside:1"}  # behind a proxy
    assert caller.post("disconnect", csrf=csrf, headers=same, **fields).status == 303
    assert paul.connections() == []


def test_two_shops_never_meet(gateway, caller, paul, provider):
    sarah = DialogShop(gateway, provider, "Sarah's Fashion", SARAHS)
    hers = Caller(gateway)
    link = hers.open(sarah)
    caller.open(paul)
    assert b"Sarah" not in caller.get("access").body and SARAHS.encode() not in caller.get("sign").body
    csrf = caller.csrf()
    assert caller.post("disconnect", csrf=csrf, connection=sarah.connection, sure="yes").headers["location"] == "access?done=gone"
    assert caller.post("replace", csrf=csrf, connection=sarah.connection, field="api_key",
                       value="another-key-of-mine").headers["location"] == "access?done=gone"
    assert caller.post("revoke", csrf=csrf, link=link["id"]).headers["location"] == "access?done=gone"
    assert caller.get("sign?connection=" + sarah.connection).body.count(b"wa.me") == 0
    assert hers.get().status == 200 and len(sarah.connections()) == 1
    assert caller.post("delete", csrf=csrf, name="Sarah's Fashion").status == 422


def test_one_shop_holds_few_workers(gateway, caller, paul, provider):
    """Whose provider hangs has four visits at most that wait for it; webhooks and the other shops' pages do not notice."""
    sarah = DialogShop(gateway, provider, "Sarah's Fashion", SARAHS)
    hers = Caller(gateway)
    hers.open(sarah)
    caller.open(paul)
    csrf, answers = caller.csrf(), []

    def visit():
        answers.append(caller.post("check", csrf=csrf, connection=paul.connection).status)
    provider.fault("hang", on=f"/{PAULS}")
    visits = [threading.Thread(target=visit, daemon=True) for _ in range(12)]
    for one in visits:
        one.start()
    assert wait_for(lambda: len(answers) >= 8, 5) and set(answers) == {503}, answers
    began = time.monotonic()
    assert hers.get().status == 200 and gateway.webhook(sarah.id, b"{}").status == 401
    assert time.monotonic() - began < 1
    assert len(answers) == 8, "the others do not wait for their provider"
    provider.heal()
    for one in visits:
        one.join(30)
    assert answers.count(200) == 4 and caller.get().status == 200


def test_every_answer_is_guarded(gateway, caller, paul):
    caller.open(paul)
    css = re.search(rb'href="(\w+\.settings\.css)"', caller.get().body).group(1).decode()
    for name, status in (("", 200), ("access", 200), ("sign", 200), ("open", 200), ("nothing", 404), ("../x", 404)):
        answer = caller.get(name)
        policy = answer.headers["content-security-policy"]
        assert answer.status == status, name
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["x-frame-options"] == "DENY" and answer.headers["cache-control"] == "no-store"
        assert b"<script>" not in answer.body and b" style=" not in answer.body and b" onclick" not in answer.body
        assert not re.findall(rb'(?:src|href|action)="(?:https?:)?//', answer.body), "something of another site"
    assert caller.get(css).status == 200 and "immutable" in caller.get(css).headers["cache-control"]
    assert caller.get("000000000000.settings.css").status == 404
    assert gateway.request("PUT", "/settings/").status == 405
    assert gateway.get("/settings").headers["location"] == "settings/"
    assert gateway.get("/settingsx").status == 404
    assert caller.post("access", csrf="x").status == 405
    assert caller.post("open", token="x" * 2000).status == 413
    for body in (b"token=%", b"token=%zz", b"token=%00", b"token", b"=" * 3 + b"&" * 9 + b"%ff=1"):
        assert gateway.request("POST", "/settings/open", body, {"Content-Type": FORM}).status == 400, body


@pages.needed
def test_only_named_sites_may_frame_it(directory, provider, owner):  # noqa: F811
    """Clickjacking, in a browser: another site's frame stays empty, unless the operator named that site."""
    from conftest import Gateway
    site = free_port()
    gateway = Gateway(directory, provider.url, frame_ancestors=f"http://127.0.0.1:{site}")
    gateway.start()

    class Framing(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<iframe src='http://127.0.0.1:{gateway.port}/settings/open'></iframe>".encode())

        def log_message(self, *_):
            pass
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", port), Framing) for port in (site, free_port())]
    try:
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()

        def framed(port):
            owner.browser.get(f"http://127.0.0.1:{port}/")
            owner.browser.switch_to.frame(owner.one("iframe"))
            text = owner.js("return document.body ? document.body.innerText : ''")
            owner.browser.switch_to.default_content()
            return "settings" in text
        assert wait_for(lambda: framed(servers[0].server_port))
        assert not owner.complaints()
        assert not framed(servers[1].server_port)
        assert any("frame-ancestors" in line for line in owner.complaints())
        gateway.api("POST", "/v1/businesses", {"id": "ada", "name": "Ada's"})
        caller = Caller(gateway)
        link = gateway.api("POST", "/v1/businesses/ada/settings-links").json["url"].split("#")[1]
        cookie = caller.post("open", token=link).headers["set-cookie"]
        assert "SameSite=None" in cookie and "Partitioned" in cookie
    finally:
        for server in servers:
            server.shutdown()
        gateway.stop()


def test_frame_ancestors_take_origins_only(gateway):
    for value in ("*", "'self'", "http://example.com", "https://a.example/path", "https://a.example; script-src *", "example.com"):
        gateway.settings["frame_ancestors"] = value
        assert gateway.run("config", "check", check=False).returncode == 2, value
    gateway.settings["frame_ancestors"] = "https://a.example, https://b.example:8443"
    assert gateway.run("config", "check").returncode == 0
    del gateway.settings["frame_ancestors"]


# ---------------------------------------------------------------- the pages, in a browser

@pages.needed
def test_a_link_opens_once(owner, paul):  # noqa: F811
    link = owner.come(paul)
    assert "#" not in owner.browser.current_url
    owner.shoot_both("status")
    owner.browser.get("about:blank")
    owner.browser.get(link["url"])
    assert "used already" in owner.text("#spent")
    assert "#" not in owner.browser.current_url
    owner.browser.get(owner.base + "/settings/open")
    assert "not complete" in owner.text("#bare")
    assert all("410" in line for line in owner.complaints())


def test_a_refused_webhook_is_told_to_its_shop_alone(gateway, caller, paul, provider):
    sarah = DialogShop(gateway, provider, "Sarah's Fashion", SARAHS)
    hers = Caller(gateway)
    hers.open(sarah)
    caller.open(paul)
    assert b"Last refused" not in caller.get().body
    assert gateway.webhook(paul.id, b"{}").status == 401
    assert b"did not prove who sent it" in caller.get().body
    assert gateway.webhook(paul.id, b"{}", secret="0" * 32).status == 401
    assert b"not signed with the app secret" in caller.get().body
    assert b"Last refused" not in hers.get().body
    assert gateway.webhook(sarah.id, b"{}", headers={"X-Keyhouse-Secret": "wrong"}).status == 401
    assert b"the secret that we gave 360dialog" in hers.get().body


def test_a_refused_key_that_is_good_is_not_asked_for_anew(gateway, caller, paul, provider):
    """Meta refuses a send for its key, and says when asked that the key is good: both pages tell that."""
    key = gateway.api("POST", paul.path("keys"), {"name": "till"}).json["key"]
    caller.open(paul)
    provider.fault("error", http=400, code=190, on="/messages", times=1)
    body = {"messaging_product": "whatsapp", "to": "+2348012345678", "type": "text", "text": {"body": "hello"}}
    answer = gateway.request("POST", f"/v23.0/{paul.number}/messages", json.dumps(body).encode(), {"Authorization": "Bearer " + key})
    assert answer.json["error"]["code"] == 190
    provider.wait_requests(2, matching=lambda r: r.path.endswith("/debug_token"))
    status, messages = caller.get().body, caller.get("messages").body
    assert b"The keys work" in status and b"though nothing is known that stops them all" in status
    assert b"Where Status says that the key is refused, enter a new one" in messages


@pages.needed
def test_keys_and_access(owner, paul, provider, gateway, caller):  # noqa: F811
    """A key is replaced, refused, never shown; another browser is sent out; the number is disconnected; all is deleted."""
    name = "Paul " + MARKUP
    assert gateway.api("PATCH", paul.path(), {"name": name}).status == 200
    caller.open(paul)
    owner.come(paul)
    owner.go("access")
    words = owner.words()
    assert paul.token[-4:] in words and paul.app_secret[-4:] in words
    assert paul.token not in owner.browser.page_source and paul.app_secret not in owner.browser.page_source
    assert name in owner.text("nav .shop") and owner.js("return window.pwned") is None
    owner.shoot_both("access")

    def replace(value):
        owner.go("access")
        owner.click("summary")
        owner.one("input[name=value]").send_keys(value)
        owner.click("details[open] button")
    wrong = "EAAG" + "w" * 60
    replace(wrong)
    owner.says("was not replaced")
    owner.says("Access token: Meta refuses it")
    assert wrong not in owner.browser.page_source
    owner.shoot_both("refused")
    provider.add_token("EAAG" + "n" * 60, [PAULS], app_id=paul.app_id, app_secret=paul.app_secret, waba_ids=[paul.waba])
    replace("  EAAG" + "n" * 60 + " ")
    owner.says("The new key works")
    owner.says("nnnn")

    assert caller.get().status == 200
    owner.click("form[action=revoke] button")
    owner.says("cannot come in any more")
    assert caller.get().status == 401

    summaries = {e.text: e for e in owner.all("summary")}
    summaries["Disconnect this number"].click()
    owner.one("input[name=sure]").click()
    owner.click("form[action=disconnect] button")
    owner.says("the number is disconnected".capitalize())
    owner.says("no key is kept")
    assert paul.connections() == []

    owner.click("details summary")
    owner.one("input[name=name]").send_keys(name)
    owner.click("form[action=delete] button")
    owner.says("Everything is deleted")
    receipt = re.search(r"Receipt\s+(\w{26})", owner.words()).group(1)
    assert f"receipt={receipt}" in gateway.log_text()
    row = json.loads(gateway.run("audit", paul.id, "--json").stdout.splitlines()[-1])
    assert row["action"] == "business_removed" and row["hash"] in owner.words() and f"row {row['seq']}" in owner.words()
    assert owner.js("return window.pwned") is None
    owner.shoot_both("receipt")
    assert gateway.api("GET", paul.path()).status == 404
    owner.go("access")
    owner.says("Please open your settings again")
    assert all("401" in line or "422" in line for line in owner.complaints())


@pages.needed
def test_shop_sign(owner, paul, provider):  # noqa: F811
    """What a customer's camera reads off the screen, by a decoder of another house."""
    from PIL import Image
    from pyzbar.pyzbar import decode

    def scanned(name):
        owner.browser.execute_script("window.scrollTo(0, 400)")
        owner.shoot(name)
        return [found.data.decode() for found in decode(Image.open(pages.SHOTS / f"{name}.png"))]
    owner.come(paul)
    owner.go("sign")
    shown = paul.connections()[0]["display_phone"]
    digits = re.sub(r"\D", "", shown)
    assert owner.text(".sign .number") == shown and len(digits) == 11 and owner.text(".sign .name") == "Test Shop"
    assert scanned("settings-sign-scanned") == [f"https://wa.me/{digits}"]
    owner.one("#text").send_keys("Hello & good day, Ade\u0301!")
    owner.click("form button.quiet")
    owner.one("#text[value^=Hello]")
    assert scanned("settings-sign-scanned") == [f"https://wa.me/{digits}?text=Hello%20%26%20good%20day%2C%20Ade%CC%81%21"]
    owner.shoot_both("sign")


def test_messages_of_megabytes_cost_little(gateway, paul, caller):
    """A shop has its own app secret, and signs itself what it likes."""
    for n in range(24):
        assert paul.send(paul.question("x" * 3_000_000, f"wamid.large{n}")).status == 200
    assert wait_for(lambda: len(paul.events("settled")) == 24, 30)
    caller.open(paul)
    csrf = caller.csrf()

    def peak():
        status = open(f"/proc/{gateway.role_pid('listener')}/status").read()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) // 1024

    before = peak()
    assert b"too long to be shown" in caller.get("messages").body
    assert b"0 found. Looked through 24 messages" in caller.post("messages", csrf=csrf, do="search", words="y").body
    assert peak() - before < 40
