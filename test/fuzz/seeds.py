#!/usr/bin/env python3
"""Writes the seeds of the fuzzers webhook, proofs, head, blob, keyfile, roles and scrub, as their openings describe their inputs:
test/fuzz/corpus/NAME/*. The same every time, and nothing in them is secret: keys are 0, 1, 2 ... The files are checked
in; run it again when an input's form changes. What a fuzzer found once stays beside them under a name of its own."""
import base64
import hashlib
import hmac
import json
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


def job(kind, number="", app="", waba="", url="", about="", credentials=(), body=b"", connection="01connection",
        verbatim=0, version="", method=0, object_="", path="", query="", type_="", upload=0):
    sealed = b"".join(text(connection) + text(field) + u64(1) + data(bytes(148)) + u32(1) + data(blob())
                      for field in credentials)
    return u64(7) + u32(kind) + text("01message") + text("dep") + text("shop") + text(number) + text(app) + text(waba) + \
        text(url) + text(about) + bytes([verbatim]) + text(version) + bytes([method]) + text(object_) + text(path) + \
        text(query) + text(type_) + u64(upload) + bytes([len(credentials)]) + sealed + data(body)


def headers_of(values):
    return b"".join(text(value) for value in values) + text("") * (9 - len(values))


def result(class_, http=200, reason="", fields="", clock=(0, 0), verbatim="", headers=()):
    return u64(7) + bytes([class_, 1]) + u32(http) + u32(131047) + u32(0) + u64(9000) + u64(420000) + \
        bytes([clock[0]]) + u32(clock[1]) + text(reason) + text(fields) + text(verbatim) + headers_of(headers)


GET, POST, DELETE = 1, 2, 4
ANY_LENGTH = 2**64 - 1


def begun(status, length, *values):
    return u64(7) + u32(status) + u64(length) + headers_of(values)


def piece(content, last=0):
    return u64(7) + bytes([last]) + data(content)


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
    "job_send_version": bytes([4]) + job(1, number="106", credentials=["access_token"], body=b"{}", verbatim=1, version="v25.0"),
    "pass_number": bytes([4]) + job(20, number="106", credentials=["access_token", "app_secret"], method=GET, query="fields=id"),
    "pass_unproven": bytes([4]) + job(20, number="106", credentials=["access_token"], method=GET, version="v24.0"),
    "pass_templates": bytes([4]) + job(22, waba="102", credentials=["access_token"], method=DELETE, query="name=a&hsm_id=1"),
    "pass_form": bytes([4]) + job(22, waba="102", credentials=["access_token"], method=POST, body=b"name=a&category=b",
                                  type_="application/x-www-form-urlencoded"),
    "pass_own_token": bytes([4]) + job(20, number="106", credentials=["access_token"], method=GET, query="Access%5Ftoken=x"),
    "pass_upload": bytes([4]) + job(25, number="106", credentials=["access_token"], method=POST, upload=ANY_LENGTH,
                                    type_="multipart/form-data; boundary=x"),
    "pass_object": bytes([4]) + job(26, number="106", credentials=["access_token"], method=GET, object_="900"),
    "pass_download": bytes([4]) + job(27, credentials=["access_token"], method=GET, path="/whatsapp_business/attachments/",
                                      query="mid=1&ext=2&hash=x"),
    "pass_dots": bytes([4]) + job(27, credentials=["access_token"], method=GET, path="/a/%2e%2E/b"),
    "pass_sandbox": bytes([4]) + job(36, credentials=["api_key"], method=POST, body=b'{"status":"read"}'),
    "result_verbatim": bytes([5]) + result(3, verbatim='{"messages":[{"id":"wamid.X"}]}',
                                           headers=["application/json", "", "", "", '{"call_count":28}', "Abc"]),
    "result_bad_header": bytes([5]) + result(3, verbatim="{}", headers=["application/json\r\nX-A: 1"]),
    "head": bytes([8]) + begun(200, 5, "image/png", "attachment"),
    "head_bad": bytes([8]) + begun(200, 5, "image/png\r\nX-A: 1"),
    "piece": bytes([9]) + piece(b"12345"),
    "piece_last": bytes([9]) + piece(b"", 1),
    "piece_empty": bytes([9]) + piece(b""),
    "taken": bytes([10]) + u64(7) + u32(65536),
    "taken_too_much": bytes([10]) + u64(7) + u32(1 << 24),
    "up": bytes([11, 0, 0, 0]) + bytes([0, 255, 0, 255, 1, 200, 1, 255, 0, 255, 0, 255, 0, 255, 1, 255, 1, 255]),
    "up_known": bytes([11, 0, 1, 15]) + bytes([0, 241, 1, 255]),
    "down": bytes([11, 1, 0, 100]) + bytes([2, 255, 2, 255, 2, 255, 2, 255, 2, 255, 3, 255, 2, 255, 3, 255, 3, 255]),
    "down_taken_twice": bytes([11, 1, 0, 100]) + bytes([2, 5, 3, 5, 3, 5]),
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


