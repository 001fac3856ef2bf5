"""Goal of this test: the operator's pages open to whoever has an admin token, in his browser, for a while, and to nobody
else; they show how all shops do, and never what a message says or whom it is to."""
import os
import random
import re
import sqlite3
import string
import urllib.parse

import pytest

import owner as pages
from conftest import PAUL, Gateway, Shop
from owner import owner, wait_for  # noqa: F401
from remains import search
from shops import Business

PAULS = "106540352242922"
CUSTOMER, SECRET_WORDS = "2348099887766", "my secret words"
MARKUP = "<img src=x onerror='window.pwned=1'>&amp;\""
FORM = "application/x-www-form-urlencoded"
COOKIE = "__Host-keyhouse-admin"
WRONG = "That is no admin token"
PAGES = ("", "letters", "quarantine", "refused", "keys")
WORDS_BROKEN = r"""return [...document.querySelectorAll('td.who')].flatMap(cell => {
    const text = cell.firstChild, range = document.createRange();
    return [...text.data.matchAll(/\S+/g)].filter(word => {
        range.setStart(text, word.index);
        range.setEnd(text, word.index + word[0].length);
        return range.getClientRects().length !== 1;
    }).map(word => word[0]);
})"""


@pytest.fixture
def paul(gateway, provider):
    shop = Shop(gateway, provider, "Paul's Electronics", PAULS)
    shop.products(PAUL)
    return shop


class Operator:
    """One who speaks HTTP to the operator's pages, with whatever cookie and headers he likes."""

    def __init__(self, gateway):
        self.gateway, self.cookie = gateway, None

    def get(self, name="", **headers):
        return self.gateway.get("/admin/" + name, headers={**({"Cookie": self.cookie} if self.cookie else {}), **headers})

    def post(self, page, /, headers=(), **fields):
        all_ = {"Content-Type": FORM, **({"Cookie": self.cookie} if self.cookie else {}), **dict(headers)}
        return self.gateway.request("POST", "/admin/" + page, urllib.parse.urlencode(fields).encode(), all_)

    def sign_in(self, token=None):
        answer = self.post("sign-in", token=token or self.gateway.token)
        assert answer.status == 303 and answer.headers["location"] == "./", answer.body
        self.cookie = answer.headers["set-cookie"].split(";")[0]
        return self

    def is_in(self):
        answer = self.get()
        assert answer.status == 200 or (answer.status == 303 and answer.headers["location"] == "sign-in"), answer.status
        return answer.status == 200

    def csrf(self):
        return re.search(rb'name="csrf" value="([0-9a-f]+)"', self.get("keys").body).group(1).decode()


@pytest.fixture
def operator(gateway):
    return Operator(gateway).sign_in()


def new_token(gateway, name):
    """The token, and its id."""
    token = gateway.run("token", "new", "--name", name).stdout.strip()
    return token, re.search(rf"(?m)^(\w+) .*\b{name}\b", gateway.run("token", "list").stdout).group(1)


def shop_cookie(gateway, business):
    """A shop owner's session, by a link of his."""
    link = gateway.api("POST", business.path("settings-links")).json["url"].split("#")[1]
    answer = gateway.request("POST", "/settings/open", f"token={link}".encode(), {"Content-Type": FORM})
    assert answer.status == 200
    return answer.headers["set-cookie"].split(";")[0]


def go_wrong(shop, provider, words):
    """One is answered, one refused at once, one fails later with these words; one does not belong, one is no JSON."""
    assert shop.send(shop.question(f"iphone 13, {SECRET_WORDS}", "wamid.in", CUSTOMER)).status == 200
    assert wait_for(lambda: shop.messages(direction="outbound", state="sent"))
    provider.fault("error", http=400, code=131026, on="/messages", times=1)
    dead, failed = (shop.post(SECRET_WORDS, to="+" + CUSTOMER).json["id"] for _ in range(2))
    assert wait_for(lambda: [shop.message(m)["state"] for m in (dead, failed)] == ["dead", "sent"])
    error = {"code": 131047, "title": words}
    assert shop.send(shop.status(shop.message(failed)["wamid"], "failed", opaque=failed, customer=CUSTOMER,
                                 errors=[error])).status == 200
    assert wait_for(lambda: shop.message(failed)["state"] == "failed"), shop.message(failed)
    assert shop.send(shop.question(SECRET_WORDS, "wamid.else", CUSTOMER, number="999999999999999")).status == 200
    assert shop.send(f"{SECRET_WORDS} {CUSTOMER}".encode()).status == 200
    assert wait_for(lambda: shop.events("unparsed"))
    return dead


