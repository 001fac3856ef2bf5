"""Goal of this test: keys are replaced while webhooks and sends go on, nothing fails for it, a kill at any moment leaves
nothing unreadable, and what was destroyed is gone: from the files, too."""
import http.client
import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time

from conftest import BINARY, Answer, Gateway, wait_for

GRACE_S = 30  # before older tenant keys are destroyed


def status(gateway):
    return json.loads(gateway.run("key", "status", "--json").stdout)


def rows(gateway, sql, *values):
    with sqlite3.connect(f"file:{gateway.data}/keyhouse.db?mode=ro", uri=True, timeout=10) as db:
        return db.execute(sql, values).fetchall()


def versions(gateway, business):
    """{purpose: [versions]} of the tenant keys."""
    found = {}
    for purpose, version in rows(gateway, "SELECT purpose, version FROM tenant_keys WHERE business_id = ? ORDER BY 1, 2", business):
        found.setdefault(purpose, []).append(version)
    return found


def sealed_versions(gateway, business):
    """Under which versions of the tenant keys anything lies: what is in the blobs' headers."""
    found = set()
    for table, column in (("events", "body"), ("messages", "content"), ("messages", "wamid"), ("asks", "content"),
                          ("credentials", "sealed")):
        for (blob,) in rows(gateway, f"SELECT {column} FROM {table} WHERE business_id = ? AND {column} IS NOT NULL", business):
            found.add((column == "sealed", int.from_bytes(blob[8:12], "big")))
    return found


def control(gateway, method, path, body):
    """What a command asks, over the owner's socket."""
    connection = http.client.HTTPConnection("keyhouse")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(gateway.data / "control"))
    connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
    answer = Answer(connection.getresponse())
    connection.close()
    return answer


class Traffic:
    """Webhooks of a shop, each answered by the catalogue, and sends by API, until told to stop."""

    def __init__(self, gateway, shop):
        self.gateway, self.shop, self.stopping = gateway, shop, threading.Event()
        self.webhooks, self.sends, self.failures, self.took = 0, 0, [], []
        self.threads = [threading.Thread(target=run) for run in (self.hooks, self.api)]
        for thread in self.threads:
            thread.start()

    def hooks(self):
        while not self.stopping.is_set():
            self.webhooks += 1
            began = time.monotonic()
            answer = self.shop.send(self.shop.question("How much is AirPods Pro 2?", f"wamid.load{self.webhooks}", f"49151{self.webhooks:08d}"))
            self.took.append(time.monotonic() - began)
            if answer.status != 200:
                self.failures.append((answer.status, answer.body))
            time.sleep(0.01)

    def api(self):
        while not self.stopping.is_set():
            answer = self.gateway.api("POST", self.shop.path("messages"),
                                      {"to": f"+23480{self.sends:08d}", "type": "text", "text": {"body": "hello"}})
            self.sends += 1
            if answer.status != 202:
                self.failures.append((answer.status, answer.body))
            time.sleep(0.02)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        return self


def all_went(gateway, shop, count):
    def states():
        return dict(rows(gateway, "SELECT state, count(*) FROM messages WHERE business_id = ? AND direction = 2 GROUP BY 1", shop.id))
    assert wait_for(lambda: sum(n for state, n in states().items() if state in (5, 6, 7)) >= count, timeout=60), (count, states())
    assert set(states()) <= {5, 6, 7}, states()


