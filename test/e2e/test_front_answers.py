"""Goal of this test: whatever a provider answers a client's call with, it harms nobody else, is not changed where it is a
file, and holds no key of anybody's where it is the provider's own words; what a client asks or uploads says nothing that is
ours to say."""
import json
import socket
import threading
import urllib.parse

import pytest

from conftest import Gateway, Shop
from test_front import META, V, client_of, dialog, error, meta, text  # noqa: F401


class Raw:
    """A server that answers every request with these bytes, then closes."""

    def __init__(self, answer):
        self.answer, self.asked = answer, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                caller, _ = self.socket.accept()
            except OSError:
                return
            with caller:
                data = b""
                while b"\r\n\r\n" not in data and (more := caller.recv(65536)):
                    data += more
                self.asked += 1
                caller.sendall(self.answer)


def answer_of(status, body, kind="application/json", *more):
    head = [f"HTTP/1.1 {status} Odd", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@pytest.fixture
def odd(provider, directory):
    """A client, whose provider or its media host is a Raw one."""
    up = []

    def start(answer, what):
        raw = Raw(answer)
        gateway = Gateway(directory, provider.url, **{what: raw.url}).start()
        up.extend([gateway, raw])
        client = client_of(Shop(gateway, provider, "Paul's Electronics", META, responder="none"))
        return client, raw
    yield start
    for gateway, raw in zip(up[::2], up[1::2]):
        gateway.stop()
        raw.socket.close()


MEDIA = "/whatsapp_business/attachments/?mid=1"


# ---------------------------------------------------------------- answers

@pytest.mark.parametrize("status", [101, 199, 600, 700, 999])
def test_a_status_that_means_nothing_harms_nobody(odd, status):
    client, raw = odd(answer_of(status, b"{}"), "meta_api_url")
    roles = [client.gateway.role_pid(role) for role in ("listener", "sender")]
    answer = client("POST", f"{V}/{META}/messages", text())
    assert error(answer)[:2] == (504, 131000), answer.body
    assert error(client("GET", f"{V}/{META}?fields=id"))[:2] == (504, 131000)
    assert raw.asked == 2, "nothing is repeated"
    assert [client.gateway.role_pid(role) for role in ("listener", "sender")] == roles


@pytest.mark.parametrize("status", [101, 204, 304, 700])
def test_a_download_of_an_odd_status(odd, status):
    client, _ = odd(answer_of(status, b"abc", "image/png"), "meta_media_url")
    roles = [client.gateway.role_pid(role) for role in ("listener", "sender")]
    answer = client("GET", MEDIA)
    assert answer.status == (status if 200 <= status < 600 else 504)
    assert [client.gateway.role_pid(role) for role in ("listener", "sender")] == roles


@pytest.mark.parametrize("whole", [True, False])
def test_a_download_that_breaks_off_is_seen_to(odd, whole):
    """Its length was never said."""
    rest = b"3\r\ndef\r\n0\r\n\r\n" if whole else b"1000\r\nde"
    client, _ = odd(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n" + rest, "meta_media_url")
    if whole:
        assert client("GET", MEDIA).body == b"abcdef"
    else:
        with pytest.raises(Exception, match="(?i)incomplete|reset"):
            client("GET", MEDIA)


def test_a_text_file_comes_as_it_is(odd):
    """Also what a look at the provider's own words would change."""
    body = b"\0\xff https://x/?access_token=mine&a=b " + b"%" * 1_000_000
    client, raw = odd(answer_of(200, body, "text/plain"), "meta_media_url")
    assert client("GET", MEDIA).body == body
    body = b'{"paging": {"next": "https://x/y?access_token=mine"}}'
    raw.answer = answer_of(200, body)
    assert client("GET", MEDIA).body == body


@pytest.mark.parametrize("call", [("GET", f"{V}/{META}?fields=id"), ("POST", f"{V}/{META}/messages", text())],
                         ids=["a call", "a send"])
def test_headers_come_whole_or_not_at_all(odd, call):
    usage = {"1": [{"type": "x" * 40, "call_count": 10, "n": n} for n in range(40)]}
    usage_header = "X-Business-Use-Case-Usage: " + json.dumps(usage)
    body = b'{"messages":[{"id":"wamid.X"}]}'
    client, raw = odd(answer_of(200, body, "application/json", usage_header, "X-Odd: 1"), "meta_api_url")
    answer = client(*call)
    assert json.loads(answer.headers["x-business-use-case-usage"]) == usage
    assert "x-odd" not in answer.headers and answer.headers["content-type"] == "application/json"
    raw.answer = answer_of(200, body, "application/json", usage_header, "X-App-Usage: " + "y" * 7000, "x-fb-trace-id: Abc")
    answer = client(*call)
    assert answer.status == 200 and json.loads(answer.headers["x-business-use-case-usage"]) == usage
    assert "x-app-usage" not in answer.headers and answer.headers["x-fb-trace-id"] == "Abc"


@pytest.mark.parametrize("body", [
    '{"data":[{"x":{"paging":{"next":"https://graph.facebook.com/v26.0/1/x?access_token=EAAtheirOwn&after=y"}}}]}',
    '{"to":"https://x/?u=https%3A%2F%2Fy%3Faccess_token%3DEAAtheirOwn%26after%3Dy"}',
    '{"to":"https://x/?appsecret_proof\\u003dEAAtheirOwn\\u0026after=y"}',
    '/**/x({"next":"https://x/?Access_Token\\u003dEAAtheirOwn\\u0026after=y"});'])
def test_a_key_that_is_not_ours_stays_behind(provider, dialog, body):
    provider.fault("error", http=200, body=body, on="/message_templates", times=1)
    answer = client_of(dialog, "d360")("GET", "/message_templates")
    assert answer.status == 200 and b"EAAtheirOwn" not in answer.body and b"after" in answer.body, answer.body


# ---------------------------------------------------------------- what is asked

@pytest.mark.parametrize("query", ["ids=1,2", "callback=x", "batch=[]", "metadata=1", "suppress_http_code=1", "include_headers=1",
                                   "fields=whatsapp_business_account{message_templates}", "fields=a.limit(1)"])
def test_other_objects_are_not_asked_for(provider, meta, query):
    client = client_of(meta)
    for asked in (query, "fields=id&" + urllib.parse.quote(query, safe="=&")):
        assert error(client("GET", f"{V}/{META}?{asked}"))[:2] == (400, 100)
    assert [r for r in provider.requests if r.path == f"{V}/{META}"] == []
    for fine in ("fields=id,verified_name", "fields=quality_score"):
        client("GET", f"{V}/{META}?{fine}")
    assert len([r for r in provider.requests if r.path == f"{V}/{META}"]) == 2


@pytest.mark.parametrize("name", [
    'name="access_token"', "name='access_token'", 'NAME="access_token"', 'name = "access_token"', 'name="access%5Ftoken"',
    'name="access.token"', 'name=" access_token"', 'name="access_token[]"', 'name="method"', 'name="a\\ccess_token"',
    'name="appsecret_time"', 'filename="x";name=access_token', 'name="a"; name="access_token"', "filename=x"])
def test_a_form_says_nothing_of_ours(provider, meta, name):
    client = client_of(meta)
    form = f"--x\r\nContent-Disposition: form-data; {name}\r\n\r\n{client.key}\r\n--x--\r\n".encode()
    for body in (form, b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"y" * 100_000 + b"\r\n" + form):
        answer = client("POST", f"{V}/{META}/media", body, {"Content-Type": "multipart/form-data; boundary=x"})
        assert error(answer)[:2] == (400, 100)
    assert all(client.key.encode() not in r.body for r in provider.requests)


@pytest.mark.parametrize("kind, body", [
    ("multipart/form-data", b"--x--\r\n"), ("multipart/form-data; boundary=y", b"--x--\r\n"),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc'),
    ("multipart/form-data; boundary=x", b"--x\r\nX: " + b"y" * 5000 + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--x--'),
    ("application/json", b"{}")])
def test_what_is_no_form(provider, meta, kind, body):
    """Nor is the provider ever given one whole."""
    for more in ({}, {"Transfer-Encoding": "chunked"}):
        sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if more else body
        answer = raw_post(meta.gateway, client_of(meta), kind, sent, more or {"Content-Length": str(len(body))})
        assert answer.startswith(b"HTTP/1.1 400"), answer
    assert [r for r in provider.requests if r.path.endswith("/media")] == []


def raw_post(gateway, client, kind, body, headers):
    head = {"Host": "x", "Authorization": "Bearer " + client.key, "Content-Type": kind, "Connection": "close", **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as s:
        s.sendall(f"POST {V}/{META}/media HTTP/1.1\r\n{lines}\r\n".encode() + body)
        got = b""
        while more := s.recv(65536):
            got += more
    return got
