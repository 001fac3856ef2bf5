"""Goal of this test: a backup is known to be good before it is needed, takes the database's place without anything being
sent twice, and a record that was damaged is shown as such and takes nothing else along."""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from conftest import BINARY, PAUL, DialogShop, Gateway, Shop, wait_for
from fake_platform import Platform
from test_settings import Caller

NUMBER, OTHER = "106540352242922", "106540352242923"
KEY_VERSION = 10  # a byte of the version of the tenant key, in the head of a blob
RESTORED = "restored from a backup: it may have been sent since"


def verify(gateway, *more, check=True):
    done = gateway.run("verify", "--json", *more, check=False)
    if check:
        assert done.returncode == 0, (done.stdout[-2000:], done.stderr)
    return json.loads(done.stdout)


def flip(gateway, table, column, where, *values, at=-20):
    """One bit of a sealed value, in the file."""
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        rowid, blob = db.execute(f"SELECT {'rowid' if table not in ('tenant_keys', 'responders') else '1'}, {column} FROM {table} "
                                 f"WHERE {where}", values).fetchone()
        bad = bytearray(blob)
        bad[at] ^= 1
        changed = db.execute(f"UPDATE {table} SET {column} = ? WHERE {where} AND {column} = ?",
                             (bytes(bad), *values, bytes(blob)))
        assert changed.rowcount == 1
    db.close()


@pytest.fixture
def shop(gateway, provider):
    return Shop(gateway, provider, "Paul", NUMBER, responder="none")


def faults(report):
    return [(b["id"], f["record"], f["field"], f["what"]) for b in report["businesses"] for f in b["faults"]]


# ------------------------------------------------------------ verify

def test_every_value_is_opened(gateway, provider, shop):
    other = DialogShop(gateway, provider, "Ada", OTHER, responder="none")
    with Platform() as platform:
        gateway.settings["responder_allow"] = f"127.0.0.1:{platform.port}"
        gateway.stop()
        gateway.start()
        shop.use_platform(platform)
        for n in range(5):
            assert shop.send(shop.question("hello", f"wamid.{n}")).status == 200
        wait_for(lambda: len(shop.messages()) >= 5)
        live = verify(gateway)
        gateway.run("backup", gateway.dir / "copy.db")
        copied = verify(gateway, "--backup", gateway.dir / "copy.db")
    assert live["good"] and copied["good"] and copied["damaged"] == 0
    by_name = {b["id"]: b["opened"] for b in copied["businesses"]}
    # keys, webhooks, messages with their ids, both credentials, the responder's address and secret
    assert by_name[shop.id] >= 3 + 5 + 10 + 2 + 2, by_name
    assert by_name[other.id] == 3 + 2 and by_name[""] == 3
    assert gateway.get("/readyz").status == 200
    before = sorted(os.listdir(gateway.dir))
    assert not [n for n in before if "copy.db-" in n], before


def test_verify_names_what_is_damaged(gateway, shop):
    for n in range(3):
        assert shop.send(shop.question("hello", f"wamid.{n}")).status == 200
    assert wait_for(lambda: len(shop.messages()) == 3)
    message = shop.messages()[0]["id"]
    gateway.stop()
    flip(gateway, "credentials", "sealed", "field = 'access_token'")
    flip(gateway, "messages", "content", "id = ?", message)
    flip(gateway, "messages", "wamid", "id = ?", message)
    flip(gateway, "events", "body", "seq = 2")
    report = verify(gateway, check=False)
    assert not report["good"] and report["damaged"] == 4
    said = faults(report)
    assert (shop.id, shop.connection, "access_token", "needs its key entered again") in said
    assert {f[2] for f in said} == {"access_token", "content", "wamid", "body"} and message in {f[1] for f in said}
    done = gateway.run("verify", check=False)
    assert done.returncode == 1 and f"{shop.connection}  access_token  needs its key entered again" in done.stdout


