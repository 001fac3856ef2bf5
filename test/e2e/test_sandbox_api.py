"""Goal of this test: the sandbox's own API does what examples/sandbox/README.md says, its answers and webhooks have the
shapes of real ones, and a page of somebody else's cannot use it. A customer's message goes through the real gateway and
comes back with its ticks."""
import base64
import hashlib
import hmac
import http.client
import json
import os
import resource
import select
import socket
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

from conftest import SAMPLES, DialogShop, Gateway, Shop, free_port, wait_for
from provider import BINARY, Provider, Sandbox
from server import Handler, Loopback
from test_sandbox import Listening

NUMBER, D360 = "106540352242922", "206540352242922"
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
HELLO = {"messaging_product": "whatsapp", "to": "+2348012345678", "type": "text", "text": {"body": "hello"}}


@pytest.fixture
def provider(request):
    with Provider(statuses=getattr(request, "param", "read")) as p:
        yield p


@pytest.fixture
def meta(provider):
    """A token, an app and a number, without any gateway: call(method, path, body, headers) speaks as its owner."""
    provider.add_token("EAAtoken", [NUMBER], app_id="4242", app_secret="s3cret", waba_ids=["77"])
    return caller(provider, {"Authorization": "Bearer EAAtoken"})


@pytest.fixture
def dialog(provider):
    provider.add_d360_key("key-of-shop", D360, waba_id="88")
    return caller(provider, {"D360-API-KEY": "key-of-shop"})


def caller(provider, own):
    def call(method, path, body=None, headers=(), token=None):
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        sent = {**own, **dict(headers)}
        if token:
            sent["Authorization"] = "Bearer " + token
        connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=10)
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        kind = answer.getheader("Content-Type") or ""
        return answer.status, json.loads(data) if kind.startswith("application/json") and data else data
    return call


def feed(provider, after=0, seconds=0.5):
    """The newest of each entry, as the page would have it."""
    connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=seconds)
    connection.request("GET", f"/sandbox/feed?after={after}")
    answer = connection.getresponse()
    entries = {}
    try:
        for line in answer:
            if line.startswith(b"data: "):
                entry = json.loads(line[6:])
                entries[entry["id"]] = entry
    except TimeoutError:
        pass
    connection.close()
    return list(entries.values())


def state_of(provider, id_):
    return next(e["state"] for e in feed(provider) if e["id"] == id_)


# ------------------------------------------------------------ the whole way

@pytest.fixture
def gateway(directory, provider):
    g = Gateway(directory, provider.url).start()
    yield g
    g.stop()


def test_a_customer_asks_and_sees_the_answer(provider, gateway):
    paul = Shop(gateway, provider, "Paul's Electronics", NUMBER, verify=True)
    sarah = DialogShop(gateway, provider, "Sarah's Fashion", D360)
    paul.products("name,price,currency,stock\niPhone 13,350000,NGN,2\n")
    sarah.products("name,price,currency,stock\nAnkara dress,15000,NGN,2\n")
    asked = [provider.write(NUMBER, {"type": "text", "text": {"body": "price of iphone 13"}}),
             provider.write(D360, {"type": "text", "text": {"body": "price of ankara dress"}}, phone="+49 151 1234", name="Ben")]
    assert [e["customer"] for e in asked] == ["2348012345678", "491511234"]

    def answers():
        found = {e["number"]: e for e in feed(provider) if e["from"] == "shop" and e["state"] == "read"}
        return found if len(found) == 2 else None
    found = wait_for(answers)
    assert found, feed(provider)
    assert "350,000" in found[NUMBER]["message"]["text"]["body"] and found[NUMBER]["key_last4"] == paul.token[-4:]
    assert "15,000" in found[D360]["message"]["text"]["body"] and found[D360]["key_last4"] == sarah.key[-4:]
    assert "biz_opaque_callback_data" not in found[NUMBER]["message"], "that is the gateway's own"
    assert {state_of(provider, e["id"]) for e in asked} == {"delivered"}
    for shop in (paul, sarah):
        assert wait_for(lambda: shop.messages(direction="outbound", state="read")), "statuses came, signed as they must be"
    shops = {s["number"]: s for s in provider.ask("GET", "/sandbox/shops")["shops"]}
    assert shops[NUMBER]["connected"] and shops[D360]["api"] == "360dialog"
    assert shops[NUMBER]["key_last4"] == paul.token[-4:]


@pytest.mark.parametrize("message", [
    {"type": "image", "image": {"id": "MEDIA", "caption": "this one"}},
    {"type": "location", "location": {"latitude": 6.5, "longitude": 3.4, "name": "Lagos"}},
    {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": {"id": "yes", "title": "Yes"}},
     "context": {"id": "wamid.x"}}], ids=lambda m: m["type"])