# ---------------------------------------------------------------- coming in

def test_signing_in_and_out(gateway):
    someone = Operator(gateway)
    for name in (*PAGES, "business?id=x"):
        answer = someone.get(name)
        assert (answer.status, answer.headers["location"]) == (303, "sign-in"), name
    assert someone.get("sign-in").status == 200
    assert gateway.get("/admin").headers["location"] == "admin/" and gateway.get("/adminx").status == 404
    answer = someone.post("sign-in", token=f"  {gateway.token}\n")
    assert answer.status == 303
    kinds = set(answer.headers["set-cookie"].split("; ")[1:])
    assert kinds == {"Path=/", "Max-Age=28800", "Secure", "HttpOnly", "SameSite=Strict"}
    someone.cookie = answer.headers["set-cookie"].split(";")[0]
    assert someone.is_in() and someone.cookie.startswith(COOKIE + "=")
    other = Operator(gateway).sign_in()
    assert other.cookie != someone.cookie
    answer = someone.post("sign-out", csrf=someone.csrf())
    assert answer.headers["location"] == "sign-in?done=signed-out"
    assert answer.headers["set-cookie"].startswith(COOKIE + "=;") and "Max-Age=0" in answer.headers["set-cookie"]
    assert not someone.is_in() and other.is_in()
    assert someone.post("end-session", csrf="0" * 32).headers["location"] == "sign-in"


def test_wrong_tokens_are_all_alike(gateway):
    """And lock nobody out."""
    someone, token = Operator(gateway), gateway.token
    revoked, id_ = new_token(gateway, "gone")
    gateway.run("token", "revoke", id_)
    wrong = (token[:-1] + ("A" if token[-1] != "A" else "B"), token[:-1], token + "A", token.swapcase(), "", "x" * 3000,
             revoked, "' OR 1=1 --", "\u2603")
    answers = {(a.status, a.body, tuple(sorted((k, v) for k, v in a.headers.items() if k != "date")))
               for a in (someone.post("sign-in", token=t) for t in wrong)}
    assert len(answers) == 1
    status, body, headers = answers.pop()
    assert status == 401 and WRONG.encode() in body and "set-cookie" not in dict(headers)
    for guess in range(100):
        assert someone.post("sign-in", token=f"kh_{guess}").status == 401
    assert someone.sign_in().is_in()


def test_another_sites_form_signs_nobody_in(gateway):
    someone = Operator(gateway)
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                    {"Sec-Fetch-Site": "same-site"}):
        answer = someone.post("sign-in", headers=headers, token=gateway.token)
        assert answer.status == 403 and "set-cookie" not in answer.headers, headers
    assert someone.post("sign-in", headers={"Content-Type": "text/plain"}, token=gateway.token).status == 415


def test_a_planted_cookie_is_no_session(gateway):
    someone = Operator(gateway)
    someone.cookie = COOKIE + "=planted"
    assert not someone.is_in()
    answer = someone.post("sign-in", token=gateway.token)
    assert "planted" not in answer.headers["set-cookie"] and gateway.token not in answer.headers["set-cookie"]
    assert not someone.is_in(), "the planted one is a session now"
    good = answer.headers["set-cookie"].split(";")[0]
    for other in (f"{good}; {COOKIE}=planted", f"{COOKIE}=planted; {good}", good + "x", good.replace("__Host-", ""),
                  f"{COOKIE}={gateway.token}", good.lower()):
        someone.cookie = other
        assert not someone.is_in(), other
    someone.cookie = f"a=b; {good}; c=d"
    assert someone.is_in()


