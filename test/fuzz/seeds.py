#!/usr/bin/env python3
"""Writes the seeds of the fuzzers blob, keyfile, roles and scrub, as their openings describe their inputs:
test/fuzz/corpus/NAME/*. The same every time, and nothing in them is secret: keys are 0, 1, 2 ... The files are checked
in; run it again when an input's form changes. What a fuzzer found once stays beside them under a name of its own."""
import base64
import hashlib
import pathlib
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def write(name, seeds):
    (CORPUS / name).mkdir(parents=True, exist_ok=True)
    for seed, data in seeds.items():
        (CORPUS / name / seed).write_bytes(data)


# ---------------------------------------------------------------- sealed blobs

def blob(type_=2, version=1, rest=64):
    return b"KHSB" + bytes([1, 1, type_, 0]) + struct.pack(">I", version) + bytes(range(24)) + bytes(32) + b"\xa5" * rest + bytes(16)


def flip(*at, by=1):
    return bytes(by if n in at else 0 for n in range(max(at) + 1))


AS_IT_COMES, CHANGED, ANOTHER_REST = 0, 1, 2
BLOBS = {
    "empty": b"",
    "bytes": bytes([AS_IT_COMES, 0]) + blob(),
    "bytes_tenant_key": bytes([AS_IT_COMES, 0]) + blob(1, 7),
    "bytes_content": bytes([AS_IT_COMES, 0]) + blob(3, 0xffffffff, 128),
    "bytes_short": bytes([AS_IT_COMES, 0]) + blob()[:147],
    "bytes_no_text": bytes([AS_IT_COMES, 0]) + blob(rest=0),
    "bytes_format_2": bytes([AS_IT_COMES, 0]) + blob().replace(b"KHSB\1", b"KHSB\2"),
    "unchanged": bytes([CHANGED, 0]),
    "version": bytes([CHANGED, 1]) + flip(11, by=3),
    "type": bytes([CHANGED, 2]) + flip(6),
    "commitment": bytes([CHANGED, 0]) + flip(40),
    "tag": bytes([CHANGED, 1]) + flip(215, by=0x80),
    "longer": bytes([CHANGED, 3 * 16]),
    "cut": bytes([CHANGED, 3 * 60 + 2]),
    "cancelled": bytes([CHANGED, 0]) + flip(0) + bytes(211) + flip(0),
    "rest": bytes([ANOTHER_REST, 1]) + bytes(144),
}


# ---------------------------------------------------------------- key files

def line(number, word="current"):
    key = bytes(range(number * 32, number * 32 + 32))
    id_ = hashlib.blake2b(b"keyhouse-master-key-id-1", key=key, digest_size=16).hexdigest()[:16]
    return f"keyhouse-master-key-1 {word} {id_} {base64.b64encode(key).decode()}\n".encode()


KEY_FILES = {
    "one": line(0),
    "two": line(0) + line(1, "previous"),
    "previous_first": line(1, "previous") + line(0),
    "words": b"# words\n\n" + line(0) + b"# more\n",
    "no_end": line(0)[:-1],
    "twice": line(0) + line(0, "previous"),
    "two_current": line(0) + line(1),
    "no_current": line(0, "previous"),
    "all": line(0) + b"".join(line(n, "previous") for n in range(1, 8)),
    "crlf": line(0).replace(b"\n", b"\r\n"),
    "wrong_id": line(0).replace(b"current 5", b"current 6"),
    "nul": line(0) + b"\0",
    "empty": b"",
}


# ---------------------------------------------------------------- what the roles say

def u32(n):
    return struct.pack(">I", n)


def u64(n):
    return struct.pack(">Q", n)


def text(words):
    return u32(len(words) + 1) + words.encode() + b"\0"


def data(content):
    return u32(len(content)) + content


def message(type_, body=b""):
    return u32(len(body)) + bytes([type_]) + body


def job(kind, number="", app="", waba="", url="", about="", credentials=(), body=b"", connection="01connection"):
    sealed = b"".join(text(connection) + text(field) + u64(1) + data(bytes(148)) + u32(1) + data(blob())
                      for field in credentials)
    return u64(7) + u32(kind) + text("01message") + text("dep") + text("shop") + text(number) + text(app) + text(waba) + \
        text(url) + text(about) + sealed + data(body)


def result(class_, http=200, reason="", fields="", clock=(0, 0)):
    return u64(7) + bytes([class_]) + u32(http) + u32(131047) + u32(0) + u64(9000) + bytes([clock[0]]) + u32(clock[1]) + \
        text(reason) + text(fields)


