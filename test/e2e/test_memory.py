"""Goal of this test: the promise. After everything was done that touches a key, a customer or a message, the memory of
the listener, the sender and the supervisor, read from outside, holds none of it in any encoding, nor the two XOR forms
that HMAC makes of a secret; and nothing on disk, in the log, in the metrics or in a backup does either."""
import base64
import concurrent.futures
import json
import os
import pathlib
import random
import re
import string

import pytest

from conftest import PAUL, DialogShop, Shop, wait_for
from fake_platform import fail, say
from provider import wamid
from remains import needles, search, search_files
from shops import new_key

SKIP = pytest.mark.skipif(os.environ.get("KH_SKIP_MEMORY") == "1", reason="KH_SKIP_MEMORY=1")
CROWD = 48
META, D360 = "106540352242922", "206540352242922"


def word(length=18):
    """Letters that occur nowhere else."""
    return "".join(random.choices(string.ascii_lowercase, k=length))


def phone():
    return "49" + "".join(random.choices(string.digits, k=11))


class Planted:
    """What is looked for afterwards: secrets, and what is the customers'. Each value is made here and occurs nowhere
    else, so that whatever is found was left behind."""

    def __init__(self):
        self.secrets, self.content = {}, {}

    def secret(self, label, value):
        self.secrets[label] = value
        return value

    def customer(self, label, value):
        self.content[label] = value
        return value

    @property
    def all(self):
        return {**self.secrets, **self.content}