def test_a_shop_owner_is_no_operator_nor_the_other_way(gateway, operator, paul):
    shops = shop_cookie(gateway, paul)
    someone = Operator(gateway)
    for cookie in (shops, shops.replace("__Host-keyhouse=", COOKIE + "=")):
        someone.cookie = cookie
        assert not someone.is_in(), cookie
        assert someone.post("suspend", business=paul.id).headers["location"] == "sign-in"
    for cookie in (operator.cookie, operator.cookie.replace(COOKIE, "__Host-keyhouse")):
        assert gateway.get("/settings/", {"Cookie": cookie}).status == 401
    both = f"{shops}; {operator.cookie}"
    assert gateway.get("/settings/", {"Cookie": both}).status == 200
    someone.cookie = both
    assert someone.is_in()
    csrf = re.search(rb'name="csrf" value="([0-9a-f]+)"', gateway.get("/settings/access", {"Cookie": both}).body).group(1)
    assert someone.post("suspend", csrf=csrf.decode(), business=paul.id).status == 403


def test_a_session_ends_in_time(gateway, operator):
    """An hour without a visit, eight in all. Time passes in the database. Only hashes are kept there."""
    def passes(column, ms):
        gateway.stop()
        for path in gateway.data.iterdir():
            if path.is_file():
                assert operator.cookie.split("=")[1].encode() not in path.read_bytes(), path
        with sqlite3.connect(gateway.data / "keyhouse.db") as db:
            assert db.execute(f"UPDATE operator_sessions SET {column} = {column} - ?", (ms,)).rowcount > 0
        gateway.start()

    assert operator.is_in()
    passes("seen_at", 3600_000 - 60_000)
    assert operator.is_in()
    passes("seen_at", 3600_000 + 1)
    assert not operator.is_in()
    operator.sign_in()
    passes("ends_at", 8 * 3600_000)
    assert not operator.is_in()
    assert operator.cookie.split("=")[1] not in gateway.log_text() and gateway.token not in gateway.log_text()


def test_a_revoked_token_ends_what_it_opened(gateway, operator):
    token, id_ = new_token(gateway, "second")
    second, csrf = Operator(gateway).sign_in(token), operator.csrf()
    assert operator.post("revoke-token", csrf=csrf, token=id_).status == 422
    assert operator.post("revoke-token", csrf=csrf, token=id_, own="yes").status == 422
    assert second.is_in()
    assert operator.post("revoke-token", csrf=csrf, token=id_, sure="yes").headers["location"] == "keys?done=revoked"
    assert not second.is_in() and second.post("sign-in", token=token).status == 401
    assert gateway.api("GET", "/v1/businesses", token=token).status == 401
    assert operator.post("revoke-token", csrf=csrf, token=id_, sure="yes").headers["location"] == "keys?done=gone"
    # one's own only where the form said so
    token, id_ = new_token(gateway, "third")
    third = Operator(gateway).sign_in(token)
    assert third.get("keys").body.count(b'name="own"') == 1
    answer = third.post("revoke-token", csrf=third.csrf(), token=id_, sure="yes")
    assert answer.status == 422 and b"that you came in by" in answer.body and third.is_in()
    answer = third.post("revoke-token", csrf=third.csrf(), token=id_, own="yes")
    assert answer.headers["location"] == "sign-in?done=revoked" and not third.is_in()
    # by command, too
    token, id_ = new_token(gateway, "fourth")
    fourth = Operator(gateway).sign_in(token)
    gateway.run("token", "revoke", id_)
    assert not fourth.is_in() and operator.is_in()