def test_verify_of_what_is_none(gateway, directory, shop):
    gateway.run("backup", gateway.dir / "copy.db")
    text = gateway.dir / "text.db"
    text.write_bytes(b"hello world, this is no database" * 1000)
    for path, part in ((gateway.dir / "nothing", "no such file"), (text, "not a keyhouse database")):
        done = gateway.run("verify", "--backup", path, check=False)
        assert done.returncode == 1 and part in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
        done = gateway.run("restore", path, "--yes", check=False)
        assert done.returncode == 1
    os.makedirs(directory + "/o")
    other = Gateway(directory + "/o", "http://127.0.0.1:9")
    other.run("init")
    done = other.run("verify", "--backup", gateway.dir / "copy.db", check=False)
    assert done.returncode == 1 and "not the one this database was made with" in done.stderr
    with sqlite3.connect(gateway.dir / "copy.db") as db:
        db.execute("PRAGMA user_version = 9999")
    db.close()
    done = gateway.run("verify", "--backup", gateway.dir / "copy.db", check=False)
    assert done.returncode == 1 and "newer" in done.stderr
    (other.data / "master.key").unlink()
    assert other.run("verify", "--backup", gateway.dir / "copy.db", check=False).returncode == 1
    assert not (other.data / "master.key").exists(), "no key is made for that"


