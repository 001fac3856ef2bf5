"""Goal of this test: the canary. Known keys, phone numbers and words are planted; every route is driven, rightly and in
each wrong way that attacks.py knows, over plain connections and over TLS; providers and platforms repeat what they were
told; commands run on line and off line; roles crash. Afterwards no key is in the memory of listener, sender or supervisor,
and neither a key nor anything of a customer's in database, log, metrics, backup or core, whole or in pieces, in any form.

A route that the program has and no row here drives makes this fail."""
import base64
import concurrent.futures
import http.client
import json
import os
import pathlib
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse

import pytest

import attacks
from attacks import FORM, JSON, Shot, said, talk
from conftest import BINARY, PAUL, ROOT, Answer, Gateway, Shop, free_port, sign, wait_for
from fake_platform import Platform, garbage, huge, redirect, reply
from provider import Provider
from remains import Wanted, forms, search, search_files
from shops import Business, DialogShop, new_key
from test_memory import House, at_rest, phone, word
from test_tls import BUNDLE, certificate, may_mount

AT_ONCE = 12
SETTLE_S = 1.0
ADMIN, OWNER = "__Host-keyhouse-admin", "__Host-keyhouse"
NOBODY = 65534


# ---------------------------------------------------------------- what routes there are

def routes_described():
    """{route: its tags}, as gateway/api/openapi.yaml lists them."""
    found, path, route = {}, None, None
    for line in (ROOT / "gateway/api/openapi.yaml").read_text().splitlines():
        if line == "components:":
            break
        if m := re.fullmatch(r"  (/\S*):", line):
            path = m.group(1)
        elif m := re.fullmatch(r"    (get|post|put|patch|delete):", line):
            route = f"{m.group(1).upper()} {path}"
            found[route] = []
        elif m := re.fullmatch(r"      tags: \[(.*)\]", line):
            found[route] = m.group(1).split(", ")
    return found


def is_fronts(tags):
    return "graph" in tags or "360dialog" in tags


def routes_of_the_api():
    return {route for route, tags in routes_described().items() if not is_fronts(tags)}


def routes_of_the_table():
    """As gateway/api/api.c has them, those of the control socket among them."""
    found = set()
    for path, allow in re.findall(r'\{"(/[^"]*)", "([A-Z, ]+)"', (ROOT / "gateway/api/api.c").read_text()):
        path = path.replace("{b}", "{business}")
        found |= {f"{method} {path}" for method in allow.split(", ") if method != "HEAD"}
    return found


def routes_of_the_pages():
    found = set()
    for file, area in (("settings.c", "/settings/"), ("admin.c", "/admin/")):
        for row in re.findall(r"\{\.name = .*\}", (ROOT / "gateway/settings" / file).read_text()):
            name = re.search(r'\.name = "([^"]*)"', row).group(1)
            found |= {f"{method} {area}{name}" for method, mark in (("GET", ".get = "), ("POST", ".post = ")) if mark in row}
    return found


def rows_of_the_front():
    """(shapes, path, methods), as gateway/front/front.c has them."""
    rows = re.findall(r'\{(\w+), "(/[^"]*)", WHAT_\w+, ([A-Z |]+)\}', (ROOT / "gateway/front/front.c").read_text())
    shapes = {"SHAPE_GRAPH": ["graph"], "SHAPE_D360": ["360dialog"], "0": ["graph", "360dialog"]}
    return [(shapes[shape], path, methods.split(" | ")) for shape, path, methods in rows] + [(["graph"], "/media-link/{link}", ["GET"])]


def routes_of_the_front():
    """By one of the shapes that they are of."""
    return {f"{method} {shapes[0]}:{path}" for shapes, path, methods in rows_of_the_front() for method in methods}


def routes_of_the_listener():
    text = (ROOT / "gateway/listener.c").read_text()
    return {f"GET {path}" for path in re.findall(r'strcmp\(path, "(/[^"]*)"\)', text)} | \
        {f"{method} /webhooks/{{business}}" for method in ("GET", "POST") if '"/webhooks/"' in text}


# ---------------------------------------------------------------- doors

class SecureGateway(Gateway):
    """All that the tests ask of it goes over TLS."""
    context = None

    def request(self, method, path, body=None, headers=None, timeout=30):
        connection = http.client.HTTPSConnection("127.0.0.1", self.tls_port, timeout=timeout, context=self.context)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()


def connect(gateway, control=False):
    """A socket to the gateway, by its own door or by that of the commands."""
    if control:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        s.connect(str(gateway.data / "control"))
        return s
    secure = isinstance(gateway, SecureGateway)
    s = socket.create_connection(("127.0.0.1", gateway.tls_port if secure else gateway.port), timeout=20)
    return gateway.context.wrap_socket(s, server_hostname="127.0.0.1") if secure else s


# ---------------------------------------------------------------- the routes, driven rightly

