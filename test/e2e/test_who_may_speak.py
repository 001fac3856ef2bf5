"""Goal of this test: over the real program, every way to write a proof, a body and an address, against every state of a
connection and of its secrets: who is let in, and that all others get the one 401, in the same time."""
import gzip
import json
import secrets
import socket
import sqlite3
import statistics
import time

import pytest

from conftest import DialogShop, Shop, sign, wait_for
from shops import asked

META, D360 = "106540352242922", "206540352242922"
PLATFORM_SECRET = "partner-platform-secret-0123456789"
STATES = {"pending": 1, "active": 2, "key_refused": 3, "blocked": 4, "webhook_taken": 5, "suspended": 6}
FRAME = b"POST /webhooks/%s HTTP/1.1\r\nHost: x\r\n"


class Line:
    """One connection, whose requests are bytes of ours."""

    def __init__(self, gateway, source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=15, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, data):
        """Status and body; headers are the caller's business where he compares."""
        self.socket.sendall(data)
        got = b""
        while b"\r\n\r\n" not in got:
            more = self.socket.recv(65536)
            assert more, got
            got += more
        head, body = got.split(b"\r\n\r\n", 1)
        length = int(next(l.split(b":")[1] for l in head.lower().split(b"\r\n") if l.startswith(b"content-length:")))
        while len(body) < length:
            body += self.socket.recv(65536)
        return int(head.split(b" ")[1]), body


def request(business, body, *headers, path=None):
    start = b"POST %s HTTP/1.1\r\nHost: x\r\n" % path.encode() if path else FRAME % business.encode()
    return start + b"".join(h.encode() + b"\r\n" for h in headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


def ask(gateway, data):
    with Line(gateway) as line:
        return line.ask(data)


LET_IN, REFUSED = (200, b"EVENT_RECEIVED"), (401, b"unauthorized\n")


def flipped(body, bit=3):
    return body[:-2] + bytes([body[-2] ^ 1 << bit]) + body[-1:]


def test_forms_of_a_signature(gateway, provider):
    shop = Shop(gateway, provider, "Paul's Electronics", META, responder="none")
    body = json.dumps(shop.question("How much?", "wamid.1")).encode()
    right = sign(shop.app_secret, body)
    name = "X-Hub-Signature-256: "
    header = name + right
    rows = {
        "as it comes": (LET_IN, body, [header]),
        "upper case digits": (LET_IN, body, [name + "sha256=" + right[7:].upper()]),
        "name in small letters": (LET_IN, body, ["x-hub-signature-256: " + right]),
        "blanks before": (LET_IN, body, ["X-Hub-Signature-256:   " + right]),
        "no blank": (LET_IN, body, ["X-Hub-Signature-256:" + right]),
        "with a wrong secret header": (LET_IN, body, [header, "X-Keyhouse-Secret: x"]),
        "an encoding is not looked at": (LET_IN, body, [header, "Content-Encoding: gzip"]),
        "missing": (REFUSED, body, []),
        "empty": (REFUSED, body, [name]),
        "twice": (REFUSED, body, [header, header]),
        "twice, one of them wrong": (REFUSED, body, [header, name + "sha256=" + "0" * 64]),
        "two in one": (REFUSED, body, [header + ", " + right]),
        "a prefix in capitals": (REFUSED, body, [name + "SHA256=" + right[7:]]),
        "no prefix": (REFUSED, body, [name + right[7:]]),
        "a blank within": (REFUSED, body, [name + "sha256= " + right[7:]]),
        "quoted": (REFUSED, body, [name + f'"{right}"']),
        "a blank behind": (REFUSED, body, [header + " "]),
        "too short": (REFUSED, body, [name + right[:-1]]),
        "too long": (REFUSED, body, [header + "0"]),
        "of another name": (REFUSED, body, ["X-Hub-Signature: " + right]),
        "in 360dialog's header": (REFUSED, body, ["x-360dialog-signature: " + right]),
        "under the verify token": (REFUSED, body, [name + sign(shop.connected["verify_token"], body)]),
        "under nothing": (REFUSED, body, [name + sign("", body)]),
        "a bit of the body": (REFUSED, flipped(body), [header]),
        "a blank more": (REFUSED, body + b" ", [header]),
        "a byte less": (REFUSED, body[:-1], [header]),
        "written anew": (REFUSED, json.dumps(json.loads(body), separators=(",", ":")).encode(), [header]),
        "no body": (REFUSED, b"", [header]),
        "signed over no body": (LET_IN, b"", [name + sign(shop.app_secret, b"")]),
        "packed, signed as packed": (LET_IN, gzip.compress(body), [name + sign(shop.app_secret, gzip.compress(body)),
                                                                  "Content-Encoding: gzip"]),
        "packed, signed as unpacked": (REFUSED, gzip.compress(body), [header, "Content-Encoding: gzip"]),
    }
    large = b'{"a":"' + b"x" * (3 * 2**20) + b'"}'
    rows["3 MiB"] = (LET_IN, large, [name + sign(shop.app_secret, large)])
    rows["3 MiB, the last bit"] = (REFUSED, flipped(large), [name + sign(shop.app_secret, large)])
    got = {what: ask(gateway, request(shop.id, sent, *headers)) for what, (_, sent, headers) in rows.items()}
    assert got == {what: row[0] for what, row in rows.items()}
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (body[:7], body[7:])) + b"0\r\n\r\n"
    chunked = FRAME % shop.id.encode() + b"Transfer-Encoding: chunked\r\n%s\r\n\r\n" % header.encode() + chunks
    assert ask(gateway, chunked) == LET_IN
    assert ask(gateway, chunked.replace(b"How", b"how")) == REFUSED


