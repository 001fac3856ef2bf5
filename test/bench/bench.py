#!/usr/bin/env python3
"""make bench: what the real program does on this machine, beside what it could do here at best.

A gateway of its own on a new data directory, many shops, webhooks that are all distinct and really signed. Whatever can
be compared is measured in turns with its yardstick, round by round, so that a noisy machine is noisy for both: the
intake with an empty handler behind the same CivetWeb (empty.c; the gateway stands still meanwhile), a lone webhook with
an fdatasync on the same file system. Medians are printed, least and most in brackets. Afterwards the gateway is killed,
and what it acknowledged is counted in its database: figures of a program that loses events mean nothing.

A slow figure is no error. Answers other than 200, lost or doubled events are: they are said, and the status is 1."""
import argparse
import collections
import hmac
import json
import os
import pathlib
import signal
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from conftest import BINARY, PAUL, Gateway, Shop, wait_for  # noqa: E402
from provider import Provider, wamid  # noqa: E402

PROGRAMS = BINARY.parent / "test" / "bench"
CONNECTIONS = 64
PER_CALLER = 64  # connections of one address: more of it are not let in
TURNS = 9  # of the intake and the empty handler, half as long as rounds: noise comes and goes within seconds
ROUNDS = 3  # of everything else
STEADY_RATE = 5000  # webhooks a second
QUESTION_RATE, EASY_RATE = 500, 100
LONE_RATE = 20
ROW = 500  # one right after the other
PAGE = 4096
DRAIN_S = 20  # for answers that are still to go out
MARGIN = 1.6  # so many more requests are made than the last round's rate needs
QUESTION = "How much is iPhone 13 Pro?"
TICKS = os.sysconf("SC_CLK_TCK")


class Broken(Exception):
    """It was not measured what was to be measured."""


# ---------------------------------------------------------------- what is sent


def phone_of(n):
    """Of the customer who sends the n-th request of all."""
    return str(2348000000000 + n)


def write_request(f, path, headers, body):
    """As load.c reads it: its length, then what is sent."""
    lines = [f"POST {path} HTTP/1.1", *headers, f"Content-Length: {len(body)}"]
    request = "".join(line + "\r\n" for line in lines).encode() + b"\r\n" + body
    f.write(struct.pack("<I", len(request)) + request)


def signature(secret, body):
    return f"X-Hub-Signature-256: sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}"


class Requests:
    """A file of prepared requests, one after the other to the shops in turn, each from a customer of its own."""
    made = 0  # so far, in all files

    def __init__(self, path, shops):
        self.path, self.shops, self.count = path, shops, 0
        self.templates = [self._template(s) for s in shops]
        path.write_bytes(b"")

    @staticmethod
    def _template(shop):
        marks = b"wamid.MARK", b"2340000000000"
        body = json.dumps(shop.question(QUESTION, marks[0].decode(), marks[1].decode()), separators=(",", ":")).encode()
        assert all(m in body for m in marks)
        headers = (f"Host: 127.0.0.1:{shop.gateway.port}", "Accept: */*", "User-Agent: facebookexternalua",
                   "Content-Type: application/json")
        return shop, headers, body, marks

    def make(self, count):
        """Appends so many. Returns the number of the first of them."""
        first = self.count
        with open(self.path, "ab") as f:
            for _ in range(count):
                shop, headers, body, (id_mark, phone_mark) = self.templates[self.count % len(self.templates)]
                phone = phone_of(Requests.made)
                body = body.replace(id_mark, wamid(phone).encode()).replace(phone_mark, phone.encode())
                write_request(f, f"/webhooks/{shop.id}", (*headers, signature(shop.app_secret, body)), body)
                Requests.made += 1
                self.count += 1
        return first


