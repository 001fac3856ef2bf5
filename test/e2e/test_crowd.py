"""Goal of this test: a crowd of strangers with the largest bodies costs bounded memory and holds up no honest
webhook; those who are turned away are asked to come again."""
import collections
import re
import socket
import time

from conftest import wait_for


def resident_mb(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) // 1024


def test_large_bodies_held_open(gateway, shop):
    listener = gateway.role_pid("listener")
    before = resident_mb(listener)
    size = 3 * 1024 * 1024
    crowd = []
    try:
        for n in range(100):
            s = socket.socket()
            s.bind((f"127.0.0.{2 + n % 4}", 0))
            s.settimeout(5)
            s.connect(("127.0.0.1", gateway.port))
            crowd.append(s)
            try:
                s.sendall(b"POST /webhooks/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
                s.sendall(b"x" * (size - 1))
            except OSError:
                pass  # turned away while it spoke
        assert resident_mb(listener) - before < 150, (before, resident_mb(listener))
        began = time.monotonic()
        assert shop.send(shop.question("hello", "wamid.crowd")).status == 200
        assert time.monotonic() - began < 1
        told, ends = collections.Counter(), time.monotonic() + 5
        for s in crowd:
            s.settimeout(max(0.01, ends - time.monotonic()))
            try:
                told[s.recv(64)[9:12]] += 1
            except OSError:
                pass
        assert told[b"503"] + told[b"408"] >= 50, told
        assert resident_mb(listener) - before < 150, (before, resident_mb(listener))
    finally:
        for s in crowd:
            s.close()
    body = b'{"a":"' + b"x" * size + b'"}'
    assert wait_for(lambda: shop.send(body).status == 200, timeout=5), "when they are gone there is room again"


def test_commands_work_while_strangers_hold_every_worker(gateway, shop):
    crowd = []
    try:
        for n in range(190):
            s = socket.socket()
            s.bind((f"127.0.0.{2 + n % 2}", 0))
            s.settimeout(5)
            s.connect(("127.0.0.1", gateway.port))
            s.sendall(b"POST /webhooks/nobody HTTP/1.1\r\nHost: x\r\nContent-Le")
            crowd.append(s)
        time.sleep(0.3)
        began = time.monotonic()
        assert shop.id in gateway.run("business", "list").stdout
        assert time.monotonic() - began < 2
    finally:
        for s in crowd:
            s.close()
