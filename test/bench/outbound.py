#!/usr/bin/env python3
"""make bench, fourth part: sending.

- How many messages a second go from the platform's call through the outbox to the provider, which is the sandbox here and
  shares the cores.
- What the front adds to a send: the same client, through Keyhouse and straight to the sandbox, in turns.
- Whether one business can hold up others: their time from the call to the provider while one has a backlog of 100,000, and
  while another's provider hangs; and how even the shares of 100 busy businesses are (Jain's index: 1 is even).

A slow figure is no error. A message that was lost, or sent twice, is: it is said, and the status is 1."""
import argparse
import collections
import json
import os
import pathlib
import signal
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import bench  # noqa: E402
from bench import Broken, Figures, percentile, write_request  # noqa: E402
from conftest import BINARY, Gateway, Shop, wait_for  # noqa: E402
from provider import Provider  # noqa: E402

ROUNDS = 3
UNITS = {"sends a second": "", "queued a second": "", "jain": "", "least and most of one, ratio": ""}
AIMS = {"sends a second": "   aim 3000", "front adds p50": "   aim 0.5", "front adds p99": "   aim 2", "jain": "   aim 0.95"}
BACKLOG = 100_000
OTHERS = 20
OTHERS_RATE = 100  # messages a second of all others together
ONE_RATE = 50  # calls a second of the front's client


class Customers:
    made = 0

    @classmethod
    def next(cls):
        cls.made += 1
        return f"+{2348000000000 + cls.made}"


def text(to):
    return json.dumps({"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": "Your order is on its way."}},
                      separators=(",", ":")).encode()


def requests(path, targets, count, to=Customers.next):
    """A file of sends to these (host port, path, header) in turn."""
    with open(path, "wb") as f:
        for n in range(count):
            port, where, header = targets[n % len(targets)]
            write_request(f, where, (f"Host: 127.0.0.1:{port}", "Content-Type: application/json", header), text(to()))


class Sent:
    """For load(): a file of requests."""

    def __init__(self, path):
        self.path = path


class House:
    def __init__(self, directory, provider, shops):
        directory.mkdir()
        self.provider, self.directory = provider, directory
        self.gateway = Gateway(directory, provider.url)
        self.gateway.start()
        self.shops = [Shop(self.gateway, provider, f"Shop {n}", str(106540352000000 + n), "none",
                           waba=str(102290129000000 + n)) for n in range(shops)]
        self.queued = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gateway.kill()

    def waiting(self):
        database = sqlite3.connect(f"file:{self.gateway.data}/keyhouse.db?mode=ro", uri=True)
        try:
            return database.execute("SELECT count(*) FROM messages INDEXED BY outbox_conversation "
                                    "WHERE state >= 2 AND state <= 4").fetchone()[0]
        finally:
            database.close()

    def target(self, shop):
        return self.gateway.port, f"/v1/businesses/{shop.id}/messages", f"Authorization: Bearer {self.gateway.token}"

    def queue(self, shops, count, seconds=60, connections=32, rate=None, starts=None):
        file = Sent(self.directory / "queue")
        requests(file.path, [self.target(s) for s in shops], count)
        figures = bench.load(self.gateway.port, file, 0, count, seconds, connections=connections, rate=rate, starts=starts,
                             status="202")
        self.queued += figures["answered"]
        return figures

    def check(self):
        self.gateway.kill()
        database = sqlite3.connect(self.gateway.data / "keyhouse.db")
        rows = dict(database.execute("SELECT state, count(*) FROM messages WHERE direction = 2 GROUP BY state").fetchall())
        database.close()
        sent = self.provider.sent()
        ids = [m["body"]["biz_opaque_callback_data"] for m in sent if "biz_opaque_callback_data" in m["body"]]
        if len(set(ids)) != len(ids):
            raise Broken(f"{len(ids) - len(set(ids))} messages were sent twice")
        return f"{self.queued} messages queued, {len(ids)} at the provider, none twice; by state {rows}"


# ---------------------------------------------------------------- through the outbox


def measure_outbox(house, count, figures):
    for _ in range(ROUNDS):
        began = time.monotonic()
        queued = house.queue(house.shops, count)
        if not wait_for(lambda: house.waiting() == 0, 120, 0.05):
            raise Broken(f"{house.waiting()} messages wait after two minutes")
        figures.add("sends a second", count / (time.monotonic() - began))
        figures.add("queued a second", queued["rate"])


# ---------------------------------------------------------------- the front


def measure_front(house, provider, seconds, figures):
    shop = house.shops[0]
    key = house.gateway.api("POST", shop.path("keys"), {"name": "bench"}).json["key"]
    path = f"/v23.0/{shop.number}/messages"
    port = int(provider.url.rsplit(":", 1)[1])
    ways = {"through": (house.gateway.port, path, f"Authorization: Bearer {key}"),
            "straight": (port, path, f"Authorization: Bearer {shop.token}")}
    count = int(seconds * ONE_RATE)
    for _ in range(ROUNDS * 2):
        for name, target in ways.items():
            file = Sent(house.directory / name)
            requests(file.path, [target], count)
            took = bench.load(target[0], file, 0, count, seconds, connections=1, rate=ONE_RATE)["latency_ms"]
            figures.add(f"{name} p50", took["p50"])
            figures.add(f"{name} p99", took["p99"])
        for p in ("p50", "p99"):
            figures.add(f"front adds {p}", figures.rounds[f"through {p}"][-1] - figures.rounds[f"straight {p}"][-1])