def test_forms_of_an_address(gateway, provider):
    shop = Shop(gateway, provider, "Paul's Electronics", META, responder="none")
    other = Shop(gateway, provider, "Sarah's Fashion", "306540352242922", responder="none", waba="302290129340398")
    body = json.dumps(shop.question("How much?", "wamid.1")).encode()
    header = "X-Hub-Signature-256: " + sign(shop.app_secret, body)

    def to(path):
        return ask(gateway, request(None, body, header, path=path))
    right = "/webhooks/" + shop.id
    assert to(right) == to(right + "?x=1") == to(right + "?") == LET_IN
    coded = "/webhooks/%%%02x%s" % (ord(shop.id[0]), shop.id[1:])
    for path in ("/webhooks/" + other.id, coded, "/webhooks/", "/webhooks/" + shop.id.upper(), right + "%00", right + ".", right + "x",
                 right[:-1], "/webhooks/..%2f" + shop.id):
        assert to(path) == REFUSED, path
    for path in (right + "/", "/webhooks//" + shop.id, "/webhooks/x/../" + shop.id, "/Webhooks/" + shop.id, "//webhooks/" + shop.id):
        assert to(path)[0] == 404, path
    assert wait_for(lambda: all(e["state"] == "settled" for e in shop.events())) and other.events() == []


def test_forms_of_360dialogs_proofs(gateway, provider):
    shop = DialogShop(gateway, provider, "Bola's Phones", D360, responder="none", fields={"platform_secret": PLATFORM_SECRET},
                      platform_secret=PLATFORM_SECRET)
    body = json.dumps(shop.question("How much?", "wamid.1")).encode()
    secret, right = "X-Keyhouse-Secret: " + shop.webhook_secret, sign(PLATFORM_SECRET, body)
    name = "x-360dialog-signature: "
    rows = {
        "bare": (LET_IN, [secret, name + right[7:]]),
        "with its prefix": (LET_IN, [secret, name + right]),
        "upper case digits": (LET_IN, [secret, name + right[7:].upper()]),
        "blanks before": (LET_IN, ["X-Keyhouse-Secret:  " + shop.webhook_secret, name + right]),
        "signature alone": (REFUSED, [name + right]),
        "secret alone": (REFUSED, [secret]),
        "secret twice": (REFUSED, [secret, secret, name + right]),
        "signature twice": (REFUSED, [secret, name + right, name + right]),
        "secret in another case": (REFUSED, [secret.swapcase().replace("x-kEYHOUSE-sECRET", "X-Keyhouse-Secret"), name + right]),
        "signed with the header's secret": (REFUSED, [secret, name + sign(shop.webhook_secret, body)]),
        "in Meta's header": (REFUSED, [secret, "X-Hub-Signature-256: " + right]),
        "Meta's signature under the header's secret": (REFUSED, ["X-Hub-Signature-256: " + sign(shop.webhook_secret, body)]),
        "Meta's signature under the key": (REFUSED, ["X-Hub-Signature-256: " + sign(shop.key, body)]),
        "another prefix": (REFUSED, [secret, name + "sha1=" + right[7:]]),
        "too short": (REFUSED, [secret, name + right[:-2]]),
    }
    got = {what: ask(gateway, request(shop.id, body, *headers)) for what, (_, headers) in rows.items()}
    assert got == {what: row[0] for what, row in rows.items()}
    assert ask(gateway, request(shop.id, flipped(body), secret, name + right)) == REFUSED


def change_at_rest(gateway, sql, *values):
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        assert db.execute(sql, values).rowcount > 0
    gateway.start()


