"""Shops as their platform would make them: a business with a connection to Meta (Shop) or to 360dialog (DialogShop),
and the webhooks that the provider sends for it."""
import hashlib
import os
import sqlite3
import time


PAUL = """name,price,currency,stock
iPhone 13 Pro (128GB),450000,NGN,5
AirPods Pro 2,180000,NGN,0
Samsung Galaxy S22,380000,NGN,3
"""


class Business:
    """What does not depend on the provider. number, waba and display are those of its first connection."""
    number = waba = connection = None
    display = "15550783881"

    def __init__(self, gateway, name, responder):
        self.gateway, self.name = gateway, name
        self.id = gateway.api("POST", "/v1/businesses", {"name": name}).json["id"]
        if isinstance(responder, str):
            if responder != "none":
                assert gateway.api("PUT", self.path("responder"), {"kind": responder}).status == 200
        else:
            self.use_platform(responder)

    def path(self, *parts):
        return "/".join(["/v1/businesses", self.id, *parts])

    def use_platform(self, platform, path="/hook", **more):
        answer = self.gateway.api("PUT", self.path("responder"), {"kind": "platform", "url": platform.url + path, **more})
        assert answer.status == 200, answer.body
        if "signing_secret" in answer.json:
            platform.secrets[self.id] = answer.json["signing_secret"]
        return answer.json

    def products(self, csv):
        answer = self.gateway.api("POST", self.path("products"), csv, "text/csv")
        assert answer.status in (200, 201), answer.body

    # ------------------------------------------------ webhooks

    def envelope(self, value, field="messages", number=None, waba=None):
        metadata = {"display_phone_number": self.display, "phone_number_id": number or self.number}
        return {"object": "whatsapp_business_account", "entry": [{"id": waba or self.waba, "changes": [
            {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}]}]}

    def question(self, text, wamid, customer="16505551234", when=None, **more):
        return self.envelope(asked(text, wamid, customer, when), **more)

    def status(self, wamid, status, opaque=None, customer="16505551234", **more):
        one = {"id": wamid, "status": status, "timestamp": str(int(time.time())), "recipient_id": customer, **more}
        if opaque:
            one["biz_opaque_callback_data"] = opaque
        return self.envelope({"statuses": [one]})

    # ------------------------------------------------ the API

    def post(self, text, to="+16505551234", key=None, start="messages", **more):
        """Sends a text by API."""
        headers = {"Idempotency-Key": key} if key else {}
        return self.gateway.api("POST", self.path(start), {"to": to, "type": "text", "text": {"body": text}, **more},
                                headers=headers)

    def messages(self, **query):
        words = "&".join(f"{k}={v}" for k, v in query.items())
        return self.gateway.api("GET", self.path(f"messages?{words}")).json["data"]

    def message(self, id_):
        return self.gateway.api("GET", self.path("messages", id_)).json

    def events(self, state=""):
        more = f"&state={state}" if state else ""
        return self.gateway.api("GET", self.path(f"events?limit=200{more}")).json["data"]

    def connections(self):
        return self.gateway.api("GET", self.path("connections")).json["data"]

    def connection_status(self):
        return self.gateway.api("GET", self.path("connections", self.connection)).json["status"]

    def test(self):
        return self.gateway.api("POST", self.path("connections", self.connection, "test")).json

    def patch(self, **fields):
        return self.gateway.api("PATCH", self.path("connections", self.connection), fields)


def asked(text, wamid, customer="16505551234", when=None):
    """The value of a change that brings one text."""
    return {"contacts": [{"profile": {"name": "Ada"}, "wa_id": customer}],
            "messages": [{"from": customer, "id": wamid, "timestamp": str(int(when or time.time())), "type": "text",
                          "text": {"body": text}}]}


def checks(answer):
    return {c["name"]: c["result"] for c in answer["checks"]}


class Shop(Business):
    """With a Meta connection. app: another shop whose Meta app it uses."""

    def __init__(self, gateway, provider, name, number, responder="catalogue", verify=False, waba="102290129340398", app=None):
        self.prepare(gateway, provider, name, number, waba, app, responder)
        answer = self.connect(verify=verify)
        assert answer.status == 201, answer.body
        self.connected = answer.json
        self.connection = self.connected["id"]

    def prepare(self, gateway, provider, name, number, waba, app=None, responder="none"):
        """All but the connection."""
        self.number, self.waba = number, waba
        self.app_id = app.app_id if app else "9" + number
        self.app_secret = app.app_secret if app else hashlib.md5(b"app secret of " + name.encode() + os.urandom(8)).hexdigest()
        self.token = "EAAG" + hashlib.sha256(b"token of " + name.encode() + os.urandom(8)).hexdigest() + "ZD"
        provider.add_token(self.token, [number], app_id=self.app_id, app_secret=self.app_secret, waba_ids=[waba])
        super().__init__(gateway, name, responder)

    def connect(self, **more):
        return self.gateway.api("POST", self.path("connections"), {
            "provider": "meta", "app_id": self.app_id, "app_secret": self.app_secret, "access_token": self.token,
            "waba_id": self.waba, "phone_number_id": self.number, **more})

    def send(self, body):
        return self.gateway.webhook(self.id, body, self.app_secret)


class DialogShop(Business):
    """With a 360dialog connection: what a shop has is its key. more: what the fake is to know of the key."""
    display = "4930901820"

    def __init__(self, gateway, provider, name, number, responder="catalogue", waba="880000000000001", fields=None, **more):
        self.number, self.waba, self.key = number, waba, new_key(name)
        provider.add_d360_key(self.key, number, waba_id=waba, **more)
        super().__init__(gateway, name, responder)
        answer = self.connect(**(fields or {}))
        assert answer.status == 201, answer.body
        self.connected = answer.json
        self.connection = self.connected["id"]
        self.webhook_secret = self.connected["webhook_headers"]["X-Keyhouse-Secret"]

    def connect(self, **fields):
        return self.gateway.api("POST", self.path("connections"), {"provider": "360dialog", "api_key": self.key, **fields})

    def send(self, body, secret=None, **headers):
        return self.gateway.webhook(self.id, body, headers={"X-Keyhouse-Secret": secret or self.webhook_secret, **headers})


def new_key(name="shop"):
    """As opaque as 360dialog's own."""
    return "Kd" + hashlib.sha256(name.encode() + os.urandom(8)).hexdigest()[:34] + "_AK"


def hours_pass(gateway, hours):
    """What was, was so many hours earlier: of connections, messages and webhooks."""
    gateway.stop()
    back = int(hours * 3600 * 1000)
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        db.execute("UPDATE connections SET created_at = created_at - ?, state_at = state_at - ?", (back, back))
        db.execute("UPDATE messages SET created_at = created_at - ?", (back,))
        db.execute("UPDATE deliveries SET accepted_at = accepted_at - ?, refused_at = CASE refused_at WHEN 0 THEN 0 ELSE refused_at - ? END",
                   (back, back))
        db.execute("UPDATE calls SET at = at - ?", (back,))
    db.close()
    gateway.start()
