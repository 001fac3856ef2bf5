"""Goal of this test: over the real program, a virtual key is made, shown once and nowhere else ever, changed for another and
revoked: over the API, by a command and in the operator's pages; each of that is in the audit, with who did it; a key that
somebody wrote into the database is named."""
import calendar
import json
import re
import sqlite3
import time

import pytest

import owner as pages
from conftest import Shop, wait_for
from owner import owner  # noqa: F401
from remains import search_files
from shops import Business
from test_admin import Operator

NUMBER = "106540352242922"
MARKUP = "<img src=x onerror='window.pwned=1'>&amp;\""
DAY_MS = 86400_000


@pytest.fixture
def paul(gateway, provider):
    return Shop(gateway, provider, "Paul's Electronics", NUMBER, responder="none")


def make(business, **fields):
    answer = business.gateway.api("POST", business.path("keys"), {"name": "till", **fields})
    assert answer.status == 201, answer.body
    return answer.json


def keys_of(business):
    return business.gateway.api("GET", business.path("keys")).json["data"]


def audited(business, key):
    """What was done with a key, and by what kind of actor."""
    rows = business.gateway.api("GET", business.path("audit") + "?order=asc").json["data"]
    return [(r["action"], r["actor"].split(":")[0]) for r in rows if r["subject"] == key]


def asks(gateway, key):
    """A client's call that reads."""
    return gateway.request("GET", f"/v23.0/{NUMBER}", headers={"Authorization": "Bearer " + key}).status


def files(gateway):
    """All that is ever written, a backup among it."""
    copy = gateway.dir / "copy.db"
    copy.unlink(missing_ok=True)
    gateway.run("backup", str(copy))
    return [p for p in gateway.data.rglob("*") if p.is_file() and p.name != "master.key"] + [copy, gateway.log_path]


def changed(gateway, sql, *values):
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        rows = db.execute(sql, values).rowcount
    gateway.start()
    return rows


# ---------------------------------------------------------------- over the API

def test_a_keys_life(gateway, paul):
    made = make(paul, scopes=["send", "media"], numbers=[NUMBER], rate_per_minute=60, messages_per_day=1000, expires_in_days=30)
    assert re.fullmatch(r"khv_[\w-]{43}", made["key"]) and made["key"].endswith(made["last4"])
    shown = {k: v for k, v in made.items() if k != "key"}
    assert gateway.api("GET", paul.path("keys", made["id"])).json == shown and keys_of(paul) == [shown]
    assert (shown["numbers"], shown["messages_today"], shown["used_at"], shown["refused"]) == ([NUMBER], 0, None, None)

    second = gateway.api("POST", paul.path("keys", made["id"], "rotate"), {"old_ends_in_minutes": 60})
    assert second.status == 201 and second.json["key"] != made["key"] and second.json["scopes"] == ["send", "media"]
    assert second.json["rate_per_minute"] == 60 and second.json["messages_per_day"] == 1000 and second.json["numbers"] == [NUMBER]
    third = gateway.api("POST", paul.path("keys"), {"name": "till"})
    assert third.status == 409 and third.json["code"] == "too_many_keys" and "revoke one of them" in third.json["detail"]
    assert gateway.api("POST", paul.path("keys", second.json["id"], "rotate")).status == 409

    for _ in range(2):
        assert gateway.api("DELETE", paul.path("keys", made["id"])).status == 204
    assert [k["revoked_at"] is None for k in keys_of(paul)] == [True, False]
    assert gateway.api("POST", paul.path("keys", made["id"], "rotate")).json["code"] == "conflict"
    make(paul)

    rows = [r for r in gateway.api("GET", paul.path("audit") + "?order=asc").json["data"] if r["action"].startswith("key_")
            and r["subject"] in {k["id"] for k in keys_of(paul)}]
    assert [(r["action"], r["subject"]) for r in rows[:4]] == [
        ("key_made", made["id"]), ("key_made", second.json["id"]), ("key_ending", made["id"]), ("key_revoked", made["id"])]
    assert {r["actor"].split(":")[0] for r in rows} == {"token"} and len(rows) == 5
    assert "whole" in gateway.run("verify", "--audit").stdout


