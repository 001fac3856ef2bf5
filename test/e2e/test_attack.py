"""Goal of this test: strangers who hold every worker, or try to, keep nobody out. While they come again as fast as they
are closed, an honest webhook from another address is answered within a second, memory stays bounded, and all that they
are told is that they were refused."""
import collections
import contextlib
import http.client
import json
import math
import pathlib
import re
import selectors
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time

import pytest

from attacks import answer, is_whole
from conftest import Gateway, Shop, free_port, sign, wait_for
from test_tls import certificate

HERE = pathlib.Path(__file__).parent
WORKERS = 128
HONEST = "127.0.9.9"


def memory_mb(gateway, name="VmRSS"):
    status = pathlib.Path(f"/proc/{gateway.role_pid('listener')}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+) kB", status).group(1)) // 1024


class Crowd:
    """crowd.py; what it was told is in told, once it has ended."""

    def __init__(self, port, kind, connections=2 * WORKERS, addresses=3, seconds=30.0, first=2):
        self.process = subprocess.Popen([sys.executable, HERE / "crowd.py", str(port), kind, str(connections), str(addresses),
                                         str(seconds), str(first)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "here\n"

    def end(self):
        self.told = json.loads(self.process.communicate(timeout=60)[0])
        return self.told


@contextlib.contextmanager
def crowd(*args, **more):
    c = Crowd(*args, **more)
    try:
        yield c
    finally:
        if not hasattr(c, "told"):
            c.process.kill()
            c.process.wait()


def ask(shop, n, address=HONEST, port=None, context=None):
    """An honest webhook on a connection of its own: its status and how long it took."""
    body = json.dumps(shop.question("How much is iPhone 13 Pro?", f"wamid.honest{n}")).encode()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": sign(shop.app_secret, body)}
    began = time.monotonic()
    if context:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context, source_address=(address, 0))
    else:
        connection = http.client.HTTPConnection("127.0.0.1", shop.gateway.port, timeout=10, source_address=(address, 0))
    try:
        connection.request("POST", f"/webhooks/{shop.id}", body, headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as e:
        status = repr(e)
    finally:
        connection.close()
    return status, time.monotonic() - began


def honest(shop, seconds, **more):
    """One webhook after the other. The slowest took so long; for ever, where one was not answered 200."""
    end, took, n = time.monotonic() + seconds, [], 0
    while time.monotonic() < end:
        status, t = ask(shop, f"{time.monotonic()}", **more)
        took.append(t if status == 200 else math.inf)
        if status != 200:
            print(f"answered {status} after {t:.2f} s")
        n += 1
        time.sleep(0.02)
    took.sort()
    print(f"{len(took)} honest: median {took[len(took) // 2] * 1000:.0f} ms, slowest {took[-1] * 1000:.0f} ms")
    return took[-1]


# What strangers may be told.
REFUSALS = {400, 401, 403, 404, 408, 413, 429, 431, 503}
FINE = {"kept": {200}, "asking": {200}}  # these ask for /healthz


def assert_kept_out(gateway, shop, kind, seconds=0.8, port=None, **more):
    """While such a crowd is there, an honest webhook from elsewhere is answered within a second. Two cores that have more
    to do than this test are slow now and then: one of three tries has to be fast."""
    for attempt in range(3):
        with crowd(port or gateway.port, kind, seconds=seconds + 0.5, **more) as c:
            slowest = honest(shop, seconds)
            told = c.end()
        print(kind, more, told, f"{memory_mb(gateway)} MiB")
        assert set(map(int, told["statuses"])) <= REFUSALS | FINE.get(kind, set()) and told["other"] == 0, told
        if slowest < 1:
            return told
    raise AssertionError(f"{kind}: {slowest:.1f} s")


KINDS = ["idle", "heads", "bodies", "kept", "asking", "deaf", "large", "wrong"]


def test_workers_are_not_held(gateway, shop):
    """Twice as many as there are workers, from three addresses: without giving way each of these takes everybody's
    worker for ten seconds, and the queue with it."""
    for kind in KINDS:
        told = assert_kept_out(gateway, shop, kind)
        assert told["closed"] > 0, (kind, told)
    assert memory_mb(gateway, "VmHWM") < 200
    assert gateway.metric("keyhouse_http_gave_way_total") > 100


def hold_large(held, gateway, addresses, sent):
    """More large bodies than there is room for, of which so many bytes come."""
    crowd = []
    for n in range(35):
        caller = held.enter_context(socket.create_connection(
            ("127.0.0.1", gateway.port), source_address=(addresses[n % len(addresses)], 0)))
        caller.sendall(b"POST /webhooks/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: 3200000\r\n\r\n" + b"{" * sent)
        crowd.append(caller)
    time.sleep(0.3)
    return crowd


def test_who_only_says_how_much_holds_nothing(gateway, shop):
    """Large bodies share so much memory. It is not had by saying that one comes."""
    with contextlib.ExitStack() as held:
        hold_large(held, gateway, ["127.0.9.7"], 1)
        for length in 70000, 3000000, 70000:
            began = time.monotonic()
            assert shop_post(shop, b'{"a":"' + b"x" * length + b'"}', HONEST) == 200
            assert time.monotonic() - began < 0.5


@pytest.mark.parametrize("drip", [0, 20000])
def test_who_holds_room_and_is_slow_gives_way(gateway, shop, drip):
    """Also who sends on, but not as fast as he would who means it."""
    with contextlib.ExitStack() as held:
        crowd = hold_large(held, gateway, ["127.0.9.7", "127.0.9.8"], 70000)
        ended = threading.Event()

        def go_on():
            while drip and not ended.wait(0.1):
                for caller in crowd:
                    with contextlib.suppress(OSError):
                        caller.send(b"{" * drip, socket.MSG_DONTWAIT)

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            for length in 70000, 3000000, 70000:
                began = time.monotonic()
                assert shop_post(shop, b'{"a":"' + b"x" * length + b'"}', HONEST) == 200
                assert time.monotonic() - began < 1
        finally:
            ended.set()
            thread.join()


def test_many_values_take_little(gateway, shop):
    """What a shop signs itself may be dense: fifty times its length as trees, for each message of a page."""
    for n in range(16):
        one = b'{"id":"wamid.%d","from":"1","type":"x","x":[%s0]}' % (n, b"0," * 259000)
        assert shop.send(b'{"entry":[{"id":"%s","changes":[{"field":"messages","value":{"messages":[%s]}}]}]}' % (
            shop.waba.encode(), one)).status == 200
    assert wait_for(lambda: all(e["state"] == "settled" for e in shop.events()))
    page = shop.messages(limit=200)
    assert len(page) == 16 and all(len(m["content"]["message"]["x"]) == 259001 for m in page)
    assert memory_mb(gateway, "VmHWM") < 200


def test_more_than_there_is_room_for(gateway, shop):
    """More than wait and are served together, from many addresses."""
    for kind in ("heads", "wrong"):
        assert_kept_out(gateway, shop, kind, connections=900, addresses=40)
    assert gateway.metric("keyhouse_http_turned_away_total") > 100
    assert memory_mb(gateway, "VmHWM") < 150


def test_handshakes_are_not_held(directory, provider):
    cert, key = certificate(directory)
    port = free_port()
    g = Gateway(directory, provider.url, listen_tls=f"127.0.0.1:{port}", tls_cert=cert, tls_key=key)
    g.start()
    try:
        shop = Shop(g, provider, "Paul's Electronics", "106540352242922")
        context = ssl.create_default_context(cafile=cert)
        for kind in ("idle", "half a handshake", "a dripped handshake"):
            for attempt in range(3):
                with crowd(port, kind, seconds=1.5) as c:
                    slowest = honest(shop, 1.0, port=port, context=context)
                    told = c.end()
                print(kind, told)
                assert told["closed"] > 0 and not told["statuses"], told
                if slowest < 1:
                    break
            assert slowest < 1, kind
    finally:
        g.stop()


def test_ten_thousand_idle(gateway, shop):
    """No more than wait and are served are open at any time. Commands work meanwhile, and nothing dies."""
    listener = gateway.role_pid("listener")
    before = memory_mb(gateway)
    with crowd(gateway.port, "idle", connections=10000, addresses=500, seconds=2.0) as c:
        open_now = len(list(pathlib.Path(f"/proc/{listener}/fd").iterdir()))
        began = time.monotonic()
        assert shop.id in gateway.run("business", "list").stdout
        assert time.monotonic() - began < 3
        told = c.end()
    print(told, open_now, before, memory_mb(gateway, "VmHWM"))
    assert open_now < 128 + 512 + 100
    assert memory_mb(gateway, "VmHWM") < before + 30
    assert gateway.role_pid("listener") == listener
    assert ask(shop, 1)[0] == 200
    assert wait_for(lambda: len(list(pathlib.Path(f"/proc/{listener}/fd").iterdir())) < 100)


def test_ten_times_too_much(gateway, shop):
    """Honest, signed, and ten times as many at once as there are workers: each is answered 200 or 503, soon, and what was
    acknowledged is there."""
    bodies = [json.dumps(shop.question("hello", f"wamid.over{n}")).encode() for n in range(3000)]
    requests = [b"POST /webhooks/%s HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: %s\r\nContent-Length: %d\r\n\r\n%s" %
                (shop.id.encode(), sign(shop.app_secret, b).encode(), len(b), b) for b in bodies]
    statuses, took = overload(gateway.port, requests, connections=10 * WORKERS)
    print(statuses, f"median {took[len(took) // 2]:.2f} s, slowest {took[-1]:.2f} s, {memory_mb(gateway, 'VmHWM')} MiB")
    # A few of them are silent for too long between connecting and speaking, where the cores have more to do than this.
    assert statuses.pop(0, 0) < 60 and set(statuses) <= {200, 503} and statuses[200] > 500, statuses
    assert took[-1] < 5
    assert memory_mb(gateway, "VmHWM") < 150
    with sqlite3.connect(f"file:{gateway.data / 'keyhouse.db'}?mode=ro", uri=True) as db:
        kept = db.execute("SELECT count(*) FROM events").fetchone()[0]
    assert kept >= statuses[200], "one that was acknowledged is not there"


def overload(port, requests, connections):
    """Sends all, so many at once, each on a connection of its own; the statuses, and how long each that was answered 200
    took, in order. 0: no answer came."""
    selector, statuses, took, left = selectors.DefaultSelector(), collections.Counter(), [], list(reversed(requests))

    def begin(n):
        began, s = time.monotonic(), socket.create_connection(("127.0.0.1", port), source_address=(f"127.0.3.{n % 100 + 1}", 0))
        with contextlib.suppress(OSError):  # who was answered before he spoke is told all the same
            s.sendall(left.pop())
        selector.register(s, selectors.EVENT_READ, [n, began, b""])

    for n in range(connections):
        begin(n)
    while selector.get_map():
        for key, _ in selector.select():
            s, caller = key.fileobj, key.data
            try:
                part = s.recv(65536)
            except OSError:
                part = b""
            caller[2] += part
            if part and not is_whole(caller[2]):
                continue
            statuses[int(caller[2][9:12] or 0)] += 1
            if caller[2][9:12] == b"200":
                took.append(time.monotonic() - caller[1])
            selector.unregister(s)
            s.close()
            if left:
                begin(caller[0])
    return statuses, sorted(took)


def test_an_address_refused_all_the_time(gateway, shop):
    """It is closed with each refusal, and not heard in length; but honest ones who share it are answered."""
    wrong = b"POST /webhooks/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}" % shop.id.encode()
    answers = []
    with socket.create_connection(("127.0.0.1", gateway.port), source_address=(HONEST, 0)) as s:
        for n in range(101):
            s.sendall(wrong)
            answers.append(answer(s))
        assert s.recv(1) == b"", "closed with the hundred and first"
    heads = [a.split(b"\r\n\r\n")[0].split(b"\r\n") for a in answers]
    assert all(h[0].startswith(b"HTTP/1.1 401") for h in heads)
    assert [b"Connection: close" in h for h in heads] == [False] * 100 + [True]
    assert len({a.split(b"\r\n\r\n")[1] for a in answers}) == 1, "the same is said"
    large = b'{"a":"' + b"x" * 70000 + b'"}'
    assert shop_post(shop, large, HONEST) == 429
    assert shop_post(shop, large, "127.0.9.10") == 200
    assert ask(shop, 1, address=HONEST)[0] == 200
    assert shop_post(shop, large, HONEST) == 200, "somebody there proved himself: it may be a proxy's"
    assert gateway.metric("keyhouse_http_often_refused_total") == 1
    assert gateway.metric("keyhouse_http_unread_bodies_total") == 1


def shop_post(shop, body, address):
    connection = http.client.HTTPConnection("127.0.0.1", shop.gateway.port, timeout=10, source_address=(address, 0))
    try:
        connection.request("POST", f"/webhooks/{shop.id}", body, {"X-Hub-Signature-256": sign(shop.app_secret, body)})
        return connection.getresponse().status
    finally:
        connection.close()


# Each is malformed, or half of something.
MALFORMED = [b"\r\n\r\n", b"\n\n", b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\n\n", b"GET http://x/ HTTP/1.1\r\n\r\n",
             b"GET / HTTP/3.0\r\n\r\n", b"A" * 17000, b"\x16\x03\x01\x02\0\x01", bytes(range(256)), b"GET / HTTP/1.1\r\nX"] + [
    b"POST /webhooks/nobody HTTP/1.1\r\nHost: x\r\n" + rest for rest in (
        b"Content-Length: 500\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Content-Length: 500\r\nContent-Length: 5\r\n\r\n",
        b"Content-Length: 500\r\n\r\n", b"X: a\r\n b\r\n\r\n", b"X: a\0\r\n\r\n", b"X: a\nContent-Length: 5\r\n\r\n",
        b"".join(b"H%d: x\r\n" % n for n in range(65)) + b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n1f4\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n")]


def test_nothing_of_another_is_seen(gateway, shop):
    """What honest and other callers said, on as many connections as there are workers, is in no answer to what is
    malformed: not a byte of a body, a header, a path, a token."""
    mark = "s33nByNobody"
    body = json.dumps(shop.question(mark * 20, "wamid." + mark)).encode()
    say = [b"POST /webhooks/%s HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: %s\r\nX-Mark: %s\r\nContent-Length: %d\r\n\r\n%s" %
           (shop.id.encode(), sign(shop.app_secret, body).encode(), mark.encode(), len(body), body),
           f"GET /webhooks/{shop.id}?hub.mode=subscribe&hub.verify_token={mark}&hub.challenge={mark} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
           f"GET /v1/{mark} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {mark}\r\n\r\n".encode()]
    said = [say[0], say[1], say[2], say[0] + say[0], say[0][:-50], say[0] + say[1][:-9]]
    heard = collections.Counter()
    for n in range(4):
        crowd = [socket.create_connection(("127.0.0.1", gateway.port), source_address=(f"127.0.4.{i % 3 + 1}", 0), timeout=10)
                 for i in range(WORKERS)]
        for i, s in enumerate(crowd):
            s.sendall(said[(i + n) % len(said)])
        for i, s in enumerate(crowd):
            if (i + n) % len(said) != 4:  # half a body is broken off
                answer(s)
            s.close()
        for i in range(WORKERS):
            with socket.create_connection(("127.0.0.1", gateway.port), source_address=(f"127.0.4.{i % 3 + 4}", 0), timeout=10) as s:
                got = b""
                with contextlib.suppress(OSError):
                    s.sendall(MALFORMED[(i + n) % len(MALFORMED)])
                    s.shutdown(socket.SHUT_WR)
                    while part := s.recv(65536):
                        got += part
            assert mark.encode() not in got and b"wamid" not in got, (MALFORMED[(i + n) % len(MALFORMED)], got)
            heard[got[9:12]] += 1
    print(heard)
    assert heard[b"400"] > WORKERS and set(heard) <= {b"400", b"408", b"431", b"505", b""}


@pytest.mark.parametrize("mode", [["-H", "-i", "1"], ["-B", "-i", "1"], ["-X", "-k", "3", "-n", "1", "-w", "64", "-y", "128", "-z", "32"]],
                         ids=["slow heads", "slow bodies", "slow readers"])
def test_slowhttptest(gateway, shop, mode):
    """Somebody else's attacker, from Debian."""
    attack = subprocess.Popen(["slowhttptest", *mode, "-c", "300", "-r", "300", "-l", "2", "-p", "1", "-u",
                               f"http://127.0.0.1:{gateway.port}/webhooks/{shop.id}"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        assert min(honest(shop, 0.7) for _ in range(2)) < 1
    finally:
        attack.wait(30)
