"""Goal of this test: whatever the disk does to the real program, no webhook is answered 200 that is not kept. A full disk is
waited out; after a failed sync or write the process ends, and the next one has all that was acknowledged."""
import itertools
import os
import pathlib
import sqlite3
import sys
import tempfile
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from conftest import BINARY, Gateway, Shop, wait_for  # noqa: E402
from provider import Provider  # noqa: E402
from test_kills import every_message  # noqa: E402

LIBRARY = BINARY.parent / "test" / "crash" / "baddisk.so"
TRIES = 20
ANSWER_S = 0.8  # the listener's own bound for a webhook
SLACK_S = 0.7  # a busy machine
GIVES_UP_S = 10  # as long as the store waits for somebody else's lock


class Impatient(Gateway):
    """While roles start anew, callers wait in the sockets' backlog."""

    def request(self, *what, timeout=3, **more):
        return super().request(*what, timeout=timeout, **more)


class Disk:
    def __init__(self, path):
        self.path = path
        self.well()

    def set(self, what):
        with open(self.path, "r+b" if self.path.exists() else "wb") as f:
            f.write(what)

    def well(self):
        self.set(b"-")


@pytest.fixture(scope="module")
def house():
    with tempfile.TemporaryDirectory(prefix="kh-") as directory, Provider() as provider:
        disk = Disk(pathlib.Path(directory) / "baddisk")
        gateway = Impatient(directory, provider.url)
        gateway.wrapper = ["env", f"LD_PRELOAD={LIBRARY}", f"BADDISK={disk.path}"]
        gateway.start()
        shop = Shop(gateway, provider, "Paul's Electronics", "106540352242922")
        yield gateway, shop, disk
        gateway.kill()


class Sent:
    """Webhooks, each of its own message, and which were acknowledged."""
    numbers = itertools.count(1)

    def __init__(self, shop):
        self.shop, self.acknowledged = shop, []

    def send(self):
        number = next(self.numbers)
        wamid = f"wamid.disk.{number}"
        try:
            status = self.shop.send(self.shop.question("Hello", wamid, customer=f"1650{number:07}")).status
        except Exception:  # cut off: the process ended meanwhile
            return None
        if status == 200:
            self.acknowledged.append(wamid)
        return status

    def kept(self):
        def missing():
            return set(self.acknowledged) - {m["wamid"] for m in every_message(self.shop)}
        assert wait_for(lambda: not missing(), timeout=10), missing()


def begin(house):
    gateway, shop, disk = house
    disk.well()
    gateway.stop()  # the pause before a start doubles with each that was in vain
    gateway.start()
    sent = Sent(shop)
    assert [sent.send() for _ in range(5)] == [200] * 5
    return gateway, disk, sent, gateway.role_pid("listener")


def served_again(gateway, sent):
    assert gateway.ready(20), gateway.log_text()[-3000:]
    assert wait_for(lambda: sent.send() == 200, timeout=10)
    sent.kept()


def test_a_full_disk_is_waited_out(house):
    gateway, disk, sent, pid = begin(house)
    disk.set(b"f")
    refused = {sent.send() for _ in range(TRIES)}
    disk.well()
    assert refused == {503}
    assert wait_for(lambda: sent.send() == 200, timeout=2), "there is room again"
    assert gateway.role_pid("listener") == pid, "nothing had to start anew"
    sent.kept()


@pytest.mark.parametrize("trouble", ["s", "w"])
def test_after_a_failed_sync_or_write_the_process_ends(house, trouble):
    gateway, disk, sent, pid = begin(house)
    disk.set(trouble.encode())
    refused = []
    while None not in refused and len(refused) < TRIES:
        refused.append(sent.send())
    assert set(refused) <= {503, None}
    assert wait_for(lambda: gateway.role_pid("listener") != pid, timeout=5), "the listener ends"
    assert gateway.process.poll() is None, "and is started again, in vain as long as that lasts"
    assert sent.send() != 200
    disk.well()
    served_again(gateway, sent)


def test_one_failed_sync_among_many_at_once(house):
    gateway, disk, sent, pid = begin(house)
    everybody = [Sent(sent.shop) for _ in range(8)]
    end = threading.Event()

    def keep_on(one):
        while not end.is_set():
            if one.send() != 200:
                time.sleep(0.01)
    threads = [threading.Thread(target=keep_on, args=[one]) for one in everybody]
    for t in threads:
        t.start()
    time.sleep(0.3)
    disk.set(b"s")
    gone = wait_for(lambda: gateway.role_pid("listener") != pid, timeout=5)
    disk.well()
    ready = gateway.ready(20)
    end.set()
    for t in threads:
        t.join()
    assert gone and ready
    for one in everybody:
        one.kept()


def hold(gateway):
    """Somebody else's transaction."""
    other = sqlite3.connect(next(gateway.data.glob("*.db")), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_a_locked_database(house):
    gateway, disk, sent, pid = begin(house)
    other = hold(gateway)
    for _ in range(3):
        before = time.monotonic()
        assert sent.send() == 503
        assert time.monotonic() - before < ANSWER_S + SLACK_S
    other.execute("ROLLBACK")
    other.close()
    assert wait_for(lambda: sent.send() == 200, timeout=2)
    assert gateway.role_pid("listener") == pid, "it goes on"
    sent.kept()


@pytest.mark.skipif("KH_SLOW" not in os.environ, reason="takes a quarter of a minute")
def test_a_database_that_stays_locked(house):
    gateway, disk, sent, pid = begin(house)
    other = hold(gateway)
    end = time.monotonic() + GIVES_UP_S + 3
    while time.monotonic() < end:
        assert sent.send() in (503, None)
        time.sleep(0.1)
    other.execute("ROLLBACK")
    other.close()
    assert gateway.role_pid("listener") != pid, "it ends and starts anew"
    served_again(gateway, sent)
