"""Goal of this test: the promise. After keys were pasted and sends made, the listener's memory, read from outside,
holds no provider key and no app secret, in no encoding, nor the two XOR forms that HMAC makes of it; and nothing on
disk holds a key, a phone number, a message id or a message's text."""
import base64
import json
import os
import pathlib
import re
import urllib.parse

import pytest

from conftest import Shop, wait_for

SKIP = os.environ.get("KH_SKIP_MEMORY") == "1"


def forms(secret: bytes) -> dict:
    """Everything a search should find of a secret that was left somewhere."""
    out = {"raw": secret, "hex": secret.hex().encode(), "HEX": secret.hex().upper().encode(),
           "url": urllib.parse.quote(secret, safe="").encode(),
           "utf-16": secret.decode().encode("utf-16-le")}
    for shift in range(3):
        # What of the base64 does not depend on the neighbours.
        text = base64.b64encode(b"\0" * shift + secret)
        out[f"base64+{shift}"] = text[4 if shift else 0:len(text) - 4]
    block = secret.ljust(64, b"\0") if len(secret) <= 64 else None
    if block:
        # 16 bytes of the pad block are enough to know it by.
        out["ipad"] = bytes(b ^ 0x36 for b in block)[:len(secret)]
        out["opad"] = bytes(b ^ 0x5c for b in block)[:len(secret)]
    return {name: needle for name, needle in out.items() if len(needle) >= 8}


def memory(pid: int):
    """Every readable region of a process, as (start, bytes)."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, rights, rest = re.match(r"(\S+) (\S+) \S+ \S+ \S+\s*(.*)", line).groups()
            # Guarded pages (sodium keeps secrets between them) are readable to the kernel only where mapped readable.
            if "r" not in rights or rest in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            for at in range(start, end, 16 << 20):
                try:
                    mem.seek(at)
                    yield at, mem.read(min(16 << 20, end - at))
                except OSError:
                    continue


def search(pid: int, secrets: dict) -> list:
    hits, tail = [], b""
    needles = [(f"{name} as {form}", needle) for name, s in secrets.items() for form, needle in forms(s.encode()).items()]
    size = 0
    for at, data in memory(pid):
        size += len(data)
        hits += [f"{label} near {at:#x}" for label, needle in needles if needle in tail + data]
        tail = data[-4096:]
    assert size > 1 << 20, "the memory was not read"
    return hits


def drive(shop, provider):
    """Everything that touches a key: pasted well and badly, tested, rotated, used."""
    shop.connect(verify=True)
    shop.gateway.api("POST", f"/v1/businesses/{shop.id}/connections", b'{"access_token":"' + shop.token.encode() +
                     b'","app_secret":"' + shop.app_secret.encode() + b'","provider":"meta"')
    shop.gateway.api("POST", "/v1/businesses/nobody/connections", {"access_token": shop.token, "app_secret": shop.app_secret})
    shop.gateway.request("POST", f"/v1/businesses/{shop.id}/connections", json.dumps({"access_token": shop.token}).encode())
    at = f"/v1/businesses/{shop.id}/connections/{shop.connection}"
    assert shop.gateway.api("POST", at + "/test").status == 200
    assert shop.gateway.api("PATCH", at, {"app_secret": shop.app_secret}).status == 200
    for n in range(6):
        assert shop.send(shop.question("How much is iPhone 13 Pro?", f"wamid.m{n}")).status == 200
    assert wait_for(lambda: len([r for r in provider.requests if r.path.endswith("/messages")]) == 6)
    assert wait_for(lambda: [m for m in shop.messages(direction="outbound", state="sent")][5:])
    shop.gateway.webhook(shop.id, b"{}", signature="sha256=" + "0" * 64)


@pytest.mark.skipif(SKIP, reason="KH_SKIP_MEMORY=1")
def test_no_key_in_the_listener(gateway, provider, shop):
    drive(shop, provider)
    secrets = {"access token": shop.token, "app secret": shop.app_secret}
    listener = gateway.role_pid("listener")
    assert search(listener, {"business name": shop.name}), "the search finds what is there"
    assert search(listener, secrets) == []
    assert search(gateway.process.pid, secrets) == [], "the supervisor"


@pytest.mark.skipif(SKIP, reason="KH_SKIP_MEMORY=1")
def test_no_key_in_the_sender_at_rest(gateway, provider, shop):
    drive(shop, provider)
    assert search(gateway.role_pid("sender"), {"access token": shop.token, "app secret": shop.app_secret}) == []


@pytest.mark.skipif(SKIP, reason="KH_SKIP_MEMORY=1")
def test_no_master_key_outside_the_vault(gateway, shop):
    line = next(l for l in (gateway.data / "master.key").read_text().splitlines() if " current " in l)
    key = base64.b64decode(line.split()[-1])
    for pid in (gateway.role_pid("listener"), gateway.role_pid("sender"), gateway.process.pid):
        hits = [at for at, data in memory(pid) if key in data or line.split()[-1].encode() in data]
        assert hits == []


def test_nothing_on_disk_in_clear(gateway, provider, shop):
    shop.send(shop.question("How much is iPhone 13 Pro? canary words here", "wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQ"))
    message = wait_for(lambda: shop.messages(direction="outbound", state="sent"))[0]
    planted = {"access token": shop.token, "app secret": shop.app_secret, "phone": "16505551234",
               "message id": "wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQ", "sent message id": message["wamid"],
               "text": "canary words here", "answer": "Reply ORDER to proceed"}
    files = [p for p in gateway.data.rglob("*") if p.is_file() and p.name != "master.key"] + [gateway.log_path]
    assert {"keyhouse.db", "keyhouse.db-wal"} <= {p.name for p in files}
    hits = []
    for path in files:
        data = path.read_bytes()
        hits += [f"{path.name}: {label} as {form}" for label, s in planted.items()
                 for form, needle in forms(s.encode()).items() if needle in data]
    assert hits == []
    assert b"iPhone 13 Pro (128GB)" in b"".join(p.read_bytes() for p in files), "the search finds what is there"
    for path in gateway.data.iterdir():
        assert path.stat().st_mode & 0o077 == 0, f"{path.name} is owner-only"


def test_roles_gave_everything_up(gateway, shop):
    for role in ("listener", "sender", "vault"):
        pid = gateway.role_pid(role)
        status = dict(l.split(":\t", 1) for l in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in l)
        assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0, role
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", role
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max core file size\s+0\s+0\s", limits), role
        # The listener's second filter, which forbids opening files and making sockets, holds in every thread.
        filters = {re.search(r"Seccomp_filters:\s(\d+)", (t / "status").read_text()).group(1)
                   for t in pathlib.Path(f"/proc/{pid}/task").iterdir()}
        assert filters == ({"2"} if role == "listener" else {"1"}), (role, filters)


def test_each_role_has_its_own_layout(gateway):
    bases = set()
    for role in ("listener", "sender", "vault"):
        with open(f"/proc/{gateway.role_pid(role)}/maps") as maps:
            bases.add(maps.readline().split("-")[0])
    assert len(bases) == 3
