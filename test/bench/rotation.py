#!/usr/bin/env python3
"""make bench, second part: what replacing keys costs, on this machine.

How long a new master key takes with many tenants; how fast one shop's values are sealed anew; and what its webhooks wait
for meanwhile: at a steady rate, in turns with and without a rotation running, so that a noisy machine is noisy for both.
Figures are printed; the status is 1 only where something failed."""
import concurrent.futures
import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from bench import BINARY, CONNECTIONS, Broken, Figures, House  # noqa: E402
from conftest import wait_for  # noqa: E402
from provider import Provider  # noqa: E402

TENANTS = 10000
WEBHOOKS = 30000  # of one shop: three sealed values each
STEADY_RATE = 2000
SECONDS = 3
TURNS = 4


def status(gateway):
    return json.loads(gateway.run("key", "status", "--json").stdout)


def measure_master(house, figures):
    """Of all tenants, in two rounds."""
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        for answer in pool.map(lambda n: house.gateway.api("POST", "/v1/businesses", {"id": f"t{n}", "name": f"Tenant {n}"}),
                               range(TENANTS)):
            if answer.status != 201:
                raise Broken(f"a tenant could not be made: {answer.status}")
    keys = status(house.gateway)["keys"]
    for _ in range(2):
        began = time.monotonic()
        house.gateway.run("key", "rotate", "--master")
        figures.add("master seconds", time.monotonic() - began)
        figures.add("master keys a second", keys / (time.monotonic() - began))
    if status(house.gateway)["keys_under_others"]:
        raise Broken("tenant keys were left under an older master key")
    return keys


def rotate(house, shop):
    """Begins one: the number of values there are."""
    began = time.monotonic()
    house.gateway.run("key", "rotate", shop.id)
    return time.monotonic() - began


def ended(house):
    if not wait_for(lambda: status(house.gateway)["rotations_count"] == 0, 120, 0.5):
        raise Broken("the older keys were not destroyed")


def measure_shop(house, shop, figures):
    house.load(house.requests.make(WEBHOOKS), WEBHOOKS, 60)
    wait_for(lambda: house.unsettled() == 0, 60, 0.2)
    with sqlite3.connect(f"file:{house.gateway.data}/keyhouse.db?mode=ro", uri=True) as db:
        values = db.execute("SELECT (SELECT count(body) FROM events) + (SELECT count(content) + count(wamid) FROM messages)").fetchone()[0]
    took = rotate(house, shop)
    figures.add("values a second", values / took)
    ended(house)
    return values


def measure_steady(house, shop, figures):
    for turn in range(2 * TURNS):
        name = "with" if turn % 2 else "without"
        count = STEADY_RATE * SECONDS
        first = house.requests.make(count)
        if turn % 2:
            beside = subprocess.Popen([BINARY, "key", "rotate", shop.id, *house.gateway.arguments()],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        f = house.load(first, count, SECONDS, rate=STEADY_RATE)
        figures.add(f"p50 {name}", f["latency_ms"]["p50"])
        figures.add(f"p99 {name}", f["latency_ms"]["p99"])
        if turn % 2:
            figures.add("still running at the end", float(beside.poll() is None))
            beside.wait()
            ended(house)


def main():
    figures, said = Figures(), []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=BINARY.parent) as directory, Provider() as provider:
        try:
            with House(pathlib.Path(directory) / "house", provider, 1, "none") as house:
                shop = house.shops[0]
                values = measure_shop(house, shop, figures)
                measure_steady(house, shop, figures)
                keys = measure_master(house, figures)
                said.append(house.check())
        except Broken as e:
            print(f"BROKEN: {e}")
            return 1
    rows = [
        (f"a new master key, {keys:,} tenant keys of {TENANTS:,} tenants", "master seconds", "{:.2f}", " s"),
        ("  tenant keys wrapped anew a second", "master keys a second", "{:,.0f}", ""),
        (f"one shop's {values:,} values sealed anew, a second", "values a second", "{:,.0f}", ""),
        (f"webhooks at {STEADY_RATE:,}/s, {CONNECTIONS} connections: p50 without", "p50 without", "{:.2f}", " ms"),
        ("  with its keys being replaced", "p50 with", "{:.2f}", " ms"),
        ("  p99 without", "p99 without", "{:.2f}", " ms"),
        ("  p99 with", "p99 with", "{:.2f}", " ms"),
        ("  rotations that lasted longer than the load", "still running at the end", "{:.0%}", "")]
    for what, name, form, unit in rows:
        print(f"{what:<64} {figures.text(name, form, unit)}")
    print(f"p99 with / without: {figures.median('p99 with') / figures.median('p99 without'):.2f} (aim <= 1.1)")
    print("\n".join(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