# ---------------------------------------------------------------- fairness


def others_times(house, provider, seconds, shops):
    """Milliseconds from the call until the provider had it, of messages at ease."""
    count = int(seconds * OTHERS_RATE)
    starts = house.directory / "starts"
    first = Customers.made + 1
    numbers = {s.number for s in shops}
    house.queue(shops, count, seconds=seconds, connections=8, rate=OTHERS_RATE, starts=starts)
    at = {f"+{2348000000000 + first + n}": float(t) for n, t in enumerate(starts.read_text().split())}

    def arrived():
        return [m for m in provider.sent() if m["number"] in numbers and m["body"].get("to") in at]
    wait_for(lambda: len(arrived()) >= count, 30, 0.2)
    took = [(m["at"] - at[m["body"]["to"]]) * 1000 for m in arrived()]
    if len(took) != count:
        raise Broken(f"{count - len(took)} messages of others did not arrive")
    return took


def measure_fairness(house, provider, seconds, backlog, figures):
    one, hangs, others = house.shops[0], house.shops[1], house.shops[2:2 + OTHERS]
    others_times(house, provider, seconds / 2, others)  # warms up
    for _ in range(ROUNDS):
        took = others_times(house, provider, seconds, others)
        figures.add("alone p50", percentile(took, 0.5))
        figures.add("alone p99", percentile(took, 0.99))
    house.queue([one], backlog, seconds=120)
    for _ in range(ROUNDS):
        took = others_times(house, provider, seconds, others)
        figures.add("beside a backlog p50", percentile(took, 0.5))
        figures.add("beside a backlog p99", percentile(took, 0.99))
    if house.waiting() < backlog / 2:
        raise Broken("the backlog was gone before the others were measured")
    provider.fault("hang", number=hangs.number, on="/messages")
    house.queue([hangs], 500, seconds=60)
    time.sleep(1)
    for _ in range(ROUNDS):
        took = others_times(house, provider, seconds, others)
        figures.add("beside one that hangs p50", percentile(took, 0.5))
        figures.add("beside one that hangs p99", percentile(took, 0.99))
    provider.heal()


def measure_jain(house, provider, each, figures):
    """Backlogs of all businesses begin at the same moment, none bound by what its number takes; what each got until the first
    was through."""
    set_connections(house, "status = 3, mps = 1000")  # their keys count as refused: all waits
    house.queue(house.shops, each * len(house.shops), seconds=120)
    seen = len(provider.sent())
    set_connections(house, "status = 2")
    wait_for(lambda: len(provider.sent()) - seen >= each * len(house.shops) // 2, 60, 0.02)
    got = collections.Counter(m["number"] for m in provider.sent()[seen:])
    counts = [got[shop.number] for shop in house.shops]
    if max(counts) >= each:
        raise Broken("a backlog was through before it was looked at")
    figures.add("jain", sum(counts) ** 2 / (len(counts) * sum(n * n for n in counts)))
    figures.add("least and most of one, ratio", min(counts) / max(counts))
    wait_for(lambda: house.waiting() == 0, 120, 0.2)


def set_connections(house, what):
    house.gateway.stop()
    with sqlite3.connect(house.gateway.data / "keyhouse.db") as database:
        database.execute(f"UPDATE connections SET {what}")
    database.close()
    house.gateway.start()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--backlog", type=int, default=BACKLOG)
    parser.add_argument("--only", default="outbox,front,jain,fair")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    figures, said, broken = Figures(), [], []
    parts = {"outbox": (100, lambda h, p: measure_outbox(h, options.messages, figures)),
             "front": (2, lambda h, p: measure_front(h, p, options.seconds, figures)),
             "jain": (100, lambda h, p: measure_jain(h, p, 200, figures)),
             "fair": (2 + OTHERS, lambda h, p: measure_fairness(h, p, options.seconds, options.backlog, figures))}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=BINARY.parent) as directory:
        for name in options.only.split(","):
            shops, run = parts[name]
            try:
                with Provider() as provider, House(pathlib.Path(directory) / name, provider, shops) as house:
                    run(house, provider)
                    said.append(f"{name}: " + house.check())
            except Broken as e:
                broken.append(f"{name}: {e}")
    for name in figures.rounds:
        print(f"{name:<40} {figures.text(name, '{:.3f}' if name == 'jain' else '{:.2f}', UNITS.get(name, ' ms'))}{AIMS.get(name, '')}")
    for p in ("beside a backlog p99", "beside one that hangs p99"):
        if figures.rounds[p]:
            print(f"{p + ', ratio to alone':<40} {figures.median(p) / figures.median('alone p99'):.2f}   aim 1.10")
    print("\n".join(said + [f"BROKEN: {b}" for b in broken]))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