def test_all_keys_under_load(gateway, shop, provider):
    """Master key, then all tenant keys, then the master key again, while a shop works. Then the older ones are destroyed."""
    assert shop.send(shop.question("How much is AirPods Pro 2?", "wamid.before")).status == 200
    assert wait_for(lambda: shop.messages(direction="outbound", state="sent"))
    before = status(gateway)
    old_wrapped = rows(gateway, "SELECT wrapped FROM tenant_keys WHERE business_id = ? AND purpose < 3", shop.id)
    pids = {role: gateway.role_pid(role) for role in ("listener", "sender", "vault")}
    traffic = Traffic(gateway, shop)
    assert wait_for(lambda: traffic.sends > 5)
    said = gateway.run("key", "rotate", "--master").stdout
    first = status(gateway)
    assert first["master_key_id"] != before["master_key_id"] and first["master_key_id"] in said
    assert first["keys_under_others"] == 0 and first["keys"] == before["keys"]
    said = gateway.run("key", "rotate", "--all").stdout
    assert "within a minute" in said
    assert versions(gateway, shop.id) == {1: [1, 2], 2: [1, 2], 3: [1]}
    busy = gateway.run("key", "rotate", shop.id, check=False)
    assert busy.returncode == 1 and "being replaced already" in busy.stderr
    gateway.run("key", "rotate", "--master")
    assert wait_for(lambda: versions(gateway, shop.id) == {1: [2], 2: [2], 3: [1]}, timeout=GRACE_S + 30), status(gateway)
    traffic.stop()
    assert not traffic.failures, traffic.failures[:3]
    assert traffic.webhooks > 200 and traffic.sends > 100
    all_went(gateway, shop, traffic.webhooks + traffic.sends + 1)
    assert pids == {role: gateway.role_pid(role) for role in pids}, "nothing was started anew for it"
    assert " error " not in gateway.log_text() and "unknown" not in gateway.log_text()
    assert sealed_versions(gateway, shop.id) == {(True, 2), (False, 2)}
    # All that there was can be read.
    text = [m["content"]["text"]["body"] for m in shop.messages(direction="outbound", limit=200) if m.get("content")]
    assert len(shop.messages(limit=200)) == 200 and (not text or "hello" in text)
    # The older ones are in no file.
    gateway.stop()
    for name in os.listdir(gateway.data):
        if name.startswith("keyhouse.db"):
            data = (gateway.data / name).read_bytes()
            assert not any(blob in data for (blob,) in old_wrapped), name
    # Without the older master keys it goes on, and a file without the key in use is not taken.
    assert "2 master keys are taken out" in gateway.run("key", "retire").stdout
    gateway.start()
    assert shop.send(shop.question("How much is AirPods Pro 2?", "wamid.after")).status == 200
    assert {c["name"]: c["result"] for c in shop.test()["checks"]}["token"] == "ok"