def test_sessions_are_listed_and_ended(gateway, operator):
    other = Operator(gateway).sign_in()
    page = operator.get("keys").body
    assert page.count(b"this browser") == 1 and page.count(b'action="end-session"') == 1
    id_ = re.search(rb'name="session" value="(\w+)"', page).group(1).decode()
    assert operator.post("end-session", csrf=operator.csrf(), session=id_).headers["location"] == "keys?done=session-ended"
    assert not other.is_in() and operator.is_in()
    assert operator.post("end-session", csrf=operator.csrf(), session=id_).headers["location"] == "keys?done=gone"


# ---------------------------------------------------------------- doing

def test_forms_come_from_the_same_session_and_site(gateway, operator, paul):
    """Cross-site request forgery: each guard for itself."""
    other, csrf = Operator(gateway).sign_in(), operator.csrf()
    forms = {"suspend": {"business": paul.id}, "resume": {"business": paul.id}, "link": {"business": paul.id},
             "end-link": {"business": paul.id, "link": "x"}, "sign-out": {}, "end-session": {"session": "x"},
             "revoke-token": {"token": "x", "sure": "yes"}, "revoke-key": {"business": paul.id, "key": "x", "sure": "yes"},
             "make-key": {"business": paul.id, "name": "x", "send": "yes"}, "replay": {"business": paul.id, "event": "x"}}
    for name, fields in forms.items():
        assert operator.post(name, **fields).status == 403, name
        assert operator.post(name, csrf=other.csrf(), **fields).status == 403, name
        assert operator.post(name, csrf=csrf, headers={"Origin": "https://evil.example"}, **fields).status == 403, name
        assert operator.post(name, csrf=csrf, headers={"Sec-Fetch-Site": "same-site"}, **fields).status == 403, name
        assert operator.post(name, csrf=csrf, headers={"Content-Type": "text/plain"}, **fields).status == 415, name
        assert operator.get(f"{name}?csrf={csrf}&" + urllib.parse.urlencode(fields)).status == 303, name
    assert gateway.api("GET", paul.path()).json["status"] == "active" and operator.is_in()
    assert gateway.api("GET", paul.path("settings-links")).json["data"] == gateway.api("GET", paul.path("keys")).json["data"] == []
    same = {"Sec-Fetch-Site": "same-origin", "Origin": f"http://127.0.0.1:{gateway.port}"}
    assert operator.post("suspend", csrf=csrf, headers=same, business=paul.id).status == 303


def test_suspending_and_resuming(gateway, operator, paul):
    csrf = operator.csrf()
    assert paul.send(paul.question("iphone 13", "wamid.0", CUSTOMER)).status == 200
    assert operator.post("suspend", csrf=csrf, business=paul.id).headers["location"] == f"business?id={paul.id}&done=suspended"
    assert paul.send(paul.question("iphone 13", "wamid.1", CUSTOMER)).status == 401
    assert gateway.api("GET", paul.path()).json["status"] == "suspended"
    assert b"suspended" in operator.get().body
    assert operator.post("resume", csrf=csrf, business=paul.id).headers["location"] == f"business?id={paul.id}&done=resumed"
    assert paul.send(paul.question("iphone 13", "wamid.1", CUSTOMER)).status == 200
    for id_ in ("nobody", "", "a\r\nSet-Cookie: b=c", paul.id + "\r\n"):
        answer = operator.post("suspend", csrf=csrf, business=id_)
        assert answer.status == 404 and "set-cookie" not in answer.headers


def test_what_is_amiss_is_told_to_the_operator_too(gateway, operator, paul, provider):
    page = "business?id=" + paul.id
    assert b"Nothing that is known." in operator.get(page).body
    provider.revoke(paul.token)
    paul.test()
    assert b"<b>The key is refused</b>" in operator.get(page).body and b"System users" in operator.get(page).body