class Canary(House):
    """Three shops with all that happens to them, and what every route needs to be driven."""

    def __init__(self, gateway, provider, platform):
        super().__init__(gateway, provider, platform)
        self.plant("admin token", gateway.token)
        line = next(l for l in (gateway.data / "master.key").read_text().splitlines() if " current " in l)
        self.plant("master key", base64.b64decode(line.split()[-1]))
        self.plant("master key's text", line.split()[-1])
        self.owner, self.owner_csrf = self.come_in("the owner", self.meta)
        self.operator, self.operator_csrf = self.sign_in("the operator")
        self.number = 700000000000000
        self.key_texts = {}

    def plant(self, label, value):
        """A secret; one of a label that is there already gets a label of its own."""
        if self.planted.secrets.get(label, value) != value:
            label = f"{label} ({len(self.planted.secrets)})"
        return self.planted.secret(label, value)

    def plant_cookie(self, label, answer):
        cookie = answer.headers["set-cookie"].split(";")[0]
        self.plant(label, cookie.partition("=")[2])
        return cookie

    def post(self, path, fields, cookie=None):
        headers = {"Content-Type": FORM, **({"Cookie": cookie} if cookie else {})}
        return self.gateway.request("POST", path, urllib.parse.urlencode(fields).encode(), headers)

    def link(self, label, business):
        answer = self.gateway.api("POST", business.path("settings-links"))
        return self.plant(f"settings link of {label}", answer.json["url"].split("#")[1])

    def come_in(self, label, business):
        token = self.link(label, business)
        answer = self.post("/settings/open", {"token": token})
        assert answer.status == 200, answer.body
        assert self.post("/settings/open", {"token": token}).status == 410
        cookie = self.plant_cookie(f"session of {label}", answer)
        page = self.gateway.get("/settings/access", {"Cookie": cookie}).body
        return cookie, self.plant(f"form of {label}", re.search(rb'name="csrf" value="([0-9a-f]+)"', page).group(1).decode())

    def sign_in(self, label):
        answer = self.post("/admin/sign-in", {"token": self.gateway.token})
        assert answer.status == 303, answer.body
        cookie = self.plant_cookie(f"session of {label}", answer)
        page = self.gateway.get("/admin/keys", {"Cookie": cookie}).body
        return cookie, self.plant(f"form of {label}", re.search(rb'name="csrf" value="([0-9a-f]+)"', page).group(1).decode())

    # ------------------------------------------------ things to be used up

    def new_number(self):
        self.number += 1
        return str(self.number)

    def keys_of_meta(self, label):
        """What the provider knows of a new number; returns the body that connects it."""
        number, app, waba = self.new_number(), self.new_number(), self.new_number()
        token, secret = self.plant(f"access token of {label}", "EAAG" + word(60)), self.plant(f"app secret of {label}", os.urandom(16).hex())
        self.provider.add_token(token, [number], app_id=app, app_secret=secret, waba_ids=[waba])
        return {"provider": "meta", "app_id": app, "app_secret": secret, "access_token": token, "waba_id": waba,
                "phone_number_id": number}

    def key_of_d360(self, label):
        key = self.plant(f"360dialog key of {label}", new_key(label))
        self.provider.add_d360_key(key, self.new_number(), waba_id=self.new_number())
        return {"provider": "360dialog", "api_key": key}

    def spare(self, label="a spare"):
        return Business(self.gateway, label, "none")

    def virtual_key(self, business):
        """A fresh one's id."""
        made = self.gateway.api("POST", business.path("keys"), {"name": word()}).json
        self.plant("virtual key", made["key"])
        return made["id"]

    def key_text(self, shop):
        """A virtual key of the shop's, the same for all."""
        if shop.id not in self.key_texts:
            self.key_texts[shop.id] = self.plant(f"virtual key of {shop.id}", self.gateway.api(
                "POST", shop.path("keys"), {"name": word()}).json["key"])
        return self.key_texts[shop.id]

    def connected(self, label):
        """A business with a connection that nobody else needs."""
        spare = self.spare(label)
        answer = self.gateway.api("POST", spare.path("connections"), {**self.keys_of_meta(label), "verify": False})
        assert answer.status == 201, answer.body
        spare.connection = answer.json["id"]
        return spare

    def letter(self):
        """A business, and a message of its that came to nothing."""
        shop, text = self.connected("one with a letter"), word()
        self.provider.fault("error", on="/messages", times=1, http=400, code=131026, holding=text)
        id_ = shop.post(text, to="+" + phone()).json["id"]
        assert wait_for(lambda: shop.message(id_)["state"] == "dead"), shop.message(id_)
        return shop, id_

    def letter_path(self, what):
        shop, id_ = self.letter()
        return shop.path("messages", id_, what)

    def letter_fields(self):
        shop, id_ = self.letter()
        return {"business": shop.id, "id": id_}

    def keep_shown(self, answer):
        """What an answer shows once is a secret from then on: a token, a link, a signing or webhook secret, a cookie."""
        for value in re.findall(rb"khv?_[\w-]{40,}|whsec_[\w+/=]{40,}|(?<=#)[\w-]{43}|(?<=X-Keyhouse-Secret\":\")[^\"]+|"
                                rb"(?<=__Host-keyhouse=)[\w-]{43}|(?<=__Host-keyhouse-admin=)[\w-]{43}", answer):
            self.plant("what was shown once", value.decode())

    # ------------------------------------------------ shots

    def api(self, method, path, fields=None, kind=JSON, free=()):
        return Shot(method, path, {"Authorization": "Bearer " + self.gateway.token}, fields, kind, free)

    def form(self, area, name, fields=None, free=()):
        cookie, csrf = (self.owner, self.owner_csrf) if area == "settings" else (self.operator, self.operator_csrf)
        if fields is not None:
            fields = {"csrf": csrf, **fields}
        return Shot("POST" if fields is not None else "GET", f"/{area}/{name}", {"Cookie": cookie}, fields, FORM, ("csrf", *free))

    def one(self, business, part):
        return self.gateway.api("GET", business.path(part)).json["data"][0]["id"]


