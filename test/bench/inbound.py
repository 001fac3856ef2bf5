#!/usr/bin/env python3
"""make bench, third part: how the intake's cost grows, on this machine.

Webhooks a second beside the empty handler at several numbers of connections, over TLS, with many shops, with long bodies
and with many updates in one; each in turns with its yardstick. Figures are printed; the status is 1 only where something
failed."""
import argparse
import json
import pathlib
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from bench import BINARY, CONNECTIONS, MARGIN, Broken, Empty, Figures, House, Requests, load, phone_of, signature, write_request  # noqa: E402
from conftest import PAUL, Shop, free_port, wait_for  # noqa: E402
from provider import Provider, wamid  # noqa: E402
from test_tls import certificate  # noqa: E402

TURNS = 5
SECONDS = 1.0
COUNTS = 16, 64, 256
BODIES = 500, 4_000, 16_000, 64_000, 256_000, 1_000_000  # bytes
BATCHES = 1, 10, 100, 1000  # updates in one webhook
FEW, MANY = 10, 1000  # shops
ON_DISK = 1_000_000  # shops that only lie there
MIB = 1 << 20


def memory(gateway):
    """Of the listener: resident bytes now and at most."""
    lines = pathlib.Path(f"/proc/{gateway.role_pid('listener')}/status").read_text().splitlines()
    figures = {k: int(v.split()[0]) * 1024 for k, _, v in (line.partition(":") for line in lines) if k in ("VmRSS", "VmHWM")}
    return figures["VmRSS"], figures["VmHWM"]


def at_rest(house):
    if not wait_for(lambda: house.unsettled() == 0, 120, 0.2):
        raise Broken("webhooks were not settled two minutes after the last one")


def turns(house, empty, figures, name, connections=CONNECTIONS, tls=False):
    """The house and the empty handler by turns: rates and their ratio."""
    port = house.gateway.tls_port if tls else house.gateway.port
    rate = 5000
    for n in range(-1, TURNS):
        count = int(rate * SECONDS * MARGIN)
        first = house.requests.make(count)
        house.stand_still(False)
        ours = load(port, house.requests, first, count, SECONDS, connections, tls=tls)
        house.acknowledged += ours["answered"]
        house.stand_still(True)
        rate = ours["rate"]
        if n < 0:
            continue
        theirs = load(empty.port, house.requests, first, count, SECONDS, connections, tls=tls, wrap=True)
        figures.add(name + " rate", ours["rate"])
        figures.add(name + " empty", theirs["rate"])
        figures.add(name + " ratio", ours["rate"] / theirs["rate"])
        figures.add(name + " p50", ours["latency_ms"]["p50"])
        figures.add(name + " p99", ours["latency_ms"]["p99"])
    house.stand_still(False)
    at_rest(house)


def measure_connections(directory, provider, figures):
    cert, key = certificate(directory)
    tls_port = free_port()
    with House(directory / "connections", provider, 20, "none", listen_tls=f"127.0.0.1:{tls_port}", tls_cert=cert,
               tls_key=key) as house, Empty() as empty, Empty((cert, key)) as secure:
        house.gateway.tls_port = tls_port
        for count in COUNTS:
            turns(house, empty, figures, f"{count} connections", count)
        turns(house, secure, figures, "TLS", tls=True)
        return house.check()