def test_a_link_is_shown_once(gateway, operator, paul):
    page = operator.post("link", csrf=operator.csrf(), business=paul.id)
    link = re.search(rb'value="(http://[^"]+/settings/open#([\w-]{43}))"', page.body)
    assert page.status == 200 and page.headers["cache-control"] == "no-store" and "location" not in page.headers
    token = link.group(2)
    again = operator.get("business?id=" + paul.id).body
    assert token not in again and b"not opened yet" in again and token.decode() not in gateway.log_text()
    opened = gateway.request("POST", "/settings/open", b"token=" + token, {"Content-Type": FORM})
    shops = opened.headers["set-cookie"].split(";")[0]
    assert gateway.get("/settings/", {"Cookie": shops}).status == 200
    again = operator.get("business?id=" + paul.id).body
    assert b"open in a browser" in again
    id_ = re.search(rb'name="link" value="(\w+)"', again).group(1).decode()
    other = Business(gateway, "Other", "none")
    csrf = operator.csrf()
    assert operator.post("end-link", csrf=csrf, business=other.id, link=id_).headers["location"].endswith("done=gone")
    assert operator.post("end-link", csrf=csrf, business=paul.id, link=id_).headers["location"].endswith("done=link-ended")
    assert gateway.get("/settings/", {"Cookie": shops}).status == 401


# ---------------------------------------------------------------- showing

def test_every_answer_is_guarded(directory, provider):
    """Whatever the setting that lets other sites embed the shops' pages says."""
    gateway = Gateway(directory, provider.url, frame_ancestors="https://shop.example")
    gateway.start()
    try:
        operator, someone = Operator(gateway).sign_in(), Operator(gateway)
        business = Business(gateway, "Ada's", "none")
        css = re.search(rb'href="(\w+\.settings\.css)"', operator.get().body).group(1).decode()
        answers = [operator.get(name) for name in (*PAGES, "business?id=" + business.id, "business?id=no", "nothing", "../x")]
        answers += [someone.get(), someone.get("sign-in"), someone.post("sign-in", token="x"), someone.post("suspend"),
                    operator.post("link", csrf=operator.csrf(), business=business.id), operator.post("keys")]
        for answer in answers:
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy and policy.endswith("frame-ancestors 'none'")
            assert answer.headers["x-frame-options"] == "DENY" and answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert b"<script>" not in answer.body and b" style=" not in answer.body and b" onclick" not in answer.body
            assert not re.findall(rb'(?:src|href|action)="(?:https?:)?/', answer.body), "not relative"
        assert "https://shop.example" in gateway.get("/settings/").headers["content-security-policy"]
        assert operator.get(css).status == 200 and gateway.request("PUT", "/admin/").status == 405
        assert [operator.get(n).status for n in ("nothing", "business?id=no", "business", "link")] == [404, 404, 404, 303]
    finally:
        gateway.stop()


def test_lists_go_page_by_page(gateway, operator):
    assert b"There is no business yet" in operator.get().body
    names = [f"shop-{n:02}" for n in range(51)]
    for name in names:
        gateway.api("POST", "/v1/businesses", {"id": name, "name": name})
    first = operator.get().body.decode()
    shown = re.findall(r'href="business\?id=([\w-]+)"', first)
    assert shown == names[:0:-1] and 'href="./?after=shop-01"' in first
    second = operator.get("?after=shop-01").body.decode()
    assert re.findall(r'href="business\?id=([\w-]+)"', second) == ["shop-00"] and "Older" not in second
    for name in ("", "letters", "keys"):
        assert operator.get(name + "?after=gone").status == 303
    assert operator.get("quarantine?events=gone").status == 303 and operator.get("quarantine?updates=gone").status == 200


