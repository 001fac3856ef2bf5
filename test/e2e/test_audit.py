"""Goal of this test: every use and change of a key, and every change of a setting, leaves a row that says who and when;
and whoever changes the rows afterwards, in whatever way, is found out by `keyhouse verify --audit`, also after kill -9."""
import ctypes
import hashlib
import json
import os
import re
import shutil
import sqlite3
import struct
import threading
import time
import urllib.parse

import pytest

from conftest import PAUL, DialogShop, Gateway, Shop, wait_for
from shops import Business

PAULS, ADAS = "106540352242922", "206540352242922"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def paul(gateway, provider):
    shop = Shop(gateway, provider, "Paul's Electronics", PAULS)
    shop.products(PAUL)
    return shop


def rows(gateway, business=None):
    """All of it, oldest first, as the command writes it out."""
    return [json.loads(line) for line in gateway.run("audit", *([business] if business else []), "--json").stdout.splitlines()]


def since(gateway, seq, business=None):
    return [r for r in rows(gateway, business) if r["seq"] > seq]


def last(gateway):
    return rows(gateway)[-1]["seq"]


def done(found):
    return [(r["actor"].split(":")[0], r["action"], r["purpose"]) for r in found]


def send(shop, text="hello", to="+2348012345678"):
    id_ = shop.post(text, to=to).json["id"]
    assert wait_for(lambda: shop.message(id_)["state"] == "sent"), shop.message(id_)
    return id_


def verify(gateway, *words):
    return gateway.run("verify", "--audit", *words, check=False)


def whole(gateway, *words):
    found = verify(gateway, *words)
    assert found.returncode == 0 and "The audit is whole." in found.stdout, found.stdout + found.stderr
    return found.stdout


class Pages:
    """A browser at the settings pages or the operator's."""

    def __init__(self, gateway, area):
        self.gateway, self.area, self.cookie = gateway, area, None

    def request(self, method, name, fields=None):
        headers = {"Cookie": self.cookie} if self.cookie else {}
        body = None
        if fields is not None:
            body, headers["Content-Type"] = urllib.parse.urlencode(fields).encode(), FORM
        answer = self.gateway.request(method, f"/{self.area}/{name}", body, headers)
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].split(";")[0]
        return answer

    def get(self, name):
        return self.request("GET", name).body.decode()

    def post(self, name, page="keys", **fields):
        csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', self.get(page))
        answer = self.request("POST", name, {"csrf": csrf.group(1), **fields})
        assert answer.status in (200, 303), (answer.status, answer.body)
        return answer


def operator(gateway):
    pages = Pages(gateway, "admin")
    assert pages.request("POST", "sign-in", {"token": gateway.token}).status == 303
    return pages


def owner(gateway, business):
    pages = Pages(gateway, "settings")
    token = gateway.api("POST", business.path("settings-links")).json["url"].split("#")[1]
    assert pages.request("POST", "open", {"token": token}).status == 200
    return pages


# ---------------------------------------------------------------- who did what