def api_rows():
    """{route: [shots]}, each right. A shot that can be fired once makes its own target."""
    B = "/v1/businesses"
    return {
        "GET /openapi.yaml": lambda h: [h.api("GET", "/openapi.yaml")],
        f"POST {B}": lambda h: [h.api("POST", B, {"name": "Spare"}, free=("name", "id"))],
        f"GET {B}": lambda h: [h.api("GET", B)],
        f"GET {B}/{{business}}": lambda h: [h.api("GET", h.meta.path())],
        f"PATCH {B}/{{business}}": lambda h: [h.api("PATCH", h.spare().path(), {"status": "suspended", "name": "Spare"}, free=("name",))],
        f"DELETE {B}/{{business}}": lambda h: [h.api("DELETE", h.connected("one removed").path())],
        f"POST {B}/{{business}}/connections": lambda h: [
            h.api("POST", h.spare().path("connections"), h.keys_of_meta("the API")),
            h.api("POST", h.spare().path("connections"), {**h.keys_of_meta("the API, unproven"), "verify": False}),
            h.api("POST", h.spare().path("connections"), h.key_of_d360("the API"))],
        f"GET {B}/{{business}}/connections": lambda h: [h.api("GET", h.meta.path("connections"))],
        f"GET {B}/{{business}}/connections/{{id}}": lambda h: [h.api("GET", h.dialog.path("connections", h.dialog.connection))],
        f"PATCH {B}/{{business}}/connections/{{id}}": lambda h: [
            h.api("PATCH", h.meta.path("connections", h.meta.connection), {"take_over": True}),
            h.api("PATCH", h.dialog.path("connections", h.dialog.connection), {"platform_secret": h.plant("next platform secret", word(40))})],
        f"DELETE {B}/{{business}}/connections/{{id}}": lambda h: [
            h.api("DELETE", (s := h.connected("one disconnected")).path("connections", s.connection))],
        f"POST {B}/{{business}}/connections/{{id}}/test": lambda h: [
            h.api("POST", h.meta.path("connections", h.meta.connection, "test")),
            h.api("POST", h.dialog.path("connections", h.dialog.connection, "test"))],
        f"POST {B}/{{business}}/messages": lambda h: [h.api("POST", h.meta.path("messages"), {
            "to": "+" + h.planted.customer("one written to", phone()), "type": "text",
            "text": {"body": h.planted.customer("words written to him", word())}}, free=("text",))],
        f"GET {B}/{{business}}/messages": lambda h: [h.api("GET", h.meta.path("messages"))],
        f"GET {B}/{{business}}/messages/{{id}}": lambda h: [h.api("GET", h.meta.path("messages", h.one(h.meta, "messages")))],
        f"POST {B}/{{business}}/messages/{{id}}/replay": lambda h: [
            h.api("POST", h.letter_path("replay"), {"maybe_duplicate": True}),
            h.api("POST", h.letter_path("replay"))],
        f"POST {B}/{{business}}/messages/{{id}}/discard": lambda h: [h.api("POST", h.letter_path("discard"))],
        f"POST {B}/{{business}}/products": lambda h: [
            h.api("POST", h.catalogue.path("products"), {"name": "Lamp", "price": "5", "currency": "EUR"}, free=("name", "unit")),
            h.api("POST", h.catalogue.path("products"), PAUL.encode(), "text/csv")],
        f"GET {B}/{{business}}/products": lambda h: [h.api("GET", h.catalogue.path("products"))],
        f"DELETE {B}/{{business}}/products/{{id}}": lambda h: [h.api("DELETE", h.catalogue.path("products", h.one(h.catalogue, "products")))],
        f"GET {B}/{{business}}/responder": lambda h: [h.api("GET", h.meta.path("responder"))],
        f"PUT {B}/{{business}}/responder": lambda h: [
            h.api("PUT", h.spare().path("responder"), {"kind": "platform", "url": h.platform.url + "/hook", "rotate_secret": True})],
        f"POST {B}/{{business}}/settings-links": lambda h: [h.api("POST", h.meta.path("settings-links"), {"expires_in": 60})],
        f"GET {B}/{{business}}/settings-links": lambda h: [h.api("GET", h.meta.path("settings-links"))],
        f"DELETE {B}/{{business}}/settings-links/{{id}}": lambda h: [
            h.api("DELETE", (s := h.spare()).path("settings-links", (h.link("one revoked", s), h.one(s, "settings-links"))[1]))],
        f"POST {B}/{{business}}/keys": lambda h: [
            h.api("POST", h.meta.path("keys"), {"name": word(), "scopes": ["send"], "numbers": [h.meta.number]}, free=("name",))],
        f"GET {B}/{{business}}/keys": lambda h: [h.api("GET", h.meta.path("keys"))],
        f"GET {B}/{{business}}/keys/{{id}}": lambda h: [h.api("GET", h.meta.path("keys", h.virtual_key(h.meta)))],
        f"DELETE {B}/{{business}}/keys/{{id}}": lambda h: [h.api("DELETE", h.meta.path("keys", h.virtual_key(h.meta)))],
        f"POST {B}/{{business}}/keys/{{id}}/rotate": lambda h: [
            h.api("POST", h.meta.path("keys", h.virtual_key(h.meta), "rotate"), {"old_ends_in_minutes": 5})],
        f"GET {B}/{{business}}/doctor": lambda h: [h.api("GET", h.meta.path("doctor"))],
        f"POST {B}/{{business}}/doctor": lambda h: [h.api("POST", h.connected("one looked at").path("doctor"))],
        f"GET {B}/{{business}}/audit": lambda h: [h.api("GET", h.meta.path("audit"))],
        f"GET {B}/{{business}}/events": lambda h: [h.api("GET", h.meta.path("events"))],
        f"GET {B}/{{business}}/events/{{id}}": lambda h: [h.api("GET", h.meta.path("events", h.one(h.meta, "events")))],
        f"POST {B}/{{business}}/events/{{id}}/replay": lambda h: [
            h.api("POST", h.meta.path("events", h.meta.events()[0]["id"], "replay")), h.api("POST", h.meta.path("events", "x", "replay"))],
    }


def control_rows():
    def tokens(h):
        answer = h.gateway.run("token", "new", "--name", "spare").stdout.strip()
        h.plant("spare admin token", answer)
        return re.search(r"(?m)^(\w+) .*\bspare\b", h.gateway.run("token", "list").stdout).group(1)
    return {
        "GET /control/keys": lambda h: [Shot("GET", "/control/keys")],
        "POST /control/keys/rotate": lambda h: [Shot("POST", "/control/keys/rotate", {}, {"what": "business", "business_id": h.spare().id})],
        "GET /control/audit": lambda h: [Shot("GET", "/control/audit")],
        "GET /control/kit": lambda h: [Shot("GET", "/control/kit")],
        "POST /control/kit": lambda h: [Shot("POST", "/control/kit", {}, {"key_id": h.plant("master key for its id", word(16))})],
        "GET /control/refusals": lambda h: [Shot("GET", "/control/refusals")],
        "GET /control/tokens": lambda h: [Shot("GET", "/control/tokens")],
        "POST /control/tokens": lambda h: [Shot("POST", "/control/tokens", {}, {"name": "another"}, free=("name",))],
        "DELETE /control/tokens/{id}": lambda h: [Shot("DELETE", "/control/tokens/" + tokens(h))],
    }