def test_letters_are_sent_again_or_discarded(gateway, operator, paul, provider):
    csrf = operator.csrf()

    def letter(kind, text, state):
        provider.fault(kind, on="/messages", times=1, holding=text, **({"code": 131026} if kind == "error" else {}))
        id_ = paul.post(text, to="+" + CUSTOMER).json["id"]
        assert wait_for(lambda: paul.message(id_)["state"] == state), paul.message(id_)
        return id_

    def buttons(id_):
        page = operator.get("letters").body.decode()
        row = next((r for r in page.split("<tr>") if id_ in r), "")
        return re.findall(r"<button[^>]*>([^<]*)</button>", row), 'name="twice"' in row

    def press(page, id_, **more):
        return operator.post(page, csrf=csrf, business=paul.id, id=id_, **more).headers["location"]
    lost, aside, unknown = letter("error", "one", "dead"), letter("error", "two", "dead"), letter("drop", "three", "unknown")
    assert buttons(lost) == (["Send again", "Discard"], False) and buttons(unknown) == (["Send again, perhaps twice", "Discard"], True)
    assert press("send-again", lost) == "letters?done=again" and press("send-again", lost) == "letters?done=already"
    assert press("send-again", unknown) == "letters?done=maybe"
    assert press("send-again", unknown, twice="yes") == "letters?done=again"
    assert press("discard", aside) == "letters?done=discarded" and press("discard", aside) == "letters?done=already"
    assert press("send-again", aside) == "letters?done=already"
    assert press("send-again", "nobody") == press("discard", "nobody") == "letters?done=gone"
    assert operator.post("send-again", csrf=csrf, business="nobody", id=lost).headers["location"] == "letters?done=gone"
    assert wait_for(lambda: [m["body"]["text"]["body"] for m in provider.sent(paul.number)] == ["one", "three"])
    assert [buttons(id_) for id_ in (lost, aside, unknown)] == [([], False)] * 3
    gone = letter("error", "four", "dead")
    operator.post("suspend", csrf=csrf, business=paul.id)
    assert press("send-again", gone) == "letters?done=paused"
    assert b"The business is suspended" in operator.get("letters?done=paused").body


def test_neither_content_nor_customers(gateway, operator, paul, provider):
    """Everything goes wrong for a customer: no page of the operator's says whose number that was, or what was said."""
    dead = go_wrong(paul, provider, f"cannot reach {CUSTOMER} ({MARKUP})")
    seen = b"".join(operator.get(name).body for name in (*PAGES, "business?id=" + paul.id))
    for part in (CUSTOMER, CUSTOMER[3:], SECRET_WORDS, "iphone", paul.token, paul.app_secret, gateway.token, "wamid"):
        assert part.encode() not in seen, part
    letters, quarantine = operator.get("letters").body, operator.get("quarantine").body
    assert b"given up" in letters and b"failed after it was sent" in letters and b"131026" in letters
    assert b"cannot reach *** (&lt;img" in letters
    assert b"is not this connection" in quarantine and b"999999999999999" in quarantine
    assert paul.events("unparsed")[0]["id"].encode() in quarantine
    business = operator.get("business?id=" + paul.id).body
    assert b"could not be read" in business and b"1 quarantined" in business and b"given up" in business
    assert paul.message(dead)["state"] == "dead"
    overview = operator.get().body
    assert b"plain http" in overview and f"http://127.0.0.1:{gateway.port}".encode() in overview


@pytest.mark.skipif(os.environ.get("KH_SKIP_MEMORY") == "1", reason="KH_SKIP_MEMORY=1")
def test_what_was_typed_is_not_left_in_memory(gateway):
    """Nor what was shown once, nor the cookie."""
    business, someone = Business(gateway, "Ada's", "none"), Operator(gateway)
    wrong = "kh_" + "".join(random.choices(string.ascii_letters, k=43))
    room = " " * 40  # what is freed is written over where it begins
    assert someone.post("sign-in", token=room + wrong).status == 401
    someone.sign_in(room + gateway.token)
    page = someone.post("link", csrf=someone.csrf(), business=business.id).body
    link = re.search(rb"/settings/open#([\w-]{43})", page).group(1).decode()
    values = {"token": gateway.token, "wrong token": wrong, "session": someone.cookie.split("=")[1], "link": link}
    listener = gateway.role_pid("listener")
    assert search(listener, values) == []
    assert search(listener, {"business": business.id}), "the search finds what is there"


# ---------------------------------------------------------------- the pages, in a browser