def test_by_the_api(gateway, provider):
    paul = Shop(gateway, provider, "Paul's Electronics", PAULS, responder="none")
    token = gateway.run("token", "list", "--json").stdout
    token = json.loads(token)[0]["id"]
    first = rows(gateway)
    assert done(first) == [("keyhouse", "audit_begun", None), ("command", "token_made", None), ("token", "business_added", None), ("token", "connection_added", "number"),
                           ("token", "key_stored", None), ("token", "key_stored", None)]
    first = first[1:]
    assert {r["actor"] for r in first[1:]} == {"token:" + token} and first[0]["subject"] == token
    assert {r["business_id"] for r in first[1:]} == {paul.id} and first[0]["business_id"] is None
    prints = {f"{paul.connection}/{field}": s["fingerprint"] for field, s in paul.connections()[0]["secrets"].items()}
    assert {r["subject"]: r["value"] for r in first[3:]} == prints

    mark = last(gateway)
    gateway.api("PATCH", paul.path(), {"name": "Paul & Sons", "status": "suspended"})
    gateway.api("PATCH", paul.path(), {"name": "Paul's Electronics", "status": "active"})
    assert gateway.api("PUT", paul.path("responder"), {"kind": "catalogue"}).status == 200
    link = gateway.api("POST", paul.path("settings-links")).json["id"]
    assert gateway.api("DELETE", paul.path("settings-links", link)).status == 204
    found = since(gateway, mark)
    assert done(found) == [("token", "business_changed", "name"), ("token", "business_suspended", None),
                           ("token", "business_changed", "name"), ("token", "business_resumed", None),
                           ("token", "responder_set", "catalogue"), ("token", "link_made", None), ("token", "link_revoked", None)]
    assert found[2]["value"] == first[1]["value"] != found[0]["value"], "equal names have equal digests, and no others"

    mark = last(gateway)
    assert paul.patch(app_secret=paul.app_secret).status == 200
    found = since(gateway, mark)
    assert ("token", "key_replaced", None) in done(found)
    assert {r["subject"] for r in found if r["action"] == "key_used"} <= set(prints)

    mark = last(gateway)
    assert gateway.api("DELETE", paul.path("connections", paul.connection)).status == 204
    receipt = gateway.api("DELETE", paul.path())
    assert receipt.status == 200
    assert done(since(gateway, mark)) == [("token", "connection_removed", None),
                                          *(("token", "keys_destroyed", f"{purpose}, version 1")
                                            for purpose in ("credential", "content", "index")),
                                          ("token", "business_removed", None)]
    assert [r["subject"] for r in rows(gateway, paul.id)[-4:-1]] == [k["id"] for k in receipt.json["keys_destroyed"]]
    removed = rows(gateway, paul.id)[-1]
    assert removed["action"] == "business_removed", "a removed business has its rows still"
    assert receipt.json["audit"] == {"seq": removed["seq"], "hash": removed["hash"]}
    assert gateway.api("GET", paul.path("audit")).status == 404
    whole(gateway)


def test_uses(gateway, provider, paul):
    mark = last(gateway)
    used = paul.connections()[0]["secrets"]
    assert used["access_token"]["last_used_at"] is None
    message = send(paul)
    ada = DialogShop(gateway, provider, "Ada Shoes", ADAS)
    other = send(ada)
    found = [r for r in since(gateway, mark) if r["purpose"] == "send"]
    assert [(r["actor"], r["action"], r["subject"], r["job"]) for r in found] == [
        ("keyhouse", "key_used", f"{paul.connection}/access_token", message),
        ("keyhouse", "key_used", f"{paul.connection}/app_secret", message),
        ("keyhouse", "key_used", f"{ada.connection}/api_key", other)], "the app secret proves the call"
    assert found[0]["value"] == used["access_token"]["fingerprint"]
    used = paul.connections()[0]["secrets"]
    assert used["access_token"]["last_used_at"] and used["app_secret"]["last_used_at"]
    assert ada.connections()[0]["secrets"]["api_key"]["last_used_at"]

    mark = last(gateway)
    paul.test()
    found = since(gateway, mark)
    assert ("token", "key_used", "debug_token") in done(found)
    assert {r["subject"] for r in found if r["purpose"] == "debug_token"} == {
        f"{paul.connection}/access_token", f"{paul.connection}/app_secret"}
    assert all(r["job"] for r in found if r["action"] == "key_used")
    assert paul.connections()[0]["secrets"]["app_secret"]["last_used_at"]


def test_a_platform_is_asked(gateway, provider, platform):
    shop = Shop(gateway, provider, "Paul's Electronics", PAULS, responder=platform)
    made = [r for r in rows(gateway, shop.id) if (r["subject"] or "").startswith("responder")]
    assert [(r["action"], r["subject"]) for r in made] == [("responder_set", "responder"), ("key_stored", "responder/signing_secret")]
    assert all(r["value"] for r in made)
    mark = last(gateway)
    assert shop.send(shop.question("boots?", "wamid.q")).status == 200
    platform.wait_asks(1)
    found = wait_for(lambda: [r for r in since(gateway, mark) if r["purpose"] == "ask"])
    assert (found[0]["actor"], found[0]["subject"]) == ("keyhouse", "responder/signing_secret") and found[0]["job"]
    mark = last(gateway)
    shop.use_platform(platform, rotate_secret=True)
    assert [d for d in done(since(gateway, mark, shop.id)) if d[0] == "token"] == [
        ("token", "responder_set", "platform"), ("token", "key_stored", None)]


