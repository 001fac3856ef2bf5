#!/usr/bin/env python3
"""Clients as they are, against Keyhouse, or with --direct against the sandbox itself.

usage: run.py [--direct] [CLIENT...]

Cloud API clients speak to a shop with a Meta connection and to one with a 360dialog connection alike, a client of 360dialog's to
the latter. All that they are told is the base URL and a virtual key. Each prints what it did and ends with 1 where an answer is
not what its user expects. Then is looked at what came to the providers: every message that a client believes sent, with
the shop's own credential, and of the client's nothing.

CLIENTS (build/clients) is where npm installed them: make test-clients."""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import types

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from conftest import ROOT, DialogShop, Gateway, Shop, wait_for  # noqa: E402
from provider import Provider  # noqa: E402

INSTALLED = pathlib.Path(os.environ.get("CLIENTS", ROOT / "build" / "clients")).resolve()
VERSION = "v25.0"
FIRST_CUSTOMER = 2348012345678
META, DIALOG = "106540352242922", "206540352242922"
CLOUD = {"whatsapp-api-js": ["node", INSTALLED / "whatsapp-api-js.mjs"], "kapso": ["node", INSTALLED / "kapso.mjs"],
         "great-detail": ["node", INSTALLED / "great-detail.mjs"], "recipes": ["sh", HERE / "recipes.sh"]}
OF_360DIALOG = {"recipes-360dialog": ["sh", HERE / "recipes-360dialog.sh"]}
NOBODYS = ("EAAGnotMyToken", "notMyKey")


def body(text):
    return [{"type": "BODY", "text": text}]


class Failed(Exception):
    pass


def direct_shops(provider):
    """What a client needs, and the credential that has to arrive: here they are the same."""
    provider.add_token("EAAGdirectTokenOfTheShop", [META], app_id="4242", app_secret="s3cret", waba_ids=["77"])
    provider.add_d360_key("KdirectKeyOfTheShop_AK", DIALOG, waba_id="88")
    make = types.SimpleNamespace
    return [make(api="meta", number=META, waba="77", key="EAAGdirectTokenOfTheShop", own="EAAGdirectTokenOfTheShop", secrets=(), knows=bool),
            make(api="360dialog", number=DIALOG, waba="88", key="KdirectKeyOfTheShop_AK", own="KdirectKeyOfTheShop_AK", secrets=(), knows=bool)]


def shop_of(gateway, shop, api, own, *secrets):
    answer = gateway.api("POST", shop.path("keys"), {"name": "client"})
    if answer.status != 201:
        raise Failed(f"no virtual key: POST /v1/businesses/{{b}}/keys answers {answer.status} {answer.body[:200]!r}")
    return types.SimpleNamespace(api=api, number=shop.number, waba=shop.waba, key=answer.json["key"], own=own, secrets=(own, *secrets),
                                 knows=lambda wamid: any(m["wamid"] == wamid for m in shop.messages(direction="inbound")))


def keyhouse_shops(gateway, provider):
    meta = Shop(gateway, provider, "Paul", META, responder="none", verify=True, waba="77")
    dialog = DialogShop(gateway, provider, "Sarah", DIALOG, responder="none", waba="88")
    return [shop_of(gateway, meta, "meta", meta.token, meta.app_secret),
            shop_of(gateway, dialog, "360dialog", dialog.key, dialog.webhook_secret)]


def prepare(provider, shop, customer):
    """A customer who wrote, some templates, and what is to be refused."""
    templates = {str(590000 + n): {"name": name, "language": "en_US", "status": "APPROVED", "category": "UTILITY",
                                   "components": body("Hello {{1}}")}
                 for n, name in enumerate(("hello_world", "order_sent", "order_late", "receipt", "welcome"))}
    provider.patch(templates={shop.waba: templates})
    wamid = provider.write(shop.number, {"type": "text", "text": {"body": "Is it there?"}}, phone=customer)["id"]
    if not wait_for(lambda: shop.knows(wamid)):
        raise Failed("the customer's message did not come to Keyhouse")
    return wamid