def test_a_damaged_page_is_found(gateway, shop):
    for n in range(50):
        assert shop.send(shop.question("hello " * 200, f"wamid.{n}")).status == 200
    assert wait_for(lambda: len(shop.messages(limit=200)) == 50)
    copy = gateway.dir / "copy.db"
    gateway.run("backup", copy)
    with open(copy, "r+b") as f:
        f.seek(copy.stat().st_size // 2 // 4096 * 4096)
        f.write(b"\xff" * 4096)
    assert gateway.run("verify", "--backup", copy, check=False).returncode == 1
    gateway.stop()
    before = (gateway.data / "keyhouse.db").read_bytes()
    done = gateway.run("restore", copy, "--yes", check=False)
    assert done.returncode == 1 and (gateway.data / "keyhouse.db").read_bytes() == before
    gateway.start()
    assert len(shop.messages(limit=200)) == 50


# ------------------------------------------------------------ restore

def test_restored_and_nothing_sent_twice(gateway, provider, shop):
    assert shop.send(shop.question("hello", "wamid.q")).status == 200
    assert wait_for(lambda: shop.messages())
    provider.fault("error", http=503, code=131016, on="/messages", times=1000)
    waiting = shop.post("your phone is here").json["id"]
    assert wait_for(lambda: shop.message(waiting)["state"] == "retry")
    copy = gateway.dir / "copy.db"
    gateway.run("backup", copy)
    provider.heal()
    assert wait_for(lambda: shop.message(waiting)["state"] == "sent", timeout=40), shop.message(waiting)
    later = shop.post("after the backup").json["id"]
    assert wait_for(lambda: shop.message(later)["state"] == "sent")

    done = gateway.run("restore", copy, "--yes", check=False)
    assert done.returncode == 1 and "running" in done.stderr
    gateway.kill()  # its log stays beside it
    assert (gateway.data / "keyhouse.db-wal").exists()
    done = gateway.run("restore", copy, check=False)
    assert done.returncode == 1 and "--yes" in done.stderr
    done = gateway.run("restore", copy, "--yes")
    assert "1 message waited" in done.stdout
    old = list(gateway.data.glob("before-restore-*.db"))
    assert len(old) == 1 and not list(gateway.data.glob("*-wal")), "its log was brought into it before"
    with sqlite3.connect(old[0]) as db:
        assert db.execute("SELECT count(*) FROM messages WHERE id = ?", (later,)).fetchone() == (1,), "the old one is whole"
    db.close()
    count = len(provider.sends())
    gateway.start()
    now = shop.message(waiting)
    assert now["state"] == "unknown" and now["error"]["reason"] == RESTORED
    assert gateway.api("GET", shop.path("messages", later)).status == 404
    time.sleep(2)
    assert len(provider.sends()) == count
    caller = Caller(gateway)
    caller.open(shop)
    page = caller.get("messages?direction=out").body
    assert b"may arrive twice" in page and b"Send it again" in page
    assert caller.post("messages", id=waiting, do="again", csrf=caller.csrf()).status in (200, 303)
    assert wait_for(lambda: len(provider.sends()) == count + 1)
    assert shop.send(shop.question("hello", "wamid.r")).status == 200
    assert verify(gateway)["good"]


def test_restored_into_an_empty_directory(gateway, provider, shop, directory):
    assert shop.send(shop.question("hello", "wamid.q")).status == 200
    assert wait_for(lambda: shop.messages())
    copy = gateway.dir / "copy.db"
    gateway.run("backup", copy)
    os.makedirs(directory + "/n")
    fresh = Gateway(directory + "/n", provider.url)
    done = fresh.run("restore", copy, check=False)
    assert done.returncode == 1 and "master key" in done.stderr and not (fresh.data / "keyhouse.db").exists()
    assert not (fresh.data / "restoring.db").exists()
    (fresh.data / "master.key").write_bytes((gateway.data / "master.key").read_bytes())
    (fresh.data / "master.key").chmod(0o600)
    fresh.run("restore", copy)
    fresh.start()
    try:
        fresh._token = gateway.token
        assert fresh.api("GET", shop.path("messages")).json["data"][0]["content"]["message"]["text"]["body"] == "hello"
    finally:
        fresh.stop()


def test_killed_while_restoring(gateway, shop):
    """Whenever that is, the old database or the new one is there, and whole."""
    for n in range(3):
        assert shop.send(shop.question("hello", f"wamid.{n}")).status == 200
    assert wait_for(lambda: len(shop.messages()) == 3)
    copy = gateway.dir / "copy.db"
    gateway.run("backup", copy)
    assert shop.send(shop.question("later", "wamid.later")).status == 200
    assert wait_for(lambda: len(shop.messages()) == 4)
    gateway.kill()
    began = time.monotonic()
    subprocess.run([BINARY, "restore", copy, "--yes", *gateway.arguments()], check=True, capture_output=True)
    took = time.monotonic() - began
    for n in range(20):
        process = subprocess.Popen([BINARY, "restore", copy, "--yes", *gateway.arguments()], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(took * n / 18)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        report = verify(gateway)
        assert report["good"] and report["opened"] >= 14, (n, report)
    gateway.start()
    assert len(shop.messages()) == 3


# ------------------------------------------------------------ what is damaged

PAGES = ("", "messages", "access", "connect", "activity", "products", "sign")


def looks(gateway, *shops):
    """Every page and call of these shops answers; none with an error of ours."""
    for shop in shops:
        caller = Caller(gateway)
        caller.open(shop)
        for page in PAGES:
            assert caller.get(page).status == 200, page
        for part in ("", "connections", "messages", "events", "responder", "products", "settings-links", "doctor"):
            assert gateway.api("GET", shop.path(part) if part else shop.path()).status == 200, part


def findings(gateway, shop):
    return {(f["finding"], f["connection_id"]) for f in gateway.api("GET", shop.path("doctor")).json["findings"]}


def test_a_damaged_credential(gateway, provider, shop):
    ada = Shop(gateway, provider, "Ada", OTHER, responder="none", waba="102290129340399")
    gateway.stop()
    flip(gateway, "credentials", "sealed", "connection_id = ? AND field = 'access_token'", shop.connection)
    gateway.start()
    looks(gateway, shop, ada)
    secrets = {s: row["damaged"] for s, row in shop.connections()[0]["secrets"].items()}
    assert secrets == {"access_token": True, "app_secret": False}
    assert not any(row["damaged"] for row in ada.connections()[0]["secrets"].values())
    assert ("key_damaged", shop.connection) in findings(gateway, shop)
    assert not {f for f, _ in findings(gateway, ada)} & {"key_damaged", "shop_damaged"}
    caller = Caller(gateway)
    caller.open(shop)
    assert b"needs to be entered again" in caller.get("").body and b"needs to be entered again" in caller.get("access").body
    assert "needs to be entered again" in gateway.run("doctor", check=False).stdout
    tested = gateway.run("connection", "test", shop.id, shop.connection, check=False)
    assert "needs its key entered again" in tested.stdout and "did not answer" not in tested.stdout, tested
    assert "later" not in tested.stdout and "register" not in tested.stderr and tested.returncode == 1, tested
    assert "access_token is damaged" in tested.stderr and f"keyhouse doctor {shop.id}" in tested.stderr
    looked = gateway.run("doctor", shop.id, check=False).stdout
    assert "[key_damaged]" in looked and "[provider_silent]" not in looked, looked
    assert f"keyhouse connection rotate {shop.id} {shop.connection} access_token\n" in looked and "FIELD" not in looked
    found = gateway.api("GET", shop.path("doctor")).json["findings"]
    assert [f["fields"] for f in found if f["finding"] == "key_damaged"] == [["access_token"]]
    # webhooks still verify; a send says what it waits for, and the other shop's goes
    assert shop.send(shop.question("hello", "wamid.1")).status == 200
    waits = shop.post("hello").json["id"]
    assert wait_for(lambda: shop.message(waits)["state"] == "retry")
    assert shop.message(waits)["error"]["reason"] == "needs its key entered again"
    good = ada.post("hello").json["id"]
    assert wait_for(lambda: ada.message(good)["state"] == "sent")
    # and entering it again cures
    assert shop.patch(access_token=shop.token).status == 200
    assert ("key_damaged", shop.connection) not in findings(gateway, shop)
    sent = shop.post("hello again").json["id"]
    assert wait_for(lambda: shop.message(sent)["state"] == "sent")
    assert wait_for(lambda: shop.message(waits)["state"] == "sent"), "what waited goes, too"


@pytest.mark.parametrize("at", [-20, KEY_VERSION])
def test_a_damaged_app_secret(gateway, provider, shop, at):
    ada = Shop(gateway, provider, "Ada", OTHER, responder="none", waba="102290129340399")
    gateway.stop()
    flip(gateway, "credentials", "sealed", "connection_id = ? AND field = 'app_secret'", shop.connection, at=at)
    gateway.start()
    looks(gateway, shop, ada)
    assert shop.send(shop.question("hello", "wamid.1")).status == 401
    assert ada.send(ada.question("hello", "wamid.2")).status == 200
    assert ("key_damaged", shop.connection) in findings(gateway, shop)
    sent = shop.post("hello").json["id"]
    assert wait_for(lambda: shop.message(sent)["state"] == "sent"), "its token is good"
    assert shop.patch(app_secret=shop.app_secret).status == 200
    assert shop.send(shop.question("hello", "wamid.3")).status == 200, "the damaged one, previous now, does not stand in the way"


@pytest.mark.parametrize("at", [-20, KEY_VERSION])
def test_a_damaged_webhook_secret(gateway, provider, at):
    """Our own secret: nobody is asked for it, the doctor's command makes another."""
    sarah = DialogShop(gateway, provider, "Sarah's Fashion", OTHER, responder="none")
    gateway.stop()
    flip(gateway, "credentials", "sealed", "connection_id = ? AND field = 'webhook_secret'", sarah.connection, at=at)
    gateway.start()
    caller = Caller(gateway)
    caller.open(sarah)
    assert b"press Set our address again" in caller.get("access").body and b"entered again</b>" not in caller.get("access").body
    looked = gateway.run("doctor", sarah.id, check=False).stdout
    command = f"connection register {sarah.id} {sarah.connection}"
    assert "[key_damaged]" in looked and looked.count(f"   keyhouse {command}\n") == 1, looked
    assert "connection rotate" not in looked, looked
    # where another system has the address it stays there, and that is said
    foreign = {"url": "https://hooks.other-tool.example/in", "headers": {}}
    ours = provider.d360.webhook(OTHER)
    provider.d360.change(OTHER, webhook=foreign)
    answer = gateway.api("PATCH", sarah.path("connections", sarah.connection), {"take_over": False})
    assert answer.status == 200 and answer.json["status"] == "webhook_taken", answer.body
    assert provider.d360.webhook(OTHER)["url"] == foreign["url"]
    provider.d360.change(OTHER, webhook=ours)
    gateway.run(*command.split())
    fresh = provider.d360.webhook(OTHER)["headers"]["X-Keyhouse-Secret"]
    assert fresh != sarah.webhook_secret and sarah.send(sarah.question("Boots?", "wamid.1"), secret=fresh).status == 200
    assert ("key_damaged", sarah.connection) not in findings(gateway, sarah)


def test_damaged_messages_and_webhooks(gateway, provider, shop):
    for n in range(3):
        assert shop.send(shop.question("hello", f"wamid.{n}")).status == 200
    assert wait_for(lambda: len(shop.messages()) == 3)
    ids = [m["id"] for m in shop.messages()]
    gateway.stop()
    flip(gateway, "messages", "content", "id = ?", ids[1])
    flip(gateway, "messages", "wamid", "id = ?", ids[1])
    flip(gateway, "events", "body", "seq = 1")
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        db.execute("UPDATE events SET state = 1 WHERE seq = 1")  # it is looked at again, and does not open
        db.execute("UPDATE messages SET content = x'00' WHERE id = ?", (ids[2],))
    db.close()
    gateway.start()
    looks(gateway, shop)
    by_id = {m["id"]: m for m in shop.messages()}
    assert by_id[ids[0]]["content"]["message"]["text"]["body"] == "hello" and "damaged" not in by_id[ids[0]]
    for id_ in ids[1:]:
        assert by_id[id_]["content"] is None and by_id[id_]["damaged"] is True
        assert shop.message(id_)["damaged"] is True
    caller = Caller(gateway)
    caller.open(shop)
    assert caller.get("messages").body.count(b"cannot be opened") == 2
    assert wait_for(lambda: len(shop.events("unparsed")) == 1)
    assert shop.send(shop.question("hello", "wamid.new")).status == 200


@pytest.mark.parametrize("purpose", [1, 2, 3])
def test_a_damaged_tenant_key(gateway, provider, shop, purpose):
    """The shop is shown as damaged, whichever of its keys it is, and the other one goes on."""
    ada = Shop(gateway, provider, "Ada", OTHER, responder="catalogue", waba="102290129340399")
    ada.products(PAUL)
    assert shop.send(shop.question("hello", "wamid.0")).status == 200
    gateway.stop()
    flip(gateway, "tenant_keys", "wrapped", "business_id = ? AND purpose = ?", shop.id, purpose)
    gateway.start()
    looks(gateway, shop, ada)
    assert ("shop_damaged", None) in findings(gateway, shop)
    caller = Caller(gateway)
    caller.open(shop)
    keys = caller.get("access").body
    assert b"entered again</b>" not in keys, "nothing can be entered"
    assert (b"cannot be opened" in keys) == (purpose == 1)
    looked = gateway.run("doctor", shop.id, check=False).stdout
    assert "[shop_damaged]" in looked and "[provider_silent]" not in looked, looked
    assert "To do: a backup of the database" in looked and "key rotate" in looked and "whoever runs" not in looked, looked
    assert "shop_damaged" not in {f for f, _ in findings(gateway, ada)}
    assert shop.send(shop.question("hello", "wamid.1")).status in (401, 503), "never a 200 for what is not kept"
    assert shop.post("hello").status in (202, 503)
    assert ada.send(ada.question("How much is iPhone 13 Pro?", "wamid.2")).status == 200
    assert wait_for(lambda: [m for m in ada.messages(direction="outbound") if m["state"] == "sent"])
    report = verify(gateway, check=False)
    assert not report["good"] and {b["id"] for b in report["businesses"] if b["damaged"]} == {shop.id}
    # what is said to help does, and what is not said to help does not
    said, = [f[3] for f in faults(report) if f[1] == "" and f[2] == ["credential", "content", "index"][purpose - 1]]
    assert ("backup alone" in said) == (purpose == 3) and (f"keyhouse key rotate {shop.id}," in said) == (purpose < 3)
    if purpose == 1:
        answer = shop.patch(access_token=shop.token)
        assert answer.status == 503 and f"keyhouse doctor {shop.id}" in answer.json["detail"], answer.body
        assert ("key_damaged", shop.connection) not in findings(gateway, shop), "it cannot be entered yet"
    told = gateway.run("key", "rotate", shop.id, check=False)
    assert told.returncode == 1 and "did not open and were left as they are" in told.stderr, told
    if purpose == 1:
        assert ("key_damaged", shop.connection) in findings(gateway, shop)
        assert shop.patch(access_token=shop.token).status == shop.patch(app_secret=shop.app_secret).status == 200
    assert shop.send(shop.question("hello", "wamid.3")).status == (503 if purpose == 3 else 200)
    assert ("shop_damaged" in {f for f, _ in findings(gateway, shop)}) == (purpose == 3)
    if purpose < 3:
        sent = shop.post("hello").json["id"]
        assert wait_for(lambda: shop.message(sent)["state"] == "sent"), shop.message(sent)
        assert "key of before does not open" in json.dumps(verify(gateway, check=False))


@pytest.mark.parametrize("purpose", [1, 2, 3])
def test_a_damaged_key_of_the_installation(gateway, provider, shop, purpose):
    """The shops' keys are not under it: all goes on, and what it was for is said to be broken. A wrong key file is no such damage."""
    sent = shop.post("hello").json["id"]
    assert wait_for(lambda: shop.message(sent)["state"] == "sent")
    gateway.stop()
    flip(gateway, "tenant_keys", "wrapped", "business_id = '' AND purpose = ?", purpose, at=-20 if purpose < 3 else 40)
    report = verify(gateway, check=False)
    assert not report["good"] and "the next start" in json.dumps(report)
    gateway.start()
    log = gateway.log_text()
    assert f"own {['credential', 'content', 'index'][purpose - 1]} key was damaged" in log
    assert ("the audit is broken" in log) == (purpose == 1)
    assert shop.send(shop.question("hello", "wamid.1")).status == 200
    sent = shop.post("hello", to="+16505550002").json["id"]
    assert wait_for(lambda: shop.message(sent)["state"] == "sent")
    assert gateway.run("verify", "--audit", check=False).returncode == (purpose == 1)
    gateway.stop()
    assert verify(gateway)["good"], "the damaged one is gone"
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        kept = db.execute("SELECT wrapped FROM tenant_keys ORDER BY business_id, purpose").fetchall()
    db.close()
    (gateway.data / "master.key").unlink()
    other = Gateway(gateway.dir / "other", provider.url)
    other.dir.mkdir()
    other.run("init")
    shutil.copy(other.data / "master.key", gateway.data / "master.key")
    gateway.start(wait=False)
    assert gateway.process.wait(20) == 1 and "not the one this database was made with" in gateway.log_text()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        assert kept == db.execute("SELECT wrapped FROM tenant_keys ORDER BY business_id, purpose").fetchall(), "nothing was replaced"
    db.close()


def test_a_damaged_responder(gateway, provider, shop):
    with Platform() as platform:
        gateway.stop()
        gateway.settings["responder_allow"] = f"127.0.0.1:{platform.port}"
        gateway.start()
        shop.use_platform(platform)
        gateway.stop()
        flip(gateway, "responders", "url", "business_id = ?", shop.id)
        flip(gateway, "responders", "secret", "business_id = ?", shop.id)
        gateway.start()
        looks(gateway, shop)
        assert gateway.api("GET", shop.path("responder")).json["url"] is None
        assert {f[2] for f in faults(verify(gateway, check=False))} == {"url", "signing_secret"}
        assert shop.send(shop.question("hello", "wamid.1")).status == 200
        shop.use_platform(platform, rotate_secret=True)
        assert verify(gateway)["good"]