def test_other_messages_reach_the_gateway(provider, gateway, message):
    status, media = provider.call("POST", "/sandbox/media?filename=a.png", body=PIXEL, headers={"Content-Type": "image/png"})
    assert status == 201
    message = json.loads(json.dumps(message).replace("MEDIA", media["id"]))
    shop = Shop(gateway, provider, "Paul", NUMBER, verify=True, responder="none")
    entry = provider.write(NUMBER, message)
    (kept,) = wait_for(lambda: shop.messages(direction="inbound"))
    assert (kept["type"], kept["wamid"]) == (message["type"], entry["id"])
    assert provider.call("GET", "/sandbox/media/" + media["id"]) == (200, PIXEL)


def test_a_webhook_comes_again_until_it_is_taken(provider, meta):
    """Nobody listens at first; then somebody does. What was given up would say so."""
    port = free_port()
    provider.patch(apps={"4242": {"callback": f"http://127.0.0.1:{port}/hook", "fields": ["messages"]}}, subscribed={"77": {"4242": ""}})
    entry = provider.write(NUMBER, {"type": "text", "text": {"body": "anybody?"}})
    waiting = wait_for(lambda: [e for e in feed(provider, seconds=0.2) if "note" in e])
    assert waiting[0]["state"] == "sent" and "trying again" in waiting[0]["note"]
    with Listening(port=port) as ours:
        assert wait_for(lambda: ours.got, timeout=15)
        assert wait_for(lambda: state_of(provider, entry["id"]) == "delivered")


def test_a_try_that_failed_is_told(provider, meta):
    """Beside the messages, in the same chat: refused by the provider, or met by a fault."""
    provider.fault("error", http=503, code=131016, times=1)
    assert meta("POST", f"/v26.0/{NUMBER}/messages", HELLO)[0] == 503
    assert meta("POST", f"/v26.0/{NUMBER}/messages", {**HELLO, "text": {"body": ""}})[0] == 400
    assert meta("POST", f"/v26.0/{NUMBER}/messages", HELLO, token="EAAother")[0] == 401
    told = [e for e in feed(provider) if e["from"] == "provider"]
    assert [e["customer"] for e in told] == ["2348012345678"] * 3 and not any("message" in e for e in told)
    assert 'with key ...oken: refused: 503, code 131016 (fault "error")' in told[0]["note"]
    assert "400 (#100) Invalid parameter" in told[1]["note"] and "...ther: 401 Invalid OAuth" in told[2]["note"]


def test_without_a_webhook_it_says_so(provider, meta):
    entry = provider.write(NUMBER, {"type": "text", "text": {"body": "anybody?"}})
    assert (entry["state"], entry["note"]) == ("failed", "no webhook is registered for this number")


def test_the_shop_reads(provider, meta):
    entry = provider.write(NUMBER, {"type": "text", "text": {"body": "anybody?"}})
    read = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.unknown"}
    assert meta("POST", f"/v26.0/{NUMBER}/messages", read)[1]["error"]["code"] == 131009
    with Listening() as ours:
        provider.patch(apps={"4242": {"callback": ours.url, "fields": ["messages"]}}, subscribed={"77": {"4242": ""}})
        entry = provider.write(NUMBER, {"type": "text", "text": {"body": "and now?"}})
        assert meta("POST", f"/v26.0/{NUMBER}/messages", {**read, "message_id": entry["id"]}) == (200, {"success": True})
        assert state_of(provider, entry["id"]) == "read"


# ------------------------------------------------------------ shapes

def sample(name):
    path = SAMPLES / "payloads" / name
    if not path.exists():
        pytest.skip("no samples")
    return json.loads(path.read_text())


