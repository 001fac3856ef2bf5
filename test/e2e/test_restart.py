"""Goal of this test: dying and coming back. What was acknowledged is there, what may have been sent is not sent
again, roles restart together, and a start that cannot work says in one sentence why."""
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

import pytest

from conftest import BINARY, Gateway, Shop, wait_for

QUESTION = "How much is iPhone 13 Pro?"


def sends(provider):
    return [r for r in provider.requests if r.method == "POST" and r.path.endswith("/messages")]


def test_acknowledged_survives_a_kill(gateway, provider):
    shop = Shop(gateway, provider, "Paul", "106540352242922", responder="none")
    for n in range(20):
        assert shop.send(shop.question(QUESTION, f"wamid.{n}")).status == 200
    gateway.kill()
    gateway.start()
    assert wait_for(lambda: len(shop.messages(direction="inbound", limit=200)) == 20)
    assert len(shop.events()) == 20
    for n in range(20):
        assert shop.send(shop.question(QUESTION, f"wamid.{n}")).status == 200
    again = wait_for(lambda: [e for e in shop.events() if (e["delivered"], e["duplicates"]) == (0, 1)][19:])
    assert again and len(shop.messages(direction="inbound", limit=200)) == 20, shop.events()


def test_owed_answers_are_given_after_a_restart(gateway, provider, shop):
    provider.fault("hang", times=1)
    shop.send(shop.question(QUESTION, "wamid.h"))
    assert wait_for(lambda: sends(provider))
    for n in range(5):
        shop.send(shop.question(QUESTION, f"wamid.later{n}", customer=f"1650555{n:04}"))
    gateway.kill()
    gateway.start()
    def settled():
        states = [m["state"] for m in shop.messages(direction="outbound")]
        return len(states) == 6 and not {"queued", "sending"} & set(states) and states
    states = wait_for(settled, timeout=20)
    assert states, shop.messages(direction="outbound")
    assert states.count("unknown") >= 1, "what hung may have been accepted: it is not sent again"
    ids = [r.json["biz_opaque_callback_data"] for r in sends(provider)]
    assert len(ids) == len(set(ids)), "nothing is sent twice"


def test_unknown_is_settled_by_its_status(gateway, provider, shop):
    provider.fault("drop", times=1)
    shop.send(shop.question(QUESTION, "wamid.d"))
    message = wait_for(lambda: [m for m in shop.messages(direction="outbound") if m["state"] == "unknown"])[0]
    shop.send(shop.status("wamid.THEIRS", "delivered", opaque=message["id"]))
    assert wait_for(lambda: shop.messages(direction="outbound")[0]["state"] == "delivered")
    time.sleep(0.5)
    assert len(sends(provider)) == 1


@pytest.mark.parametrize("role", ["listener", "sender", "vault"])
def test_a_dead_role_takes_the_others_along(gateway, provider, shop, role):
    before = {r: gateway.role_pid(r) for r in ("listener", "sender", "vault")}
    assert all(before.values()), before
    os.kill(before[role], signal.SIGKILL)
    assert wait_for(lambda: gateway.role_pid("vault") not in (None, before["vault"]))
    assert gateway.ready()
    after = {r: gateway.role_pid(r) for r in before}
    assert all(after[r] and after[r] != before[r] for r in before), (before, after)
    assert shop.send(shop.question(QUESTION, "wamid.after")).status == 200
    assert wait_for(lambda: sends(provider))


def test_roles_die_with_the_supervisor(gateway):
    pids = [gateway.role_pid(r) for r in ("listener", "sender", "vault")]
    os.kill(gateway.process.pid, signal.SIGKILL)
    gateway.process.wait()
    assert wait_for(lambda: not any(pathlib.Path(f"/proc/{p}").exists() for p in pids), timeout=5)
    gateway.start()


def test_restart_in_the_same_second(gateway, shop):
    for n in range(3):
        gateway.kill()
        gateway.start()
        assert shop.send(shop.question(QUESTION, f"wamid.r{n}")).status == 200


def test_ends_when_told(gateway, shop):
    shop.send(shop.question(QUESTION, "wamid.t"))
    assert gateway.stop() == 0


@pytest.mark.parametrize("role", ["vault", "listener"])
def test_ends_while_it_starts(gateway, role):
    """A start may take long (a long log to recover): nobody who ends it waits for that."""
    gateway.stop()
    for _ in range(10):
        gateway.log_path.unlink()
        gateway.start(wait=False)
        os.kill(wait_for(lambda: gateway.role_pid(role), every=0), signal.SIGSTOP)
        time.sleep(0.5)
        if "serving" not in gateway.log_text():
            break
        gateway.kill()
    else:
        pytest.fail("it was always faster")
    began = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - began < 3
    assert "error" not in gateway.log_text() and gateway.role_pid(role) is None
    gateway.start()


# ------------------------------------------------------------ a start that cannot work

def start_fails(gateway):
    """Exit status and the last sentence of a start that must not succeed."""
    done = subprocess.run([BINARY, "serve", *gateway.arguments()], capture_output=True, text=True, timeout=30)
    return done.returncode, [line for line in done.stderr.splitlines() if "cannot start" in line][-1]