def test_by_the_pages(gateway, paul):
    mark = last(gateway)
    pages = owner(gateway, paul)
    session = since(gateway, mark)
    assert done(session) == [("token", "link_made", None), ("link", "link_opened", None)]
    assert session[1]["actor"] == "link:" + session[0]["subject"]
    pages.post("replace", "access", connection=paul.connection, field="app_secret", value=paul.app_secret)
    found = since(gateway, session[1]["seq"])
    assert ("link", "key_replaced", None) in done(found) and {r["actor"] for r in found} == {session[1]["actor"]}
    assert "last used" in pages.get("access"), "the check of the new secret used the token"
    mark = last(gateway)
    pages.post("disconnect", "access", connection=paul.connection, sure="yes")
    pages.post("end", "access")
    assert done(since(gateway, mark)) == [("link", "connection_removed", None), ("link", "link_revoked", None)]

    mark = last(gateway)
    pages = operator(gateway)
    pages.post("suspend", business=paul.id, sure="yes")
    pages.post("sign-out")
    found = since(gateway, mark)
    assert [r["action"] for r in found] == ["operator_in", "business_suspended", "operator_out"]
    assert found[0]["actor"] == "token:" + found[0]["purpose"]
    assert {r["actor"] for r in found[1:]} == {"operator:" + found[0]["subject"]}
    whole(gateway)


def test_by_commands_on_line_and_off(gateway, paul):
    mark = last(gateway)
    gateway.run("business", "suspend", paul.id)
    gateway.stop()
    gateway.run("business", "resume", paul.id)
    whole(gateway)
    assert [(r["actor"], r["action"]) for r in since(gateway, mark)] == [
        ("command", "business_suspended"), ("command", "business_resumed")]
    gateway.start()
    send(paul)
    whole(gateway)


# ---------------------------------------------------------------- reading it

def test_a_business_that_never_was(gateway, paul):
    """Is no empty audit; one that was removed has its rows still."""
    for more in ((), ("--json",)):
        done = gateway.run("audit", "nosuchshop", *more, check=False)
        assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1, done
        assert "no row of a business of that id" in done.stderr
    gateway.run("business", "remove", paul.id, "--yes")
    shown = gateway.run("audit", paul.id).stdout.splitlines()
    assert shown[0].startswith("seq ") and "business_removed" in shown[-1]


def test_keys_by_commands(gateway, paul):
    """Of the keys over all keys: who replaced which, on line and off; a receipt on paper names its row."""
    def master():
        return json.loads(gateway.run("key", "status", "--json").stdout)["master_key_id"]

    mark, first = last(gateway), master()
    gateway.run("key", "rotate", "--master")
    second, found = master(), since(gateway, mark)
    assert [(r["actor"], r["action"], r["subject"]) for r in found] == [
        ("command", "master_key_replaced", second), ("keyhouse", "tenant_keys_rewrapped", second)] and second != first, found
    assert found[1]["purpose"] == f"{json.loads(gateway.run('key', 'status', '--json').stdout)['keys']} keys"
    mark = last(gateway)
    gateway.run("key", "retire")
    assert [(r["actor"], r["action"], r["subject"]) for r in since(gateway, mark)] == [("command", "key_file_read", second)]
    gateway.stop()
    mark = last(gateway)
    gateway.run("key", "rotate", "--master")
    found = since(gateway, mark)
    assert [r["action"] for r in found] == ["master_key_replaced", "tenant_keys_rewrapped"] and found[0]["subject"] == master() != second
    said = gateway.run("business", "remove", paul.id, "--yes").stdout
    row = rows(gateway, paul.id)[-1]
    assert f"row {row['seq']}, hash {row['hash']}" in said, said
    whole(gateway)


def test_pages_of_rows(gateway, provider, paul):
    ada = Business(gateway, "Ada Shoes", "none")
    for n in range(3):
        send(paul, f"hello {n}")
    all_ = [r for r in rows(gateway) if r["business_id"] == paul.id]
    assert rows(gateway, paul.id) == all_ and [r["business_id"] for r in rows(gateway, ada.id)] == [ada.id]
    got, cursor = [], ""
    while cursor is not None:
        page = gateway.api("GET", paul.path(f"audit?limit=2&order=asc{cursor and '&cursor=' + cursor}")).json
        assert 0 < len(page["data"]) <= 2
        got += page["data"]
        cursor = page["next_cursor"]
    assert got == all_
    assert gateway.api("GET", paul.path("audit?limit=1")).json["data"] == all_[-1:], "newest first"
    for cursor in ("999999", str(rows(gateway, ada.id)[0]["seq"]), "abc"):
        assert gateway.api("GET", paul.path("audit?cursor=" + cursor)).json["code"] == "invalid_cursor"
    assert gateway.get(paul.path("audit")).status == 401
    assert gateway.api("GET", "/control/audit").status == 404, "for commands alone"