def run_client(words, url, shop, customer, message_id, answers):
    settings = {"BASE_URL": url, "API_VERSION": VERSION, "TOKEN": shop.key, "D360_API_KEY": shop.key, "PHONE_NUMBER_ID": shop.number,
                "WABA_ID": shop.waba, "CUSTOMER": "+" + customer, "MESSAGE_ID": message_id, "ANSWERS": str(answers), "NO_PROXY": "*",
                **({"MEDIA_NEED_TOKEN": "1"} if shop.key == shop.own else {})}
    done = subprocess.run(words, env={**os.environ, **settings}, capture_output=True, text=True, timeout=300, cwd=answers)
    for line in (done.stdout + done.stderr).splitlines():
        print("  ", line)
    if done.returncode != 0:
        raise Failed(f"it ended with {done.returncode}")
    return done.stdout


def look_at_what_came(provider, shop, said):
    """Each message that the client believes sent, once; with the shop's credential, and nothing of the client's."""
    believed = re.findall(r"^ok: sent .*?(wamid\.[A-Za-z0-9+/=]+)", said, re.M)
    accepted = [m["wamid"] for m in provider.sent(shop.number)]
    if not believed or sorted(believed) != sorted(accepted):
        raise Failed(f"{len(believed)} messages were sent, and {len(accepted)} came")
    for request in provider.requests:
        if request.path.endswith("/debug_token"):
            continue  # asked by Keyhouse itself, as the app
        if request.token != shop.own and not (shop.key == shop.own and request.token in (None, *NOBODYS)):
            raise Failed(f"{request.method} {request.path} came with another credential than the shop's")
        everything = repr((request.path, request.query, request.headers)).encode() + request.body
        if shop.key != shop.own and any(k.encode() in everything for k in (shop.key, *NOBODYS)):
            raise Failed(f"{request.method} {request.path} came with the client's own key")


def look_at_answers(answers, shop):
    for path in answers.iterdir():
        if any(secret.encode() in path.read_bytes() for secret in shop.secrets):
            raise Failed(f"{path.name} holds a secret of the shop's")


def attempt(name, words, url, provider, shop, customer):
    """The customer is nobody else's: one client's messages to him count for the next one's."""
    print(f"{name}, {'Meta' if shop.api == 'meta' else '360dialog'}")
    with tempfile.TemporaryDirectory() as directory:
        answers = pathlib.Path(directory)
        try:
            message_id = prepare(provider, shop, customer)
            provider.reset()
            provider.fault("error", http=400, code=131056, details="Too many messages to this customer", holding="fail with 131056")
            look_at_what_came(provider, shop, run_client(words, url, shop, customer, message_id, answers))
            look_at_answers(answers, shop)
        except (Failed, subprocess.TimeoutExpired) as why:
            print("   FAILED:", why)
            return False
    return True


def all_of(clients, url, provider, shops, direct):
    meta, dialog = shops
    ways = [(name, words, shop) for name, words in CLOUD.items() for shop in ((meta,) if direct else shops)]
    ways += [(name, words, dialog) for name, words in OF_360DIALOG.items()]
    fine = [attempt(name, words, url, provider, shop, str(FIRST_CUSTOMER + n)) for n, (name, words, shop) in enumerate(ways)
            if not clients or name in clients]
    print(f"{sum(fine)} of {len(fine)} as their users expect")
    return bool(fine) and all(fine)


def main():
    parser = argparse.ArgumentParser(description="Clients as they are, against Keyhouse or the sandbox.")
    parser.add_argument("--direct", action="store_true", help="against the sandbox itself")
    parser.add_argument("clients", nargs="*", choices=[[], *CLOUD, *OF_360DIALOG], metavar="CLIENT")
    asked = parser.parse_args()
    for script in HERE.glob("*.mjs"):
        shutil.copy(script, INSTALLED)
    with Provider() as provider, tempfile.TemporaryDirectory(prefix="kh-") as directory:
        if asked.direct:
            return all_of(asked.clients, provider.url, provider, direct_shops(provider), True)
        gateway = Gateway(directory, provider.url, meta_media_url=provider.url)
        try:
            gateway.start()
            return all_of(asked.clients, f"http://127.0.0.1:{gateway.port}", provider, keyhouse_shops(gateway, provider), False)
        except Failed as why:
            print("FAILED:", why)
            return False
        finally:
            gateway.stop()


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