def test_key_file_open_to_others(gateway, shop):
    gateway.stop()
    key = gateway.data / "master.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o640)
    status, why = start_fails(gateway)
    assert status == 1 and "master.key" in why and "owner" in why
    key.chmod(0o600)
    gateway.start()


def test_key_file_missing(gateway, shop):
    gateway.stop()
    (gateway.data / "master.key").rename(gateway.data / "kept")
    status, why = start_fails(gateway)
    assert status == 1 and "missing" in why
    assert not (gateway.data / "master.key").exists(), "no new key is made beside an old database"
    (gateway.data / "kept").rename(gateway.data / "master.key")
    gateway.start()


def test_wrong_master_key(gateway, shop, directory):
    gateway.stop()
    other = Gateway(directory + "/o", "http://127.0.0.1:9") if os.makedirs(directory + "/o") is None else None
    other.run("init")
    shutil.copy(other.data / "master.key", gateway.data / "master.key")
    status, why = start_fails(gateway)
    assert status == 1 and "not the one this database was made with" in why


def test_garbled_key_file(gateway):
    gateway.stop()
    key = gateway.data / "master.key"
    key.write_text("hello\n")
    status, why = start_fails(gateway)
    assert status == 1 and "key file" in why


def test_newer_database(gateway):
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        db.execute("PRAGMA user_version = 9999")
    db.close()
    status, why = start_fails(gateway)
    assert status == 1 and "newer" in why


def test_not_a_database(gateway):
    gateway.stop()
    for name in ("keyhouse.db-wal", "keyhouse.db-shm"):
        (gateway.data / name).unlink(missing_ok=True)
    (gateway.data / "keyhouse.db").write_bytes(b"hello world, this is no database" * 1000)
    status, why = start_fails(gateway)
    assert status == 1 and "database" in why


def test_second_serve(gateway):
    status, why = start_fails(gateway)
    assert status == 1 and "another keyhouse" in why
    assert gateway.get("/healthz").status == 200


def test_port_in_use(gateway, directory):
    os.makedirs(directory + "/p")
    second = Gateway(directory + "/p", "http://127.0.0.1:9", listen=f"127.0.0.1:{gateway.port}")
    status, why = start_fails(second)
    assert status == 1 and "in use" in why


def test_reload_loses_no_caller(gateway, shop):
    """SIGHUP starts the roles again with the key file and certificates as they are now; callers wait, none is refused."""
    before = gateway.role_pid("listener")
    gateway.process.send_signal(signal.SIGHUP)
    codes = [shop.send(shop.question(QUESTION, f"wamid.hup{n}")).status for n in range(5)]
    assert wait_for(lambda: gateway.role_pid("listener") not in (None, before))
    codes += [shop.send(shop.question(QUESTION, f"wamid.hup2{n}")).status for n in range(5)]
    assert set(codes) <= {200, 503}, codes
    assert wait_for(lambda: shop.send(shop.question(QUESTION, "wamid.hup3")).status == 200)


def test_a_crash_loop_is_slowed_down(gateway):
    """Each death doubles the wait before the next start."""
    starts = []
    for _ in range(4):
        listener = wait_for(lambda: gateway.ready(5) and gateway.role_pid("listener"))
        starts.append(time.monotonic())
        os.kill(listener, signal.SIGKILL)
        wait_for(lambda: gateway.role_pid("listener") not in (listener,), timeout=2)
    assert gateway.ready()
    starts.append(time.monotonic())
    gaps = [b - a for a, b in zip(starts, starts[1:])]
    assert gaps[-1] >= 0.8 and gaps[-1] > gaps[0], gaps


def test_a_backup_is_served(gateway, provider, shop):
    """README's way: the copy and the key file in an empty directory, while the first one runs."""
    assert shop.send(shop.question("How much is AirPods Pro 2?", "wamid.kept")).status == 200
    assert wait_for(lambda: shop.messages(direction="outbound", state="sent"))
    with tempfile.TemporaryDirectory(prefix="kh-") as d:
        copy = Gateway(d, provider.url)
        copy.data.mkdir(mode=0o700)
        assert "backed up" in gateway.run("backup", str(copy.data / "keyhouse.db")).stdout
        assert "there is a file of that name" in gateway.run("backup", str(copy.data / "keyhouse.db"), check=False).stderr
        for name in ("keyhouse.db", "keyhouse.db-wal", "keyhouse.db-journal"):
            refused = gateway.run("backup", str(gateway.data / name), check=False)
            assert refused.returncode == 1 and "belongs to the database" in refused.stderr
        shutil.copy(gateway.data / "master.key", copy.data / "master.key")
        copy.start()
        try:
            kept = copy.api("GET", f"/v1/businesses/{shop.id}/messages", token=gateway.token).json["data"]
            assert kept == shop.messages()
            assert copy.webhook(shop.id, shop.question("hello", "wamid.there"), shop.app_secret).status == 200
        finally:
            copy.stop()