def test_keys_in_words(gateway, paul):
    gateway.stop()
    gateway.run("key", "rotate", paul.id)
    gateway.start()
    page = operator(gateway).get("audit?business=" + paul.id)
    for purpose in ("credential", "content"):
        assert f">gave the business a new {purpose} key<" in page
        assert f">destroyed all older versions of the business&#39;s {purpose} key<" in page.replace("'", "&#39;"), page


def test_the_operators_page(gateway, paul):
    message = send(paul)
    pages = operator(gateway)
    page = pages.get("audit")
    assert "sent a message with the key" in page and message in page and "signed in to these pages" in page
    assert "Keyhouse by itself" in page and "a command on the machine" in page
    for n in range(40):
        gateway.api("PATCH", paul.path(), {"name": f"Paul {n}"})
        gateway.api("PATCH", paul.path(), {"status": "active"})
    of_one = pages.get("audit?business=" + paul.id)
    assert "signed in to these pages" not in of_one
    older = re.search(r'href="(audit\?business=[^"]+)">Older', of_one).group(1).replace("&amp;", "&")
    assert "sent a message with the key" in pages.get(older)
    assert pages.request("GET", "audit?after=999999").headers["location"] == "audit"


# ---------------------------------------------------------------- nobody changes it unseen

def text(value):
    return struct.pack(">I", len(value)) + value