# ---------------------------------------------------------------- webhooks

NUMBER, FOREIGN = "200000000000001", "200000000000009"
ADA = {"from": "15557770001", "id": "wamid.HBgLMTU1NTc3NzAwMDE=", "timestamp": "1790000000"}


def envelope(value, field="messages", account="100000000000001", number=NUMBER):
    metadata = {"metadata": {"display_phone_number": "15550001111", "phone_number_id": number}} if number else {}
    change = {"value": {"messaging_product": "whatsapp", **metadata, **value}, **({"field": field} if field else {})}
    return {"object": "whatsapp_business_account", "entry": [{"id": account, "time": 1790000000, "changes": [change]}]}


def said(type_, content=None, **more):
    return {"messages": [{**ADA, "type": type_, **({} if content is None else {type_: content}), **more}],
            "contacts": [{"wa_id": "15557770001", "user_id": "NG.AbC123", "profile": {"name": "Ada \u00d6\U0001f4f1"}}]}


def told(status, **more):
    return {"statuses": [{"id": "wamid.HBgLMTU1NTc3NzAwMDI=", "status": status, "timestamp": "1790000000",
                          "recipient_id": "15557770002", **more}]}


BODIES = {
    "text": envelope(said("text", {"body": "How much is rice? \u0628\u0643\u0645"})),
    "no_field": envelope(said("text", {"body": "hi"}), field=None),
    "no_metadata": envelope(said("text", {"body": "hi"}), number=None),
    "foreign": envelope(said("text", {"body": "hi"}), number=FOREIGN),
    "sibling": envelope(said("text", {"body": "hi"}), number="200000000000002", account="100000000000002"),
    "button": envelope(said("button", {"text": "Yes", "payload": "yes"}, context={"id": "wamid.HBgL"})),
    "list_reply": envelope(said("interactive", {"type": "list_reply", "list_reply": {"id": "1", "title": "Rice"}})),
    "image": envelope(said("image", {"id": "77", "mime_type": "image/jpeg", "sha256": "x", "caption": "this one"})),
    "order": envelope(said("order", {"catalog_id": "5", "product_items": [{"product_retailer_id": "r", "quantity": 2}]})),
    "reaction": envelope(said("reaction", {"message_id": "wamid.HBgL", "emoji": "\U0001f44d"})),
    "unsupported": envelope(said("unsupported", errors=[{"code": 131051, "title": "Message type unknown"}])),
    "system": envelope(said("system", {"body": "changed", "wa_id": "15557770009", "type": "user_changed_number"})),
    "group": envelope(said("text", {"body": "hi"}, group_id="120363@g.us")),
    "no_sender": envelope({"messages": [{"id": "wamid.x", "type": "text", "text": {"body": "hi"}}]}),
    "user_id": envelope({"messages": [{"from_user_id": "NG.AbC123", "id": "wamid.y", "type": "text", "text": {"body": "hi"}}]}),
    "old": envelope({"messages": [{**ADA, "timestamp": "1", "type": "text", "text": {"body": "hi"}}]}),
    "twice": envelope({"messages": said("text", {"body": "hi"})["messages"] * 2}),
    "delivered": envelope(told("delivered", biz_opaque_callback_data="01ABCDEFGHIJKLMNOPQRSTUVWX")),
    "failed": envelope(told("failed", errors=[{
        "code": 131026, "title": "Message undeliverable to +1 (555) 777-0002 wamid.HBgLMTU1NTc3NzAwMDI="}])),
    "failed_plainly": envelope(told("failed", errors=[{"code": 1, "message": "15557770002 is not on WhatsApp"}])),
    "group_status": envelope(told("read", recipient_participant_id="15557770003")),
    "odd_status": envelope(told("teleported")),
    "echo": envelope({"message_echoes": [{"id": "wamid.z", "to": "15557770001", "to_user_id": "NG.AbC123"}]}, "smb_message_echoes"),
    "standby": envelope({"standby": said("text", {"body": "hi"})}, "standby"),
    "history": envelope({"history": [{"metadata": {"phase": 0, "progress": 40}, "threads": []}]}, "history"),
    "account": envelope({"event": "ACCOUNT_RESTRICTION"}, "account_update", number=None),
    "foreign_account": envelope({"event": "DISABLED_UPDATE"}, "account_update", account="7", number=None),
    "partner": envelope({"event": "X"}, "partner_solutions", account="9", number=None),
    "calls": envelope({"calls": [{"id": "c", "from": "15557770001"}]}, "calls"),
    "many": envelope({"messages": [{**ADA, "id": f"wamid.{n}", "type": "text", "text": {"body": "x"}} for n in range(40)]}),
    "wrong_types": envelope({"messages": [5, None, [], {"id": 5, "from": {}, "type": []}], "statuses": {"id": "x"}, "contacts": 7}),
    "number_types": envelope(said("text", {"body": "hi"}), number=5),
}


