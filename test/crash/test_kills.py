"""Goal of this test: kill -9, at any moment, under load, again and again. What was acknowledged is there exactly once,
nothing is sent twice, no question gets two answers, a call that is repeated until it is answered is done once, and
afterwards nothing is stuck.

KH_ROUNDS (default 18) kills; KH_SEED repeats the choice of victims and moments (not the kernel's timing)."""
import collections
import os
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from conftest import PAUL, DialogShop, Gateway, Shop, wait_for  # noqa: E402
from fake_platform import Platform, drop, echo, empty, fail, slow  # noqa: E402
from provider import Provider  # noqa: E402

ROUNDS = int(os.environ.get("KH_ROUNDS", "18"))
SEED = int(os.environ.get("KH_SEED", "0")) or int.from_bytes(os.urandom(4), "big")

ROLES = ("listener", "sender", "vault")
VICTIMS = ROLES + ("supervisor", "group", "group")
STREAK_MAX = 3  # each death of a role doubles the supervisor's pause, a new supervisor begins afresh
PAUSE_S = (0.1, 2.5)  # between ready and the next kill
AGAIN = 0.3  # so often a start is cut short, too
START_S = 1.0  # about as long as one takes
LOAD_PAUSE_S = 0.01
DRAIN_S = 90
WAITING = {"queued", "sending", "retry"}


class Load:
    """A thread that does one thing after the other until it is told to stop, and then what it still owes."""

    def __init__(self, rng, end):
        self.rng, self.end, self.failed = rng, end, None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            n = 0
            while not self.end.is_set():
                self.step(n)
                n += 1
                time.sleep(LOAD_PAUSE_S * self.rng.random() * 2)
        except Exception as e:  # shown by the test, whose thread this is not
            self.failed = e

    def join(self):
        self.thread.join()
        if self.failed:
            raise self.failed

    def until_answered(self, ask, good, bad=()):
        """Repeats what may have been heard or not, as a provider or a client would."""
        until = time.monotonic() + DRAIN_S
        while True:
            try:
                answer = ask()
            except (OSError, ValueError) as e:
                answer = e
            except Exception as e:  # a cut answer is http.client's
                answer = e
            status = getattr(answer, "status", None)
            if status in good:
                return answer
            assert status not in bad, (status, answer.body)
            assert time.monotonic() < until, f"never answered: {answer}"
            time.sleep(0.05)


class Webhooks(Load):
    """The provider's side of one shop: questions, some delivered more than once though they were acknowledged."""

    def __init__(self, shop, customers, rng, end):
        self.shop, self.customers = shop, customers
        self.acknowledged = {}  # message id: the text
        super().__init__(rng, end)

    def step(self, n):
        wamid = f"wamid.{self.shop.number}.{n}"
        text = f"How much is iPhone 13 Pro? ({n})"
        body = self.shop.question(text, wamid, customer=self.customer(n))
        self.until_answered(lambda: self.shop.send(body), {200}, {400, 401, 404, 413})
        self.acknowledged[wamid] = text
        if self.rng.random() < 0.1:
            self.until_answered(lambda: self.shop.send(body), {200})

    def customer(self, n):
        return f"1650{n % self.customers:07}"


class Calls(Load):
    """A client of the API: each call has a key and is repeated until it is answered, and sometimes once more."""

    def __init__(self, name, shops, rng, end):
        self.name, self.shops, self.ids = name, shops, collections.defaultdict(set)
        super().__init__(rng, end)

    def step(self, n):
        shop, key = self.shops[n % len(self.shops)], f"{self.name}-{n}"
        for _ in range(2 if self.rng.random() < 0.1 else 1):
            answer = self.until_answered(lambda: shop.post(f"by {key}", to=f"+1651{n:07}", key=key), {202}, {400, 401, 404, 422})
            self.ids[key].add(answer.json["id"])