class Bodies:
    """Webhooks of one shop with so many updates and so many bytes."""

    def __init__(self, path, shop):
        self.path, self.shop, self.made = path, shop, 0

    def make(self, count, updates, length):
        with open(self.path, "wb") as f:
            for _ in range(count):
                self.made += 1
                text = "x" * max(1, (length - 450) // updates - 150 if updates > 1 else length - 450)
                marks = [f"{self.made}.{n}" for n in range(updates)]
                question = self.shop.question(text, wamid(marks[0]), phone_of(self.made))
                value = question["entry"][0]["changes"][0]["value"]
                value["messages"] = [dict(value["messages"][0], id=wamid(m)) for m in marks]
                body = json.dumps(question, separators=(",", ":")).encode()
                write_request(f, f"/webhooks/{self.shop.id}", ("Host: 127.0.0.1", signature(self.shop.app_secret, body)), body)
        return len(body)


def measure_growth(directory, provider, figures):
    """What one webhook costs as it gets longer, and as it says more: accepted a second, and settled a second."""
    with House(directory / "growth", provider, 1, "none") as house:
        bodies = Bodies(directory / "bodies", house.shops[0])
        for length in BODIES:
            count = max(40, min(4000, 40_000_000 // length))
            bodies.make(count, 1, length)
            took = load(house.gateway.port, bodies, 0, count, 60, 16 if length < 100_000 else 4)
            house.acknowledged += took["answered"]
            figures.add(f"body {length}", took["rate"])
            at_rest(house)
        for updates in BATCHES:
            count = max(20, 4000 // updates)
            bodies.make(count, updates, 500)
            began = time.monotonic()
            took = load(house.gateway.port, bodies, 0, count, 60, 16)
            house.acknowledged += took["answered"]
            at_rest(house)
            figures.add(f"batch {updates}", count * updates / (time.monotonic() - began))
        return house.check()


def add_shops(house, count):
    """Requests that make so many shops, as fast as they go; then what is sent to them."""
    gateway, path = house.gateway, house.gateway.dir / "shops"

    def send(bodies):
        with open(path, "wb") as f:
            for where, body in bodies:
                write_request(f, where, ("Host: 127.0.0.1", f"Authorization: Bearer {gateway.token}",
                                         "Content-Type: application/json"), json.dumps(body).encode())
        load(gateway.port, type("File", (), {"path": path}), 0, count, 100, status="201")

    send((f"/v1/businesses", {"id": f"many{n}", "name": f"Shop {n}"}) for n in range(count))
    send((f"/v1/businesses/many{n}/connections",
          {"provider": "meta", "app_id": "1", "app_secret": f"secret-of-shop-{n:08}", "access_token": f"EAA-token-of-shop-{n:08}",
           "waba_id": str(300000000000000 + n), "phone_number_id": str(400000000000000 + n), "verify": False})
         for n in range(count))
    shops = []
    for n in range(count):
        shop = object.__new__(Shop)
        shop.__dict__.update(house.shops[0].__dict__, id=f"many{n}", app_secret=f"secret-of-shop-{n:08}",
                             number=str(400000000000000 + n), waba=str(300000000000000 + n))
        shops.append(shop)
    house.requests = Requests(gateway.dir / "requests", shops)


def fill(gateway):
    """Shops by the million, that nobody writes to: rows as those of a shop that is there, whose secrets open nothing."""
    gateway.stop()
    database = sqlite3.connect(gateway.data / "keyhouse.db")
    tables = "businesses", "tenant_keys", "connections", "numbers", "credentials"
    for table in tables:
        columns = [c[1] for c in database.execute(f"PRAGMA table_info({table})") if c[1] != "seq"]
        owner = "id" if table == "businesses" else "business_id"
        other = {owner: "'lie' || n", "connection_id": "'lie' || n", "phone_number_id": "500000000000000 + n",
                 "waba_id": "600000000000000 + n", **({"id": "'lie' || n"} if table == "connections" else {})}
        database.execute(
            f"WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {ON_DISK}) "
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(other.get(c, 't.' + c) for c in columns)} "
            f"FROM c, {table} t WHERE t.{owner} = 'many0'")
    database.commit()
    database.close()
    gateway.start()


def measure_shops(directory, provider, figures, many, on_disk):
    with House(directory / "few", provider, 1, "none") as few, House(directory / "many", provider, 1, "none") as crowd:
        add_shops(few, FEW)
        add_shops(crowd, many)
        if on_disk:
            fill(crowd.gateway)
        few.stand_still(True)
        # The first of all proves a shop's secret, the first after a start has its keys fetched: a figure of its own.
        crowd.load(crowd.requests.make(many), many, 100)
        at_rest(crowd)
        crowd.gateway.stop()
        crowd.gateway.start()
        figures.add("first webhooks", crowd.load(crowd.requests.make(many), many, 100)["rate"])
        at_rest(crowd)
        for n in range(-1, TURNS):
            rates = []
            for house in few, crowd:
                count = int(20000 * SECONDS)
                first = house.requests.make(count)
                house.stand_still(False)
                rates.append(house.load(first, count, SECONDS)["rate"])
                at_rest(house)
                house.stand_still(True)
            if n >= 0:
                figures.add("few shops", rates[0])
                figures.add("many shops", rates[1])
                figures.add("shops ratio", rates[1] / rates[0])
        crowd.stand_still(False)
        figures.add("memory", memory(crowd.gateway)[1] / MIB)
        few.stand_still(False)
        return crowd.check()


def rows(f, many, on_disk):
    yield f"webhooks a second beside the empty handler, {SECONDS:g} s each", "", ""
    for name in [f"{c} connections" for c in COUNTS] + ["TLS"]:
        yield f"  {name}" + (f", {CONNECTIONS} connections" if name == "TLS" else ""), f.text(name + " rate", "{:,.0f}", ""), ""
        yield "    the empty handler", f.text(name + " empty", "{:,.0f}", ""), ""
        yield "    ratio", f.text(name + " ratio", "{:.3f}", ""), ">= 0.40"
        yield "    p50", f.text(name + " p50", "{:.1f}", " ms"), ""
        yield "    p99", f.text(name + " p99", "{:.1f}", " ms"), ""
    yield "accepted a second, by length of the body", "", ""
    for length in BODIES:
        yield f"  {length:,} bytes", f.text(f"body {length}", "{:,.0f}", ""), ""
    yield "updates accepted and settled a second, by updates in one webhook", "", ""
    for updates in BATCHES:
        yield f"  {updates}", f.text(f"batch {updates}", "{:,.0f}", ""), ""
    yield f"webhooks a second with {FEW} shops", f.text("few shops", "{:,.0f}", ""), ""
    yield f"  with {many:,}", f.text("many shops", "{:,.0f}", ""), ""
    yield "  the first of each after a start", f.text("first webhooks", "{:,.0f}", ""), ""
    yield "  ratio", f.text("shops ratio", "{:.3f}", ""), ">= 0.9"
    yield f"  the listener's memory at most, {ON_DISK if on_disk else many:,} shops on disk", f.text("memory", "{:.0f}", " MiB"), \
        "<= 256 MiB"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shops", type=int, default=MANY, help=f"of the house with many (default {MANY})")
    parser.add_argument("--on-disk", action="store_true", help=f"with {ON_DISK:,} more that nobody writes to")
    parser.add_argument("parts", nargs="*", help="connections, growth, shops (default all)")
    options = parser.parse_args()
    figures, said, broken = Figures(), [], []
    parts = {"connections": measure_connections, "growth": measure_growth,
             "shops": lambda *a: measure_shops(*a, options.shops, options.on_disk)}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=BINARY.parent) as directory, Provider() as provider:
        for name, measure in parts.items():
            if options.parts and name not in options.parts:
                continue
            try:
                said.append(measure(pathlib.Path(directory), provider, figures))
            except Broken as e:
                broken.append(f"{name}: {e}")
    for what, figure, aim in rows(figures, options.shops, options.on_disk):
        print(f"{what:<64} {figure:<34} {aim}".rstrip())
    print("\n".join(said + [f"BROKEN: {b}" for b in broken]))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