# fields of build(): 3 bytes, 5 to 7 wrapped keys, 8 a place, 9 the sealed credential, 10 and 11 deployment and business
QUESTIONS = {
    "status": bytes([1, 0]),
    "tenant_key": bytes([2, 4, 10, 11, 0, 1, 1, 1]),
    "content_keys": bytes([3, 4, 10, 11, 6, 7]),
    "seal": bytes([4, 3, 5, 8, 3, 4]) + b"abcd",
    "verifier": bytes([5, 3, 5, 8, 9]),
    "open": bytes([6, 4, 4, 2]) + b"j\0" + bytes([5, 8, 9]),
    "rewrap_keys": bytes([8, 8, 10, 0, 2, 11, 0, 1, 5, 11, 0, 2, 6]),
    "rewrap": bytes([9, 4, 5, 5, 8, 9]),
}
HOOK = "https://house.example/webhooks/shop"
ROLES = {
    "bytes_status": bytes([0]) + message(1) + message(1),
    "bytes_sender": bytes([1]) + message(1) + message(3),
    "bytes_new_key": bytes([0]) + message(2, text("dep") + text("shop") + bytes([1]) + u32(1)),
    "bytes_cut": bytes([1]) + message(6, text("job"))[:-3],
    **{f"listener_{name}": bytes([2]) + asked for name, asked in QUESTIONS.items()},
    **{f"sender_{name}": bytes([3]) + asked for name, asked in QUESTIONS.items() if name in ("seal", "open", "status")},
    "listener_all": bytes([2]) + b"".join(QUESTIONS.values()),
    "job_send": bytes([4]) + job(1, number="106", credentials=["access_token"], body=b"{}"),
    "job_number": bytes([4]) + job(2, number="106", credentials=["access_token", "app_secret"]),
    "job_webhook_set": bytes([4]) + job(11, url=HOOK, credentials=["api_key", "webhook_secret"]),
    "job_ask": bytes([4]) + job(12, url="https://shop.example:8443/hook?x=1", about="01ABOUT", credentials=["signing_secret"],
                                body=b"{}", connection="responder"),
    "job_ourselves": bytes([4]) + job(16),
    "result_accepted": bytes([5]) + result(3, fields='{"messages":[{"id":"wamid.X"}]}', clock=(1, 60)),
    "result_refused": bytes([5]) + result(10, 400, "more than 24 hours"),
    "number": bytes([6]) + u64(4711),
    "word_ready": bytes([7]) + message(2),
    "word_failed": bytes([7]) + message(3, text("The port is taken: choose another. " * 3)),
}


# ---------------------------------------------------------------- answers to scrub

def scrubbed(secret, answer):
    return bytes([len(secret) - 8]) + secret.encode() + answer.encode()


SCRUBBED = {
    "plain": scrubbed("shopKey8", '{"a":"shopKey8","shopKey8":[1,"xshopKey8"]}'),
    "escapes": scrubbed("shopKey8", r'["\u0073\u0068opKey8","s%68opKey8","s\u00256\u0038opKey8"]'),
    "quote": scrubbed('key"with\\/', r'["key\"with\\\/","\\\""]'),
    "percent": scrubbed("a%41b%25c", '["a%2541b%2525c","a%252541b%252525c","a%41b%25c"]'),
    "base64": scrubbed("shopKey8", '["c2hvcEtleTg=","eHNob3BLZXk4eA==","eHhzaG9wS2V5OA=="]'),
    "overlap": scrubbed("abababab", '["abababababab","ababababab%61bababab"]'),
    "number": scrubbed("12345678", '{"a":12345678,"b":"12345678"}'),
    "words": scrubbed("EAAGm0PX4ZCpsBA", "bad token EAAGm0PX4ZCpsBA for +2348031234567, wamid.HBgLMTU1 \xff"),
    "nothing": scrubbed("shopKey8", "{}"),
    "cut_escape": scrubbed("shopKey8", '["\\u00", "%", "\\'),
    "nul_escape": scrubbed("shopKey8", '["shop\\u0000Key8"]'),
    "star": scrubbed("star*key", '["star*key star+key"]'),
}


if __name__ == "__main__":
    write("blob", BLOBS)
    write("keyfile", KEY_FILES)
    write("roles", ROLES)
    write("scrub", SCRUBBED)
