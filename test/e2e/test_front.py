"""Goal of this test: a client of Meta's or of 360dialog's works here by another base URL and a virtual key, for a shop of
either, and can do nothing that its key was not given for; the shop's own key and the virtual one stay apart."""
import concurrent.futures
import datetime
import hashlib
import json
import os
import socket
import time
import urllib.parse

import pytest

from conftest import DialogShop, Shop, wait_for
from shops import hours_pass

META, OTHER, D360 = "106540352242922", "116540352242922", "206540352242922"
WABA = "102290129340398"
TO = "+16505551234"
V = "/v23.0"


class Client:
    """As an SDK: a base URL and a token."""

    def __init__(self, gateway, key, shape="graph"):
        self.gateway, self.key, self.shape = gateway, key, shape

    def __call__(self, method, path, body=None, headers=None, key=None):
        key = self.key if key is None else key
        auth = {"D360-API-KEY": key} if self.shape == "d360" else {"Authorization": "Bearer " + key}
        headers = {**auth, **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            headers.setdefault("Content-Type", "application/json")
            body = json.dumps(body).encode()
        return self.gateway.request(method, path, body, headers)

    def upload(self, path, data, kind="application/pdf", name="file.pdf"):
        mark = "xx" + hashlib.md5(data).hexdigest()
        body = (f'--{mark}\r\nContent-Disposition: form-data; name="messaging_product"\r\n\r\nwhatsapp\r\n'
                f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'
                ).encode() + data + f"\r\n--{mark}--\r\n".encode()
        return self("POST", path, body, {"Content-Type": f"multipart/form-data; boundary={mark}"})


def text(body="hello", to=TO, **more):
    return {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": body}, **more}


def new_key(shop, **more):
    answer = shop.gateway.api("POST", shop.path("keys"), {"name": "client " + os.urandom(4).hex(), **more})
    assert answer.status == 201, answer.body
    return answer.json


@pytest.fixture
def meta(gateway, provider):
    return Shop(gateway, provider, "Paul's Electronics", META, responder="none")


@pytest.fixture
def dialog(gateway, provider):
    return DialogShop(gateway, provider, "Sarah's Fashion", D360, responder="none")


def client_of(shop, shape="graph", **more):
    return Client(shop.gateway, new_key(shop, **more)["key"], shape)


def error(answer):
    return answer.status, answer.json["error"]["code"], answer.json["error"].get("error_subcode")


# ---------------------------------------------------------------- sends

def test_a_message(provider, meta):
    client = client_of(meta)
    answer = client("POST", f"{V}/{META}/messages", text(biz_opaque_callback_data="theirs"))
    assert answer.status == 200, answer.body
    wamid = answer.json["messages"][0]["id"]
    assert answer.json["messaging_product"] == "whatsapp" and answer.json["contacts"][0]["input"] == TO
    assert answer.headers["x-fb-trace-id"] and answer.headers["facebook-api-version"] == V[1:], "the provider's own"
    (sent,) = provider.sends()
    assert (sent.token, sent.number) == (meta.token, META)
    assert sent.path == f"{V}/{META}/messages", "the client's version"
    assert wait_for(lambda: meta.messages()[0]["state"] == "sent"), "told before it is written"
    (row,) = meta.messages()
    assert (row["direction"], row["wamid"], row["type"]) == ("outbound", wamid, "text")
    assert sent.json["biz_opaque_callback_data"] == row["id"], "ours travels"
    assert row["biz_opaque_callback_data"] == "theirs", "and the client's is kept"


@pytest.mark.parametrize("to", ["16505551234", "+1 (650) 555-1234", "1-650-555-1234"])
def test_the_input_is_told_as_it_was_written(provider, meta, to):
    client, same = client_of(meta), {"Idempotency-Key": "one"}
    for _ in range(2):
        answer = client("POST", f"{V}/{META}/messages", text(to=to), same)
        assert answer.json["contacts"] == [{"input": to, "wa_id": TO[1:]}], answer.body
    (sent,) = provider.sends()
    assert sent.json["to"] == TO
    for said in ('{"contacts": [{"input": "+16505550000"}], "messages": [{"id": "wamid.1"}]}',
                 '{"contacts": [{"input": "16505551234 "}, {"input": "%s"}], "messages": [{"id": "wamid.2"}]}' % TO):
        provider.fault("error", http=200, body=said, on="/messages", times=1)
        assert client("POST", f"{V}/{META}/messages", text(to=to)).body.decode() == said, "what the provider says of it stays"


@pytest.mark.parametrize("how", ["Bearer", "OAuth", "oauth", "query", "no version"])
def test_ways_to_bring_the_key(provider, meta, how):
    key = new_key(meta)["key"]
    body, headers = json.dumps(text()).encode(), {"Content-Type": "application/json"}
    path = f"/{META}/messages" if how == "no version" else f"{V}/{META}/messages"
    if how == "query":
        path += "?access_token=" + key
    else:
        headers["Authorization"] = ("Bearer " if how == "no version" else how + " ") + key
    answer = meta.gateway.request("POST", path, body, headers)
    assert answer.status == 200, answer.body
    (seen,) = [r for r in provider.requests if r.path.endswith("/messages")]
    assert key not in seen.path + str(seen.query) + str(seen.headers) + str(seen.body)


def test_a_slash_too_many_is_the_same_path(provider, meta, dialog):
    client, own = client_of(meta), client_of(dialog, "d360")
    same = {"Idempotency-Key": "one"}
    for path in (f"{V}/{META}/messages", f"{V}/{META}/messages/", f"/{V}/{META}/messages", f"/{V}/{META}/messages/"):
        assert client("POST", path, text(), same).status == 200, path
    assert len(provider.sends()) == 1, "they are one call"
    for path in (f"/{META}/messages/", f"//{META}/messages"):
        assert client("POST", path, text()).status == 200, path
    for path in ("/messages/", "//messages"):
        assert own("POST", path, text()).status == 200, path
    assert client("GET", f"/{V}/{META}/?fields=id").json == {"id": META}
    assert client("GET", f"/{V}/debug_token/?input_token={client.key}").status == 200
    sent, asked = len(provider.sends()), len(provider.requests)
    for path in (f"//{V}/{META}/messages", f"{V}//{META}/messages", f"{V}/{META}//messages", f"{V}/{META}/messages//",
                 f"{V}/./{META}/messages", f"{V}/1/../{META}/messages", f"{V}/{META}/messages/%2e", f"{V}/{META}%2fmessages"):
        assert client("POST", path, text()).status in (400, 404), path
    assert own("POST", "///messages", text()).status == 404 and own("POST", "//v1/messages", text()).status == 404
    assert (len(provider.sends()), len(provider.requests)) == (sent, asked)
    assert client("POST", f"/{V}/{META}/messages/", text(), key="khv_" + "x" * 43).status == 401
    assert f"/{V}/{{id}}/messages/ " in meta.gateway.run("refused").stdout, "told as it came"


def test_a_360dialog_shop_by_either_client(provider, dialog):
    graph, own = client_of(dialog), client_of(dialog, "d360")
    assert graph("POST", f"{V}/{D360}/messages", text("graph")).status == 200
    assert own("POST", "/messages", text("own")).status == 200
    assert [(r.token, r.json["text"]["body"]) for r in provider.sends()] == [(dialog.key, "graph"), (dialog.key, "own")]
    assert {r.path for r in provider.requests if r.method == "POST"} >= {"/messages"}


def test_a_meta_shop_by_360dialogs_client(provider, meta):
    assert client_of(meta, "d360")("POST", "/messages", text()).status == 200
    assert [(r.token, r.number) for r in provider.sends()] == [(meta.token, META)]


def test_marking_read_is_no_message(provider, meta, dialog):
    for shop, number in ((meta, META), (dialog, D360)):
        written = provider.write(number, {"type": "text", "text": {"body": "hi"}})
        body = {"messaging_product": "whatsapp", "status": "read", "message_id": written["id"],
                "typing_indicator": {"type": "text"}}
        answer = client_of(shop)("POST", f"{V}/{number}/messages", body)
        assert (answer.status, answer.json) == (200, {"success": True}), answer.body
        assert [m["direction"] for m in shop.messages() if m["direction"] == "outbound"] == []


def test_the_providers_refusal_comes_back_as_it_came(provider, meta):
    client = client_of(meta)
    provider.fault("error", http=400, code=131026, subcode=7, message="(#131026) no", details="not on WhatsApp", on="/messages",
                   times=1)
    answer = client("POST", f"{V}/{META}/messages", text())
    assert error(answer) == (400, 131026, 7)
    assert answer.json["error"]["error_data"]["details"] == "not on WhatsApp"
    assert answer.headers["x-keyhouse-answered-by"] == "meta"
    provider.fault("error", http=429, code=130429, retry_after=7, on="/messages", times=1)
    answer = client("POST", f"{V}/{META}/messages", text())
    assert error(answer)[:2] == (429, 130429) and answer.headers["retry-after"] == "7"
    time.sleep(1)
    assert len([r for r in provider.requests if r.path.endswith("/messages")]) == 2, "nothing is repeated"
    assert {m["state"] for m in meta.messages()} == {"dead"}
    assert "no letters" not in meta.gateway.log_text()


def test_why_nothing_goes_is_said(provider, meta):
    """The first refusal as it came; then, while nothing is asked, that it is not the client's own haste."""
    client = client_of(meta)
    provider.fault("error", http=400, code=131042, on="/messages", times=1)
    assert error(client("POST", f"{V}/{META}/messages", text()))[:2] == (400, 131042)
    assert wait_for(lambda: client("POST", f"{V}/{META}/messages", text()).status == 403)
    answer = client("POST", f"{V}/{META}/messages", text())
    assert error(answer)[:2] == (403, 368) and 500 < int(answer.headers["retry-after"]) <= 600, answer.body
    assert answer.json["error"]["is_transient"], "where it says when to come again, the same call may work then"


def test_a_provider_that_does_not_answer_is_said_so(provider, meta):
    client = client_of(meta)
    provider.fault("drop_before", on="/messages")
    answers = [client("POST", f"{V}/{META}/messages", text()) for _ in range(8)]
    last = answers[-1]
    assert error(last)[:2] == (503, 2) and 0 < int(last.headers["retry-after"]) <= 7, [a.body for a in answers]
    assert "did not answer lately" in last.json["error"]["error_data"]["details"]


def test_an_answer_that_does_not_come(provider, meta):
    """It may have been accepted: it is said so, not repeated, and a status settles it."""
    client = client_of(meta)
    provider.fault("accept_drop", on="/messages", times=1)
    answer = client("POST", f"{V}/{META}/messages", text())
    assert error(answer)[:2] == (504, 131000)
    (row,) = meta.messages()
    assert wait_for(lambda: meta.message(row["id"])["state"] == "unknown"), "told before it is written"
    meta.send(meta.status("wamid.x", "sent", opaque=row["id"]))
    assert wait_for(lambda: meta.message(row["id"])["state"] == "sent")
    provider.fault("drop_before", on="/messages", times=1)
    assert client("POST", f"{V}/{META}/messages", text()).status in (503, 504)


def test_idempotency(provider, meta):
    client = client_of(meta)
    path, key = f"{V}/{META}/messages", {"Idempotency-Key": "order-1"}
    first, again = client("POST", path, text(), key), client("POST", path, text(), key)
    assert first.status == again.status == 200 and first.body == again.body
    assert again.headers["idempotent-replayed"] == "true"
    assert error(client("POST", path, text("other"), key))[:2] == (422, 100)
    assert len(provider.sends()) == 1
    provider.fault("accept_drop", on="/messages", times=1)
    lost = {"Idempotency-Key": "order-2"}
    assert client("POST", path, text(), lost).status == 504
    assert wait_for(lambda: client("POST", path, text(), lost).status != 409), "in flight until its answer is written"
    assert client("POST", path, text(), lost).status == 504, "it is not sent again under its key"
    assert len(provider.sends()) == 2


@pytest.mark.parametrize("body, code", [(b"{", 100), (b"[]", 100), (b"", 100), ({"to": TO}, 100), (text(to="nobody"), 100)])
def test_what_is_no_message(provider, meta, body, code):
    answer = client_of(meta)("POST", f"{V}/{META}/messages", body)
    assert error(answer)[:2] == (400, code), answer.body
    assert provider.sends() == [] and meta.messages() == []


def test_a_body_over_the_limit(provider, meta):
    answer = client_of(meta)("POST", f"{V}/{META}/messages", text("x" * 70000))
    assert error(answer)[:2] == (413, 100)


# ---------------------------------------------------------------- keys

def test_keys_that_may_not(provider, meta, gateway):
    client = client_of(meta)
    path = f"{V}/{META}/messages"
    for key in ("", "khv_" + "x" * 43, meta.token, gateway.token):
        answer = client("POST", path, text(), key=key)
        assert error(answer)[:2] == (401, 190)
        assert answer.headers["www-authenticate"].startswith('Bearer realm="keyhouse"')
    made = new_key(meta)
    gateway.api("DELETE", meta.path("keys", made["id"]))
    assert error(client("POST", path, text(), key=made["key"])) == (401, 190, 467)
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    brief = client_of(meta, expires_at=soon.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert wait_for(lambda: brief("GET", f"{V}/{META}?fields=id").status == 401)
    assert error(brief("POST", path, text())) == (401, 190, 463)
    reader = client_of(meta, scopes=["read"])
    answer = reader("POST", path, text())
    assert error(answer)[:2] == (403, 10) and answer.json["error"]["error_data"]["details"].endswith("has the scope send.")
    assert reader("GET", f"{V}/{META}?fields=id").status == 200
    poor = client_of(meta, messages_per_day=2)
    assert [poor("POST", path, text()).status for _ in range(2)] == [200, 200]
    answer = poor("POST", path, text())
    assert error(answer)[:2] == (429, 130429) and int(answer.headers["retry-after"]) > 0
    quick = client_of(meta, rate_per_minute=1)
    assert quick("GET", f"{V}/{META}?fields=id").status == 200
    answer = quick("GET", f"{V}/{META}?fields=id")
    assert error(answer)[:2] == (429, 130429) and 0 < int(answer.headers["retry-after"]) <= 60
    assert len(provider.sends()) == 2
    why = gateway.run("refused").stdout
    for word in ("revoked", "expired", "budget"):
        assert word in why, why


def test_another_tenants_number_does_not_exist(provider, meta, gateway):
    other = Shop(gateway, provider, "Tunde's Phones", OTHER, responder="none", waba="102290129340399")
    client = client_of(meta)
    for method, path, body in (("POST", f"{V}/{OTHER}/messages", text()), ("GET", f"{V}/{other.waba}/message_templates", None),
                               ("GET", f"{V}/{other.waba}/phone_numbers", None), ("POST", f"{V}/{OTHER}/media", b"x"),
                               ("GET", f"{V}/{OTHER}/whatsapp_business_profile", None),
                               ("POST", f"{V}/999/messages", text()), ("POST", f"{V}/{META}/register", {"pin": "1"}),
                               ("PUT", f"{V}/{META}/messages", text()), ("GET", f"{V}/me", None)):
        answer = client(method, path, body, {"Content-Type": "multipart/form-data; boundary=x"} if body == b"x" else None)
        assert error(answer) == (400, 100, 33), (method, path, answer.body)
        said = answer.json["error"]
        assert said["type"] == "GraphMethodException"
        if "register" not in path and not path.endswith("/me"):  # these name no object that the front has
            assert f"'{path.split('/')[2]}' does not exist" in said["message"], said
    assert [r for r in provider.requests if OTHER in r.path or other.waba in r.path] == []
    why = [c for c in json.loads(gateway.run("refused", "--json").stdout) if c["business_id"] == meta.id]
    assert {c["why"] for c in why} == {"number_not_given"} and sum(c["count"] for c in why) == 6, why


def test_what_calls_there_are_is_told(meta, dialog):
    """A path of no call, and a webhook that a client would set by itself."""
    graph, d360 = client_of(meta), client_of(dialog, "d360")
    for answer in (graph("GET", f"{V}/me"), graph("POST", f"{V}/{META}/register", {}), graph("PUT", f"{V}/{META}/messages", {}),
                   graph("POST", f"{V}/{meta.waba}/subscribed_apps", {}), d360("POST", "/v1/configs/webhook", {"url": "https://x"})):
        assert error(answer) == (400, 100, 33), answer.body
        details = answer.json["error"]["error_data"]["details"]
        assert "/openapi.yaml" in details and "Webhooks are set by Keyhouse" in details, details


@pytest.mark.parametrize("path", ["/v23/{}/messages", "/v23.0.1/{}/messages", "/v1234.0/{}/messages"])
def test_a_version_of_another_form_is_told(meta, path):
    answer = client_of(meta)("POST", path.format(META), text())
    assert error(answer)[:2] == (400, 2500) and "v{N}.{M}" in answer.json["error"]["error_data"]["details"], answer.body


def test_a_key_for_one_number(provider, meta, gateway):
    second = "126540352242922"
    provider.add_token(meta.token, [META, second], app_id=meta.app_id, app_secret=meta.app_secret, waba_ids=[meta.waba])
    assert meta.connect(phone_number_id=second, verify=False).status == 201
    one, both = client_of(meta, numbers=[second]), client_of(meta)
    assert one("POST", f"{V}/{second}/messages", text()).status == 200
    assert error(one("POST", f"{V}/{META}/messages", text())) == (400, 100, 33)
    assert [both("POST", f"{V}/{n}/messages", text()).status for n in (META, second)] == [200, 200]
    own = Client(gateway, both.key, "d360")
    assert error(own("POST", "/messages", text()))[:2] == (400, 100), "it names no number"
    assert Client(gateway, one.key, "d360")("POST", "/messages", text()).status == 200


def test_debug_token_of_the_key_itself(meta):
    client = client_of(meta, scopes=["send"])
    data = client("GET", f"{V}/debug_token?input_token={client.key}").json["data"]
    assert data["is_valid"] and data["app_id"] == meta.app_id and data["scopes"] == ["whatsapp_business_messaging"]
    assert data["granular_scopes"] == [{"scope": "whatsapp_business_messaging", "target_ids": [meta.waba]}]
    assert error(client("GET", f"{V}/debug_token?input_token={meta.token}"))[:2] == (400, 100)


def test_debug_token_lists_the_accounts_of_the_key(provider, meta):
    second, waba = "126540352242922", "102290129340399"
    provider.add_token("EAAGsecond0000000000000000", [second], app_id=meta.app_id, app_secret=meta.app_secret, waba_ids=[waba])
    made = meta.connect(phone_number_id=second, waba_id=waba, access_token="EAAGsecond0000000000000000", verify=False)
    assert made.status == 201, made.body
    third = "136540352242922"
    provider.add_token(meta.token, [META, third], app_id=meta.app_id, app_secret=meta.app_secret, waba_ids=[meta.waba])
    assert meta.connect(phone_number_id=third, verify=False).status == 201

    def data(client):
        said = client("GET", f"{V}/debug_token?input_token={client.key}").json["data"]
        for scope in said["granular_scopes"]:
            scope.get("target_ids", []).sort()
        return said
    both, one = client_of(meta), client_of(meta, numbers=[second])
    scopes = ["whatsapp_business_messaging", "whatsapp_business_management"]
    assert data(both)["granular_scopes"] == [{"scope": s, "target_ids": [meta.waba, waba]} for s in scopes]
    assert data(one)["granular_scopes"] == [{"scope": s, "target_ids": [waba]} for s in scopes]
    provider.revoke("EAAGsecond0000000000000000")
    assert one("POST", f"{V}/{second}/messages", text()).status == 401
    dead = wait_for(lambda: next((d for d in [data(one)] if "error" in d), None))
    assert not dead["is_valid"] and (dead["error"]["code"], dead["error"]["subcode"]) == (190, 467)
    assert "shop's own key does not work" in dead["error"]["message"]
    assert dead["granular_scopes"] == [{"scope": s, "target_ids": [waba]} for s in scopes], "what it may stays"
    assert data(both)["is_valid"] and "error" not in data(both), "another works"
    assert meta.gateway.api("DELETE", meta.path("connections", made.json["id"])).status == 204
    gone = data(one)
    assert not gone["is_valid"] and "No number" in gone["error"]["message"] and gone["app_id"] == "", gone
    assert gone["granular_scopes"] == [{"scope": s} for s in scopes]


# ---------------------------------------------------------------- what is passed through

def test_number_fields_and_profile(provider, meta, dialog):
    client = client_of(meta)
    answer = client("GET", f"{V}/{META}?fields=id,verified_name")
    assert answer.status == 200 and answer.json["id"] == META
    assert [n["id"] for n in client("GET", f"{V}/{meta.waba}/phone_numbers").json["data"]] == [META]
    of_dialog = client_of(dialog)
    assert of_dialog("GET", f"{V}/{D360}?fields=id").json["id"] == D360
    for query in ("", "?debug=all"):
        unasked = of_dialog("GET", f"{V}/{D360}{query}").json
        assert unasked["id"] == D360 and unasked["display_phone_number"] and unasked["verified_name"], unasked
    assert "display_phone_number" not in of_dialog("GET", f"{V}/{D360}?fields=id").json, "who asks gets what he asks for"
    numbers = of_dialog("GET", f"{V}/{D360}/phone_numbers").json["data"]
    assert [n["id"] for n in numbers] == [D360]
    assert "health_status" in client_of(dialog, "d360")("GET", "/health_status").json
    (asked,) = [r for r in provider.requests if r.path == f"{V}/{META}"]
    assert asked.token == meta.token


@pytest.mark.parametrize("size", [1, 70_000, 3_000_000])
def test_media_up_and_down(provider, meta, dialog, size):
    data = os.urandom(size)
    for shop, number in ((meta, META), (dialog, D360)):
        client = client_of(shop)
        answer = client.upload(f"{V}/{number}/media", data)
        assert answer.status == 200, answer.body
        media = answer.json["id"]
        about = client("GET", f"{V}/{media}")
        assert about.status == 200, about.body
        url = urllib.parse.urlsplit(about.json["url"])
        assert f"{url.scheme}://{url.netloc}" == shop.gateway.base, "the address leads here"
        assert shop.token not in about.body.decode() if shop is meta else shop.key not in about.body.decode()
        got = shop.gateway.request("GET", url.path)
        assert (got.status, got.body) == (200, data), "the link needs no key"
        assert got.headers["content-type"] == "application/pdf"
        with_key = client("GET", url.path)
        assert with_key.body == data, "but a client may bring it"
        spoilt = url.path[:-8] + ("AAAA" if url.path[-8:-4] != "AAAA" else "BBBB") + url.path[-4:]
        assert shop.gateway.request("GET", spoilt).status == 404


def test_a_media_link_ends_with_its_key(meta):
    made = new_key(meta)
    client = Client(meta.gateway, made["key"])
    media = client.upload(f"{V}/{META}/media", b"%PDF").json["id"]
    path = urllib.parse.urlsplit(client("GET", f"{V}/{media}").json["url"]).path
    assert meta.gateway.request("GET", path).status == 200
    meta.gateway.api("DELETE", meta.path("keys", made["id"]))
    assert meta.gateway.request("GET", path).status == 404


def test_a_key_in_a_form_goes_no_further(provider, meta):
    client = client_of(meta)
    body = (f'--x\r\nContent-Disposition: form-data; name="access_token"\r\n\r\n{client.key}\r\n--x--\r\n').encode()
    answer = client("POST", f"{V}/{META}/media", body, {"Content-Type": "multipart/form-data; boundary=x"})
    assert error(answer)[:2] == (400, 100)
    assert all(client.key.encode() not in r.body for r in provider.requests)


def test_own_shape_of_errors_for_360dialogs_clients(dialog):
    answer = client_of(dialog, "d360")("POST", "/messages", text(), key="wrong")
    assert answer.status == 401 and answer.json["meta"]["success"] is False and answer.json["meta"]["http_code"] == 401
    assert answer.headers["www-authenticate"] == 'D360-API-KEY realm="keyhouse"'
    assert dialog.gateway.request("POST", "/messages", b"{}").status == 401


# ---------------------------------------------------------------- limits, and what is rewritten

def test_a_closed_window_is_told_at_once(provider, meta, gateway):
    """For a shop whose webhooks come: nobody there wrote for a day."""
    client = client_of(meta)
    assert meta.send(meta.question("hello", "wamid.old")).status == 200
    assert wait_for(lambda: meta.messages(direction="inbound"))
    hours_pass(gateway, 25)
    assert meta.send(meta.question("hello", "wamid.another", customer="16505559999")).status == 200
    assert wait_for(lambda: len(meta.messages(direction="inbound")) == 2)
    answer = client("POST", f"{V}/{META}/messages", text())
    assert error(answer)[:2] == (400, 131047), answer.body
    assert "template" in answer.json["error"]["error_data"]["details"]
    template = {"messaging_product": "whatsapp", "to": TO, "type": "template",
                "template": {"name": "hello_world", "language": {"code": "en_US"}}}
    assert client("POST", f"{V}/{META}/messages", template).status == 200
    assert gateway.api("PATCH", meta.path(), {"window_check": False}).status == 200
    assert client("POST", f"{V}/{META}/messages", text()).status == 200
    assert len(provider.sends()) == 2


def test_pages_lead_here_without_a_key(provider, meta):
    client = client_of(meta)
    provider.patch(templates={WABA: {str(590000 + n): {"name": f"t{n}", "language": "en", "status": "APPROVED",
                                                       "category": "UTILITY", "components": []} for n in range(5)}})
    path, seen = f"{V}/{WABA}/message_templates?limit=2&access_token={client.key}", []
    while path:
        answer = client("GET", path)
        assert answer.status == 200, answer.body
        assert meta.token not in answer.body.decode() and "access_token" not in answer.body.decode()
        seen += [t["name"] for t in answer.json["data"]]
        url = answer.json.get("paging", {}).get("next")
        assert url is None or url.startswith(meta.gateway.base + V), url
        path = url and url[len(meta.gateway.base):]
    assert sorted(seen) == [f"t{n}" for n in range(5)]
    made = client("POST", f"{V}/{WABA}/message_templates", {"name": "new_one", "language": "en", "category": "UTILITY",
                                                            "components": [{"type": "BODY", "text": "hi"}]})
    assert made.status == 200 and made.json["status"] == "PENDING", made.body
    assert client("DELETE", f"{V}/{WABA}/message_templates?name=new_one").status == 200


def test_the_accounts_meter_is_heeded(provider, meta):
    """Meta says when the account is let through again: nothing more is asked before then."""
    client = client_of(meta)
    provider.patch(usage={WABA: {"call_count": 100, "total_cputime": 7, "total_time": 9, "estimated_time_to_regain_access": 3}})
    assert client("GET", f"{V}/{WABA}/message_templates").status == 200
    before = len(provider.requests)
    answer = client("GET", f"{V}/{WABA}/message_templates")
    assert error(answer)[:2] == (429, 80007) and 100 < int(answer.headers["retry-after"]) <= 180
    assert len(provider.requests) == before
    assert client("POST", f"{V}/{META}/messages", text()).status == 200, "messages are counted otherwise"


def test_a_pair_and_a_number_have_limits(provider, meta):
    """The sandbox refuses what Meta would: it has nothing to refuse."""
    provider.patch(limits={"on": True, "window": False})
    client = client_of(meta)
    answers = [client("POST", f"{V}/{META}/messages", text()) for _ in range(47)]
    assert [a.status for a in answers] == [200] * 45 + [429] * 2
    assert error(answers[-1])[:2] == (429, 131056) and 0 < int(answers[-1].headers["retry-after"]) <= 6
    assert set(provider.ask("GET", "/sandbox/limits")["refused"].values()) == {0}


def test_one_shop_that_hangs_leaves_the_others_room(provider, meta, gateway):
    other = Shop(gateway, provider, "Tunde's Phones", OTHER, responder="none", waba="102290129340399")
    provider.fault("hang", number=META, on="/messages")
    hanging, fine = client_of(meta), client_of(other)
    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        calls = [pool.submit(hanging, "POST", f"{V}/{META}/messages", text(to=f"+1650555{n:04}")) for n in range(60)]
        assert wait_for(lambda: len(provider.sends()) >= 20)
        began = time.monotonic()
        assert fine("POST", f"{V}/{OTHER}/messages", text()).status == 200
        assert gateway.webhook(meta.id, meta.question("hello", "wamid.q"), meta.app_secret).status == 200
        assert time.monotonic() - began < 2
        assert {c.result().status for c in calls if c.done()} <= {503}, "told to come again, and nothing was sent"
        provider.heal()
        assert {c.result().status for c in calls} <= {200, 429, 503, 504}


def test_a_hundred_megabytes_are_not_held(provider, meta, gateway):
    """Up and down: no process of ours grows by more than some megabytes."""
    def grown():
        return {role: peak(gateway.role_pid(role)) for role in ("listener", "sender")}

    def peak(pid):
        with open(f"/proc/{pid}/status") as f:
            return next(int(line.split()[1]) // 1024 for line in f if line.startswith("VmHWM"))
    client = client_of(meta)
    small = client.upload(f"{V}/{META}/media", b"x" * 1_000_000).json["id"]
    assert client("GET", f"{V}/{small}").status == 200
    before = grown()
    data = os.urandom(100_000_000)
    answer = client.upload(f"{V}/{META}/media", data)
    assert answer.status == 200, answer.body
    path = urllib.parse.urlsplit(client("GET", f"{V}/{answer.json['id']}").json["url"]).path
    got = gateway.request("GET", path, timeout=60)
    assert hashlib.sha256(got.body).digest() == hashlib.sha256(data).digest()
    after = grown()
    assert all(after[r] - before[r] <= 8 for r in after), (before, after)


def test_a_file_of_the_providers_limit_and_no_more(provider, meta):
    """The limit is the file's: a form may have something around it. Nothing that is longer reaches the provider whole."""
    client, limit = client_of(meta), 100 << 20
    before, behind = b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n", b"\r\n--x--\r\n"
    assert client.upload(f"{V}/{META}/media", bytes(limit)).status == 200
    uploads = len([r for r in provider.requests if r.path.endswith("/media")])

    def ask(length, pieces):
        with socket.create_connection(("127.0.0.1", meta.gateway.port), timeout=30) as s:
            how = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
            s.sendall((f"POST {V}/{META}/media HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.key}\r\n{how}\r\n"
                       "Content-Type: multipart/form-data; boundary=x\r\n\r\n").encode())
            try:
                for piece in pieces:
                    s.sendall(piece if length is not None else b"%x\r\n%s\r\n" % (len(piece), piece))
                s.sendall(b"" if length is not None else b"0\r\n\r\n")
            except OSError:
                pass  # it was answered already
            return s.recv(65536)
    file = [before] + [bytes(1 << 20)] * 100
    two = [*file[:60], b"\r\n", *file[:60], behind]
    for length, pieces in ((limit + (64 << 10) + 1, []), (limit + len(before) + 1 + len(behind), [*file, b"x", behind]),
                           (None, [*file, b"x", behind]), (None, two)):
        got = ask(length, pieces)
        assert got.startswith(b"HTTP/1.1 413") and b'"code":100,' in got and b"100 MB" in got, (length, got)
    assert len([r for r in provider.requests if r.path.endswith("/media")]) == uploads


def test_an_upload_that_breaks_off(provider, meta, gateway):
    """The provider never has a whole one, and the next goes."""
    client = client_of(meta)
    head = (f"POST {V}/{META}/media HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.key}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 900000\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", gateway.port)) as s:
        s.sendall(head + b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\n" + b"y" * 300_000)
        time.sleep(0.3)
    assert client.upload(f"{V}/{META}/media", b"whole").status == 200


# ---------------------------------------------------------------- what a key may not reach

def link_of(client, media):
    answer = client("GET", f"{V}/{media}")
    assert answer.status == 200, answer.body
    return urllib.parse.urlsplit(answer.json["url"]).path


@pytest.mark.parametrize("kind, shown", [("text/html", False), ("image/svg+xml", False), ("image/jpeg", True), ("application/pdf", True)])
def test_a_customers_file_is_no_page_of_ours(provider, meta, kind, shown):
    """Whoever opens it, it runs nothing here and takes nothing from here."""
    status, media = provider.call("POST", "/sandbox/media?filename=x", body=b"<script>1</script>", headers={"Content-Type": kind})
    media = media if isinstance(media, dict) else json.loads(media)
    provider.write(META, {"type": "document", "document": {"id": media["id"]}})
    client = client_of(meta)
    for answer in (meta.gateway.request("GET", link_of(client, media["id"])), client("GET", f"{V}/1"), client("GET", "/media-link/x/y"),
                   client("GET", "/whatsapp_business/attachments/?mid=1"), client("GET", f"{V}/{META}?fields=id")):
        assert answer.headers.get("content-security-policy") == "sandbox; default-src 'none'", (answer.status, answer.headers)
        assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["referrer-policy"] == "no-referrer"
    answer = meta.gateway.request("GET", link_of(client, media["id"]))
    assert answer.headers["content-type"].startswith(kind)
    assert (answer.headers.get("content-disposition") == "attachment") is not shown


def test_an_id_is_media_or_nothing(provider, meta, gateway):
    """A platform's token may reach several shops: a virtual key reaches one, and of it what it was given."""
    second = "126540352242922"
    other = Shop(gateway, provider, "Tunde's Phones", OTHER, responder="none", waba=WABA, app=meta)
    provider.add_token(meta.token, [META, OTHER, second], app_id=meta.app_id, app_secret=meta.app_secret, waba_ids=[WABA])
    assert meta.connect(phone_number_id=second, verify=False).status == 201
    client, reader, one = client_of(meta, scopes=["media"], numbers=[META]), client_of(meta), client_of(meta, numbers=[second])
    theirs = client_of(other).upload(f"{V}/{OTHER}/media", b"of another shop").json["id"]
    for id_ in (OTHER, WABA, meta.app_id, theirs, second):
        for method in ("GET", "DELETE"):
            assert client(method, f"{V}/{id_}").status in (400, 403, 404), (method, id_)
    assert client("GET", f"{V}/{META}").json["error"]["error_data"]["details"].endswith("has the scope read.")
    assert client("DELETE", f"{V}/{META}").status in (400, 403)
    assert [r for r in provider.requests if r.method == "DELETE"] == [], "nothing but media is deleted"
    assert [n["id"] for n in one("GET", f"{V}/{WABA}/phone_numbers").json["data"]] == [second]
    assert {n["id"] for n in reader("GET", f"{V}/{WABA}/phone_numbers").json["data"]} == {META, second}
    assert error(one("GET", f"{V}/{META}"))[:2] == (400, 100)
    both = client_of(meta)
    for number in (META, second):
        media = both.upload(f"{V}/{number}/media", b"%PDF of " + number.encode()).json["id"]
        got = gateway.request("GET", link_of(both, media))
        assert got.body == b"%PDF of " + number.encode(), "of whichever of its numbers"
        assert both("DELETE", f"{V}/{media}").json == {"success": True}
    assert both("GET", f"{V}/{media}").status != 200
    mine = client.upload(f"{V}/{META}/media", b"%PDF").json["id"]
    assert client("DELETE", f"{V}/{mine}").json == {"success": True}
    assert client("GET", f"{V}/{mine}").status != 200


@pytest.mark.parametrize("raw", [
    '{"messaging_product":"whatsapp","status":"read","status":null,"to":"+16505551234","text":{"body":"free"}}',
    '{"messaging_product":"whatsapp","status":"x","to":"+16505551234","text":{"body":"free"}}',
    '{"messaging_product":"whatsapp","status":"read","message_id":"wamid.x","to":"+16505551234","text":{"body":"free"}}',
    '{"messaging_product":"whatsapp","status":"x","to":"+16505551234","type":null,"text":{"body":"free"}}'])
def test_no_message_goes_as_a_read_mark(provider, meta, raw):
    client = client_of(meta, messages_per_day=1)
    for _ in range(3):
        client("POST", f"{V}/{META}/messages", raw.encode())
    assert len(provider.sends()) == len(meta.messages(direction="outbound")) <= 1, "what goes is noted, and counted"


@pytest.mark.parametrize("more", [{"status": "delivered"}, {"recipient_type": "individual"}])
def test_a_read_mark_says_nothing_else(provider, meta, more):
    mark = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x", **more}
    answer = client_of(meta)("POST", f"{V}/{META}/messages", mark)
    assert error(answer)[:2] == (400, 100) and "message_id" in answer.json["error"]["error_data"]["details"], answer.body
    assert provider.sends() == []


def test_a_message_does_not_say_who_asks(provider, meta):
    client = client_of(meta)
    for field in ("access_token", "ACCESS_TOKEN", "appsecret_proof", "method", " access_token", "access.token"):
        answer = client("POST", f"{V}/{META}/messages", json.dumps({**text(), field: "EAAstolen"}).encode())
        assert error(answer)[:2] == (400, 100), field
    twice = '{"access_token":"a","access_token":"EAAstolen",' + json.dumps(text())[1:]
    assert error(client("POST", f"{V}/{META}/messages", twice.encode()))[:2] == (400, 100)
    assert provider.sends() == []


def test_a_link_counts_for_its_key(meta):
    client = client_of(meta, rate_per_minute=4)
    path = link_of(client, client.upload(f"{V}/{META}/media", b"%PDF").json["id"])
    statuses = [meta.gateway.request("GET", path).status for _ in range(5)]
    assert statuses[:2] == [200, 200] and 429 in statuses, statuses


def test_a_proof_goes_with_every_call(provider, meta):
    """An app may demand it."""
    provider.patch(apps={meta.app_id: {"require_app_secret_proof": True}})
    client = client_of(meta)
    assert client("GET", f"{V}/{META}?fields=id").status == 200
    assert client("POST", f"{V}/{META}/messages", text()).status == 200
    assert meta.post("by the outbox").status == 202
    provider.wait_sent(2)