def settings_rows():
    def fresh(h, name, fields, label):
        """A form of a session of its own, since it ends something."""
        shop = h.connected(label)
        cookie, csrf = h.come_in(label, shop)
        made = fields(shop)
        return Shot("POST", "/settings/" + name, {"Cookie": cookie}, {"csrf": csrf, **made}, FORM, ("csrf",))

    def meta(h, label, **more):
        return {**{k: v for k, v in h.keys_of_meta(label).items() if k != "provider"}, **more}
    rows = {f"GET /settings/{name}": lambda h, name=name: [h.form("settings", name)] for name in (
        "", "open", "connect", "connect-meta", "connect-360dialog", "waiting", "access", "activity", "products", "messages")}
    rows.update({
        # The words of a sign are printed for everybody; the library that draws its code wipes nothing.
        "GET /settings/sign": lambda h: [h.form("settings", "sign", free=("text",))],
        "POST /settings/open": lambda h: [Shot("POST", "/settings/open", {}, {"token": h.link("one who comes", h.spare())}, FORM)],
        "POST /settings/connect-meta": lambda h: [
            h.form("settings", "connect-meta", meta(h, "the page")),
            # Each value in a field of another; a token that Meta does not know; a secret that is not this app's.
            h.form("settings", "connect-meta", {"app_id": h.plant("secret as app id", os.urandom(16).hex()),
                                                "app_secret": h.plant("token as app secret", "EAAG" + word(60)),
                                                "access_token": h.plant("secret as token", os.urandom(16).hex()),
                                                "phone_number_id": h.plant("token as number", "EAAG" + word(60)),
                                                "waba_id": h.plant("key as account", new_key())}),
            h.form("settings", "connect-meta", meta(h, "a page refused", access_token=h.plant("token nobody knows", "EAAG" + word(60)))),
            h.form("settings", "connect-meta", meta(h, "a page refused", app_secret=h.plant("secret nobody knows", os.urandom(16).hex())))],
        "POST /settings/connect-360dialog": lambda h: [
            h.form("settings", "connect-360dialog", {"api_key": h.key_of_d360("the page")["api_key"]}),
            h.form("settings", "connect-360dialog", {"api_key": h.plant("key nobody knows", new_key())}),
            h.form("settings", "connect-360dialog", {"api_key": h.plant("key of no sandbox", new_key()), "sandbox": "yes"}),
            h.form("settings", "connect-360dialog", {"api_key": h.plant("token as key", "EAAG" + word(60))})],
        "POST /settings/check": lambda h: [h.form("settings", "check", {"connection": h.meta.connection})],
        "POST /settings/doctor": lambda h: [h.form("settings", "doctor", {"connection": h.meta.connection})],
        "POST /settings/register": lambda h: [h.form("settings", "register", {"connection": h.meta.connection, "take_over": "yes"})],
        "POST /settings/replace": lambda h: [
            h.form("settings", "replace", {"connection": h.meta.connection, "field": "app_secret", "value": h.meta.app_secret}),
            h.form("settings", "replace", {"connection": h.meta.connection, "field": "access_token",
                                           "value": h.plant("refused replacement", "EAAG" + word(60))}),
            h.form("settings", "replace", {"connection": h.meta.connection, "field": h.plant("key as a field's name", word(40)),
                                           "value": h.plant("replacement of nothing", word(40))}),
            h.form("settings", "replace", {"connection": h.plant("key as a connection", word(40)), "field": "app_secret",
                                           "value": h.plant("replacement elsewhere", os.urandom(16).hex())})],
        "POST /settings/rotate": lambda h: [
            h.form("settings", "rotate", {"connection": h.dialog.connection, "field": "webhook_secret"}),
            h.form("settings", "rotate", {"connection": h.meta.connection, "field": h.plant("key as a field to renew", word(40))})],
        "POST /settings/end-previous": lambda h: [
            h.form("settings", "end-previous", {"connection": h.meta.connection, "field": "app_secret", "sure": "yes"})],
        "POST /settings/disconnect": lambda h: [
            h.form("settings", "disconnect", {"connection": h.meta.connection}),
            fresh(h, "disconnect", lambda s: {"connection": s.connection, "sure": "yes"}, "one who disconnects")],
        "POST /settings/revoke": lambda h: [
            fresh(h, "revoke", lambda s: {"link": (h.link("one ended", s), h.one(s, "settings-links"))[1]}, "one who ends")],
        "POST /settings/delete": lambda h: [
            h.form("settings", "delete", {"name": h.plant("key as the shop's name", word(40))}),
            fresh(h, "delete", lambda s: {"name": s.name}, "one who leaves")],
        "POST /settings/products": lambda h: [
            h.form("settings", "products", {"do": "save", "name": "Chair", "price": "9", "currency": "EUR", "stock": "1"},
                   free=("name", "do")),
            h.form("settings", "products", {"do": "preview", "csv": PAUL}, free=("do",)),
            h.form("settings", "products", {"do": "import", "csv": PAUL}, free=("do",))],
        "POST /settings/messages": lambda h: [
            h.form("settings", "messages", {"words": "phone"}), h.form("settings", "messages", {"do": "again", "id": h.one(h.meta, "messages")})],
        "POST /settings/end": lambda h: [fresh(h, "end", lambda s: {}, "one who goes")],
    })
    return rows


def admin_rows():
    def ended(h, what):
        cookie, _ = h.sign_in("another operator")
        page = h.gateway.get("/admin/keys", {"Cookie": h.operator}).body.decode()
        assert cookie
        return re.findall(rf'name="{what}" value="([A-Za-z0-9_-]+)"', page)[-1]
    rows = {f"GET /admin/{name}": lambda h, name=name: [h.form("admin", name)] for name in
            ("sign-in", "", "letters", "quarantine", "refused", "keys", "audit")}
    rows.update({
        "GET /admin/find": lambda h: [h.form("admin", "find?text=paul")],
        "GET /admin/business": lambda h: [h.form("admin", "business?id=" + h.meta.id)],
        "POST /admin/sign-in": lambda h: [
            Shot("POST", "/admin/sign-in", {}, {"token": h.gateway.token}, FORM),
            Shot("POST", "/admin/sign-in", {}, {"token": h.plant("wrong admin token", "kh_" + word(43))}, FORM)],
        "POST /admin/sign-out": lambda h: [(lambda c: Shot("POST", "/admin/sign-out", {"Cookie": c[0]}, {"csrf": c[1]}, FORM))(
            h.sign_in("one who signs out"))],
        "POST /admin/link": lambda h: [h.form("admin", "link", {"business": h.spare().id})],
        "POST /admin/end-link": lambda h: [h.form("admin", "end-link", {
            "business": (s := h.spare()).id, "link": (h.link("one ended by the operator", s), h.one(s, "settings-links"))[1]})],
        "POST /admin/replay": lambda h: [h.form("admin", "replay", {"business": h.meta.id, "event": h.one(h.meta, "events")})],
        "POST /admin/send-again": lambda h: [h.form("admin", "send-again", h.letter_fields())],
        "POST /admin/discard": lambda h: [h.form("admin", "discard", h.letter_fields())],
        "POST /admin/suspend": lambda h: [h.form("admin", "suspend", {"business": h.spare().id})],
        "POST /admin/resume": lambda h: [h.form("admin", "resume", {"business": h.meta.id})],
        "POST /admin/revoke-token": lambda h: [h.form("admin", "revoke-token", {"token": h.plant("token's text for its id", "kh_" + word(43)),
                                                                                "sure": "yes"})],
        "POST /admin/make-key": lambda h: [
            h.form("admin", "make-key", {"business": h.meta.id, "name": word(), "send": "yes"}, free=("name",)),
            h.form("admin", "make-key", {"business": h.meta.id, "name": word(), "send": "yes",
                                         "rate_per_minute": h.plant("key as a rate", new_key())}, free=("name",))],
        "POST /admin/revoke-key": lambda h: [
            h.form("admin", "revoke-key", {"business": h.meta.id, "key": h.virtual_key(h.meta), "sure": "yes"}),
            h.form("admin", "revoke-key", {"business": h.meta.id, "sure": "yes",
                                           "key": h.plant("key's text for its id", "khv_" + word(43))})],
        "POST /admin/end-session": lambda h: [h.form("admin", "end-session", {"session": ended(h, "session")})],
    })
    return rows