class House:
    """Three shops and everything that can happen to them: with Meta and with 360dialog, a platform behind both, and one
    with the catalogue."""

    def __init__(self, gateway, provider, platform):
        self.gateway, self.provider, self.platform, self.planted = gateway, provider, platform, Planted()
        self.meta = Shop(gateway, provider, "Paul's Electronics", META, responder=platform, verify=True)
        self.dialog = DialogShop(gateway, provider, "Sarah's Fashion", D360, responder=platform)
        self.catalogue = Shop(gateway, provider, "Bola's Phones", "306540352242922", waba="302290129340398")
        self.catalogue.products(PAUL)
        plant = self.planted.secret
        plant("access token", self.meta.token)
        plant("app secret", self.meta.app_secret)
        plant("360dialog key", self.dialog.key)
        plant("webhook secret", self.dialog.webhook_secret)
        self.plant_signing("signing secret", self.meta)
        self.plant_signing("signing secret of 360dialog's", self.dialog)

    def plant_signing(self, label, shop):
        text = self.planted.secret(label, self.platform.secrets[shop.id])
        self.planted.secret(label + ", decoded", base64.b64decode(text.removeprefix("whsec_")))

    # ------------------------------------------------ keys

    def paste(self):
        """Well, badly, to nobody and by nobody."""
        for shop, body in ((self.meta, {"provider": "meta", "app_id": "1", "access_token": self.meta.token,
                                        "app_secret": self.meta.app_secret}),
                           (self.dialog, {"provider": "360dialog", "api_key": self.dialog.key,
                                          "platform_secret": self.planted.secret("refused platform secret", word(40))})):
            text = json.dumps(body).encode()
            assert self.gateway.api("POST", shop.path("connections"), text[:-1]).status == 400
            assert self.gateway.api("POST", "/v1/businesses/nobody/connections", text).status == 404
            assert self.gateway.request("POST", shop.path("connections"), text).status == 401
            assert self.gateway.api("POST", shop.path("connections"), text, "text/plain").status in (400, 415)
            assert self.gateway.api("POST", shop.path("connections"), dict(body, unknown="x")).status == 400
        refused = self.planted.secret("refused key", new_key("refused"))
        assert self.gateway.api("POST", self.catalogue.path("connections"), {
            "provider": "360dialog", "api_key": refused}).status == 422
        assert self.meta.connect(verify=True).status == 409 and self.dialog.connect().status == 409

    def rotate(self):
        """Each secret once, and each connection tested: the new ones are looked for as well as the old."""
        plant, meta, dialog = self.planted.secret, self.meta, self.dialog
        meta.test(), dialog.test()
        token = plant("next access token", "EAAG" + word(60))
        self.provider.add_token(token, [META], app_id=meta.app_id, app_secret=meta.app_secret, waba_ids=[meta.waba])
        assert meta.patch(access_token=token).status == 200
        assert meta.patch(app_secret=meta.app_secret).status == 200
        assert meta.patch(access_token=plant("refused access token", "EAAG" + word(60))).status == 422
        dialog.key = plant("next 360dialog key", new_key("next"))
        self.provider.add_d360_key(dialog.key, D360)
        assert dialog.patch(api_key=dialog.key).status == 200
        dialog.webhook_secret = plant("next webhook secret", word(43))
        assert dialog.patch(webhook_secret=dialog.webhook_secret).status == 200
        secret = plant("platform secret", word(40))
        assert dialog.patch(platform_secret=secret).status == 200
        self.provider.d360.change(D360, platform_secret=secret)
        meta.use_platform(self.platform, rotate_secret=True)
        self.plant_signing("next signing secret", meta)

    # ------------------------------------------------ customers

    def converse(self, label, shop, deliver):
        """A question, an answer that is slow to come, and its statuses."""
        plant = self.planted.customer
        customer = plant(f"{label}'s customer", phone())
        id_ = plant(f"{label}'s message id", wamid(customer))
        question = shop.question("my words are " + plant(f"{label}'s question", word()), id_, customer)
        self.platform.then(fail(500), say("we say " + plant(f"{label}'s answer", word())))
        for _ in range(2):
            assert deliver(question) == 200
        assert wait_for(lambda: [m for m in self.provider.sent() if m["body"].get("to") == "+" + customer], timeout=15)
        sent = [m for m in self.provider.sent() if m["body"].get("to") == "+" + customer][0]
        plant(f"{label}'s sent message id", sent["wamid"])
        for name, more in (("delivered", {}), ("failed", {"errors": [{"code": 131026, "title": "Undeliverable", "error_data": {
                "details": customer + " is not on WhatsApp"}}]})):
            self.platform.then(fail(500))
            assert deliver(shop.status(sent["wamid"], name, opaque=sent["body"]["biz_opaque_callback_data"], customer=customer,
                                       **more)) == 200
        return question

    def to_meta(self, body):
        return self.meta.send(body).status

    def to_dialog(self, body):
        value = body["entry"][0]["changes"][0]["value"]
        value = {k: v for k, v in value.items() if k not in ("messaging_product", "metadata")}
        return self.provider.deliver(D360, value)[0].status

    def strange(self):
        """What is refused, kept without being understood, quarantined, or known by a user id alone."""
        plant, shop = self.planted.customer, self.meta
        refused = shop.question(plant("refused question", word()), plant("refused message id", wamid(phone())),
                                plant("refused customer", phone()))
        assert self.gateway.webhook(shop.id, refused, signature="sha256=" + "0" * 64).status == 401
        assert self.gateway.webhook("nobody", refused, shop.app_secret).status == 401
        assert self.dialog.send(refused, "x" * 43).status == 401
        assert shop.send(json.dumps({"odd": plant("unparsed words", word())}).encode()).status == 200
        assert shop.send(b'{"entry": "' + plant("words that are no JSON", word()).encode()).status == 200
        assert shop.send(shop.question(plant("quarantined question", word()), plant("quarantined message id", wamid(phone())),
                                       plant("quarantined customer", phone()), number="999")).status == 200
        user = plant("user id", "US." + "".join(random.choices(string.digits, k=20)))
        body = shop.question(plant("user's question", word()), plant("user's message id", wamid("0")))
        value = body["entry"][0]["changes"][0]["value"]
        del value["messages"][0]["from"]
        value["messages"][0]["from_user_id"] = user
        value["contacts"] = [{"profile": {"name": plant("user's name", word()), "username": plant("username", word())},
                              "user_id": user}]
        assert shop.send(body).status == 200
        image = shop.question("x", plant("picture's message id", wamid(phone())), plant("picture's customer", phone()))
        message = image["entry"][0]["changes"][0]["value"]["messages"][0]
        del message["text"]
        message.update(type="image", image={"id": "1", "caption": plant("caption", word())})
        assert shop.send(image).status == 200
        assert self.catalogue.send(self.catalogue.question(
            "How much is iPhone 13 Pro? " + plant("words to the catalogue", word()),
            plant("catalogue's message id", wamid(phone())), plant("catalogue's customer", phone()))).status == 200
        assert wait_for(lambda: self.provider.sent(self.catalogue.number))
        plant("catalogue's sent message id", self.provider.sent(self.catalogue.number)[0]["wamid"])
        assert wait_for(lambda: [r for r in self.provider.sends() if r.json.get("recipient") == user], timeout=15)

    def call(self):
        """By API: heard, repeated, refused by us, refused by the provider with the customer's number in the words."""
        plant, key = self.planted.customer, self.planted.customer("idempotency key", word(32))
        customer, text, opaque = plant("called customer", phone()), plant("called text", word()), plant("opaque data", word())
        sent = []
        for shop in (self.meta, self.dialog):
            for _ in range(2):
                sent.append(shop.post(text, to="+" + customer, key=key,
                                      biz_opaque_callback_data=opaque))
        assert {s.status for s in sent} == {202}, [s.body for s in sent]
        bad = {"to": "+" + plant("badly called customer", phone()), "type": "nonsense",
               "text": {"body": plant("bad text", word())}}
        assert self.gateway.api("POST", self.meta.path("messages"), bad, headers={"Idempotency-Key": key + "2"}).status == 400
        assert self.gateway.api("POST", self.meta.path("messages"), json.dumps(bad)[:-3]).status == 400
        lost = plant("customer who cannot be reached", phone())
        for shop in (self.meta, self.dialog):
            self.provider.fault("error", holding=lost.encode(), http=400, code=131026, message=f"{lost} is no customer",
                                details=f"Message to {lost} undeliverable")
            assert shop.post(plant(f"text that does not arrive by {shop.number}", word()), to="+" + lost).status == 202
        assert wait_for(lambda: len([m for m in self.provider.sent() if m["body"].get("to") == "+" + customer]) == 2)
        for message in self.provider.sent():
            if message["body"].get("to") == "+" + customer:
                plant(f"called message id of {message['api']}", message["wamid"])

    def crowd(self):
        """Many at once, so that most threads had some of it; and bodies that outgrow every first buffer."""
        plant, customer = self.planted.customer, self.planted.customer("crowd's customer", phone())
        # Of one there may not go so many at once.
        others = [self.planted.customer(f"one of the crowd's customers, {n}", phone()) for n in range(4)]
        text, long = plant("crowd's words", word()), plant("words of a long body", word())
        bodies = [self.meta.question(f"{text} {n}", wamid(phone()), customer) for n in range(CROWD)]
        bodies.append(self.catalogue.question((long + " ") * 3000, wamid(phone()), customer))
        bodies.append(self.meta.envelope({"messages": [{"from": customer, "id": wamid(phone()), "timestamp": "1", "type": "text",
                                                        "text": {"body": f"{long} {n}"}} for n in range(500)]}))

        def one(n):
            shop = self.catalogue if bodies[n]["entry"][0]["id"] == self.catalogue.waba else self.meta
            return shop.send(bodies[n]).status, shop.post(f"{text} {n}", to="+" + others[n % len(others)]).status
        with concurrent.futures.ThreadPoolExecutor(CROWD) as pool:
            assert set(pool.map(one, range(len(bodies)))) == {(200, 202)}
            assert set(pool.map(lambda n: self.gateway.api("GET", self.meta.path("messages?limit=200")).status, range(8))) == {200}

    def ask_for_it(self):
        """Everything once by API, which passes the listener too."""
        for shop in (self.meta, self.dialog, self.catalogue):
            assert wait_for(lambda s=shop: not {m["state"] for m in s.messages(direction="outbound")} & {"queued", "sending"} and
                            not s.events(state="accepted"), timeout=20)
            for message in shop.messages(limit=200):
                shop.message(message["id"])
            shop.connections(), self.gateway.api("GET", shop.path("responder"))
        assert wait_for(lambda: self.gateway.metric("keyhouse_responder_asks") == 0, timeout=20)
        self.gateway.run("connection", "list", self.meta.id)

    def live(self):
        self.paste()
        self.converse("Meta", self.meta, self.to_meta)
        self.converse("360dialog", self.dialog, self.to_dialog)
        self.rotate()
        self.converse("Meta's later", self.meta, self.to_meta)
        self.converse("360dialog's later", self.dialog, self.to_dialog)
        self.strange()
        self.call()
        self.crowd()
        self.ask_for_it()
        return self.planted