def shape(value):
    """Names and kinds without the values."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def test_answers_are_shaped_as_real_ones(provider, meta, dialog):
    def same(answer, name):
        assert shape(answer) == shape(sample(name)), name

    same(meta("POST", f"/v26.0/{NUMBER}/messages", HELLO)[1], "meta/api/send.response.to_phone.json")
    same(meta("POST", f"/v26.0/{NUMBER}/messages", {**HELLO, "to": None, "recipient": "NG.1"})[1],
         "meta/api/send.response.to_bsuid.json")
    same(meta("GET", "/v26.0/454545")[1], "meta/api/error.phone_number_not_found.json")
    same(meta("GET", f"/v26.0/{NUMBER}")[1], "meta/api/phone_number.get.json")
    same(meta("GET", f"/v26.0/{NUMBER}?fields=name_status,verified_name")[1], "meta/api/phone_number.get.fields.json")
    provider.fault("error", code=130429, subcode=2494055, message="(#130429) Rate limit hit", details="x", times=1)
    same(meta("GET", f"/v26.0/{NUMBER}")[1], "meta/api/error.130429.json")
    debugged = meta("GET", "/v26.0/debug_token?input_token=EAAtoken", token="4242|s3cret")[1]
    for granular in debugged["data"]["granular_scopes"]:
        assert granular.pop("target_ids") == ["77"]
    same(debugged, "meta/api/debug_token.system_user.json")
    upload = multipart({"messaging_product": b"whatsapp"}, PIXEL)
    media = meta("POST", f"/v26.0/{NUMBER}/media", *upload)[1]
    same(media, "meta/api/media.upload.response.json")
    same(meta("GET", f"/v26.0/{media['id']}")[1], "meta/api/media.get.response.json")
    with Listening() as ours:
        meta("POST", "/v26.0/77/subscribed_apps", {"override_callback_uri": ours.url, "verify_token": "right"})
    same(meta("GET", "/v26.0/77/subscribed_apps")[1], "meta/api/subscribed_apps.get.json")
    same(meta("GET", "/v26.0/77/phone_numbers?fields=verified_name,code_verification_status,display_phone_number,quality_rating")[1],
         "meta/api/phone_numbers.list.json")
    same(dialog("POST", "/v1/configs/webhook", {})[1], "360dialog/error.360dialog.meta.json")
    same(dialog("POST", "/v1/configs/webhook", {"url": "https://x.example/", "headers": {"header_1": "a", "header_2": "b"}})[1],
         "360dialog/set_webhook.response200.json")
    same(dialog("POST", "/media", *upload)[1], "meta/api/media.upload.response.json")
    recorded = sample("360dialog/capture.templates.1.json")
    made = dialog("POST", "/v1/configs/templates", recorded["request"]["body"])
    assert made[0] == recorded["response"]["status"] and set(recorded["response"]["body"]) <= set(made[1])
    listed, real = dialog("GET", "/v1/configs/templates")[1], sample("360dialog/capture.templates.0.json")["response"]["body"]
    assert set(listed) == set(real) and set(listed["waba_templates"][0]) <= set(real["waba_templates"][0])


# ------------------------------------------------------------ Meta's tokens, and what it says of a number

def proof(token="EAAtoken", secret="s3cret"):
    return "appsecret_proof=" + hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()


def error(answer):
    return answer[0], answer[1]["error"]["code"], answer[1]["error"]["message"]


WRONG = (400, 100, "Invalid appsecret_proof provided in the API argument")


def test_a_proof_must_be_the_tokens(provider, meta):
    for edge in (f"/v26.0/{NUMBER}", "/v26.0/77/phone_numbers", "/v26.0/77/subscribed_apps"):
        assert meta("GET", f"{edge}?{proof()}")[0] == 200, edge
        for bad in (proof(token="EAAother"), proof(secret="other"), proof().upper().replace("APPSECRET_PROOF", "appsecret_proof"),
                    proof()[:-1], proof() + "0", "appsecret_proof=", "appsecret_proof=%"):
            assert error(meta("GET", f"{edge}?{bad}")) == WRONG, (edge, bad)
    assert error(meta("POST", f"/v26.0/{NUMBER}/messages?{proof(secret='other')}", HELLO)) == WRONG
    assert not provider.ask("GET", "/sandbox/sent")["sent"]


def test_an_app_may_demand_the_proof(provider, meta):
    provider.patch(apps={"4242": {"require_app_secret_proof": True}})
    status, code, message = error(meta("GET", f"/v26.0/{NUMBER}"))
    assert (status, code) == (400, 100) and "require an appsecret_proof" in message
    assert error(meta("POST", f"/v26.0/{NUMBER}/messages", HELLO))[1] == 100
    assert meta("GET", f"/v26.0/{NUMBER}?{proof()}")[0] == 200
    assert meta("POST", f"/v26.0/{NUMBER}/messages?{proof()}", HELLO)[0] == 200
    assert meta("GET", "/v26.0/debug_token?input_token=EAAtoken", token="4242|s3cret")[0] == 200, "that is the secret itself"


def renewal(token="EAAtoken", **more):
    return "/v26.0/oauth/access_token?" + urllib.parse.urlencode({
        "grant_type": "fb_exchange_token", "client_id": "4242", "client_secret": "s3cret", "fb_exchange_token": token,
        "set_token_expires_in_60_days": "true", **more})


def test_a_token_is_renewed(provider, meta):
    status, fresh = meta("GET", renewal())
    token = fresh.pop("access_token")
    assert (status, fresh) == (200, {"token_type": "bearer", "expires_in": 5184000}) and token.startswith("EAAG")
    for each in (token, "EAAtoken"):
        assert meta("GET", f"/v26.0/{NUMBER}?{proof(token=each)}", token=each)[0] == 200, "the old one works on"
    data = meta("GET", f"/v26.0/debug_token?input_token={token}", token="4242|s3cret")[1]["data"]
    assert (data["app_id"], data["is_valid"]) == ("4242", True)
    assert abs(data["expires_at"] - time.time() - 5184000) < 60
    assert meta("GET", renewal())[1]["access_token"] != token
    assert error(meta("GET", renewal(client_secret="other")))[1:] == (1, "Error validating client secret.")
    assert error(meta("GET", renewal(client_id="4243")))[1] == 101
    assert error(meta("GET", renewal(token="EAAnone")))[1] == 190
    assert error(meta("GET", renewal(grant_type="client_credentials")))[1] == 100
    assert error(meta("POST", renewal()))[1] == 100
    provider.patch(apps={"4343": {"secret": "of-another"}})
    assert error(meta("GET", renewal(client_id="4343", client_secret="of-another")))[1] == 190, "another app's token"


def test_a_token_ends(provider, meta):
    def seen():
        data = meta("GET", "/v26.0/debug_token?input_token=EAAtoken", token="4242|s3cret")[1]["data"]
        return data["expires_at"], data["is_valid"]

    later, earlier = int(time.time()) + 3600, int(time.time()) - 10
    assert seen() == (0, True)
    provider.patch(tokens={"EAAtoken": {"expires_at": later}})
    assert seen() == (later, True) and meta("GET", f"/v26.0/{NUMBER}")[0] == 200
    provider.patch(tokens={"EAAtoken": {"expires_at": earlier}})
    assert seen() == (earlier, False)
    assert error(meta("GET", f"/v26.0/{NUMBER}"))[:2] == (401, 190)
    assert error(meta("GET", renewal()))[1] == 190


def test_a_number_says_how_it_is(provider, meta):
    fields = ("status", "name_status", "quality_rating", "code_verification_status", "platform_type", "throughput",
              "whatsapp_business_manager_messaging_limit")
    path = f"/v26.0/{NUMBER}?fields=" + ",".join(fields) + ",health_status"
    said = meta("GET", path)[1]
    health = said.pop("health_status")
    assert said == {"id": NUMBER, "status": "CONNECTED", "name_status": "APPROVED", "quality_rating": "GREEN",
                    "code_verification_status": "VERIFIED", "platform_type": "CLOUD_API", "throughput": {"level": "STANDARD"},
                    "whatsapp_business_manager_messaging_limit": "TIER_2K"}
    assert health["can_send_message"] == "AVAILABLE"
    assert [(e["entity_type"], e["id"]) for e in health["entities"]] == [("PHONE_NUMBER", NUMBER), ("WABA", "77")]
    other = {"status": "RESTRICTED", "name_status": "DECLINED", "quality_rating": "RED", "code_verification_status": "EXPIRED",
             "platform_type": "NOT_APPLICABLE", "throughput": {"level": "HIGH"},
             "whatsapp_business_manager_messaging_limit": "TIER_250", "health_status": {"can_send_message": "BLOCKED"}}
    provider.patch(numbers={NUMBER: other})
    assert meta("GET", path)[1] == {"id": NUMBER, **other}


def test_an_account_lists_its_numbers(provider, meta):
    provider.add_token("EAAtoken", [NUMBER, "106"], app_id="4242", app_secret="s3cret", waba_ids=["77"])
    provider.patch(numbers={"106": {"waba": "77", "verified_name": "Second"}, "107": {"waba": "77"}, "108": {"waba": "78"}})
    said = meta("GET", "/v26.0/77/phone_numbers?fields=id,verified_name")[1]["data"]
    assert said == [{"id": NUMBER, "verified_name": "Test Shop"}, {"id": "106", "verified_name": "Second"}]
    assert meta("GET", "/v26.0/78/phone_numbers")[1]["error"]["error_subcode"] == 33, "not this token's account"


def test_statuses_are_shaped_as_real_ones(provider, meta):
    with Listening() as ours:
        provider.patch(apps={"4242": {"callback": ours.url, "fields": ["messages"]}}, subscribed={"77": {"4242": ""}})
        sent = meta("POST", f"/v26.0/{NUMBER}/messages", {**HELLO, "biz_opaque_callback_data": "mine"})[1]
        provider.fault("status_failed", code=131026, message="Message undeliverable", times=1)
        meta("POST", f"/v26.0/{NUMBER}/messages", HELLO)
        assert wait_for(lambda: len(ours.got) == 4, timeout=10)
        assert [e["note"] for e in feed(provider) if e["state"] == "failed"] == ["131026: Message undeliverable"]
        bodies = [json.loads(body) for body, _ in ours.got]
    statuses = {b["entry"][0]["changes"][0]["value"]["statuses"][0]["status"]: b for b in bodies}
    assert set(statuses) == {"sent", "delivered", "read", "failed"}
    for status in ("sent", "delivered", "read"):
        one = statuses[status]["entry"][0]["changes"][0]["value"]["statuses"][0]
        assert (one["id"], one["biz_opaque_callback_data"]) == (sent["messages"][0]["id"], "mine")
        one.pop("biz_opaque_callback_data")
    real = sample("meta/messages.status.v24_no_conversation_no_pricing.metadocs.json")
    ours_now, theirs = statuses["read"]["entry"][0], real["entry"][0]
    assert set(ours_now["changes"][0]["value"]) >= set(theirs["changes"][0]["value"])
    failed, theirs = statuses["failed"], sample("meta/messages.status.failed.131049.no_contacts.metadocs.json")
    assert set(failed["entry"][0]["changes"][0]["value"]) == set(theirs["entry"][0]["changes"][0]["value"])
    assert shape(failed["entry"][0]["changes"][0]["value"]["statuses"][0]["errors"][0]).keys() <= \
        shape(theirs["entry"][0]["changes"][0]["value"]["statuses"][0]["errors"][0]).keys()


def test_a_webhook_is_written_as_meta_writes(provider, meta):
    with Listening() as ours:
        provider.patch(apps={"4242": {"callback": ours.url, "fields": ["messages"]}}, subscribed={"77": {"4242": ""}})
        provider.write(NUMBER, {"type": "text", "text": {"body": "café 1/2 \U0001f600"}})
        assert wait_for(lambda: ours.got)
        body, headers = ours.got[0]
    assert body.isascii() and b"caf\\u00e9 1\\/2 \\ud83d\\ude00" in body
    message = json.loads(body)["entry"][0]["changes"][0]["value"]["messages"][0]
    assert message["text"]["body"] == "café 1/2 \U0001f600" and message["from_user_id"].startswith("NG.")
    assert b"2348012345678" in base64.b64decode(message["id"][6:])


# ------------------------------------------------------------ media

def multipart(fields, data, kind="image/png"):
    lines = b"".join(b'--b0\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (k.encode(), v) for k, v in fields.items())
    file = b'--b0\r\nContent-Disposition: form-data; name="file"; filename="a b.png"\r\nContent-Type: %s\r\n\r\n' % kind.encode()
    return lines + file + data + b"\r\n--b0--\r\n", {"Content-Type": "multipart/form-data; boundary=b0"}


def test_360dialogs_own_sandbox(provider, dialog):
    """Keys of its own, two paths, and nothing beside."""
    live, under = "/v1/configs/webhook", "/360dialog-sandbox"
    provider.add_d360_key("key-of-trial_sandbox", "306540352242922", sandbox=True)
    trial = caller(provider, {"D360-API-KEY": "key-of-trial_sandbox"})
    hello = {"messaging_product": "whatsapp", "to": "+2348012345678", "type": "text", "text": {"body": "hello"}}
    assert trial("GET", under + live) == (200, {"url": "", "headers": {}})
    assert trial("POST", under + live, {"url": "http://127.0.0.1:1/in"})[0] == 200
    assert provider.book["keys"]["key-of-trial_sandbox"]["webhook"]["url"] == "http://127.0.0.1:1/in"
    assert trial("POST", under + "/v1/messages", hello)[1]["messages"][0]["id"].startswith("wamid.")
    for path in ("/health_status", "/v1/health_status", "/messages", "/v1/media", "/media/1", "/"):
        assert trial("GET", under + path)[0] == 404 and trial("POST", under + path, hello)[0] == 404, path
    for call, path in ((dialog, under + live), (trial, live), (trial, "/messages"), (trial, "/health_status")):
        assert call("GET", path)[0] == 401, path
    assert dialog("POST", under + "/v1/messages", hello)[0] == 401 and dialog("GET", live)[0] == 200


@pytest.mark.parametrize("api", ["meta", "360dialog"])
def test_media_come_back_as_they_went(provider, meta, dialog, api):
    call, start, node = (meta, f"/v26.0/{NUMBER}", "/v26.0") if api == "meta" else (dialog, "", "")
    data = bytes(range(256)) * 300 + b"\r\n--b0"[:5]
    status, upload = call("POST", start + "/media", *multipart({"messaging_product": b"whatsapp"}, data))
    assert status == 200, upload
    status, about = call("GET", f"{node}/{upload['id']}")
    assert (about["file_size"], about["mime_type"], about["id"]) == (len(data), "image/png", upload["id"])
    assert about["sha256"] == hashlib.sha256(data).hexdigest()
    url = urllib.parse.urlsplit(about["url"])
    assert url.hostname == ("127.0.0.1" if api == "meta" else "lookaside.fbsbx.com"), "360dialog hands on Meta's own address"
    assert call("GET", f"{url.path}?{url.query}") == (200, data)
    assert caller(provider, {})("GET", f"{url.path}?{url.query}")[0] == 401, "it needs the key"
    assert call("GET", f"{url.path}?{url.query}".replace("hash=", "hash=0"))[0] == 404
    assert call("DELETE", f"{node}/{upload['id']}") == (200, {"success": True})
    assert call("GET", f"{node}/{upload['id']}")[0] in (400, 403)


def test_bad_uploads_are_refused(provider, meta):
    good, headers = multipart({"messaging_product": b"whatsapp"}, PIXEL)
    for body in (b"", b"nonsense", good[:60], good.replace(b"messaging_product", b"product"), good.replace(b'"file"', b'"other"'),
                 good.replace(b"--b0--", b""), good.replace(b"\r\n\r\n", b"\n\n")):
        status, answer = meta("POST", f"/v26.0/{NUMBER}/media", body, headers)
        assert (status, answer["error"]["code"]) == (400, 100), body
    assert meta("POST", f"/v26.0/{NUMBER}/media", good)[0] == 400, "without its Content-Type"


def test_a_file_is_looked_at_and_never_run(provider):
    for kind, shown in (("image/png", "image/png"), ("text/html", "application/octet-stream"),
                        ("text/javascript", "application/octet-stream")):
        id_ = provider.call("POST", "/sandbox/media", body=b"alert(1)", headers={"Content-Type": kind})[1]["id"]
        with urllib.request.urlopen(f"{provider.url}/sandbox/media/{id_}") as answer:
            assert answer.headers["Content-Type"] == shown and "sandbox" in answer.headers["Content-Security-Policy"]


def test_odd_headers_of_a_webhook(provider, dialog):
    with Listening() as ours:
        for n, headers in enumerate((["x"], [{"a": 1}], {"X-Number": 1, "X-Cut\r\nX-Evil": "y", "X-Good": "yes"}), 1):
            provider.patch(keys={"key-of-shop": {"webhook": {"url": ours.url, "headers": headers}}})
            provider.write(D360, {"type": "text", "text": {"body": "x"}})
            assert wait_for(lambda: len(ours.got) == n)
        assert "X-Good" in ours.got[2][1] and "X-Evil" not in ours.got[2][1]


# ------------------------------------------------------------ the API itself

def test_refusals_of_its_own_api(provider, meta):
    def refused(method, path, document=None, body=None):
        status, answer = provider.call(method, path, document, body)
        return status, answer.get("error") if isinstance(answer, dict) else answer

    assert refused("GET", "/sandbox/nothing")[0] == 404 and refused("POST", "/sandbox/book")[0] == 405
    for patch in ([], {"nonsense": {}}, {"apps": []}, {"apps": {"1": "x"}}, {"keys": 1}):
        assert refused("PATCH", "/sandbox/book", patch)[0] == 400, patch
    assert refused("PATCH", "/sandbox/book", body=b"{")[0] == 400
    for fault in ({}, {"kind": "earthquake"}, {"kind": "drop", "times": 0}, {"kind": "error", "http": 99}, {"kind": "drop", "number": 1},
                  {"kind": "error", "htp": 503}, {"kind": "drop", "text": "x"},
                  {"kind": "slow", "delay": 601}, {"kind": "slow", "delay": -1}):
        assert refused("POST", "/sandbox/faults", fault)[0] == 400, fault
    text = {"type": "text", "text": {"body": "x"}}
    for message, why in (({"number": "1", "customer": {"phone": "2348012345678"}, "message": text}, "number"),
                         ({"number": NUMBER, "customer": {}, "message": text}, "customer"),
                         ({"number": NUMBER, "customer": {"phone": "12"}, "message": text}, "customer.phone"),
                         ({"number": NUMBER, "customer": {"phone": "2348012345678"}, "message": {"type": "text"}}, "message"),
                         ({"number": NUMBER, "customer": {"phone": "2348012345678"}}, "message"), (7, "number")):
        status, error = refused("POST", "/sandbox/messages", message)
        assert status == 400 and error.startswith(why), (message, error)
    assert refused("POST", "/sandbox/media", body=b"")[0] == 400 and refused("GET", "/sandbox/media/1")[0] == 404
    assert refused("POST", "/sandbox/deliver", {"number": NUMBER})[0] == 400
    assert refused("POST", "/sandbox/deliver", {"number": NUMBER, "value": {}, "headers": ["x"]})[0] == 400
    assert refused("POST", "/phone")[0] == 404
    assert provider.book["tokens"]["EAAtoken"]["numbers"] == [NUMBER], "nothing changed"


def test_what_is_no_text_stays_harmless(provider, meta):
    """Bytes that are no UTF-8, or a character written longer than it is, end neither a string nor a line."""
    with Listening() as ours:
        provider.patch(apps={"4242": {"callback": ours.url, "fields": ["messages"]}}, subscribed={"77": {"4242": ""}})
        body = b'{"number":"%s","customer":{"phone":"2348012345678"},"message":{"type":"text","text":{"body":"a%s"}}}'
        for odd in (b"\xc0\xa2,\xc0\xa2evil", b"\xc0\x80", b"\xff", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x82"):
            assert provider.call("POST", "/sandbox/messages", body=body % (NUMBER.encode(), odd))[0] == 201
        assert wait_for(lambda: len(ours.got) == 6)
        for got, _ in ours.got:
            text = json.loads(got)["entry"][0]["changes"][0]["value"]["messages"][0]["text"]
            assert list(text) == ["body"] and text["body"].startswith("a?")
    assert len(feed(provider)) == 6


def test_who_waits_holds_up_nobody(provider, meta):
    """Hundreds of readers of the feed and of requests that hang, all of them at once; those beyond 1,024 are hung up on."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, files[1]), files[1]))
    provider.add_token("EAAother", ["1"], app_id="4242", app_secret="s3cret", waba_ids=["77"])
    provider.fault("hang", number=NUMBER)
    hangs = b"GET /v26.0/%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer EAAtoken\r\n\r\n" % NUMBER.encode()

    def ask(request):
        s = socket.create_connection(("127.0.0.1", provider.port))
        s.sendall(request)
        return s

    def ended(sockets):
        poll = select.poll()
        for s in sockets:
            poll.register(s, select.POLLIN)
        return len(poll.poll(0))

    try:
        feeds = [ask(b"GET /sandbox/feed HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(150)]
        assert wait_for(lambda: ended(feeds) == len(feeds)), "each is being answered"
        hanging = [ask(hangs) for _ in range(600)]
        provider.wait_requests(600)
        began = time.monotonic()
        assert provider.write(NUMBER, {"type": "text", "text": {"body": "x"}})["id"]
        assert meta("GET", "/v26.0/1", token="EAAother")[0] == 200
        assert time.monotonic() - began < 2 and ended(hanging) == 0
        # Readers of the feed have just read, and may not have come back to wait: as many more are beyond it all the same.
        beyond = [ask(hangs) for _ in range(330 + len(feeds))]
        assert wait_for(lambda: ended(beyond) >= 56), "there is a bound"
        assert ended(hanging) == 0 and meta("GET", "/v26.0/1", token="EAAother")[0] == 200
        provider.heal()
        assert wait_for(lambda: ended(hanging) == len(hanging)) and meta("GET", f"/v26.0/{NUMBER}")[0] == 200
        for s in feeds + hanging + beyond:
            s.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, files)


class Silent(Loopback):
    """An address that never answers."""

    def __init__(self):
        super().__init__(SilentHandler)


class SilentHandler(Handler):
    def serve(self):
        self.hang()


def test_a_silent_address_holds_up_no_other(provider, meta, dialog):
    with Silent() as silent, Listening() as ours:
        provider.patch(apps={"4242": {"callback": silent.url, "fields": ["messages"]}}, subscribed={"77": {"4242": ""}},
                       keys={"key-of-shop": {"webhook": {"url": ours.url, "headers": {}}}})
        for _ in range(12):
            provider.write(NUMBER, {"type": "text", "text": {"body": "nobody hears"}})
        provider.write(D360, {"type": "text", "text": {"body": "somebody does"}})
        assert wait_for(lambda: ours.got, timeout=2)


def test_it_ends_soon_whatever_is_going_on(meta, provider):
    """An address that is silent, a reader that does not read, a body that does not come."""
    with Silent() as silent:
        provider.patch(apps={"4242": {"callback": silent.url, "fields": ["messages"]}}, subscribed={"77": {"4242": ""}})
        provider.write(NUMBER, {"type": "text", "text": {"body": "nobody hears"}})
        provider.fault("huge", on=NUMBER)
        slow = []
        for request in (b"GET /v26.0/%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % NUMBER.encode(),
                        b"POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"):
            slow.append(socket.create_connection(("127.0.0.1", provider.port)))
            slow[-1].sendall(request)
        time.sleep(0.3)
        began = time.monotonic()
        provider._process.terminate()
        assert provider._process.wait(10) == 0 and time.monotonic() - began < 4.5
        for s in slow:
            s.close()


def test_a_log_that_nobody_reads_stops_nothing():
    with Sandbox() as s:
        s.patch(tokens={"EAAtoken": {"numbers": [NUMBER], "app": "1"}}, numbers={NUMBER: {}})
        for _ in range(1500):
            s.write(NUMBER, {"type": "text", "text": {"body": "a line of the log" * 10}})


@pytest.mark.parametrize("headers", [{"Host": "sandbox.attacker.example"}, {"Host": "127.0.0.1.attacker.example"},
                                     {"Origin": "https://attacker.example"}, {"Origin": "null"},
                                     {"Sec-Fetch-Site": "cross-site"}], ids=lambda h: " ".join(*h.items()))
def test_another_page_is_not_let_in(provider, headers):
    for method, path in (("GET", "/sandbox/book"), ("POST", "/sandbox/faults"), ("GET", "/sandbox/feed")):
        assert provider.call(method, path, body=b'{"kind":"drop"}', headers=headers)[0] in (403, 421)
    if "Host" in headers:
        assert provider.call("GET", "/v1/configs/webhook", headers=headers)[0] == 421, "nor at the providers"
    assert provider.call("GET", "/sandbox/faults")[1] == {"faults": []}


def test_it_calls_nobody_else(provider, meta):
    for url in ("http://192.0.2.1/", "https://graph.facebook.com/", "http://127.0.0.1.example/", "file:///etc/passwd", "x"):
        status, answer = meta("POST", "/v26.0/77/subscribed_apps", {"override_callback_uri": url, "verify_token": "t"})
        assert (status, answer["error"]["code"]) == (400, 2200) and "not on this machine" in answer["error"]["message"], url


def test_the_book_outlives_it(directory):
    state, book = f"{directory}/state.json", f"{directory}/book.json"
    with open(book, "w") as file:
        json.dump({"customers": {"1": {"name": "from the book"}}}, file)
    with Sandbox("--book", book, "--state", state) as s:
        assert s.book["customers"]["1"]["name"] == "from the book"
        s.patch(customers={"2": {"name": "later"}, "1": None})
    assert os.stat(state).st_mode & 0o077 == 0, "keys are in it"
    with Sandbox("--book", book, "--state", state) as s:
        assert s.book["customers"] == {"2": {"name": "later"}}
        grown = [s.call("PATCH", "/sandbox/book", {"customers": {str(n): {"name": "x" * 3000000}}})[0] for n in range(4)]
        assert grown == [200, 200, 400, 400], "what could not be read again is not taken"
    with Sandbox("--state", state) as s:
        assert len(s.book["customers"]) == 3


@pytest.mark.parametrize("flags,status,says", [
    (["--listen", "0.0.0.0:0"], 1, "loopback"), (["--listen", "192.0.2.1:1"], 1, "loopback"), (["--listen", "x"], 1, "loopback"),
    (["--book", "/nowhere"], 1, "/nowhere cannot be read"), (["--book", "/etc/hostname"], 1, "is no book"),
    (["--statuses", "all"], 2, "usage"), (["--nonsense"], 2, "usage"), (["--cert", "x"], 2, "usage"), (["word"], 2, "usage")])
def test_flags_that_are_wrong(flags, status, says):
    done = subprocess.run([BINARY, *flags], capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL)
    assert done.returncode == status and says in done.stderr, done.stderr


def test_a_port_in_use_is_said_in_one_line(provider):
    done = subprocess.run([BINARY, "--listen", f"127.0.0.1:{provider.port}"], capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"sandbox: cannot listen on 127.0.0.1:{provider.port}: another program uses this port\n"


def test_the_log_is_readable_and_tells_no_key():
    process = subprocess.Popen([BINARY, "--listen", "127.0.0.1:0", "--statuses", "none"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        book = {"tokens": {"EAA-long-secret-token-9f3c": {"numbers": [NUMBER], "app": "1"}}, "apps": {"1": {"secret": "x"}},
                "numbers": {NUMBER: {"verified_name": "Paul\x1b[2J"}}}
        connection.request("PATCH", "/sandbox/book", json.dumps(book))
        connection.getresponse().read()
        connection.request("POST", f"/v26.0/{NUMBER}/messages", json.dumps({**HELLO, "text": {"body": "one\ntwo"}}),
                           {"Authorization": "Bearer EAA-long-secret-token-9f3c"})
        assert connection.getresponse().status == 200
        connection.close()
        time.sleep(0.2)
    finally:
        process.terminate()
        log = process.stdout.read()
        process.wait()
        process.stdout.close()
    assert "Paul?[2J answers 2348012345678 with key ...9f3c (Meta):\n            one\n            two\n" in log
    assert "long-secret" not in log