def webhooks():
    ways = {"": b"", "dialog": b"\x07", "removed": b"\x26", "quiet": b"\x00"}
    chosen = {"": list(BODIES), "dialog": ["text", "delivered", "account", "foreign"], "removed": ["text"], "quiet": ["text", "failed"]}
    made = {f"{name}_{way}".strip("_"): ways[way] + json.dumps(BODIES[name], separators=(",", ":"), ensure_ascii=way != "").encode()
            for way, names in chosen.items() for name in names}
    return {**made, "cut": b"\x06" + made["text"][:-7], "nothing": b"", "list": b"\x06[1,2]",
            "long_field": json.dumps(envelope({}, "f" + "\u00e9" * 60)).encode()}


# ---------------------------------------------------------------- who may speak, as test/fuzz/fuzz_proofs.c reads it

AS_IS, ABSENT = bytes([0, 0, 0]), bytes([0, 0, 8])
SIGNED, BEFORE, SECRET, PLATFORM, PREFIX = 1, 2, 4, 8, 16


def header(more=b"", keep=0, flip=0):
    return bytes([keep, len(more), flip]) + more


def hexed(secret, body):
    return hmac.new(secret, body, hashlib.sha256).hexdigest().encode()


BODY = b'{"entry":[]}'
PROOFS = {
    "signed": bytes([SIGNED]) + AS_IS + ABSENT + ABSENT + BODY,
    "signed_before": bytes([BEFORE]) + AS_IS + ABSENT + ABSENT + BODY,
    "signed_nothing": bytes([SIGNED]) + AS_IS + ABSENT + ABSENT,
    "signed_flipped": bytes([SIGNED]) + header(flip=0x88) + ABSENT + ABSENT + BODY,
    "signed_short": bytes([SIGNED]) + header(keep=70) + ABSENT + ABSENT + BODY,
    "signed_long": bytes([SIGNED]) + header(b"00") + ABSENT + ABSENT + BODY,
    "signed_twice": bytes([SIGNED]) + header(b",sha256=00") + ABSENT + ABSENT + BODY,
    "upper": bytes([0]) + header(b"sha256=" + hexed(b"0123456789abcdef" * 2, BODY).upper()) + ABSENT + ABSENT + BODY,
    "platform_alone": bytes([PLATFORM]) + ABSENT + ABSENT + AS_IS + BODY,
    "dialog": bytes([SECRET | PLATFORM]) + ABSENT + AS_IS + AS_IS + BODY,
    "dialog_prefix": bytes([SECRET | PLATFORM | PREFIX]) + ABSENT + AS_IS + AS_IS + BODY,
    "dialog_upper": bytes([SECRET]) + ABSENT + AS_IS + header(hexed(b"platform-secret", BODY).upper()) + BODY,
    "secret_alone": bytes([SECRET]) + ABSENT + AS_IS + ABSENT + BODY,
    "secret_short": bytes([SECRET | PLATFORM]) + ABSENT + header(keep=42) + AS_IS + BODY,
    "secret_long": bytes([SECRET | PLATFORM]) + ABSENT + header(b"x") + AS_IS + BODY,
    "secret_space": bytes([PLATFORM]) + ABSENT + header(b" webhook-secret-0123456789abcdefghijklmnopqr") + AS_IS + BODY,
    "all": bytes([SIGNED | SECRET | PLATFORM]) + AS_IS + AS_IS + AS_IS + BODY,
    "nothing": bytes([0]) + ABSENT * 3 + BODY,
    "empty": bytes([0]) + AS_IS * 3,
}