@pytest.fixture
def house(gateway, provider, platform):
    return House(gateway, provider, platform)


def at_rest(gateway):
    """The processes that must hold nothing: label and pid."""
    return {"listener": gateway.role_pid("listener"), "sender": gateway.role_pid("sender"), "supervisor": gateway.process.pid}


@SKIP
def test_nothing_is_left_in_memory(gateway, house):
    planted = house.live()
    wait_for(lambda: False, timeout=1)
    listener = gateway.role_pid("listener")
    assert search(listener, {"a word of its own binary": "EVENT_RECEIVED"}), "the search finds what is there"
    hits = {role: found for role, pid in at_rest(gateway).items() if (found := search(pid, planted.all))}
    assert hits == {}, "\n".join(f"{role}: {hit}" for role, found in hits.items() for hit in found)


@SKIP
def test_no_master_key_outside_the_vault(gateway, shop):
    line = next(l for l in (gateway.data / "master.key").read_text().splitlines() if " current " in l)
    key = base64.b64decode(line.split()[-1])
    for role, pid in at_rest(gateway).items():
        assert search(pid, {"master key": key, "its text": line.split()[-1]}) == [], role


def test_nothing_on_disk_in_clear(gateway, house):
    planted = house.live()
    copy = gateway.dir / "copy.db"
    gateway.run("backup", str(copy))
    (gateway.dir / "metrics").write_bytes(gateway.get("/metrics").body)
    files = [p for p in gateway.data.rglob("*") if p.is_file() and p.name != "master.key"]
    assert {"keyhouse.db", "keyhouse.db-wal"} <= {p.name for p in files}
    files += [copy, gateway.log_path, gateway.dir / "metrics"]
    hits = search_files(files, planted.all)
    assert hits == [], "\n".join(hits)
    for name in ("keyhouse.db", "keyhouse.db-wal", "copy.db"):
        found = [p for p in files if p.name == name and b"iPhone 13 Pro (128GB)" in p.read_bytes()]
        assert found or name != "copy.db", "the search finds what is there"
    for label, needle in needles(planted.secrets):
        assert needle not in (gateway.data / "master.key").read_bytes(), label
    for path in [*gateway.data.iterdir(), copy]:
        assert path.stat().st_mode & 0o077 == 0, f"{path.name} is owner-only"


def test_metrics_tell_counts_alone(gateway, house):
    house.converse("Meta", house.meta, house.to_meta)
    answer = gateway.get("/metrics")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = answer.body.decode()
    for shop in (house.meta, house.dialog, house.catalogue):
        for tenant in (shop.id, shop.name, shop.number, shop.connection):
            assert tenant not in text
    for line in text.splitlines():
        assert line.startswith("#") or re.fullmatch(r'[a-z_]+(\{[a-z_]+="[^"]*"\})? -?\d+', line), line
    assert gateway.metric("keyhouse_businesses") == 3 and gateway.metric("keyhouse_connections") == 3


def test_each_role_has_its_own_layout(gateway):
    bases = set()
    for role in ("listener", "sender", "vault"):
        with open(f"/proc/{gateway.role_pid(role)}/maps") as maps:
            bases.add(maps.readline().split("-")[0])
    assert len(bases) == 3