class Trouble(Load):
    """The provider's own: what leaves open whether a message was taken, and what takes its time."""

    def __init__(self, provider, rng, end):
        self.provider = provider
        super().__init__(rng, end)

    def step(self, n):
        kind = self.rng.choice(["drop", "accept_drop", "slow", "truncated"])
        more = {"delay": self.rng.random() / 2} if kind == "slow" else {}
        self.provider.fault(kind, on="/messages", times=1, **more)
        time.sleep(0.2)


def unsteady(rng, silent):
    """A platform that fails now and then, and now and then has nothing to say: those texts are added to silent."""
    def nothing(handler, ask):
        if ask.message is not None:
            silent.add(ask.message["text"]["body"])
        empty()(handler, ask)

    def step(handler, ask):
        rng.choice([echo] * 16 + [fail(500), drop, slow(0.3, echo), nothing])(handler, ask)
    return step


def kill_one(gateway, rng, streak):
    """Kills, starts again at once where nobody else does, and waits until it serves. Returns who died."""
    victim = "group" if streak >= STREAK_MAX else rng.choice(VICTIMS)
    if victim in ROLES:
        pid = gateway.role_pid(victim)
        if pid is None:
            victim = "group"
        else:
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), timeout=2)
    if victim == "supervisor":
        os.kill(gateway.process.pid, signal.SIGKILL)
        gateway.process.wait()
    if victim == "group":
        gateway.kill()
    if victim not in ROLES:
        gateway.start(wait=False)
        while rng.random() < AGAIN:
            time.sleep(rng.random() * START_S)
            gateway.kill()
            gateway.start(wait=False)
    assert gateway.ready(30), f"not ready after {victim} died:\n" + gateway.log_text()[-3000:]
    return victim


def every_message(shop):
    cursor, out = "", []
    while True:
        page = shop.gateway.api("GET", shop.path(f"messages?limit=200&order=asc{cursor}")).json
        out += page["data"]
        if not page["next_cursor"]:
            return out
        cursor = "&cursor=" + page["next_cursor"]


def settle_unknown(shops, provider):
    """What the provider took, it tells in a status that carries our id: from then on it is known."""
    taken = {m["body"]["biz_opaque_callback_data"]: m for m in provider.sent()}
    for shop in shops:
        mine = [m["id"] for m in every_message(shop) if m["state"] == "unknown" and m["id"] in taken]
        for id_ in mine:
            message = taken[id_]
            assert shop.send(shop.status(message["wamid"], "delivered", opaque=id_,
                                         customer=message["body"]["to"].lstrip("+"))).status == 200
        assert wait_for(lambda: all(shop.message(i)["state"] == "delivered" for i in mine), timeout=30), "unknown stays unknown"


def drained(gateway, shops):
    states = collections.Counter(m["state"] for shop in shops for m in every_message(shop))
    return not WAITING & set(states) and not any(shop.events(state="accepted") for shop in shops) and \
        gateway.metric("keyhouse_responder_asks") == 0 and states


def doubled(values):
    return {v: n for v, n in collections.Counter(values).items() if n > 1}


def check_shop(shop, webhooks, requests):
    """What is lost, what is double, and what has no answer of one shop: in this order."""
    messages = every_message(shop)
    inbound = [m for m in messages if m["direction"] == "inbound"]
    wamids = [m["wamid"] for m in inbound]
    answers = [m for m in messages if m["direction"] == "outbound" and not m["content"]["text"]["body"].startswith("by ")]
    lost = set(webhooks.acknowledged) - set(wamids)
    twice = {**doubled(wamids), **doubled(m["id"] for m in messages)}
    # A question is known by its customer where each asks once, and where a customer asks more, by the answer's text.
    if webhooks.customers > len(wamids):
        served = {m["customer"] for m in answers}
        unanswered = {m["content"]["message"]["text"]["body"] for m in inbound if m["customer"] not in served}
        twice.update(doubled(m["customer"] for m in answers))
        twice.update(doubled(r.json["to"] for r in requests if not r.json["text"]["body"].startswith("by ")))
    else:
        unanswered = {m["content"]["message"]["text"]["body"] for m in inbound} - \
            {m["content"]["text"]["body"].removeprefix("Re: ") for m in answers}
        twice.update(doubled(m["content"]["text"]["body"] for m in answers))
        twice.update(doubled(r.json["text"]["body"] for r in requests))
    return lost, twice, unanswered