def test_every_state_of_a_connection(gateway, provider):
    """Only a suspended one hears nothing; the shop's other connection hears on in any case."""
    shop = Shop(gateway, provider, "Paul's Electronics", META, responder="none")
    second = "306540352242922"
    answer = gateway.api("POST", shop.path("connections"), {
        "provider": "meta", "app_id": "9" + second, "app_secret": "f" * 32, "access_token": "EAAG" + "x" * 40,
        "waba_id": "302290129340398", "phone_number_id": second, "verify": False})
    assert answer.status == 201, answer.body
    for n, (state, number) in enumerate(STATES.items()):
        change_at_rest(gateway, "UPDATE connections SET status = ? WHERE id = ?", number, shop.connection)
        assert shop.connection_status() == state
        body = json.dumps(shop.question("How much?", f"wamid.{n}")).encode()
        assert gateway.webhook(shop.id, body, shop.app_secret).status == (401 if state == "suspended" else 200), state
        other = shop.envelope(asked("hello", f"wamid.o{n}"), number=second, waba="302290129340398")
        assert gateway.webhook(shop.id, other, "f" * 32).status == 200, state


def test_current_previous_and_ended(gateway, provider):
    shop = Shop(gateway, provider, "Paul's Electronics", META, responder="none")
    before, after = shop.app_secret, secrets.token_hex(16)
    provider.add_token(shop.token, [META], app_id=shop.app_id, app_secret=after, waba_ids=[shop.waba])
    assert shop.patch(app_secret=after).status == 200

    def answers():
        return [gateway.webhook(shop.id, b"{}", s).status for s in (before, after)]
    assert gateway.webhook(shop.id, b"{}", before).status == 200, "none came by the new one yet"
    assert answers() == [200, 200]
    change_at_rest(gateway, "UPDATE credentials SET ends_at = 1 WHERE slot = 2 AND connection_id = ?", shop.connection)
    assert answers() == [401, 200]
    gateway.run("business", "suspend", shop.id)
    assert answers() == [401, 401]
    gateway.run("business", "resume", shop.id)
    assert answers() == [401, 200]


def test_two_connections_with_one_app(gateway, provider):
    """Either may have verified it: the number says whose it is."""
    shop = Shop(gateway, provider, "Paul's Electronics", META, responder="none")
    second = "306540352242922"
    answer = gateway.api("POST", shop.path("connections"), {
        "provider": "meta", "app_id": shop.app_id, "app_secret": shop.app_secret, "access_token": "EAAG" + "x" * 40,
        "waba_id": "302290129340398", "phone_number_id": second, "verify": False})
    assert answer.status == 201, answer.body
    assert shop.send(shop.question("hello", "wamid.1")).status == 200
    assert shop.send(shop.envelope(asked("hello", "wamid.2"), number=second, waba="302290129340398")).status == 200
    assert wait_for(lambda: {m["wamid"] for m in shop.messages()} == {"wamid.1", "wamid.2"})
    assert shop.events(state="quarantined") == []
    accepted = wait_for(lambda: [c["last_delivery"]["accepted_at"] for c in shop.connections() if c["last_delivery"]["accepted_at"]][1:])
    assert accepted, "each was heard"


@pytest.mark.parametrize("size", [200, 200_000])
def test_how_long_a_refusal_takes(gateway, provider, size):
    """The reason is not to be read off a clock: medians of many, in turn. No address is refused so often that it is
    treated as one that is."""
    shop = Shop(gateway, provider, "Paul's Electronics", META, responder="none")
    suspended = Shop(gateway, provider, "Gone", "406540352242922", waba="402290129340398", responder="none")
    gateway.run("business", "suspend", suspended.id)
    body = b"x" * size
    wrong = "X-Hub-Signature-256: sha256=" + "0" * 64
    kinds = {
        "wrong": request(shop.id, body, wrong),
        "missing": request(shop.id, body),
        "malformed": request(shop.id, body, wrong[:-1]),
        "unknown": request("01ARZ3NDEKTSV4RRFFQ69G5FAV", body, wrong),
        "suspended": request(suspended.id, body, "X-Hub-Signature-256: " + sign(suspended.app_secret, body)),
    }
    took = {kind: [] for kind in kinds}
    for n in range(10):
        with Line(gateway, f"127.0.0.{10 + n}") as line:
            for _ in range(15):
                for kind, data in kinds.items():
                    began = time.perf_counter()
                    assert line.ask(data) == REFUSED
                    took[kind].append(time.perf_counter() - began)
    medians = {kind: statistics.median(times[20:]) * 1e6 for kind, times in took.items()}
    print({kind: round(m) for kind, m in medians.items()})
    noise = statistics.median(abs(t - statistics.median(took["wrong"])) for t in took["wrong"]) * 1e6
    assert max(medians.values()) - min(medians.values()) < max(150, 3 * noise), (medians, noise)
