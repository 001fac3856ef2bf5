"""Goal of this test: what a gateway's front passes through, the sandbox plays as the providers do: media of every size and
whose they are, pages and their addresses, templates, profiles, the headers of an answer, limits."""
import base64
import hashlib
import http.client
import json
import os
import select
import socket
import threading
import time
import urllib.parse

import pytest

from conftest import wait_for
from provider import BINARY
from test_sandbox_api import D360, HELLO, NUMBER, PIXEL, dialog, meta, multipart, proof, provider  # noqa: F401

MIB = 1 << 20


def ask(provider, method, path, body=None, headers=(), key=None):  # noqa: F811
    """(status, headers, body), of Meta's token or a 360dialog key."""
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    own = {"D360-API-KEY": key} if key else {"Authorization": "Bearer EAAtoken"}
    connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=60)
    connection.request(method, path, body, {**own, **dict(headers)})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, data


def refused(answer):
    status, body = answer
    return status, body["error"]["code"], body["error"].get("error_subcode")


GONE = (400, 100, 33)
FORM = {"messaging_product": b"whatsapp"}


# ------------------------------------------------------------ media

@pytest.mark.parametrize("kind,data,most", [
    ("image/jpeg", b"x", 5 * MIB), ("image/png", b"x", 5 * MIB), ("audio/ogg; codecs=opus", b"x", 16 * MIB),
    ("video/mp4", b"x", 16 * MIB), ("image/webp", b"x", 100 << 10),
    ("image/webp", b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02", 500 << 10)], ids=lambda v: v if isinstance(v, str) else "")
def test_a_type_has_its_limit(meta, kind, data, most):  # noqa: F811
    data = data.ljust(most, b"\0")
    assert meta("POST", f"/v26.0/{NUMBER}/media", *multipart(FORM, data, kind))[0] == 200
    assert refused(meta("POST", f"/v26.0/{NUMBER}/media", *multipart(FORM, data + b"\0", kind)))[:2] == (400, 131053)


def test_a_document_of_100_mb(provider, meta):  # noqa: F811
    data = os.urandom(MIB) * 100
    body, headers = multipart(FORM, data, "application/pdf")
    status, upload = meta("POST", f"/v26.0/{NUMBER}/media", body, headers)
    assert status == 200
    about = meta("GET", f"/v26.0/{upload['id']}")[1]
    assert (about["file_size"], about["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    url = urllib.parse.urlsplit(about["url"])
    assert meta("GET", f"{url.path}?{url.query}")[1] == data
    (recorded,) = [r for r in provider.requests if r.path.endswith("/media")]
    assert recorded.body == body[:256 << 10], "the record keeps the beginning"
    (said,) = [r for r in provider.ask("GET", "/sandbox/requests")["requests"] if r["path"].endswith("/media")]
    assert said["body_len"] == len(body)
    assert refused(meta("POST", f"/v26.0/{NUMBER}/media", *multipart(FORM, data + b"x", "application/pdf")))[1] == 131053
    headers = {"Content-Type": "multipart/form-data; boundary=b0", "Content-Length": str(101 * MIB)}
    assert meta("POST", f"/v26.0/{NUMBER}/media", b"--b0", headers)[0] == 413


def resident(provider):  # noqa: F811
    with open(f"/proc/{provider._process.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) // 1024


def test_the_oldest_give_way(provider, meta):  # noqa: F811
    """512 MiB in all; what is being downloaded meanwhile still comes whole."""
    data = bytes(90 * MIB)
    body, headers = multipart(FORM, data, "application/pdf")
    ids = [meta("POST", f"/v26.0/{NUMBER}/media", body, headers)[1]["id"] for _ in range(5)]
    url = urllib.parse.urlsplit(meta("GET", f"/v26.0/{ids[0]}")[1]["url"])
    slow = socket.create_connection(("127.0.0.1", provider.port))
    slow.sendall(f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer EAAtoken\r\n\r\n".encode())
    head = slow.recv(1024)
    ids.append(meta("POST", f"/v26.0/{NUMBER}/media", body, headers)[1]["id"])
    assert [meta("GET", f"/v26.0/{i}")[0] for i in ids] == [400, 200, 200, 200, 200, 200]
    got = len(head) - head.index(b"\r\n\r\n") - 4
    while got < len(data):
        piece = slow.recv(MIB)
        assert piece, got
        got += len(piece)
    slow.close()
    if not BINARY.parent.name.endswith("san"):  # a sanitizer keeps what was freed
        assert wait_for(lambda: resident(provider) < 512 + 90), resident(provider)


def test_uploads_hold_up_nobody(provider, meta):  # noqa: F811
    """A file is copied and hashed while others are answered."""
    body, headers = multipart(FORM, bytes(100 * MIB), "application/pdf")
    uploads = [threading.Thread(target=meta, args=("POST", f"/v26.0/{NUMBER}/media", body, headers)) for _ in range(3)]
    for upload in uploads:
        upload.start()
    waited = []
    while any(upload.is_alive() for upload in uploads):
        began = time.monotonic()
        assert meta("GET", f"/v26.0/{NUMBER}")[0] == 200
        waited.append(time.monotonic() - began)
    assert len(waited) > 5 and sum(w > 0.15 for w in waited) < 2, sorted(waited)[-5:]


def test_a_medium_is_its_numbers(provider, meta, dialog):  # noqa: F811
    """Another's token does not see it, nor a call that names another number."""
    provider.add_token("EAAother", ["999"], app_id="4242", app_secret="s3cret", waba_ids=["78"])
    provider.patch(tokens={"EAAtoken": {"numbers": [NUMBER, "998"]}})
    mine = meta("POST", f"/v26.0/{NUMBER}/media", *multipart(FORM, PIXEL))[1]["id"]
    url = urllib.parse.urlsplit(meta("GET", f"/v26.0/{mine}")[1]["url"])
    assert meta("GET", f"/v26.0/{mine}?phone_number_id={NUMBER}")[0] == 200
    for wrong in ("998", "999", "", "%"):
        assert refused(meta("GET", f"/v26.0/{mine}?phone_number_id={wrong}")) == GONE, wrong
        assert refused(meta("DELETE", f"/v26.0/{mine}?phone_number_id={wrong}")) == GONE, wrong
    assert refused(meta("GET", f"/v26.0/{mine}", token="EAAother")) == GONE
    assert refused(meta("DELETE", f"/v26.0/{mine}", token="EAAother")) == GONE
    assert meta("GET", f"{url.path}?{url.query}", token="EAAother")[0] == 404
    assert refused(dialog("GET", f"/{mine}")) == GONE and refused(dialog("DELETE", f"/{mine}")) == GONE
    assert meta("GET", f"{url.path}?{url.query}") == (200, PIXEL)
    assert meta("DELETE", f"/v26.0/{mine}?phone_number_id={NUMBER}") == (200, {"success": True})
    assert refused(meta("GET", f"/v26.0/{mine}")) == GONE and meta("GET", f"{url.path}?{url.query}")[0] == 404


def test_a_customers_medium_is_the_shops_that_got_it(provider, meta, dialog):  # noqa: F811
    id_ = provider.call("POST", "/sandbox/media", body=PIXEL, headers={"Content-Type": "image/png"})[1]["id"]
    provider.write(D360, {"type": "image", "image": {"id": id_}})
    assert dialog("GET", f"/{id_}")[0] == 200 and refused(meta("GET", f"/v26.0/{id_}")) == GONE
    provider.write(NUMBER, {"type": "image", "image": {"id": id_}})
    assert dialog("GET", f"/{id_}")[0] == 200 and meta("GET", f"/v26.0/{id_}")[0] == 200, "it was sent to both"


def test_an_address_lives_five_minutes(provider, meta):  # noqa: F811
    id_ = meta("POST", f"/v26.0/{NUMBER}/media", *multipart(FORM, PIXEL))[1]["id"]

    def address():
        url = urllib.parse.urlsplit(meta("GET", f"/v26.0/{id_}")[1]["url"])
        return f"{url.path}?{url.query}"

    def ends(path):
        return int(urllib.parse.parse_qs(path.split("?")[1])["ext"][0])

    old = address()
    assert meta("GET", old) == (200, PIXEL) and abs(ends(old) - time.time() - 300) < 5
    provider.patch(clock={"all": {"ahead_s": 290}})
    assert meta("GET", old)[0] == 200
    provider.patch(clock={"all": {"ahead_s": 302}})
    assert meta("GET", old)[0] == 404
    assert meta("GET", old.replace(f"ext={ends(old)}", f"ext={ends(old) + 600}"))[0] == 404, "the hash is that of its end"
    assert meta("GET", address()) == (200, PIXEL), "asked again, there is a new one"


def test_the_product_may_stand_in_the_query(provider, meta):  # noqa: F811
    """So whatsapp-api-js says it."""
    upload = multipart({}, PIXEL)
    assert meta("POST", f"/v26.0/{NUMBER}/media?messaging_product=whatsapp", *upload)[0] == 200
    assert refused(meta("POST", f"/v26.0/{NUMBER}/media", *upload))[1] == 100


def test_hundreds_are_answered_late_at_once(provider, meta):  # noqa: F811
    provider.fault("slow", delay=1.5)
    request = b"GET /v26.0/%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer EAAtoken\r\nConnection: close\r\n\r\n"
    began = time.monotonic()
    sockets = [socket.create_connection(("127.0.0.1", provider.port)) for _ in range(400)]
    for s in sockets:
        s.sendall(request % NUMBER.encode())
    early = select.poll()
    for s in sockets:
        early.register(s, select.POLLIN)
    assert early.poll(max(0, began + 1.2 - time.monotonic()) * 1000) == [], "each waits"
    for s in sockets:
        assert s.recv(64).startswith(b"HTTP/1.1 200 OK")
        s.close()
    assert 1.5 <= time.monotonic() - began < 6


# ------------------------------------------------------------ who answered

def test_metas_headers_stand_on_what_meta_answers(provider, meta, dialog):  # noqa: F811
    def headers(*call, **more):
        return ask(provider, *call, **more)[1]

    said = headers("POST", f"/v25.0/{NUMBER}/messages", HELLO)
    assert said["facebook-api-version"] == "v25.0" and said["x-fb-trace-id"] and "x-business-use-case-usage" not in said
    assert headers("GET", f"/v26.0/{NUMBER}")["x-fb-trace-id"] != said["x-fb-trace-id"]
    for path in ("/health_status", "/1234567"):
        assert headers("GET", path, key="key-of-shop")["facebook-api-version"] == "v21.0", path
    for path, key in (("/v1/configs/webhook", "key-of-shop"), ("/health_status", "another"), ("/phone_numbers", "key-of-shop")):
        assert not {"facebook-api-version", "x-fb-trace-id"} & set(headers("GET", path, key=key)), "360dialog itself"
    provider.fault("error", http=400, text="endpoint rate limit exceeded", times=1)
    assert "x-fb-trace-id" not in headers("GET", "/health_status", key="key-of-shop")


def test_usage_is_told_where_the_book_has_it(provider, meta, dialog):  # noqa: F811
    figures = {"call_count": 42, "total_cputime": 7, "total_time": 9, "estimated_time_to_regain_access": 3}
    provider.patch(usage={"77": figures, "88": {"call_count": 1, "type": "whatsapp"}})

    def usage(*call, **more):
        return json.loads(ask(provider, *call, **more)[1].get("x-business-use-case-usage", "null"))

    assert usage("POST", f"/v26.0/{NUMBER}/messages", HELLO) == {"77": [{"type": "whatsapp", **figures}]}
    for path in (f"/v26.0/{NUMBER}", "/v26.0/77/phone_numbers"):
        assert usage("GET", path) == {"77": [{"type": "whatsapp_business_management", **figures}]}
    provider.fault("error", http=429, code=80007, retry_after=60, times=1)
    status, headers, body = ask(provider, "GET", f"/v26.0/{NUMBER}")
    assert (status, headers["retry-after"], json.loads(headers["x-business-use-case-usage"])["77"][0]["call_count"]) == (429, "60", 42)
    zero = {"total_cputime": 0, "total_time": 0, "estimated_time_to_regain_access": 0}
    assert usage("GET", "/health_status", key="key-of-shop") == {"88": [{"type": "whatsapp", "call_count": 1, **zero}]}
    assert usage("GET", "/v1/configs/webhook", key="key-of-shop") is None, "360dialog itself"
    provider.patch(usage={"77": None})
    assert usage("GET", f"/v26.0/{NUMBER}") is None


def test_a_version_has_one_form(provider, meta):  # noqa: F811
    for version in ("v26", "v26.0.1", "v26.", "v26.x", "v26.0beta"):
        status, answer = meta("GET", f"/{version}/{NUMBER}/messages")
        assert (status, answer["error"]["code"], answer["error"]["type"]) == (400, 2500, "OAuthException"), version
        assert answer["error"]["message"] == f"Unknown path components: /{NUMBER}/messages"
        assert meta("POST", f"/{version}/{NUMBER}/messages", HELLO)[0] == 400
    assert provider.sent() == [] and meta("GET", f"/v19.0/{NUMBER}")[0] == 200


def test_a_token_may_stand_in_the_query(provider, meta):  # noqa: F811
    path = f"/v26.0/{NUMBER}?access_token="
    assert meta("GET", path + "EAAtoken", headers={"Authorization": "none"})[0] == 200
    assert meta("GET", path + "EAAother", headers={"Authorization": "none"})[0] == 401
    assert meta("GET", path + "EAAtoken", token="EAAother")[0] == 401, "the header is first"
    assert meta("GET", path + "EAAtoken&" + proof(secret="other"), headers={"Authorization": "none"})[0] == 400


def test_a_form_says_the_same_as_json(provider, meta):  # noqa: F811
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urllib.parse.urlencode({**HELLO, "text": json.dumps({"body": "one + two = \u20ac3 & more"})}).encode()
    assert meta("POST", f"/v26.0/{NUMBER}/messages", body, form)[0] == 200
    assert provider.sent()[0]["body"]["text"] == {"body": "one + two = \u20ac3 & more"}
    assert meta("POST", f"/v26.0/{NUMBER}/messages", body.replace(b"whatsapp", b"what%"), form)[1]["error"]["code"] == 100


# ------------------------------------------------------------ pages

def walk(call, path, way="next"):
    """The data of each page from path on, and the query of each address."""
    pages, queries = [], []
    while path:
        status, answer = call("GET", path, headers={"Authorization": "none"} if pages else {})
        assert status == 200, answer
        pages.append(answer["data"])
        path = answer.get("paging", {}).get(way)
        if path:
            url = urllib.parse.urlsplit(path)
            queries.append((url.scheme, url.netloc, url.path, urllib.parse.parse_qs(url.query)))
            path = f"{url.path}?{url.query}"
    return pages, queries


def test_a_list_comes_in_pages(provider, meta):  # noqa: F811
    """The addresses of the pages beside are the caller's own, and carry his token, so that they work as they are."""
    numbers = [NUMBER, *map(str, range(901, 960))]
    provider.add_token("EAA+/= &token", numbers, app_id="4242", app_secret="s3cret", waba_ids=["77"])

    def call(method, path, headers=()):
        return meta(method, path, headers=headers, token=None if headers else "EAA+/= &token")

    pages, queries = walk(call, "/v26.0/77/phone_numbers?fields=id&limit=23&" + proof(token="EAA+/= &token"))
    assert [len(p) for p in pages] == [23, 23, 14] and [n["id"] for p in pages for n in p] == numbers
    for scheme, host, path, query in queries:
        assert (scheme, host, path) == ("http", f"127.0.0.1:{provider.port}", "/v26.0/77/phone_numbers")
        assert query["access_token"] == ["EAA+/= &token"] and query["fields"] == ["id"] and query["limit"] == ["23"]
        assert set(query) == {"access_token", "fields", "limit", "after"}
    last = call("GET", "/v26.0/77/phone_numbers?fields=id&limit=23&after=" + queries[1][3]["after"][0])[1]
    assert "next" not in last["paging"]
    back = urllib.parse.urlsplit(last["paging"]["previous"])
    pages, _ = walk(call, f"{back.path}?{back.query}", "previous")
    assert [n["id"] for p in reversed(pages) for n in p] == numbers[:46]
    assert len(call("GET", "/v26.0/77/phone_numbers")[1]["data"]) == 25
    assert len(call("GET", "/v26.0/77/phone_numbers?limit=5000")[1]["data"]) == 60
    named = http.client.HTTPConnection("localhost", provider.port, timeout=5)
    named.request("GET", "/v26.0/77/phone_numbers?limit=1", headers={"Authorization": "Bearer EAAtoken"})
    answer = json.loads(named.getresponse().read())
    assert "paging" in answer and "next" not in answer["paging"], "that token is for one number"
    for wrong in ("limit=0", "limit=x", "limit=-1", "after=x", "after=", "after=%", "before=MQ", "after=" + "M" * 60):
        assert meta("GET", "/v26.0/77/phone_numbers?" + wrong)[1]["error"]["code"] == 100, wrong


# ------------------------------------------------------------ templates

BODY = [{"type": "BODY", "text": "Hello {{1}}", "example": {"body_text": [["Ada"]]}}]


def template(name="hello_world", **more):
    return {"name": name, "language": "en_US", "category": "UTILITY", "components": BODY, **more}


def test_templates_are_kept_and_paged(provider, meta):  # noqa: F811
    at = "/v26.0/77/message_templates"
    assert meta("GET", at) == (200, {"data": []})
    status, made = meta("POST", at, template(category="marketing", parameter_format="NAMED"))
    assert status == 200 and (made["status"], made["category"]) == ("PENDING", "MARKETING") and made["id"].isdigit()
    assert meta("POST", at, template(language="de"))[0] == 200
    for n in range(6):
        assert meta("POST", at, template(f"n_{n}"))[0] == 200
    (first, *rest) = meta("GET", at)[1]["data"]
    assert first == {**template(category="MARKETING"), "parameter_format": "NAMED", "status": "PENDING", "id": made["id"]}
    pages, _ = walk(meta, at + "?fields=name,status&limit=3")
    assert [len(p) for p in pages] == [3, 3, 2] and set(pages[0][0]) == {"name", "status", "id"}
    provider.patch(templates={"77": {made["id"]: {"status": "APPROVED"}}})
    for query, count in (("status=approved", 1), ("name=hello_world", 2), ("name=hello_world&language=de", 1), ("category=UTILITY", 7)):
        assert len(meta("GET", f"{at}?{query}")[1]["data"]) == count, query
    assert meta("DELETE", f"{at}?name=n_0") == (200, {"success": True})
    assert meta("DELETE", f"{at}?name=n_0")[1]["error"]["code"] == 100
    assert meta("DELETE", at)[1]["error"]["code"] == 100
    assert meta("DELETE", f"{at}?hsm_id={made['id']}&name=hello_world")[0] == 200
    assert [t["language"] for t in meta("GET", at + "?name=hello_world")[1]["data"]] == ["de"], "the other language stays"
    assert len(provider.book["templates"]["77"]) == 6


def test_what_is_no_template(provider, meta):  # noqa: F811
    at = "/v26.0/77/message_templates"
    assert meta("POST", at, template())[0] == 200
    for bad in (template(name="Hello"), template(name=""), template(name="x" * 513), template(name="a", language=""),
                template(name="a", category="OTHER"), template(name="a", components=[]), template(name="a", components="x"), {}):
        assert refused(meta("POST", at, bad)) == (400, 100, None), bad
    assert refused(meta("POST", at, template())) == (400, 100, 2388024)
    for method in ("GET", "POST", "DELETE"):
        assert refused(meta(method, "/v26.0/78/message_templates", template() if method == "POST" else None)) == GONE
    provider.patch(templates={"77": {str(n): template(f"t_{n}") for n in range(249)}})
    assert refused(meta("POST", at, template("one_more"))) == (400, 100, 2388019)


def test_360dialog_has_two_lists(provider, dialog):  # noqa: F811
    """Meta's through it, with Meta's addresses and a token of 360dialog's in them; and its own."""
    assert dialog("POST", "/message_templates", template())[1]["status"] == "PENDING"
    status, own = dialog("POST", "/v1/configs/templates", template("second"))
    assert (status, own["status"], own["name"]) == (201, "submitted", "second")
    page = dialog("GET", "/message_templates?limit=1&fields=name")[1]
    assert page["data"] == [{"name": "hello_world", "id": page["data"][0]["id"]}]
    url = urllib.parse.urlsplit(page["paging"]["next"])
    assert (url.scheme, url.netloc, url.path) == ("https", "graph.facebook.com", "/v21.0/88/message_templates")
    query = urllib.parse.parse_qs(url.query)
    assert query["access_token"][0].startswith("EAAG") and query["fields"] == ["name"]
    assert dialog("GET", f"/message_templates?limit=1&fields=name&after={query['after'][0]}")[1]["data"][0]["name"] == "second"
    everything = dialog("GET", "/v1/configs/templates")[1]
    assert (everything["count"], everything["total"], everything["limit"], everything["sort"]) == (2, 2, 1000, ["id"])
    assert everything["waba_templates"][1] == own and own["external_id"] in provider.book["templates"]["88"]
    assert dialog("GET", "/v1/configs/templates?limit=1&offset=1")[1]["waba_templates"] == [own]
    assert dialog("POST", "/v1/configs/templates", template("second"))[1]["meta"]["http_code"] == 400
    assert dialog("DELETE", "/v1/configs/templates/second")[0] == 200
    assert dialog("DELETE", "/v1/configs/templates/second")[1]["meta"]["http_code"] == 400
    assert dialog("GET", "/v1/configs/templates")[1]["total"] == 1
    for path, mine in (("/message_templates", False), ("/v1/configs/templates", True)):
        assert ("x-fb-trace-id" not in ask(provider, "GET", path, key="key-of-shop")[1]) == mine


# ------------------------------------------------------------ profile

def test_a_profile_is_kept(provider, meta, dialog):  # noqa: F811
    said = {"messaging_product": "whatsapp", "about": "Phones", "email": "a@b.example", "websites": ["https://a.example/"],
            "vertical": "RETAIL"}
    at = f"/v26.0/{NUMBER}/whatsapp_business_profile"
    assert meta("GET", at + "?fields=about") == (200, {"data": [{"messaging_product": "whatsapp"}]})
    assert meta("POST", at, {**said, "profile_picture_handle": "4::x"}) == (200, {"success": True})
    assert meta("GET", at + "?fields=about,email,websites,vertical,address")[1] == {"data": [said]}
    assert "profile_picture_url" in meta("GET", at + "?fields=profile_picture_url")[1]["data"][0]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert dialog("POST", "/whatsapp_business_profile", b"messaging_product=whatsapp&about=Shoes", form)[0] == 200
    assert dialog("GET", "/whatsapp_business_profile?fields=about")[1]["data"] == [{"about": "Shoes", "messaging_product": "whatsapp"}]
    for bad in ({"about": "x" * 140}, {"about": ""}, {"email": 7}, {"websites": ["a", "b", "c"]}, {"websites": "a"},
                {"messaging_product": "x"}, {"description": "x" * 513}):
        assert refused(meta("POST", at, {**said, **bad}))[:2] == (400, 100), bad
    assert meta("GET", at + "?fields=about")[1]["data"][0]["about"] == "Phones"
    assert refused(meta("GET", "/v26.0/999/whatsapp_business_profile")) == GONE


# ------------------------------------------------------------ limits

def to(phone, **more):
    return {**HELLO, "to": "+" + phone, **more}


def outcomes(call, bodies, number=NUMBER):
    """How many were taken, and which codes refused the others."""
    answers = [call("POST", f"/v26.0/{number}/messages", body) for body in bodies]
    assert all(status == (400 if "error" in answer else 200) for status, answer in answers)
    codes = [answer.get("error", {}).get("code") for _, answer in answers]
    return codes.count(None), sorted(set(codes) - {None})


def counted(provider):  # noqa: F811
    return {int(code): n for code, n in provider.ask("GET", "/sandbox/limits")["refused"].items() if n}


def limits(provider, **more):  # noqa: F811
    provider.patch(limits={"on": True, "mps": 100000, "pair_burst": 100000, "window": False, **more})


def test_limits_are_off_at_first(provider, meta):  # noqa: F811
    assert outcomes(meta, [to("2348012345678")] * 50) == (50, []) and counted(provider) == {}
    provider.patch(limits={"on": True})
    assert provider.ask("GET", "/sandbox/limits") == {"on": True, "mps": 80, "pair_burst": 45, "pair_every_s": 6, "window": True,
                                                      "refused": {"130429": 0, "131056": 0, "131047": 0}}
    assert provider.call("PATCH", "/sandbox/book", {"limits": 1})[0] == 400


def test_a_number_has_so_many_a_second(provider, meta):  # noqa: F811
    provider.add_token("EAAtoken", [NUMBER, "999"], app_id="4242", app_secret="s3cret", waba_ids=["77"])
    limits(provider, mps=10)
    began = time.monotonic()
    many = [to(str(2348012345000 + n)) for n in range(14)]
    assert outcomes(meta, many) == (10, [130429]) and counted(provider) == {130429: 4}
    assert outcomes(meta, many[:5], "999") == (5, []), "another number has its own"
    assert time.monotonic() - began < 1, "within the second"
    time.sleep(1.01)
    assert outcomes(meta, many) == (10, [130429])
    provider.ask("DELETE", "/sandbox/limits")
    assert counted(provider) == {} and outcomes(meta, many[:1]) == (1, [])
    provider.describe_number(NUMBER, throughput={"level": "HIGH"})
    assert outcomes(meta, many) == (14, [])
    provider.describe_number(NUMBER, is_on_biz_app=True)
    assert outcomes(meta, many * 2) == (20, [130429])


def test_a_pair_has_its_bucket(provider, meta, dialog):  # noqa: F811
    limits(provider, pair_burst=5, pair_every_s=2)
    began = time.monotonic()
    assert outcomes(meta, [to("2348012345678")] * 8) == (5, [131056]) and counted(provider) == {131056: 3}
    assert outcomes(meta, [to("2348012345679")] * 5) == (5, []), "another customer"
    assert all(dialog("POST", "/messages", to("2348012345678"))[0] == 200 for _ in range(5)), "another shop"
    assert dialog("POST", "/messages", to("2348012345678"))[1]["error"]["code"] == 131056
    assert meta("POST", f"/v26.0/{NUMBER}/messages", {"messaging_product": "whatsapp", "status": "read", "message_id": "x"})[1][
        "error"]["code"] == 131009, "that is no message"
    assert time.monotonic() - began < 2
    time.sleep(began + 2.05 - time.monotonic())
    assert outcomes(meta, [to("2348012345678")] * 3) == (1, [131056]), "one has come back"


TEMPLATE = {"type": "template", "template": {"name": "hello_world", "language": {"code": "en_US"}}}


def test_the_window_opens_when_a_customer_writes(provider, meta):  # noqa: F811
    limits(provider, window=True)
    hello = {"type": "text", "text": {"body": "hello"}}
    assert outcomes(meta, [to("2348012345678")]) == (0, [131047]) and outcomes(meta, [to("2348012345678", **TEMPLATE)]) == (1, [])
    provider.write(NUMBER, hello)
    assert outcomes(meta, [to("2348012345678")]) == (1, []) and outcomes(meta, [to("2348012345679")]) == (0, [131047])
    provider.deliver(NUMBER, {"messages": [{"from": "2348012345679", "id": "wamid.x", "timestamp": "1", **hello}]})
    assert outcomes(meta, [to("2348012345679")]) == (1, [])
    provider.patch(clock={"all": {"ahead_s": 24 * 3600 - 5}})
    assert outcomes(meta, [to("2348012345678")]) == (1, [])
    provider.patch(clock={"all": {"ahead_s": 24 * 3600 + 5}})
    assert outcomes(meta, [to("2348012345678")]) == (0, [131047])
    provider.ask("DELETE", "/sandbox/limits")
    provider.write(NUMBER, hello)
    assert outcomes(meta, [to("2348012345678")]) == (1, []) and counted(provider) == {}


def test_many_pairs_are_known(provider, meta):  # noqa: F811
    limits(provider, pair_burst=1, pair_every_s=600, window=True)
    phones = [str(2348000000000 + n) for n in range(3000)]
    provider.deliver(NUMBER, {"messages": [{"from": p} for p in phones]})
    assert outcomes(meta, map(to, phones)) == (3000, []) and outcomes(meta, map(to, phones[::100])) == (0, [131056])