def test_a_second_master_key_while_the_first_is_under_way(gateway, shop):
    """What was looked through already is looked through again: none stays behind under the one in between."""
    def wrapped():
        return dict(rows(gateway, "SELECT master_key_id, count(*) FROM tenant_keys GROUP BY 1"))

    for n in range(400):
        assert gateway.api("POST", "/v1/businesses", {"id": f"t{n}", "name": f"Tenant {n}"}).status == 201
    (before, count), = wrapped().items()
    traffic = Traffic(gateway, shop)
    try:
        assert wait_for(lambda: traffic.sends > 5)
        first = subprocess.Popen([BINARY, "key", "rotate", "--master", *gateway.arguments()], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        assert wait_for(lambda: 0 < wrapped().get(before, 0) < count, every=0.002)
        gateway.run("key", "rotate", "--master")
        first.communicate(timeout=30)
    finally:
        traffic.stop()
    assert list(wrapped()) == [status(gateway)["master_key_id"]] and before not in wrapped()
    assert not traffic.failures, traffic.failures[:3]


def test_a_wrong_key_file_is_not_taken(gateway, shop):
    """Whatever lies there: the running vault keeps what it has, and says so in one sentence."""
    path = gateway.data / "master.key"
    good = path.read_bytes()
    key = re.search(rb"current (\w{16}) ", good).group(1).decode()
    other = Gateway(gateway.dir / "other", "http://127.0.0.1:9")
    other.dir.mkdir()
    other.run("init")
    foreign = (other.data / "master.key").read_bytes()
    for n, (text, mode, sentence) in enumerate((
            (b"", 0o600, "cannot be read as one"), (good.replace(b"current", b"previous"), 0o600, "cannot be read as one"),
            (foreign, 0o600, "does not hold the key that is in use"), (good, 0o644, "only its owner"),
            (None, 0, "is missing"))):
        path.unlink()
        if text is not None:
            path.write_bytes(text)
            path.chmod(mode)
        refused = control(gateway, "POST", "/control/keys/rotate", {"what": "master"})
        assert refused.status == 409 and sentence in refused.json["detail"], (n, refused.body)
        assert status(gateway)["master_key_id"] == key
        assert shop.send(shop.question("hello", f"wamid.{n}")).status == 200
        if text is None:
            path.write_bytes(good)
    path.chmod(0o600)
    assert control(gateway, "POST", "/control/keys/rotate", {"what": "master"}).status == 202
    for bad in ({}, {"what": "x"}, {"what": "business"}, {"what": 1}, []):
        assert control(gateway, "POST", "/control/keys/rotate", bad).status == 400, bad


def test_killed_at_any_moment(gateway, shop):
    """Again and again a rotation is begun and everything killed; then it is ended, and all that was there is readable."""
    chance = random.Random(7)
    for n in range(40):
        assert shop.send(shop.question("How much is AirPods Pro 2?", f"wamid.{n}", f"49151{n:08d}")).status == 200
    all_went(gateway, shop, 40)
    kept = shop.messages(limit=200)
    for n in range(12):
        began = threading.Thread(target=lambda: gateway.run("key", "rotate", *(["--master"] if n % 2 else [shop.id]), check=False))
        began.start()
        time.sleep(chance.uniform(0, 0.25))
        gateway.kill()
        began.join()
        if n % 3 == 2:
            # Off line there is nobody to wait for: what stands is ended, the older keys are destroyed at once.
            ended = gateway.run("key", "rotate", shop.id, check=False)
            assert ended.returncode in (0, 1), ended.stderr
            gateway.run("key", "rotate", "--all")
            assert len(versions(gateway, shop.id)[1]) == len(versions(gateway, shop.id)[2]) == 1
        gateway.start()
        assert wait_for(lambda: status(gateway)["keys_under_others"] == 0, timeout=10), status(gateway)
        now = shop.messages(limit=200)
        assert [(m["id"], m["wamid"], m["customer"]) for m in now] == [(m["id"], m["wamid"], m["customer"]) for m in kept]
        assert shop.send(shop.question("How much is AirPods Pro 2?", f"wamid.round{n}", f"49152{n:08d}")).status == 200
        all_went(gateway, shop, 41 + n)
        kept = shop.messages(limit=200)
    assert status(gateway)["damaged"] == 0


def test_a_pasted_key_wins(gateway, shop, provider):
    """While keys are replaced over and over, new access tokens are pasted: the last one is the one that sends."""
    gateway.stop()
    gateway.start()
    stopping = threading.Event()

    def rotate():
        while not stopping.is_set():
            gateway.run("key", "rotate", shop.id, check=False)
            gateway.run("key", "rotate", "--master", check=False)
            gateway.run("key", "retire", check=False)
    thread = threading.Thread(target=rotate)
    thread.start()
    try:
        for n in range(8):
            token = f"EAAGpasted{n}" + "x" * 30
            provider.add_token(token, [shop.number], app_id=shop.app_id, app_secret=shop.app_secret, waba_ids=[shop.waba])
            answer = gateway.api("PATCH", shop.path("connections", shop.connection), {"access_token": token})
            assert answer.status == 200, answer.body
    finally:
        stopping.set()
        thread.join()
    sent = gateway.api("POST", shop.path("messages"), {"to": "+2348012340000", "type": "text", "text": {"body": "which key"}})
    assert sent.status == 202
    assert wait_for(lambda: provider.sent(shop.number))
    assert [r.token for r in provider.requests if r.path.endswith("/messages")] == [token]


def test_one_damaged_key_holds_up_nobody(gateway, shop, provider):
    """A tenant key that does not open stays where it is; the others are wrapped anew, and the operator hears of it."""
    gateway.run("business", "add", "broken", "--name", "Broken")
    gateway.run("business", "add", "zeta", "--name", "Behind it")
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        db.execute("UPDATE tenant_keys SET wrapped = zeroblob(148) WHERE business_id = 'broken' AND purpose = 2")
        db.execute("UPDATE tenant_keys SET wrapped = x'01' WHERE business_id = 'broken' AND purpose = 1")
    db.close()
    gateway.start()
    said = gateway.run("key", "rotate", "--master").stdout
    now = status(gateway)
    assert now["keys_under_others"] == 2 and now["keys_damaged"] == 2 and now["damaged"] == 0
    assert f"{now['keys'] - 2} tenant keys" in said
    assert gateway.log_text().count("a tenant key does not open") >= 2
    assert shop.send(shop.question("hello", "wamid.still")).status == 200
    # Its master key is still needed, as far as anybody can tell: it is not taken out.
    assert "no master key that nothing needs" in gateway.run("key", "retire").stdout
    # Replacing that shop's own keys is not called a success, however often; the others' is.
    for _ in range(2):
        refused = gateway.run("key", "rotate", "broken", check=False)
        assert refused.returncode == 1 and "2 keys or sealed values did not open" in refused.stderr and not refused.stdout, refused
    assert "The shop has new keys" in gateway.run("key", "rotate", "zeta").stdout


def test_nothing_is_destroyed_under_the_wrong_key_file(gateway, shop, provider):
    """A tenant key that does not open may be a matter of the key file: it is kept, and no other shop's rotation waits for it."""
    gateway.run("business", "add", "aside", "--name", "Aside")
    gateway.run("business", "add", "zeta", "--name", "Behind it")
    path = gateway.data / "master.key"
    old = path.read_text()
    wrapped = rows(gateway, "SELECT wrapped, master_key_id, purpose FROM tenant_keys WHERE business_id = 'aside'")
    gateway.run("key", "rotate", "--master")
    gateway.run("key", "retire")
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        for row in wrapped:
            db.execute("UPDATE tenant_keys SET wrapped = ?, master_key_id = ? WHERE business_id = 'aside' AND purpose = ?", row)
    db.close()
    gateway.start()
    assert "nothing of it was destroyed" in gateway.run("key", "rotate", "--all", check=False).stderr
    assert versions(gateway, "zeta") == {1: [1, 2], 2: [1, 2], 3: [1]}
    gateway.stop()
    gateway.run("key", "rotate", "--all", check=False)  # off line what is left over is destroyed at once
    assert versions(gateway, "aside")[1][0] == versions(gateway, "aside")[2][0] == 1
    assert len(versions(gateway, "zeta")[1]) == len(versions(gateway, "zeta")[2]) == 1
    path.write_text(path.read_text() + re.search(".* current .*\n", old)[0].replace(" current ", " previous "))
    assert "damaged 0" in gateway.run("verify").stdout


def test_usage(gateway):
    for words in ((), ("--all", "--master"), ("x", "--all"), ("x", "--to", "y")):
        assert gateway.run("key", "rotate", *words, check=False).returncode == 2, words
    assert "nothing has that id" in gateway.run("key", "rotate", "nobody", check=False).stderr
    path = gateway.dir / "next.key"
    assert "restart" in gateway.run("key", "rotate", "--master", "--to", str(path)).stdout
    assert path.stat().st_mode & 0o77 == 0 and path.read_bytes().count(b"previous") == 1
    assert "already" in gateway.run("key", "rotate", "--master", "--to", str(path), check=False).stderr
    # Put in its place, and the service told as a service manager does.
    os.replace(path, gateway.data / "master.key")
    before = status(gateway)["master_key_id"]
    gateway.process.send_signal(signal.SIGHUP)
    assert wait_for(lambda: gateway.ready(5) and (told := gateway.run("key", "status", "--json", check=False)).returncode == 0
                    and json.loads(told.stdout)["master_key_id"] != before)
    assert wait_for(lambda: status(gateway)["keys_under_others"] == 0)
    gateway.stop()
    os.environ["CREDENTIALS_DIRECTORY"] = str(gateway.dir)
    try:
        os.replace(gateway.data / "master.key", gateway.dir / "master-key")
        refused = gateway.run("key", "rotate", "--master", check=False)
        assert refused.returncode == 1 and "--to FILE" in refused.stderr
        gateway.run("key", "status")
    finally:
        del os.environ["CREDENTIALS_DIRECTORY"]




def test_another_key_file_than_the_services(gateway, shop, monkeypatch):
    """The service has a systemd credential; the command, in an operator's shell, is told the file that it is made from."""
    gateway.stop()
    key, credentials = gateway.data / "master.key", gateway.dir / "credentials"
    credentials.mkdir()
    (credentials / "master-key").write_bytes(key.read_bytes())
    (credentials / "master-key").chmod(0o600)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    gateway.start()
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    before = status(gateway)["master_key_id"]
    done = gateway.run("key", "rotate", "--master", check=False)
    assert done.returncode == 1 and "another key file" in done.stderr and " now; " not in done.stdout
    assert status(gateway)["master_key_id"] == before
    (credentials / "master-key").write_bytes(key.read_bytes())
    gateway.stop()
    gateway.start()  # without the credential: the file holds the older key, too
    assert status(gateway)["master_key_id"] != before
    assert shop.send(shop.question("hello", "wamid.other")).status == 200


def test_more_than_are_shown(gateway):
    """Are counted, by the command and on the page, where what is looked for is not below them."""
    from test_admin import Operator
    gateway.stop()
    later = int(time.time() * 1000) + 3600_000  # nothing is to be done about them yet
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        db.executemany("INSERT INTO rotations (business_id, purpose, version, state, place, cursor, done, total, started_at, scanned_at) "
                       "VALUES (?, 1, 2, 2, 6, 0, 1, 1, 1, ?)", [(f"shop{n}", later) for n in range(205)])
    db.close()
    gateway.start()
    shown = gateway.run("key", "status").stdout.splitlines()
    assert sum("credential key, version 2" in line for line in shown) == 200 and shown[-1] == "and 5 more"
    page = Operator(gateway).sign_in().get("keys").body.decode()
    assert page.index("Admin tokens") < page.index("Who has these pages open") < page.index("Keys being replaced") < page.index("more</p>")