def test_kills():
    rng = random.Random(SEED)
    print(f"\nkills: {ROUNDS} rounds, KH_SEED={SEED}", flush=True)
    with tempfile.TemporaryDirectory(prefix="kh-") as directory, Provider() as provider, Platform() as platform:
        gateway = Gateway(directory, provider.url, responder_allow=platform.place, responder_timeout=2).start()
        try:
            run(gateway, provider, platform, rng)
        finally:
            gateway.kill()


def run(gateway, provider, platform, rng):
    catalogue = Shop(gateway, provider, "Paul's Electronics", "106540352242922")
    asking = Shop(gateway, provider, "Sarah's Fashion", "306540352242922", responder=platform, waba="302290129340398")
    dialog = DialogShop(gateway, provider, "Bola's Phones", "206540352242922")
    shops = [catalogue, asking, dialog]
    for shop in (catalogue, dialog):
        shop.products(PAUL)
    silent = set()
    platform.usual = unsteady(random.Random(rng.random()), silent)
    end, quiet = threading.Event(), threading.Event()
    webhooks = {s: Webhooks(s, 120 if s is asking else 10**7, random.Random(rng.random()), end) for s in shops}
    calls = [Calls(f"client{n}", shops, random.Random(rng.random()), end) for n in range(2)]
    trouble = Trouble(provider, random.Random(rng.random()), quiet)
    killed, streak = collections.Counter(), 0
    try:
        for _ in range(ROUNDS):
            time.sleep(rng.uniform(*PAUSE_S))
            victim = kill_one(gateway, rng, streak)
            killed[victim] += 1
            streak = streak + 1 if victim in ROLES else 0
    finally:
        end.set()
        quiet.set()
    for thread in [*webhooks.values(), *calls, trouble]:
        thread.join()

    provider.heal()
    platform.usual = echo
    states = wait_for(lambda: drained(gateway, shops), timeout=DRAIN_S, every=0.5)
    assert states, "stuck: " + str({s.name: collections.Counter(m["state"] for m in every_message(s)) for s in shops})
    sends = provider.sends()
    lost, twice, unanswered = set(), doubled(r.json["biz_opaque_callback_data"] for r in sends), {}
    for shop in shops:
        requests = [r for r in sends if r.number == shop.number]
        gone, more, unanswered[shop.name] = check_shop(shop, webhooks[shop], requests)
        lost |= gone
        twice.update(more)
    ids = {key: found for c in calls for key, found in c.ids.items()}
    twice.update({key: found for key, found in ids.items() if len(found) != 1})
    known = {m["id"] for s in shops for m in every_message(s)}
    lost |= {key for key, found in ids.items() if not found <= known}
    acknowledged = sum(len(w.acknowledged) for w in webhooks.values()) + len(ids)
    print(f"kills: {sum(killed.values())} {dict(killed)}; acknowledged {acknowledged} "
          f"({sum(len(w.acknowledged) for w in webhooks.values())} webhooks, {len(ids)} calls), provider requests {len(sends)}, "
          f"asks {len(platform.asks)}; lost {len(lost)}, doubled {len(twice)}, unknown {states['unknown']}", flush=True)
    assert not lost, sorted(lost)[:20]
    assert not twice, list(twice.items())[:20]
    assert not unanswered[catalogue.name] and not unanswered[dialog.name] and unanswered[asking.name] <= silent, unanswered
    assert len({(a.id, a.message["id"]) for a in platform.questions()}) == len({a.id for a in platform.questions()}), \
        "an ask's id stays the same when it is asked again"
    assert all(a.signed for a in platform.asks)
    settle_unknown(shops, provider)
    assert wait_for(lambda: drained(gateway, shops), timeout=DRAIN_S, every=0.5)
    assert len(provider.sends()) == len(sends), "and nothing more goes out"