def load(port, requests, first, count, seconds, connections=CONNECTIONS, rate=None, wrap=False, starts=None, tls=False,
         status="200"):
    """Runs load.c: its figures. Broken, unless every request was answered with that status."""
    words = [PROGRAMS / "load", "--to", f"127.0.0.1:{port}", "--requests", requests.path, "--first", str(first),
             "--count", str(count), "--seconds", str(seconds), "--connections", str(connections),
             "--callers", str(-(-connections // PER_CALLER))]
    words += ["--tls"] if tls else []
    words += ["--rate", str(rate)] if rate else []
    words += ["--wrap"] if wrap else []
    words += ["--starts", starts] if starts else []
    done = subprocess.run(words, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode != 0:
        raise Broken(f"the load generator failed: {done.stderr.strip()}")
    figures = json.loads(done.stdout)
    if set(figures["statuses"]) != {status} or any(figures[k] for k in ("cut", "malformed", "unanswered")):
        raise Broken(f"not every request was answered with {status}: " + ", ".join(
            f"{k} {figures[k]}" for k in ("statuses", "cut", "malformed", "unanswered", "unsent")))
    return figures


# ---------------------------------------------------------------- who answers


class Empty:
    """The yardstick: empty.c. certificate: its file and its key's, for TLS."""

    def __init__(self, certificate=()):
        self.certificate = certificate

    def __enter__(self):
        self.process = subprocess.Popen([PROGRAMS / "empty", *self.certificate], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)


class House:
    """A gateway with shops, and the count of what it acknowledged."""

    def __init__(self, directory, provider, shops, responder, **settings):
        self.acknowledged = 0
        directory.mkdir()
        self.gateway = Gateway(directory, provider.url, **settings)
        try:
            self.gateway.start()
            self.shops = [Shop(self.gateway, provider, f"Shop {n}", str(106540352000000 + n), responder,
                               waba=str(102290129000000 + n)) for n in range(shops)]
            for shop in self.shops:
                shop.products(PAUL)
        except BaseException:
            self.gateway.kill()
            raise
        self.requests = Requests(directory / "requests", self.shops)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gateway.kill()

    def load(self, *arguments, **more):
        figures = load(self.gateway.port, self.requests, *arguments, **more)
        self.acknowledged += figures["answered"]
        return figures

    def unsettled(self):
        return self.gateway.metric("keyhouse_events_unsettled")

    def cpu_seconds(self):
        """Of all its processes, so far."""
        total = 0
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[2]) == self.gateway.process.pid:  # its group
                total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def stand_still(self, still):
        os.killpg(self.gateway.process.pid, signal.SIGSTOP if still else signal.SIGCONT)

    def check(self):
        """Kills it and counts what is in its database: a sentence, or Broken."""
        self.gateway.kill()
        database = sqlite3.connect(self.gateway.data / "keyhouse.db")
        try:
            events, settled, duplicates, quarantined = database.execute(
                "SELECT count(*), sum(state = 2), sum(duplicates), sum(quarantined) FROM events").fetchone()
            unparsed = database.execute("SELECT count(*) FROM events WHERE state = 3").fetchone()[0]
        finally:
            database.close()
        if events != self.acknowledged:
            raise Broken(f"{self.acknowledged} webhooks were acknowledged, {events} are there after kill -9")
        if duplicates or quarantined or unparsed:
            raise Broken(f"of {settled} settled webhooks {duplicates} were duplicates, {quarantined} quarantined, "
                         f"{unparsed} unparsed")
        return f"{events} webhooks acknowledged, all there after kill -9; {settled} of them settled, none a duplicate"


# ---------------------------------------------------------------- what is measured


class Figures:
    """What was measured round by round, by name."""

    def __init__(self):
        self.rounds = collections.defaultdict(list)

    def add(self, name, value):
        self.rounds[name].append(value)

    def median(self, name):
        return statistics.median(self.rounds[name])

    def text(self, name, form, unit):
        """Median, and the least and the most."""
        values = self.rounds[name]
        if not values:
            return "not measured"
        return f"{form.format(self.median(name))}{unit} ({form.format(min(values))} .. {form.format(max(values))})"


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def fdatasyncs(path, count, rate=None):
    """Milliseconds of each of so many times 4 KiB, written over what is there and synced; a second, or one right after
    the other."""
    page, times = os.urandom(PAGE), []
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(fd, page * count, 0)
        os.fsync(fd)
        for n in range(count):
            if rate:
                time.sleep(1 / rate)
            began = time.perf_counter()
            os.pwrite(fd, page, n * PAGE)
            os.fdatasync(fd)
            times.append((time.perf_counter() - began) * 1000)
    finally:
        os.close(fd)
    return times


def measure_lone(house, empty, seconds, figures):
    """One webhook at a time: a few a second, when each finds nothing else going on, then one right after the other."""
    synced, count = house.gateway.dir / "synced", int(seconds * LONE_RATE)
    for _ in range(ROUNDS):
        wait_for(lambda: house.unsettled() == 0, DRAIN_S)
        first = house.requests.make(count)
        figures.add("lone fdatasync", statistics.median(fdatasyncs(synced, count, LONE_RATE)))
        figures.add("lone p50", house.load(first, count, seconds, connections=1, rate=LONE_RATE)["latency_ms"]["p50"])
        figures.add("lone above", figures.rounds["lone p50"][-1] - figures.rounds["lone fdatasync"][-1])
        figures.add("lone empty", load(empty.port, house.requests, first, count, seconds, connections=1,
                                       rate=LONE_RATE)["latency_ms"]["p50"])
    for _ in range(ROUNDS):
        first = house.requests.make(ROW)
        figures.add("row fdatasync", statistics.median(fdatasyncs(synced, ROW)))
        figures.add("row p50", house.load(first, ROW, seconds, connections=1)["latency_ms"]["p50"])


def measure_steady(house, seconds, figures):
    """A fixed rate that is meant to be borne at ease."""
    for _ in range(ROUNDS):
        count = int(seconds * STEADY_RATE)
        first = house.requests.make(count)
        steady = house.load(first, count, seconds, rate=STEADY_RATE)
        figures.add("steady p50", steady["latency_ms"]["p50"])
        figures.add("steady p99", steady["latency_ms"]["p99"])
        figures.add("steady max", steady["latency_ms"]["max"])
        figures.add("steady late p99", steady["late_ms"]["p99"])
        figures.add("steady reached", steady["answered"] / count * min(1, seconds / steady["seconds"]))


def measure_intake(house, empty, seconds, figures):
    """As many as go, and the same requests to the empty handler, in turns."""
    rate = STEADY_RATE * 2
    for n in range(-1, TURNS):  # the first one warms up, and tells how many requests a round needs
        count = int(rate * seconds * MARGIN)
        first = house.requests.make(count)
        before, cpu = house.unsettled(), house.cpu_seconds()
        ours = house.load(first, count, seconds)
        cpu, left = house.cpu_seconds() - cpu, house.unsettled()
        rate = ours["rate"]
        if n < 0:
            continue
        house.stand_still(True)
        try:
            figures.add("intake fdatasync", statistics.median(fdatasyncs(house.gateway.dir / "synced", ROW // 5)))
            theirs = load(empty.port, house.requests, first, count, seconds, wrap=True)
        finally:
            house.stand_still(False)
        figures.add("intake rate", ours["rate"])
        figures.add("empty rate", theirs["rate"])
        figures.add("ratio", ours["rate"] / theirs["rate"])
        figures.add("intake p50", ours["latency_ms"]["p50"])
        figures.add("intake p99", ours["latency_ms"]["p99"])
        figures.add("empty p50", theirs["latency_ms"]["p50"])
        figures.add("empty p99", theirs["latency_ms"]["p99"])
        figures.add("settled rate", (ours["answered"] + before - left) / ours["seconds"])
        figures.add("intake cpu", cpu / ours["answered"] * 1e6)
        figures.add("generator busy", ours["cpu_seconds"] / ours["seconds"])
        figures.add("generator busy with empty", theirs["cpu_seconds"] / theirs["seconds"])


VAULT_ASKED = ("SEAL", "OPEN", "VERIFIER", "CONTENT_KEYS", "REWRAP")
VAULT_MANY = "REWRAP_KEYS of 64"
VAULT_DONE = ("credential of 200", "content of 1024", "content of 16384")


def measure_vault(figures):
    """The vault alone, beside a process that only reads and writes as much (vault.c)."""
    for _ in range(ROUNDS):
        done = subprocess.run([PROGRAMS / "vault"], capture_output=True, text=True)
        if done.returncode:
            raise Broken(done.stderr.strip())
        said = json.loads(done.stdout)
        for name, trip in said["trips"].items():
            figures.add(f"{name} p50", trip["p50"])
            figures.add(f"{name} p99", trip["p99"])
            figures.add(f"{name} ratio", trip["p50"] / said["trips"]["ping"]["p50"])
        for name, rate in said["per_second"].items():
            figures.add(name, rate)


def measure_answers(house, provider, seconds, rate, figures):
    """From the moment at which a question was to come in until its answer's request is at the provider."""
    starts, count = house.gateway.dir / "starts", int(seconds * rate)
    for _ in range(ROUNDS):
        seen, begin = len(provider.sent()), Requests.made
        house.load(house.requests.make(count), count, seconds, rate=rate, starts=starts)
        asked = {"+" + phone_of(begin + n): float(at) for n, at in enumerate(starts.read_text().split())}
        wait_for(lambda: len(provider.sent()) >= seen + count, DRAIN_S, 0.2)
        sent = provider.sent()[seen:]
        took = [(m["at"] - asked.pop(m["body"]["to"])) * 1000 for m in sent if m["body"].get("to") in asked]
        if len(took) != len(sent):
            raise Broken(f"{len(sent) - len(took)} of {len(sent)} answers were asked for by nobody, or given twice")
        if asked:
            raise Broken(f"{len(asked)} of {count} questions had no answer {DRAIN_S} s after the last one")
        ats = [m["at"] for m in sent]
        figures.add(f"answer p50 at {rate}", percentile(took, 0.5))
        figures.add(f"answer p99 at {rate}", percentile(took, 0.99))
        figures.add(f"answers at {rate}", len(sent) / (max(ats) - min(ats)))


# ---------------------------------------------------------------- what is said


def file_system(path):
    """The type of the one that holds this path."""
    best = ("", "?")
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        place, kind = line.split()[4], line.split(" - ")[1].split()[0]
        if (str(path) + "/").startswith(place.rstrip("/") + "/") and len(place) >= len(best[0]):
            best = place, kind
    return best[1]


def rows_of(f):
    """Makes rows: what, the figure, the design's aim, whether it is met (None: there is no aim)."""
    return lambda what, name, form, unit="", aim="", met=None: (
        what, f.text(name, form, unit), aim, met(f.median(name)) if met and f.rounds[name] else None)


def table(f):
    row = rows_of(f)
    return [
        row("verified, sealed, durable webhooks a second", "intake rate", "{:,.0f}"),
        row("the empty handler, same requests", "empty rate", "{:,.0f}"),
        row("ratio", "ratio", "{:.3f}", "", ">= 0.40", lambda v: v >= 0.40),
        row("  p50 at that rate", "intake p50", "{:.1f}", " ms"),
        row("  p99", "intake p99", "{:.1f}", " ms"),
        row("  p50 of the empty handler at its rate", "empty p50", "{:.1f}", " ms"),
        row("  p99", "empty p99", "{:.1f}", " ms"),
        row("  settled meanwhile, a second", "settled rate", "{:,.0f}"),
        row("  one fdatasync of 4 KiB between the turns", "intake fdatasync", "{:.2f}", " ms"),
        row("  CPU of all processes, a webhook", "intake cpu", "{:.0f}", " us"),
        row("  load generator's share of a core", "generator busy", "{:.0%}"),
        row("  the same with the empty handler", "generator busy with empty", "{:.0%}"),
        row(f"at {STEADY_RATE:,}/s p50", "steady p50", "{:.1f}", " ms"),
        row("  p99", "steady p99", "{:.1f}", " ms", "<= 25 ms", lambda v: v <= 25),
        row("  max", "steady max", "{:.1f}", " ms"),
        row("  of the rate reached", "steady reached", "{:.1%}"),
        row("  of that the load generator's own delay, p99", "steady late p99", "{:.1f}", " ms"),
        row(f"a lone webhook, {LONE_RATE}/s, p50", "lone p50", "{:.2f}", " ms"),
        row("  one fdatasync of 4 KiB, as many a second", "lone fdatasync", "{:.2f}", " ms"),
        row("  the difference", "lone above", "{:.2f}", " ms", "<= 1 ms", lambda v: v <= 1),
        row("  the empty handler, as many a second", "lone empty", "{:.2f}", " ms"),
        row("  webhooks one right after the other", "row p50", "{:.2f}", " ms"),
        row("  fdatasyncs one right after the other", "row fdatasync", "{:.2f}", " ms"),
        row(f"webhook in to provider request out, {QUESTION_RATE}/s, p50", f"answer p50 at {QUESTION_RATE}", "{:,.1f}",
            " ms", "<= 5 ms", lambda v: v <= 5),
        row("  p99", f"answer p99 at {QUESTION_RATE}", "{:,.1f}", " ms", "<= 20 ms", lambda v: v <= 20),
        row("  answers a second", f"answers at {QUESTION_RATE}", "{:,.0f}"),
        row(f"  at {EASY_RATE}/s, p50", f"answer p50 at {EASY_RATE}", "{:,.1f}", " ms"),
        row("  p99", f"answer p99 at {EASY_RATE}", "{:,.1f}", " ms"),
    ]


def vault_table(f):
    row = rows_of(f)
    rows = [row("a read and a write back, p50", "ping p50", "{:.1f}", " us"), row("  p99", "ping p99", "{:.1f}", " us")]
    for name in VAULT_ASKED:
        rows += [row(f"vault {name}, p50", f"{name} p50", "{:.1f}", " us"),
                 row("  p99", f"{name} p99", "{:.1f}", " us", "<= 50 us", lambda v: v <= 50),
                 row("  p50 beside the bare read and write", f"{name} ratio", "{:.2f}")]
    rows += [row(f"vault {VAULT_MANY}, p50", f"{VAULT_MANY} p50", "{:.1f}", " us"),
             row("  p99", f"{VAULT_MANY} p99", "{:.1f}", " us")]
    for what in VAULT_DONE:
        rows += [row(f"{verb} {what} bytes, a second", f"{verb} {what}", "{:,.0f}") for verb in ("seal", "open")]
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=3, help="of each round (default 3)")
    parser.add_argument("--shops", type=int, default=20)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every round's figures there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left running
    figures, said, broken = Figures(), [], []

    with tempfile.TemporaryDirectory(prefix="bench-", dir=BINARY.parent) as directory:
        directory = pathlib.Path(directory)
        kind = file_system(directory)
        print(f"{os.cpu_count()} cores, load generator included, load average {os.getloadavg()[0]:.1f} before; {kind}; "
              f"{options.shops} shops, {CONNECTIONS} connections; {TURNS} turns of {options.seconds / 2:g} s, {ROUNDS} "
              f"rounds of {options.seconds:g} s", flush=True)
        if kind in ("tmpfs", "ramfs"):
            broken.append(f"{kind} makes nothing durable: build on a disk")
        try:
            measure_vault(figures)
        except Broken as e:
            broken.append(str(e))
        with Provider() as provider:
            try:
                with House(directory / "intake", provider, options.shops, "none") as house, Empty() as empty:
                    measure_lone(house, empty, options.seconds / 2, figures)
                    measure_steady(house, options.seconds, figures)
                    measure_intake(house, empty, options.seconds / 2, figures)
                    said.append(house.check())
            except Broken as e:
                broken.append(str(e))
            try:
                with House(directory / "answers", provider, options.shops, "catalogue") as house:
                    measure_answers(house, provider, options.seconds, EASY_RATE, figures)
                    measure_answers(house, provider, options.seconds, QUESTION_RATE, figures)
                    said.append(house.check())
            except Broken as e:
                broken.append(str(e))

    for what, figure, aim, met in table(figures) + vault_table(figures):
        print(f"{what:<50} {figure:<34} {aim:<9} {'' if met is None else 'met' if met else 'NOT MET'}".rstrip())
    print("\n".join(said + [f"BROKEN: {b}" for b in broken]))
    if options.json:
        options.json.write_text(json.dumps({"cores": os.cpu_count(), "shops": options.shops, "seconds": options.seconds,
                                            "rounds": figures.rounds, "broken": broken}, indent=1) + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
