"""Goal of this test: what one customer writes is kept, asked and answered in the order in which it was acknowledged:
several messages in one webhook, one webhook after the other, over many connections at once, with a kill -9 in between.

KH_SEED repeats the choice of victims and moments (not the kernel's timing)."""
import collections
import random
import tempfile
import threading
import time

from test_kills import DRAIN_S, SEED, Load, doubled, drained, every_message, kill_one  # knows where the others are

from conftest import Gateway, Shop, wait_for
from fake_platform import Platform, echo
from provider import Provider
from shops import asked

CUSTOMERS = 32
KILLS = 5
PAUSE_S = (0.2, 0.8)
A_CUSTOMER = 10  # no more are answered in a minute
THINKS_S = 1.5


class Customer(Load):
    """Writes one webhook after the other, each over a connection of its own, one to three messages in each. The next is
    sent once the one before was acknowledged, by whichever attempt."""

    def __init__(self, shop, phone, rng, end):
        self.shop, self.phone = shop, phone
        self.written = 0
        super().__init__(rng, end)

    def step(self, n):
        time.sleep(self.rng.random() * THINKS_S)
        if self.written == A_CUSTOMER:
            return
        body = None
        for _ in range(min(self.rng.randint(1, 3), A_CUSTOMER - self.written)):
            value = asked(text(self.phone, self.written), f"wamid.{self.phone}.{self.written}", self.phone)
            if body is None:
                body = self.shop.envelope(value)
            elif self.rng.random() < 0.5:  # the same change, or an entry of its own
                body["entry"][-1]["changes"][-1]["value"]["messages"] += value["messages"]
            else:
                body["entry"] += self.shop.envelope(value)["entry"]
            self.written += 1
        self.until_answered(lambda: self.shop.send(body), {200}, {400, 401, 404, 413})


def text(phone, n):
    return f"{phone} {n}"


def by_customer(texts):
    """The numbers of each customer's messages, in the order of texts."""
    out = collections.defaultdict(list)
    for words in texts:
        phone, n = words.removeprefix("Re: ").split()
        out[phone].append(int(n))
    return out


def test_order_through_kills():
    rng = random.Random(SEED)
    print(f"\norder: {KILLS} kills, KH_SEED={SEED}", flush=True)
    with tempfile.TemporaryDirectory(prefix="kh-") as directory, Provider() as provider, Platform() as platform:
        gateway = Gateway(directory, provider.url, responder_allow=platform.place, responder_timeout=2).start()
        try:
            run(gateway, provider, platform, rng)
        finally:
            gateway.kill()


def run(gateway, provider, platform, rng):
    shop = Shop(gateway, provider, "Paul's Electronics", "106540352242922", responder=platform)
    platform.usual = echo
    end = threading.Event()
    customers = [Customer(shop, f"1650{n:07}", random.Random(rng.random()), end) for n in range(CUSTOMERS)]
    streak = 0
    try:
        for _ in range(KILLS):
            time.sleep(rng.uniform(*PAUSE_S))
            victim = kill_one(gateway, rng, streak)
            streak = streak + 1 if victim in ("listener", "sender", "vault") else 0
        time.sleep(rng.uniform(*PAUSE_S))
    finally:
        end.set()
    for c in customers:
        c.join()
    assert wait_for(lambda: drained(gateway, [shop]), timeout=DRAIN_S, every=0.2), "stuck"

    messages = every_message(shop)
    kept = by_customer(m["content"]["message"]["text"]["body"] for m in messages if m["direction"] == "inbound")
    questions = by_customer(a.message["text"]["body"] for a in platform.questions())
    answers = by_customer(r.json["text"]["body"] for r in provider.sends())
    print(f"order: {sum(c.written for c in customers)} written, {sum(map(len, questions.values()))} asks, "
          f"{sum(map(len, answers.values()))} answers sent", flush=True)
    assert sum(c.written for c in customers) > 4 * CUSTOMERS, "the load was no load"
    for c in customers:
        everything = list(range(c.written))
        assert kept[c.phone] == everything, c.phone
        # Who was asked when the service died is asked again, before the next.
        assert questions[c.phone] == sorted(questions[c.phone]), (c.phone, questions[c.phone])
        assert sorted(set(questions[c.phone])) == everything, c.phone
        assert answers[c.phone] == sorted(answers[c.phone]) and not doubled(answers[c.phone]), (c.phone, answers[c.phone])
    # An attempt that a kill cut off is not made again: its outcome is not known.
    unknown = sum(m["state"] == "unknown" for m in messages)
    assert sum(map(len, answers.values())) >= sum(c.written for c in customers) - unknown