def test_another_business_does_not_see_it(gateway, paul):
    made, rival = make(paul), Business(gateway, "Rival", "none")
    for method, part in (("GET", ()), ("DELETE", ()), ("POST", ("rotate",))):
        assert gateway.api(method, rival.path("keys", made["id"], *part)).status == 404
    assert gateway.api("POST", rival.path("keys"), {"name": "x", "numbers": [NUMBER]}).json["field"] == "numbers"
    assert keys_of(rival) == [] and keys_of(paul)[0]["revoked_at"] is None
    assert gateway.request("GET", paul.path("keys"), headers={"Authorization": "Bearer " + made["key"]}).status == 401


def test_the_text_is_nowhere(gateway, paul):
    """Nor is it repeated to who asks again."""
    first, again = (gateway.api("POST", paul.path("keys"), {"name": "once"}, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.status == again.status == 201 and again.headers["idempotent-replayed"] == "true"
    assert again.json == {k: v for k, v in first.json.items() if k != "key"} and len(keys_of(paul)) == 1
    second = gateway.api("POST", paul.path("keys", first.json["id"], "rotate")).json
    gateway.api("DELETE", paul.path("keys", second["id"]))
    for path in ("", "keys", "audit", "keys/" + second["id"]):
        for key in (first.json["key"], second["key"]):
            assert key.encode() not in gateway.api("GET", paul.path(path)).body
    wanted = {"first": first.json["key"], "second": second["key"], "first, bare": first.json["key"][4:]}
    for how in ("running", "stopped"):
        assert search_files(files(gateway), wanted) == [], how
        if how == "running":
            gateway.stop()
    assert search_files(files(gateway), {"id": first.json["id"]}), "the search finds what is there"


def test_a_removed_business_has_none(gateway, paul):
    make(paul)
    gateway.run("business", "remove", paul.id, "--yes")
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        assert db.execute("SELECT count(*) FROM virtual_keys").fetchone() == (0,)


def test_one_that_was_put_in_is_named(gateway, paul):
    make(paul)
    assert changed(gateway, "INSERT INTO virtual_keys (id, business_id, name, hash, last4, scopes, numbers, rate, budget, "
                   "created_at, expires_at) SELECT 'evil', business_id, 'x', randomblob(32), last4, scopes, numbers, 0, 0, "
                   "unixepoch() * 1000, 0 FROM virtual_keys") == 1
    found = gateway.run("verify", "--audit", check=False)
    assert found.returncode == 1 and f"virtual key evil of business {paul.id}: no row" in found.stdout, found.stdout
    assert gateway.api("DELETE", paul.path("keys", "evil")).status == 204
    assert "whole" in gateway.run("verify", "--audit").stdout


# ---------------------------------------------------------------- by a command

def test_a_command_makes_one(gateway, provider, paul):
    """Its text alone on standard output, and nowhere else; what it may is what was asked for."""
    done = gateway.run("virtual-key", "add", paul.id, "--name", "till " + MARKUP, "--scopes", "send,read", "--numbers", NUMBER,
                       "--rate-per-minute", "60", "--messages-per-day", "1000", "--expires-at", "2031-01-31T23:59:59Z")
    text, (made,) = done.stdout.strip(), keys_of(paul)
    assert re.fullmatch(r"khv_[\w-]{43}\n", done.stdout) and text.endswith(made["last4"]) and text not in done.stderr
    assert f"keyhouse virtual-key revoke {paul.id} {made['id']}" in done.stderr
    assert (made["name"], made["scopes"], made["numbers"]) == ("till " + MARKUP, ["send", "read"], [NUMBER])
    assert (made["rate_per_minute"], made["messages_per_day"], made["expires_at"]) == (60, 1000, "2031-01-31T23:59:59.000Z")
    assert asks(gateway, text) == 200
    second = json.loads(gateway.run("virtual-key", "add", paul.id, "--name", "all", "--expires-in-days", "3", "--json").stdout)
    assert second["scopes"] == ["send", "media", "templates", "read"] and second["numbers"] is None and second["expires_at"]
    shown = gateway.run("virtual-key", "list", paul.id).stdout.splitlines()
    assert [line.split()[:3] for line in shown] == [["id", "last4", "scopes"], [made["id"], made["last4"], "send,read"],
                                                    [second["id"], second["last4"], "send,media,templates,read"]]
    assert json.loads(gateway.run("virtual-key", "list", paul.id, "--json").stdout) == keys_of(paul)[::-1]
    assert gateway.run("virtual-key", "revoke", paul.id, made["id"]).stdout == made["id"] + " is revoked\n"
    assert (asks(gateway, text), asks(gateway, second["key"])) == (401, 200)
    assert [k["revoked_at"] is None for k in keys_of(paul)] == [True, False]
    assert audited(paul, made["id"]) == [("key_made", "command"), ("key_revoked", "command")]
    wanted = {"first": text, "second": second["key"]}
    gateway.stop()
    # without the service, too
    third = gateway.run("virtual-key", "add", paul.id, "--name", "at night").stdout.strip()
    assert search_files(files(gateway), {**wanted, "third": third}) == []
    gateway.start()
    (night,) = (k for k in keys_of(paul) if k["name"] == "at night")
    assert third.endswith(night["last4"]) and audited(paul, night["id"]) == [("key_made", "command")]


def test_a_command_says_what_is_wrong(gateway, paul):
    add = ("virtual-key", "add", paul.id, "--name", "till")
    for more, said in ((("--scopes", "send,all"), "--scopes must be of: send, media, templates, read"), (("--scopes", ""), "--scopes must"),
                       (("--scopes", "send,"), "--scopes must"), (("--rate-per-minute", "0"), "--rate-per-minute must be a whole number"),
                       (("--rate-per-minute", "1e3"), "--rate-per-minute must"), (("--messages-per-day", "-1"), "--messages-per-day must"),
                       (("--messages-per-day", "10000001"), "from 1 to 10000000"), (("--expires-in-days", "3651"), "--expires-in-days must"),
                       (("--expires-at", "tomorrow"), "--expires-at must be a time to come"), (("--expires-at", "2020-01-01T00:00:00Z"), "--expires-at must"),
                       (("--expires-at", "2031-01-01T00:00:00Z", "--expires-in-days", "3"), "one too many beside"),
                       (("--numbers", ",".join(["1"] * 33)), "--numbers must name 1 to 32"), (("--name", ""), "--name must be 1 to 200 bytes"),
                       (("--scope", "send"), "usage: keyhouse virtual-key add BUSINESS"), (("--scopes",), "usage: keyhouse")):
        done = gateway.run(*add, *more, check=False)
        assert done.returncode == 2 and said in done.stderr and done.stdout == "", (more, done)
    for words in (("add", paul.id), ("add", "--name", "till"), ("revoke", paul.id), ("list",)):
        assert gateway.run("virtual-key", *words, check=False).returncode == 2, words
    for words, said in ((("add", "nobody", "--name", "till"), "there is no business nobody"), (("list", "nobody"), "no business nobody"),
                        ((*add[1:], "--numbers", "1" + NUMBER), "numbers: must be phone_number_ids of this business's"),
                        ((*add[1:], "--numbers", NUMBER + ",x"), "numbers: must be"),
                        (("revoke", paul.id, "x"), f"keyhouse virtual-key list {paul.id}")):
        done = gateway.run("virtual-key", *words, check=False)
        assert done.returncode == 1 and said in done.stderr and done.stdout == "", (words, done)
    assert keys_of(paul) == []
    for _ in range(2):
        gateway.run(*add)
    assert "revoke one of them" in gateway.run(*add, check=False).stderr and len(keys_of(paul)) == 2


# ---------------------------------------------------------------- the operator

def test_the_command(gateway):
    done = gateway.run("refused")
    assert done.stdout == "" and done.stderr == "none since the service was started\n"
    assert json.loads(gateway.run("refused", "--json").stdout) == []
    assert gateway.api("GET", "/control/refusals").status == 404
    gateway.stop()
    done = gateway.run("refused", check=False)
    assert done.returncode == 1 and "the service does not run" in done.stderr


def test_the_operator_revokes_one(gateway, paul):
    operator, made, rival = Operator(gateway).sign_in(), make(paul, name="till " + MARKUP), Business(gateway, "Rival", "none")
    page = operator.get("business?id=" + paul.id).body.decode()
    assert "till &lt;img" in page and f"ends in <code>{made['last4']}</code>" in page and MARKUP not in page
    assert made["key"] not in page and "There is none yet." in operator.get("business?id=" + rival.id).body.decode()
    wanted = {"csrf": operator.csrf(), "business": paul.id, "key": made["id"], "sure": "yes"}
    assert operator.post("revoke-key", **{**wanted, "csrf": "0" * 32}).status == 403
    assert operator.post("revoke-key", **{**wanted, "business": rival.id}).headers["location"].endswith("done=gone")
    assert operator.post("revoke-key", **{**wanted, "business": "nobody"}).status == 404
    assert operator.post("revoke-key", **{**wanted, "sure": ""}).status == 422
    assert keys_of(paul)[0]["revoked_at"] is None
    answer = operator.post("revoke-key", **wanted)
    assert answer.headers["location"] == f"business?id={paul.id}&done=key-revoked"
    assert keys_of(paul)[0]["revoked_at"] is not None
    assert audited(paul, made["id"]) == [("key_made", "token"), ("key_revoked", "operator")]


def test_the_operator_makes_one(gateway, paul):
    """Its text is in the answer to its making alone; what is wrong is told beside the entry, and nothing else typed is lost."""
    operator = Operator(gateway).sign_in()
    wanted = {"csrf": operator.csrf(), "business": paul.id, "name": "  till " + MARKUP + " ", "send": "yes", "read": "yes"}
    page = operator.post("make-key", **wanted, rate_per_minute="60", messages_per_day=" 1000 ", expires_in_days="30")
    (made,), (text,) = keys_of(paul), re.findall(r'value="(khv_[\w-]{43})"', page.body.decode())
    assert page.status == 200 and page.headers["cache-control"] == "no-store" and MARKUP not in page.body.decode()
    assert (made["name"], made["scopes"], made["numbers"]) == ("till " + MARKUP, ["send", "read"], None)
    assert (made["rate_per_minute"], made["messages_per_day"], made["last4"]) == (60, 1000, text[-4:])
    ends = calendar.timegm(time.strptime(made["expires_at"][:19], "%Y-%m-%dT%H:%M:%S"))
    assert abs(ends * 1000 - time.time() * 1000 - 30 * DAY_MS) < 60_000
    assert asks(gateway, text) == 200 and audited(paul, made["id"]) == [("key_made", "operator")]
    assert text not in operator.get("business?id=" + paul.id).body.decode()
    second = operator.post("make-key", **wanted)
    assert second.status == 200 and keys_of(paul)[0]["rate_per_minute"] is None and keys_of(paul)[0]["expires_at"] is None
    for change, said in (({}, "Two keys of this name live already."), ({"name": " "}, "It must be 1 to 200 bytes"),
                         ({"name": "x" * 201}, "It must be 1 to 200 bytes"), ({"send": "", "read": "no"}, "Tick one at least."),
                         ({"rate_per_minute": "0"}, "It must be a whole number from 1 to 100000."),
                         ({"messages_per_day": "many"}, "from 1 to 10000000."), ({"expires_in_days": "1.5"}, "from 1 to 3650.")):
        answer = operator.post("make-key", **{**wanted, **change})
        body = answer.body.decode()
        assert answer.status == 422 and body.count('class="error"') == 1 and said in body and "khv_" not in body, change
        assert ("till &lt;img" in body) == ("name" not in change) and MARKUP not in body, change
        ticked = re.findall(r'name="(\w+)" value="yes" checked', body)
        assert ticked == ([] if "send" in change else ["send", "read"]), change
    assert operator.post("make-key", **{**wanted, "business": "nobody"}).status == 404 and len(keys_of(paul)) == 2
    assert search_files(files(gateway), {"first": text, "second": re.search(r"khv_[\w-]{43}", second.body.decode()).group()}) == []


@pages.needed
def test_the_pages(owner, gateway, paul):  # noqa: F811
    """Keys in every state, at the width of a phone and of a desk; one is revoked."""
    make(paul, name="live " + MARKUP, scopes=["send", "templates"], numbers=[NUMBER], rate_per_minute=600, messages_per_day=1000)
    for name, fields in (("ends", {"expires_in_days": 3}), ("expired", {"expires_in_days": 3}), ("revoked", {})):
        make(paul, name=name + " and has a name that needs a second line on a phone", **fields)
    gateway.api("DELETE", paul.path("keys", keys_of(paul)[0]["id"]))
    now = int(time.time() * 1000)
    assert changed(gateway, "UPDATE virtual_keys SET expires_at = ?1, used_at = ?2, refused_at = ?2, refused_count = 12, "
                   "refused_why = 'key_expired' WHERE name LIKE 'expired%'", now - DAY_MS, now - 60_000) == 1
    base = f"http://127.0.0.1:{gateway.port}/admin/"
    owner.browser.get(base)
    owner.one("#token").send_keys(gateway.token, pages.Keys.ENTER)
    owner.says("Refused calls: 0 of those kept")
    owner.browser.get(base + "refused")
    assert owner.one("h1").text == "Refused calls" and owner.one("nav a[aria-current]").text == "Refused calls"
    owner.says("None since the service was started.")
    owner.shoot_both("admin-refused-calls-empty")
    owner.browser.get(base + "business?id=" + paul.id)
    table = owner.one("table.keys").text
    for part in ("live " + MARKUP, "number ids " + NUMBER, "600 calls a minute", "0 of 1000 messages today", "send, templates",
                 "all numbers", "Last used: never", "Last refused: ", ", 12 in all", "This virtual key has expired."):
        assert part in table, (part, table)
    assert owner.js("return document.querySelectorAll('table.keys form').length") == 2, "what is over is not revoked"
    for summary in owner.all("table.keys summary"):
        summary.click()
    owner.shoot_both("admin-virtual-keys")
    owner.all("table.keys form input[type=checkbox]")[1].click()
    owner.all("table.keys form button")[1].click()
    owner.says("The virtual key is revoked.")
    assert wait_for(lambda: [k["revoked_at"] is None for k in keys_of(paul)] == [False, True, True, False])

    owner.browser.execute_script("[...document.querySelectorAll('summary')].find(s => s.innerText == 'Make a key').click()")
    owner.one("#name").send_keys("invoices")
    owner.one("#rate_per_minute").send_keys("many")
    owner.click("form[action=make-key] input[name=media]")
    owner.shoot_both("admin-make-key")
    owner.click("form[action=make-key] button")
    owner.says("It must be a whole number from 1 to 100000.")
    assert owner.js("return document.activeElement.id") == "rate_per_minute"
    assert all("422" in line for line in owner.complaints())
    owner.shoot_both("admin-make-key-wrong")
    owner.one("#rate_per_minute").clear()
    owner.one("#rate_per_minute").send_keys("60", pages.Keys.ENTER)
    owner.says("It is shown this once.")
    owner.says(f"Its base URL is {gateway.base}")
    text = owner.one("#key").get_attribute("value")
    owner.shoot_both("admin-new-key")
    owner.click("button[data-copy=key]")
    assert wait_for(lambda: owner.one("button[data-copy=key]").text in ("Copied", "Selected: copy it now"))
    made = keys_of(paul)[0]
    assert (made["name"], made["last4"], made["scopes"]) == ("invoices", text[-4:], ["send", "templates", "read"])
    owner.click("main p a")
    owner.says("ends in " + made["last4"])
    assert text not in owner.browser.page_source
    assert owner.js("return window.pwned") is None