def blake(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def digest(row):
    """As vault/DESIGN.md says it."""
    seq, at, *texts, value, _ = row
    return blake(b"keyhouse-audit-row-1" + struct.pack(">QQ", seq, at) + b"".join(text(t.encode()) for t in texts) + text(value))


def chained(found, link=bytes(32)):
    """The rows with the hashes that they should have."""
    for row in found:
        link = blake(link + digest(row))
        yield (*row[:-1], link)


ALL = "SELECT * FROM audit ORDER BY seq"
INTO = "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@pytest.fixture
def copy(gateway, provider, paul, directory):
    """A stopped service's database, and how to look at a changed copy of it."""
    for n in range(4):
        send(paul, f"hello {n}")
    gateway.stop()
    whole(gateway)
    path = os.path.join(directory, "changed.db")

    def change(*statements, then=None):
        shutil.copyfile(gateway.data / "keyhouse.db", path)
        with sqlite3.connect(path) as db:
            for statement in statements:
                db.execute(*statement)
            if then:
                then(db)
        db.close()
        return verify(gateway, path)
    return change


def named(found, seq, why):
    assert found.returncode == 1, found.stdout
    assert f"row {seq}" in found.stderr.split(":")[2] and why in found.stderr, found.stderr
    return found.stderr


def test_the_chain_is_as_it_is_described(gateway, copy):
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        found = db.execute(ALL).fetchall()
        assert len(found) > 8 and [r[0] for r in found] == list(range(1, len(found) + 1))
        assert list(chained(found)) == found
        head = db.execute("SELECT seq, hash FROM audit_heads ORDER BY seq DESC LIMIT 1").fetchone()
        assert head == (found[-1][0], found[-1][-1])
    assert copy().returncode == 0


def test_a_changed_row_is_named(copy):
    for column in ("actor", "business_id", "action", "subject", "purpose", "job"):
        stderr = named(copy((f"UPDATE audit SET {column} = {column} || 'x' WHERE seq = 4",)), 4, "changed")
        assert re.search(r"row 4 of \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ:", stderr)
        named(copy((f"UPDATE audit SET {column} = {column} || char(0) || 'x' WHERE seq = 4",)), 4, "changed")
    for change in ("at = at + 1", "value = x'00'", "value = CAST(value || zeroblob(40) AS BLOB)", "hash = zeroblob(32)"):
        named(copy((f"UPDATE audit SET {change} WHERE seq = 4",)), 4, "changed")


def test_a_missing_row_is_named(copy):
    named(copy(("DELETE FROM audit WHERE seq = 5",)), 5, "missing")
    named(copy(("DELETE FROM audit WHERE seq = 1",)), 1, "missing")
    named(copy(("DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",)), 15, "missing")
    named(copy(("DELETE FROM audit",)), 1, "missing")


def test_a_row_that_was_put_in_is_named(copy):
    def at_the_end(db):
        found = db.execute(ALL).fetchall()
        db.execute(INTO, list(chained([(found[-1][0] + 1, *found[-1][1:])], found[-1][-1]))[0])
    named(copy(then=at_the_end), 16, "no seal")

    def between(db):
        db.execute("UPDATE audit SET seq = -seq - 1 WHERE seq > 4")
        db.execute("UPDATE audit SET seq = -seq WHERE seq < 0")
        db.execute(INTO, (5, *db.execute("SELECT * FROM audit WHERE seq = 4").fetchone()[1:]))
    named(copy(then=between), 5, "put in")


def test_rows_that_changed_places_are_named(copy):
    named(copy(("UPDATE audit SET seq = 999 WHERE seq = 4",), ("UPDATE audit SET seq = 4 WHERE seq = 6",),
               ("UPDATE audit SET seq = 6 WHERE seq = 999",)), 4, "moved")


def test_a_history_that_was_written_anew_is_found_by_its_seal(copy):
    def anew(db):
        found = db.execute(ALL).fetchall()
        found[4] = (*found[4][:2], "command", *found[4][3:])
        db.execute("DELETE FROM audit")
        db.executemany(INTO, chained(found))
    named(copy(then=anew), 1, "not those that the vault sealed")

    def with_its_head(db):
        anew(db)
        db.execute("UPDATE audit_heads SET hash = (SELECT hash FROM audit ORDER BY seq DESC LIMIT 1)")
    named(copy(then=with_its_head), 15, "not the vault's")
    named(copy(("UPDATE audit_heads SET refused = refused + 1",)), 15, "not the vault's")
    named(copy(("DELETE FROM audit_heads",)), 1, "no seal")


def test_another_key_files_seal_is_none(gateway, copy, directory, provider):
    other = Gateway(os.path.join(directory, "other"), provider.url)
    os.mkdir(other.dir)
    other.run("init")
    found = verify(other, str(gateway.data / "keyhouse.db"))
    assert found.returncode == 1 and "master key file is not the one" in found.stderr, found.stderr


def test_a_broken_audit_is_no_outage_and_not_silent(gateway, paul, provider):
    send(paul)
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        top = db.execute("SELECT max(seq) FROM audit").fetchone()[0]
        db.execute("DELETE FROM audit WHERE seq = ?", (top,))
    db.close()
    gateway.start()
    assert "the audit is broken" in gateway.log_text()
    message = send(paul, "on it goes")
    found = rows(gateway)
    assert [r["action"] for r in found if r["seq"] > top] == ["audit_broken", "key_used", "key_used"] and found[-1]["job"] == message
    pages = operator(gateway)
    assert "found broken" in pages.get("") and "found broken" in pages.get("audit")
    named(verify(gateway), top, "missing")
    gateway.stop()
    gateway.start()
    assert gateway.log_text().count("the audit is broken") == 1, "the new chain is as good as the first"

    # All before it fits, too, where nothing but the last seal was lost; that does not make it silent.
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        db.execute("DELETE FROM audit WHERE action <> 'audit_broken' AND seq <= ?", (top,))
        db.execute("UPDATE audit_heads SET mac = zeroblob(32)")
    db.close()
    gateway.start()
    assert gateway.log_text().count("the audit is broken") == 2
    assert verify(gateway).returncode == 1


# ---------------------------------------------------------------- while it runs, and when it is killed

def test_beside_the_running_service(gateway, paul):
    end = threading.Event()

    def load():
        n = 0
        while not end.is_set():
            paul.post(f"load {n}", to=f"+16505{n:06}")
            n += 1
    threads = [threading.Thread(target=load) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        for _ in range(5):
            whole(gateway)
        copy = str(gateway.dir / "copy.db")
        gateway.run("backup", copy)
        whole(gateway, copy)
    finally:
        end.set()
        for t in threads:
            t.join()


def test_kill_in_the_midst(gateway, paul):
    """What was acknowledged is sent, or known to be in doubt; each has its row, and the chain is whole."""
    ids, end = set(), threading.Event()

    def load(who):
        n = 0
        while not end.is_set():
            try:
                answer = paul.post(f"{who} {n}", to=f"+1650{who}{n:06}")
                if answer.status == 202:
                    ids.add(answer.json["id"])
            except Exception:  # the service is down: a cut answer tells nothing
                pass
            time.sleep(0.02)  # a number sends 80 a second, whatever is asked
            n += 1
    threads = [threading.Thread(target=load, args=(who,)) for who in range(4)]
    gateway.token
    for t in threads:
        t.start()
    try:
        for pause in (0.7, 0.3, 1.1, 0.5):
            time.sleep(pause)
            gateway.kill()
            whole(gateway)
            gateway.start()
            assert "the audit is broken" not in gateway.log_text()
    finally:
        end.set()
        for t in threads:
            t.join()
    assert len(ids) > 20
    assert wait_for(lambda: not any(paul.messages(state=s) for s in ("queued", "sending", "retry")), timeout=60)
    used = {r["job"] for r in rows(gateway) if r["purpose"] == "send"}
    assert ids <= used, len(ids - used)
    assert f"rows      {len(rows(gateway))}," in whole(gateway)


# ---------------------------------------------------------------- what somebody put into the file

def planted(gateway, *statements):
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        for sql in statements:
            db.execute(sql)
    db.close()


def test_an_emptied_audit_is_not_whole(gateway, paul):
    planted(gateway, "DELETE FROM audit", "DELETE FROM audit_heads")
    found = verify(gateway)
    assert found.returncode == 1 and "there is no audit" in found.stderr and "whole" not in found.stdout

    # Nor is what begins behind it.
    time.sleep(1.2)
    gateway.start()
    assert "the audit begins only now" in gateway.log_text()
    gateway.api("PATCH", paul.path(), {"name": "Paul & Sons"})
    assert [r["action"] for r in rows(gateway)] == ["audit_begun", "business_changed"]
    copy = str(gateway.dir / "copy.db")
    gateway.run("backup", copy)
    for words in ((), (copy,)):
        found = verify(gateway, *words)
        assert found.returncode == 1 and "whole" not in found.stdout and "!!" not in found.stdout
        assert re.search(r"begins at \d{4}-.*older than that are: businesses 1; tokens, keys, links and sessions 1;", found.stderr), found.stderr


def test_a_first_start_begins_the_audit(directory, provider):
    fresh = Gateway(os.path.join(directory, "fresh"), provider.url)
    os.mkdir(fresh.dir)
    fresh.run("init")
    assert "rows      1," in whole(fresh) and [r["action"] for r in rows(fresh)] == ["audit_begun"]


def test_access_that_was_put_in_is_named(gateway, paul, directory):
    owner(gateway, paul)
    operator(gateway)
    link, token = gateway.api("POST", paul.path("settings-links")).json["id"], gateway.token
    whole(gateway)
    planted(gateway, "INSERT INTO tokens (id, name, hash, last4, created_at, revoked_at) VALUES ('evil', char(27) || '[2J', "
            "randomblob(32), 'last', unixepoch() * 1000, 0)",
            "UPDATE settings_links SET link_hash = randomblob(32) WHERE opened_at = 0")
    gateway.start()
    copy = os.path.join(directory, "planted.db")
    gateway.run("backup", copy)
    for words in ((), (copy,)):
        found = verify(gateway, *words)
        named_ = [line for line in found.stdout.splitlines() if "!!" in line]
        assert found.returncode == 1 and "does not know of: 2" in found.stderr and "whole" not in found.stdout, found
        assert "admin token evil named ?[2J: no row" in found.stdout, found.stdout
        assert len(named_) == 2 and any(f"settings link {link} of business {paul.id}: no row" in line for line in named_), named_
        assert token not in found.stdout + found.stderr
    gateway.run("token", "revoke", "evil")
    gateway.run("link", "revoke", paul.id, link)
    whole(gateway)


def test_the_last_number_of_all_stops_nothing(gateway, paul):
    planted(gateway, "INSERT INTO audit SELECT 9223372036854775807, at, actor, business_id, action, subject, purpose, job, "
            "value, hash FROM audit ORDER BY seq LIMIT 1")
    for _ in range(3):
        gateway.start()
        gateway.api("POST", "/v1/businesses", {"name": "x"})
        gateway.stop()
    assert verify(gateway).returncode == 1


def test_a_trigger_that_was_put_in_is_refused(gateway, paul):
    evil = "CREATE TRIGGER evil AFTER DELETE ON tenant_keys BEGIN INSERT INTO meta VALUES (hex(old.wrapped), ''); END"
    planted(gateway, evil)
    copy = str(gateway.dir / "copy.db")
    gateway.run("backup", copy)
    for words in ((), ("--backup", copy), ("--json",)):
        found = gateway.run("verify", *words, check=False)
        assert found.returncode == 1 and 'trigger "evil" on "tenant_keys" was not made by keyhouse' in found.stderr, found.stderr
        assert "all is well:" not in found.stdout.replace("not all is well", "") and '"good": true' not in found.stdout
    for words in (("serve",), ("business", "list"), ("business", "remove", paul.id, "--yes"), ("restore", copy, "--yes")):
        found = gateway.run(*words, check=False)
        assert found.returncode != 0 and 'trigger "evil"' in found.stderr and "restore a backup" in found.stderr, (words, found)
    planted(gateway, "DROP TRIGGER evil")
    gateway.start()
    assert "all is well" in gateway.run("verify").stdout


def test_what_a_terminal_obeys_is_not_printed(gateway, paul):
    gateway.run("business", "add", "aside", "--name", "Aside")
    planted(gateway, "UPDATE tenant_keys SET master_key_id = char(27) || '[2J' WHERE business_id = 'aside' AND purpose = 2",
            "UPDATE businesses SET id = char(27) || '[2J' WHERE id = 'aside'")
    looked = gateway.run("verify", check=False)
    assert looked.returncode == 1 and "has no keys" in looked.stdout
    assert "\x1b" not in looked.stdout + gateway.run("key", "status").stdout


# ------------------------------------------------------------ a listener that was taken over

PIDFD_GETFD, VAULT_FD, OPEN, NO_VERB = 438, 4, 6, 99


@pytest.fixture
def taken(gateway):
    """Writes to the vault as the listener, on its own socket."""
    def write(*types):
        pidfd = os.pidfd_open(gateway.role_pid("listener"))
        fd = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, pidfd, VAULT_FD, 0)
        os.close(pidfd)
        if fd < 0:
            pytest.skip("needs to be root")
        try:
            for t in types:
                os.write(fd, struct.pack(">IB", 3, t) + b"abc")
                time.sleep(0.02)
        except BrokenPipeError:
            pass
        finally:
            os.close(fd)
    return write


def ends(gateway, write):
    """A message that no client sends: the vault ends, and all roles begin anew."""
    before = gateway.role_pid("vault")
    write(NO_VERB)
    assert wait_for(lambda: gateway.role_pid("vault") not in (None, before)) and gateway.ready()


def test_what_was_refused_is_not_forgotten(gateway, taken):
    """Whoever asks for what he may not have, and then makes the vault end before a seal counts it."""
    for times in (5, 1):
        taken(*[OPEN] * times)
        ends(gateway, taken)
    assert gateway.api("POST", "/v1/businesses", {"name": "after"}).status == 201
    assert re.search(r"^refused +6 ", whole(gateway), re.M)
    assert gateway.log_text().count("a role asked the vault for what it may not have") == 2, "once in each life"


def test_rows_that_are_taken_back_while_it_runs_are_missed(gateway, taken):
    """The listener writes the file. It puts an older end of the chain back, and makes the roles begin anew."""
    path = gateway.data / "keyhouse.db"
    assert gateway.api("POST", "/v1/businesses", {"id": "a", "name": "a"}).status == 201
    with sqlite3.connect(path) as db:
        heads = db.execute("SELECT * FROM audit_heads").fetchall()
    db.close()
    for n in range(3):
        assert gateway.api("PATCH", "/v1/businesses/a", {"name": f"a{n}"}).status == 200
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM audit WHERE seq > ?", (heads[-1][0],))
        db.execute("DELETE FROM audit_heads")
        db.executemany(f"INSERT INTO audit_heads VALUES ({', '.join('?' * len(heads[0]))})", heads)
    db.close()
    ends(gateway, taken)
    assert "the audit is broken" in gateway.log_text()
    assert gateway.api("PATCH", "/v1/businesses/a", {"name": "last"}).status == 200
    found = verify(gateway)
    assert found.returncode == 1 and re.search(r"^undone +1 ", found.stdout, re.M), found.stdout
    assert [r["action"] for r in rows(gateway)][-2:] == ["audit_broken", "business_changed"]