def other_rows():
    def event(h, secret=None, **headers):
        body = json.dumps(h.meta.question(h.planted.customer(f"words {len(h.planted.content)}", word()), "wamid.canary",
                                          h.planted.customer(f"customer {len(h.planted.content)}", phone()))).encode()
        more = {"X-Hub-Signature-256": sign(secret, body)} if secret else {}
        return Shot("POST", "/webhooks/" + h.meta.id, {**more, **headers}, body)
    return {
        "GET /webhooks/{business}": lambda h: [
            Shot("GET", f"/webhooks/{h.meta.id}?hub.mode=subscribe&hub.challenge=1&hub.verify_token=" + h.plant("wrong verify token", word(40)))],
        "POST /webhooks/{business}": lambda h: [
            event(h, h.meta.app_secret), event(h, h.plant("another's app secret", os.urandom(16).hex())),
            event(h, X_Keyhouse_Secret=h.dialog.webhook_secret),
            Shot("POST", "/webhooks/" + h.dialog.id, {"X-Keyhouse-Secret": h.dialog.webhook_secret}, b'{"entry": []}'),
            Shot("POST", "/webhooks/" + h.dialog.id, {"X-Keyhouse-Secret": h.plant("wrong webhook secret", word(43))}, b'{"entry": []}'),
            # The app's secret itself, by somebody who took the header for a password.
            event(h, X_Hub_Signature_256="sha256=" + h.plant("secret as signature", word(64))),
            event(h, Authorization="Bearer " + h.plant("secret as bearer", word(40)))],
        **{f"GET {path}": lambda h, path=path: [Shot("GET", path)] for path in ("/healthz", "/readyz", "/metrics")},
    }