# ---------------------------------------------------------------- heads of requests; the first byte is a size of pieces

def head(*lines, start=b"POST /webhooks/shop HTTP/1.1", end=b"\r\n"):
    return b"\x03" + b"".join(line + b"\r\n" for line in (start, b"Host: x", *lines)) + end


HEADS = {
    "post": head(b"Content-Length: 5") + b"12345",
    "get": head(start=b"GET /healthz HTTP/1.0"),
    "chunked": head(b"Transfer-Encoding: chunked") + b"5\r\n12345\r\n0\r\n\r\n",
    "both": head(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "two_lengths": head(b"Content-Length: 5", b"Content-Length: 5"),
    "odd_length": head(b"Content-Length: +5"),
    "long_length": head(b"Content-Length: 1234567890123456"),
    "spaced_name": head(b"Content-Length : 5"),
    "folded": head(b"X-A: 1", b" Content-Length: 5"),
    "tab": head(b"X-A:\t1"),
    "nul": head(b"X-A: 1\0"),
    "bare_lf": b"\x01POST / HTTP/1.1\nHost: x\n\n",
    "lf_inside": head(b"X-A: 1\nContent-Length: 5"),
    "bare_cr": head(b"X-A: 1\rContent-Length: 5"),
    "coding": head(b"Transfer-Encoding: gzip, chunked"),
    "old_chunked": head(b"Transfer-Encoding: chunked", start=b"POST / HTTP/1.0"),
    "two_hosts": head(b"Host: y"),
    "no_version": head(start=b"GET /"),
    "absolute": head(start=b"GET http://x/ HTTP/1.1"),
    "64_headers": head(*[b"X-%d: 1" % n for n in range(63)]),
    "65_headers": head(*[b"X-%d: 1" % n for n in range(64)]),
    "cut": head(b"Content-Length: 5", end=b""),
    "pipelined": head(b"Content-Length: 0") + head()[1:],
    "high": head(b"X-A: \xff\xfe"),
    "empty": b"\x01",
}


if __name__ == "__main__":
    write("webhook", webhooks())
    write("proofs", PROOFS)
    write("head", HEADS)
    write("blob", BLOBS)
    write("keyfile", KEY_FILES)
    write("roles", ROLES)
    write("scrub", SCRUBBED)