@pages.needed
def test_an_operators_round(owner, gateway, provider):  # noqa: F811
    """By keyboard in, each page looked at, a link made and opened, a shop suspended and resumed; what strangers wrote
    stays text."""
    keys = pages.Keys
    base = f"http://127.0.0.1:{gateway.port}/admin/"

    def go(name):
        owner.browser.get(base + name)
        return owner.one("h1").text

    def press(*pressed):
        for key in pressed:
            owner.js("return document.activeElement").send_keys(key)
    assert go("keys") == "Operator sign-in" and owner.browser.current_url == base + "sign-in"
    press(keys.TAB, keys.TAB)
    press("kh_wrong", keys.ENTER)
    owner.says(WRONG)
    owner.shoot_both("admin-refused")
    assert all("401" in line for line in owner.complaints())
    press(keys.TAB, keys.TAB)
    press(gateway.token, keys.ENTER)
    owner.says("Health")
    assert owner.browser.current_url == base and gateway.token not in owner.browser.page_source
    owner.says("keyhouse business add")
    go("letters")
    owner.says("There is none")

    paul = Shop(gateway, provider, "Paul's Electronics", PAULS)
    paul.products(PAUL)
    name = "Paul " + MARKUP
    assert gateway.api("PATCH", paul.path(), {"name": name}).status == 200
    go_wrong(paul, provider, MARKUP)
    for number in range(3):
        Business(gateway, f"Shop {number} with a name that is long enough to need a second line on a phone", "none")
    gateway.run("token", "new", "--name", "Ada's platform " + MARKUP)
    for page, title, part in (("", "Overview", name), ("letters", "Dead letters", MARKUP), ("quarantine", "Quarantine", name),
                              ("refused", "Refused calls", "None since the service was started."), ("keys", "Keys and tokens", "this browser"), ("audit", "Audit", "Keyhouse by itself"),
                              ("business?id=" + paul.id, name, MARKUP)):
        assert go(page) == title
        owner.says(part)
        assert CUSTOMER not in owner.words() and SECRET_WORDS not in owner.words()
        levels = owner.js("return [...document.querySelectorAll('h1, h2, h3')].map(h => Number(h.tagName[1]))")
        assert levels[0] == 1 and all(b <= a + 1 for a, b in zip(levels, levels[1:])), levels
        assert owner.js("return [...document.querySelectorAll('table')].every(t => t.caption && t.querySelector('th'))")
        assert owner.js("return [...document.querySelectorAll('input:not([type=hidden])')].every(i => i.labels.length > 0)")
        for summary in owner.all("summary"):
            summary.click()
        owner.shoot_both("admin-" + (page.split("?")[0] or "overview"))
        if page == "audit":
            owner.look(*pages.NARROW)
            assert owner.js(WORDS_BROKEN) == []
            owner.look(*pages.WIDE)
    owner.click("form[action=suspend] button")
    owner.says("The business is suspended")
    assert gateway.api("GET", paul.path()).json["status"] == "suspended"
    owner.click("form[action=resume] button")
    owner.says("is active again")
    owner.click("form[action=link] button")
    link = owner.one("#link").get_attribute("value")
    assert "#" in link and "#" not in owner.browser.current_url and owner.one("button[data-copy=link]")
    owner.shoot_both("admin-link")
    owner.browser.get(link)
    owner.one("nav[aria-label=Settings]")

    go("")
    owner.one("#text").send_keys("SHOP ", keys.ENTER)
    assert wait_for(lambda: len(owner.all("table.businesses tbody tr")) == 3), owner.words()
    assert "Shop 2 with a name" in owner.words() and owner.one("#text").get_attribute("value") == "SHOP "
    owner.shoot_both("admin-find")
    for text in (paul.id, paul.id[:-1].upper(), "pAUL <"):
        go("")
        owner.one("#text").send_keys(text, keys.ENTER)
        owner.says("open in a browser")
    for text in ("no such shop", "%", "_"):
        go("find?text=" + urllib.parse.quote(text))
        owner.says("None is called so.")
    owner.enter("form[action=sign-out] button")
    owner.says("You are signed out")
    assert go("letters") == "Operator sign-in" and owner.js("return window.pwned") is None