def front_rows():
    """By a virtual key of the Meta shop's and of the 360dialog shop's."""
    def graph(h, method, path, fields=None, shop=None, free=(), kind=JSON):
        shop = shop or h.meta
        path = path.replace("{number}", shop.number).replace("{waba}", shop.waba)
        return Shot(method, "/v23.0" + path, {"Authorization": "Bearer " + h.key_text(shop)}, fields, kind, free)

    def own(h, method, path, fields=None, free=()):
        return Shot(method, path, {"D360-API-KEY": h.key_text(h.dialog)}, fields, JSON, free)

    def said_to(h):
        return {"messaging_product": "whatsapp", "to": "+" + h.planted.customer(f"one written to {len(h.planted.content)}", phone()),
                "type": "text", "text": {"body": h.planted.customer(f"words of the front {len(h.planted.content)}", word())}}

    def upload(h, shot):
        mark, data = word(), h.planted.customer(f"a file's words {len(h.planted.content)}", word())
        body = (f'--{mark}\r\nContent-Disposition: form-data; name="messaging_product"\r\n\r\nwhatsapp\r\n--{mark}\r\nContent-Disposition: '
                f'form-data; name="file"; filename="f.txt"\r\nContent-Type: text/plain\r\n\r\n{data}\r\n--{mark}--\r\n').encode()
        return Shot(shot.method, shot.path, shot.headers, body, f"multipart/form-data; boundary={mark}")

    def media(h, shop):
        shot = upload(h, graph(h, "POST", "/{number}/media", shop=shop))
        return json.loads(talk(connect(h.gateway, False), said(shot)).partition(b"\r\n\r\n")[2])["id"]

    def link(h, shop):
        got = talk(connect(h.gateway, False), said(graph(h, "GET", "/" + media(h, shop), shop=shop)))
        assert b"\"url\"" in got, got
        return Shot("GET", urllib.parse.urlsplit(json.loads(got.partition(b"\r\n\r\n")[2])["url"]).path)
    template = {"name": "canary", "language": "en", "category": "UTILITY", "components": [{"type": "BODY", "text": "hi"}]}
    return {
        "POST graph:/{id}/messages": lambda h: [
            graph(h, "POST", "/{number}/messages", said_to(h), free=("text",)),
            graph(h, "POST", "/{number}/messages", said_to(h), h.dialog, free=("text",)),
            graph(h, "POST", "/{number}/messages", {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x"})],
        "POST graph:/{id}/media": lambda h: [upload(h, graph(h, "POST", "/{number}/media")),
                                             upload(h, graph(h, "POST", "/{number}/media", shop=h.dialog))],
        "GET graph:/{id}/phone_numbers": lambda h: [graph(h, "GET", "/{waba}/phone_numbers")],
        "GET graph:/{id}/message_templates": lambda h: [graph(h, "GET", "/{waba}/message_templates?limit=2")],
        "POST graph:/{id}/message_templates": lambda h: [graph(h, "POST", "/{waba}/message_templates", template)],
        "DELETE graph:/{id}/message_templates": lambda h: [graph(h, "DELETE", "/{waba}/message_templates?name=canary")],
        "GET graph:/{id}/whatsapp_business_profile": lambda h: [graph(h, "GET", "/{number}/whatsapp_business_profile")],
        "POST graph:/{id}/whatsapp_business_profile": lambda h: [
            graph(h, "POST", "/{number}/whatsapp_business_profile", {"messaging_product": "whatsapp", "about": "hi"})],
        "GET graph:/debug_token": lambda h: [graph(h, "GET", "/debug_token?input_token=" + h.key_text(h.meta))],
        "GET graph:/{id}": lambda h: [graph(h, "GET", "/{number}?fields=id"), graph(h, "GET", "/" + media(h, h.meta)),
                                      own(h, "GET", "/" + media(h, h.dialog))],
        "DELETE graph:/{id}": lambda h: [graph(h, "DELETE", "/" + media(h, h.meta))],
        "GET graph:/whatsapp_business/attachments": lambda h: [
            Shot("GET", "/whatsapp_business/attachments/?mid=1", {"Authorization": "Bearer " + h.key_text(h.meta)}),
            own(h, "GET", "/whatsapp_business/attachments?mid=1")],
        "GET graph:/media-link/{link}": lambda h: [link(h, h.meta), link(h, h.dialog)],
        "POST 360dialog:/messages": lambda h: [own(h, "POST", "/messages", said_to(h), free=("text",))],
        "POST 360dialog:/media": lambda h: [upload(h, own(h, "POST", "/media"))],
        "GET 360dialog:/v1/configs/templates": lambda h: [own(h, "GET", "/v1/configs/templates")],
        "POST 360dialog:/v1/configs/templates": lambda h: [own(h, "POST", "/v1/configs/templates", template)],
        "DELETE 360dialog:/v1/configs/templates": lambda h: [own(h, "DELETE", "/v1/configs/templates?name=canary")],
        "DELETE 360dialog:/v1/configs/templates/{name}": lambda h: [own(h, "DELETE", "/v1/configs/templates/canary")],
        "GET 360dialog:/message_templates": lambda h: [own(h, "GET", "/message_templates")],
        "POST 360dialog:/message_templates": lambda h: [own(h, "POST", "/message_templates", template)],
        "DELETE 360dialog:/message_templates": lambda h: [own(h, "DELETE", "/message_templates?name=canary")],
        "GET 360dialog:/whatsapp_business_profile": lambda h: [own(h, "GET", "/whatsapp_business_profile")],
        "POST 360dialog:/whatsapp_business_profile": lambda h: [own(h, "POST", "/whatsapp_business_profile", {"about": "hi"})],
        "GET 360dialog:/health_status": lambda h: [own(h, "GET", "/health_status")],
    }


ROWS = {"api": api_rows(), "control": control_rows(), "settings": settings_rows(), "admin": admin_rows(), "front": front_rows(),
        "other": other_rows()}
WIRED = {"GET /v1/businesses", "POST /webhooks/{business}", "POST graph:/{id}/messages", "POST /settings/connect-meta", "POST /admin/sign-in", "GET /metrics",
         "GET /control/keys"}  # what is refused before any route is looked for: once for each part of the program


def test_every_route_is_driven():
    known = routes_of_the_api() | routes_of_the_table() | routes_of_the_pages() | routes_of_the_front() | routes_of_the_listener()
    assert len(known) > 70, "the routes are not found in the sources"
    rows = {route for part in ROWS.values() for route in part}
    assert known - rows == set(), "a row for them is missing in ROWS"
    assert rows - known == set(), "these are no routes any more"


def test_the_front_is_described():
    """Each path as each shape has it, Meta's with a version."""
    described = {f"{route} {shape}" for route, tags in routes_described().items() if is_fronts(tags) for shape in tags}
    known = set()
    for shapes, path, methods in rows_of_the_front():
        version = "/{version}" if shapes == ["graph"] and "link" not in path else ""
        known |= {f"{method} {version}{path} {shape}" for shape in shapes for method in methods}
    known |= {f"{method} /{{version}}/{{id}} graph" for method in ("GET", "DELETE")}
    assert {route.replace("{business}/{sealed}", "{link}") for route in described} == known


# ---------------------------------------------------------------- everything at once

def drive(house, part):
    """Each route rightly; then each attack on each route, many at a time and in any order, so that what one left is not
    wiped out by the next."""
    control = part == "control"
    jobs = []
    for route, make in ROWS[part].items():
        shots = make(house)
        for shot in shots:
            got = talk(connect(house.gateway, control), said(shot))
            assert got.startswith(b"HTTP/1.1 "), (route, shot, got)
            house.keep_shown(got)
        aimed = make(house)[0] if shots[0].method == "DELETE" or part != "api" else shots[0]
        rows = {**attacks.PLACES, **(attacks.BODIES if aimed.method != "GET" else {}), **(attacks.WIRE if route in WIRED else {})}
        jobs += [(aimed, name, write) for name, write in rows.items()]
    random.shuffle(jobs)

    def fire(job):
        shot, name, write = job
        talk(connect(house.gateway, control), write(shot, house.secrets[name]))
    with concurrent.futures.ThreadPoolExecutor(3 if control else AT_ONCE) as pool:
        list(pool.map(fire, jobs))
    return len(jobs)


def words_of(secrets):
    """One line that holds them all, as a provider would repeat them: as they are, encoded, in an address."""
    return " ".join(f"{s} {urllib.parse.quote(s, safe='')} {base64.b64encode(s.encode()).decode()} ?access_token={s}&x=1" for s in secrets)


def hold(house):
    """The one request in flight: while it lasts its secret is there, and the search finds it; afterwards it is not. One is
    ended by us, the other by the server, which waits ten seconds for the rest."""
    came, late = house.plant("what came in a request in flight", word(40)), house.plant("what came slowly", word(40))
    shot = house.api("POST", house.meta.path("connections"))
    with connect(house.gateway) as s, connect(house.gateway) as slow:
        for sock, secret in ((s, came), (slow, late)):
            sock.sendall(shot.head(500) + json.dumps({"provider": "meta", "app_secret": secret}).encode())
        if os.environ.get("KH_SKIP_MEMORY") != "1":
            listener = house.gateway.role_pid("listener")
            assert wait_for(lambda: search(listener, {"secret": came}), timeout=5), "the search finds what is there"
        s.close()
        assert attacks.answer(slow).startswith(b"HTTP/1.1 408 ")


def repeated(secrets):
    """[(kind, what more)]: the provider's answers that hold what it was told."""
    said_ = words_of(secrets)
    page = f"<!doctype html><title>{said_}</title><p>{said_ * 20}"
    return [
        ("error", {"http": 401, "code": 190, "message": said_[:800], "details": said_}),
        ("error", {"http": 400, "body": json.dumps({"error": {"code": 131026, "message": secrets, "fbtrace_id": secrets[0]}})}),
        ("error", {"http": 400, "body": page}), ("error", {"http": 200, "body": page}),
        ("error", {"http": 200, "body": json.dumps({"messages": [{"id": "wamid." + secrets[0]}], "data": secrets})}),
        ("error", {"http": 200, "body": json.dumps({"messages": [{"id": "wamid." + secrets[0]}], "data": secrets})[:-2]}),
        ("error", {"http": 500, "code": 1, "retry_after": secrets[0]}), ("error", {"http": 400, "text": said_}),
        ("redirect", {"location": "http://127.0.0.1:1/" + secrets[0]}), ("truncated", {}), ("huge", {})]


def repeat(house):
    """Providers and platforms say back what they were told, in every part of an answer."""
    provider, gateway = house.provider, house.gateway
    for n in range(len(repeated([""]))):
        # Each from a shop of its own: after one answer of this kind the next message may have to wait.
        for shop in (Shop(gateway, provider, f"Meta's {n}", house.new_number(), responder="none", waba=house.new_number()),
                     DialogShop(gateway, provider, f"360dialog's {n}", house.new_number(), responder="none", waba=house.new_number())):
            secrets = [shop.token, shop.app_secret] if isinstance(shop, Shop) else [shop.key, shop.webhook_secret]
            for k, secret in enumerate(secrets):
                house.plant(f"secret {k} of {shop.name}", secret)
            kind, answer = repeated(secrets)[n]
            provider.fault(kind, number=shop.number, **answer)
            shop.post(house.planted.customer(f"words of {shop.name}", word()), to="+" + house.planted.customer(f"called by {shop.name}", phone()))
            assert wait_for(lambda: not {m["state"] for m in shop.messages()} & {"queued", "sending"}, timeout=5), shop.messages()
            if kind != "huge":
                shop.test(), shop.patch(take_over=True)
            provider.heal()
    meta = house.meta
    for step in (reply(401, {"error": words_of([house.platform.secrets[meta.id]])}), garbage(words_of([meta.token, meta.app_secret]).encode()),
                 redirect("http://127.0.0.1:1/?" + house.platform.secrets[meta.id]), huge,
                 reply(200, {"messages": [{"type": house.platform.secrets[meta.id], "text": {"body": "x"}}]}),
                 reply(200, {"messages": []}, [("X-Secret", house.platform.secrets[meta.id])])):
        house.platform.then(step)
        asked = len(house.platform.asks)
        meta.send(meta.question("and?", "wamid." + word(), house.planted.customer(f"asking {len(house.planted.content)}", phone())))
        assert wait_for(lambda: len(house.platform.asks) > asked)


def commands(house, spare, how):
    """Secrets come by standard input or in a file; rightly, wrongly, and where nobody asks for them. What was said."""
    meta, told = house.keys_of_meta("a command " + how), []
    wrong = house.plant("key refused of a command " + how, new_key())
    lost = house.plant("key that no command asked for " + how, word(40))
    file = house.gateway.dir / "a-key"
    file.write_text(house.plant("key in a file " + how, new_key()))
    phrase = house.gateway.dir / "a-phrase"
    phrase.write_text(house.plant("passphrase " + how, " ".join(word(6) for _ in range(6))))
    rows = [
        (("connection", "add", spare.id, "--app-id", meta["app_id"], "--waba-id", meta["waba_id"], "--phone-number-id",
          meta["phone_number_id"]), meta["app_secret"] + "\n" + meta["access_token"] + "\n"),
        (("connection", "add", spare.id, "--provider", "360dialog"), wrong + "\n"),
        (("connection", "add", spare.id, "--provider", "360dialog", "--api-key-file", str(file)), lost),
        (("connection", "add", spare.id, "--provider", "nobody"), lost),
        (("connection", "add", "nobody", "--app-id", "1"), lost + "\n" + lost + "\n"),
        (("connection", "add"), lost), (("connection", "rotate", spare.id), lost), (("key", "status"), lost),
        (("connection", "rotate", spare.id, "nothing", "access_token"), lost + "\n"),
        (("connection", "rotate", house.meta.id, house.meta.connection, "access_token"), wrong + "\n"),
        (("connection", "rotate", house.meta.id, house.meta.connection, "app_secret"), house.meta.app_secret + "\n"),
        (("connection", "test", house.meta.id, house.meta.connection), lost), (("product", "import", spare.id, "-"), "name,price\n" + lost),
        (("doctor", house.meta.id), lost), (("connection", "list", house.meta.id, "--json"), lost), (("nonsense",), lost),
        (("key", "kit", "--passphrase-file", str(phrase), "--no-qr"), lost), (("restore-key", str(file), "--passphrase-file", str(phrase)), lost),
        (("verify",), lost), (("verify", "--audit"), lost), (("audit", house.meta.id, "--json"), lost), (("audit",), lost),
        (("refused",), lost), (("config", "check"), lost), (("business", "show", house.meta.id, "--json"), lost), (("link", "list", house.meta.id), lost)]
    for words, stdin in rows:
        done = house.gateway.run(*words, stdin=stdin, check=False)
        told.append(f"{words} {done.stdout} {done.stderr}")
    for words in (("token", "new", "--name", "spare"), ("link", house.meta.id), ("virtual-key", "add", spare.id, "--name", "spare"),
                  ("business", "responder", spare.id, "platform", "--url", house.platform.url + "/hook", "--rotate-secret", "--json")):
        shown = house.gateway.run(*words, check=False).stdout  # what is shown once
        for value in re.findall(r"khv?_[\w-]{40,}|whsec_[\w+/=]+|(?<=#)[\w-]{43}", shown):
            house.plant(f"what {words[:2]} showed", value)
    return told


def known_to_the_provider(house):
    """Whatever the provider has of ours by now: also tokens that it gave by itself and webhook secrets that we set."""
    book = house.provider.book
    for token in [*book["tokens"], *book["keys"]]:
        house.plant(f"known to the provider {token[-4:]}", token)
    for known in book["keys"].values():
        for value in (known.get("webhook") or {}).get("headers", {}).values():
            house.plant(f"set at the provider {value[-4:]}", value)


def in_words(hits):
    return "\n".join(f"{where}: {hit}" for where, found in hits.items() for hit in found)


def look_into_memory(house, after):
    if os.environ.get("KH_SKIP_MEMORY") == "1":
        return
    time.sleep(SETTLE_S)
    wanted = Wanted(house.planted.secrets)
    hits = {role: found for role, pid in at_rest(house.gateway).items() if (found := search(pid, wanted))}
    assert hits == {}, f"after {after}:\n" + in_words(hits)


def look_into_files(house, told):
    """Keys and customers, in all that is ever written."""
    gateway = house.gateway
    copy, metrics, words = gateway.dir / "copy.db", gateway.dir / "metrics", gateway.dir / "told"
    copy.unlink(missing_ok=True)
    gateway.run("backup", str(copy))
    if gateway.process.poll() is None:
        metrics.write_bytes(gateway.get("/metrics").body)
    words.write_text("\n".join(told))
    files = [p for p in gateway.data.rglob("*") if p.is_file() and p.name != "master.key"] + [copy, metrics, words, gateway.log_path]
    assert {"keyhouse.db", "copy.db", "log"} <= {p.name for p in files}
    hits = search_files(files, house.planted.all)
    assert hits == [], "\n".join(hits)
    assert search_files([copy], {"a product of its own": "iPhone 13 Pro (128GB)"}), "the search finds what is there"
    key = {"master key": house.planted.secrets["master key's text"]}
    assert search_files([gateway.data / "master.key"], key), "the search finds what is there"


# ---------------------------------------------------------------- the tests

@pytest.fixture(params=["plain", "tls"])
def house(request, directory):
    cert, key = certificate(directory)
    mounts = request.param == "tls" and may_mount()
    with Provider(**({"cert": cert, "key": key} if mounts else {})) as provider, Platform() as platform:
        more = {"responder_allow": platform.place, "responder_timeout": 2}
        if request.param == "tls":
            g = SecureGateway(directory, provider.url, **more)
            g.tls_port = free_port()
            g.settings.update(listen_tls=f"127.0.0.1:{g.tls_port}", tls_cert=cert, tls_key=key)
            g.context = ssl.create_default_context(cafile=cert)
        else:
            g = Gateway(directory, provider.url, **more)
        if mounts:
            g.wrapper = ["unshare", "--mount", "sh", "-c", f'mount --bind {cert} {BUNDLE} && exec "$0" "$@"']
        g.start()
        try:
            yield Canary(g, provider, platform)
        finally:
            g.stop()


def test_the_canary(house):
    began = time.monotonic()
    house.secrets = {name: house.plant("what came " + name, word(40)) for name in
                     {**attacks.PLACES, **attacks.BODIES, **attacks.WIRE}}
    house.live()
    look_into_memory(house, "messages and pasted keys")
    for part in ROWS:
        count = drive(house, part)
        print(f"{part}: {len(ROWS[part])} routes, {count} attacks, {time.monotonic() - began:.0f} s")
        look_into_memory(house, "the routes of " + part)
    hold(house)
    repeat(house)
    spares = [house.spare("for commands"), house.spare("for commands off line")]
    told = commands(house, spares[0], "on line")
    known_to_the_provider(house)
    look_into_memory(house, "providers that repeat, and commands")
    if os.environ.get("KH_SKIP_MEMORY") != "1":
        found = search(house.provider._process.pid, {"access token": house.meta.token, "360dialog key": house.dialog.key})
        assert len(found) >= 2, "the search finds a key where it must be"
    look_into_files(house, told)
    house.gateway.stop()
    told += commands(house, spares[1], "off line")
    known_to_the_provider(house)
    look_into_files(house, told)
    print(f"{len(house.planted.all)} canaries, {sum(len(forms(v)) for v in house.planted.all.values())} needles, "
          f"{time.monotonic() - began:.0f} s")


# ---------------------------------------------------------------- cores

def leaves_a_core(directory):
    """Whether this machine writes cores into the directory of who crashes."""
    subprocess.run(["sh", "-c", "ulimit -c unlimited; kill -SEGV $$"], cwd=directory, stderr=subprocess.DEVNULL)
    return [p.unlink() for p in directory.glob("core*")] != []


@pytest.mark.parametrize("how", ["SEGV", "ABRT"])
def test_a_crash_leaves_no_core(directory, provider, how):
    """Allowed to write cores as large as it likes, no part of the program writes any."""
    g = Gateway(directory, provider.url)
    g.dir.joinpath("work").mkdir()
    where = g.dir / "work"
    if not leaves_a_core(where):
        pytest.skip("this machine writes no cores where they could be seen")
    g.wrapper = ["sh", "-c", f'cd {where} && ulimit -c unlimited && exec "$0" "$@"']
    g.start()
    try:
        DialogShop(g, provider, "Sarah's Fashion", "206540352242922")
        for role in ("listener", "sender", "vault"):
            pid = g.role_pid(role)
            os.kill(pid, getattr(signal, "SIG" + how))
            assert wait_for(lambda: g.role_pid(role) not in (None, pid)) and g.ready()
        command = subprocess.Popen(["sh", "-c", 'ulimit -c unlimited && exec "$0" "$@"', BINARY, "connection", "add", "nobody",
                                    "--provider", "360dialog", *g.arguments()], stdin=subprocess.PIPE, cwd=where)
        g.process.send_signal(getattr(signal, "SIG" + how))
        g.process.wait(10)
        command.kill()
        command.communicate()
        assert [p.name for p in where.iterdir()] == [] and not list(g.data.glob("core*"))
    finally:
        g.kill()


def test_a_command_that_crashes_leaves_no_core(gateway, provider, tmp_path):
    """It has read the first of two secrets, and waits for the second."""
    if not leaves_a_core(tmp_path):
        pytest.skip("this machine writes no cores where they could be seen")
    shop = Business(gateway, "Paul's Electronics", "none")
    command = subprocess.Popen(["sh", "-c", 'ulimit -c unlimited && exec "$0" "$@"', BINARY, "connection", "add", shop.id,
                                "--app-id", "1", *gateway.arguments()], stdin=subprocess.PIPE, cwd=tmp_path)
    secret = word(40)
    command.stdin.write(secret.encode() + b"\n")
    command.stdin.flush()
    assert wait_for(lambda: b"connection" in pathlib.Path(f"/proc/{command.pid}/cmdline").read_bytes().split(b"\0")[1:2])
    if os.environ.get("KH_SKIP_MEMORY") != "1":
        assert wait_for(lambda: search(command.pid, {"secret": secret})), "the command holds it"
    command.send_signal(signal.SIGSEGV)
    command.communicate()
    assert command.returncode == -signal.SIGSEGV and list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- other users of the machine

REACH = """
import ctypes, os, sys
libc, refused, pid = ctypes.CDLL(None, use_errno=True), [], int(sys.argv[1])

class Span(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]

def attempt(name, do):
    try:
        got = do()
    except OSError as e:
        got = -e.errno
    if not isinstance(got, int) or got >= 0:
        print(name)

def opened(name, flags):
    fd = os.open(f"/proc/{pid}/{name}", flags)
    return os.read(fd, 16) if flags == os.O_RDONLY else fd

def vm():
    here, there = Span(ctypes.addressof(ctypes.create_string_buffer(64)), 64), Span(int(sys.argv[2], 16), 64)
    return libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)

attempt("mem", lambda: os.open(f"/proc/{pid}/mem", os.O_RDONLY))
attempt("mem to write", lambda: os.open(f"/proc/{pid}/mem", os.O_RDWR))
attempt("maps", lambda: opened("maps", os.O_RDONLY))
attempt("environ", lambda: opened("environ", os.O_RDONLY))
attempt("descriptors", lambda: os.listdir(f"/proc/{pid}/fd"))
attempt("process_vm_readv", vm)
attempt("PTRACE_ATTACH", lambda: libc.ptrace(16, pid, None, None))
attempt("PTRACE_SEIZE", lambda: libc.ptrace(0x4206, pid, None, None))
"""


def reach(user, pid):
    """What a user gets of a process by what the system has for it, in words."""
    with open(f"/proc/{pid}/maps") as maps:
        at = maps.readline().split("-")[0]
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    done = subprocess.run([*become, sys.executable, "-c", REACH, str(pid), at], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to be somebody else")


@AS_ROOT
def test_another_user_reaches_no_part_of_it(gateway):
    for name, pid in {**at_rest(gateway), "vault": gateway.role_pid("vault")}.items():
        assert reach(NOBODY, pid) == [], name
    held = subprocess.Popen(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "sleep", "60"])
    try:
        assert wait_for(lambda: "mem" in reach(NOBODY, held.pid)), "it does reach what it may"
    finally:
        held.kill()
        held.wait()


@AS_ROOT
def test_the_same_user_reaches_no_role(directory, provider):
    """A program of the service's own user, which is not the service: it can read the files, and still no memory."""
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if subprocess.run([*become, "test", "-x", BINARY]).returncode != 0:
        pytest.skip("nobody else may run this program where it lies")
    os.chown(directory, NOBODY, NOBODY)
    g = Gateway(directory, provider.url)
    g.wrapper = become
    g.start()
    try:
        for name, pid in {**at_rest(g), "vault": g.role_pid("vault")}.items():
            assert reach(NOBODY, pid) == [], name
    finally:
        g.kill()
