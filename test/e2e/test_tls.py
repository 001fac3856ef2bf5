"""Goal of this test: TLS on both sides. A webhook comes in over it, old protocol versions do not, a key that was
pasted over it is not found in the listener's memory afterwards; the sender speaks it to the provider, refuses a
certificate that nobody it trusts has signed, and keeps no token."""
import http.client
import json
import os
import pathlib
import socket
import ssl
import subprocess

import pytest

from conftest import Gateway, Shop, free_port, sign, wait_for
from provider import Provider
from remains import search


def certificate(directory):
    cert, key = f"{directory}/cert.pem", f"{directory}/key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def secure(directory, provider):
    cert, key = certificate(directory)
    g = Gateway(directory, provider.url)
    g.tls_port = free_port()
    g.settings.update(listen_tls=f"127.0.0.1:{g.tls_port}", tls_cert=cert, tls_key=key)
    g.context = ssl.create_default_context(cafile=cert)
    g.start()
    yield g
    g.stop()


def over_tls(gateway, method, path, body, headers):
    connection = http.client.HTTPSConnection("127.0.0.1", gateway.tls_port, context=gateway.context, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_webhook_over_tls(secure, provider):
    shop = Shop(secure, provider, "Paul's Electronics", "106540352242922")
    shop.products("name,price,currency,stock\niPhone 13,350000,NGN,1\n")
    body = json.dumps(shop.question("price of iphone 13", "wamid.tls")).encode()
    headers = {"X-Hub-Signature-256": sign(shop.app_secret, body)}
    assert over_tls(secure, "POST", f"/webhooks/{shop.id}", body, headers) == (200, b"EVENT_RECEIVED")
    assert wait_for(lambda: provider.sent(shop.number))
    assert over_tls(secure, "POST", f"/webhooks/{shop.id}", body + b" ", headers)[0] == 401


def test_plain_http_and_old_tls_are_refused(secure):
    with socket.create_connection(("127.0.0.1", secure.tls_port), timeout=5) as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" not in s.recv(4096)
    old = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{secure.tls_port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
                         input="", capture_output=True, text=True)
    assert "Cipher is (NONE)" in old.stdout, "TLS 1.1 is not spoken"
    assert over_tls(secure, "GET", "/healthz", None, {})[0] == 200


def test_a_wrong_certificate_is_said(secure):
    secure.stop()
    pathlib.Path(secure.settings["tls_cert"]).write_text("no certificate\n")
    secure.start(wait=False)
    assert secure.process.wait(20) == 1
    assert any("cannot start" in line and "tls_cert" in line for line in secure.log_text().splitlines())


@pytest.mark.skipif(os.environ.get("KH_SKIP_MEMORY") == "1", reason="KH_SKIP_MEMORY=1")
def test_a_key_pasted_over_tls_leaves_nothing(secure, provider):
    shop = Shop(secure, provider, "Pasted", "206540352242922")
    token, secret = "EAAG" + os.urandom(30).hex(), os.urandom(16).hex()
    body = json.dumps({"provider": "meta", "app_id": "1", "app_secret": secret, "access_token": token, "waba_id": "2",
                       "phone_number_id": "3", "verify": False})
    headers = {"Authorization": "Bearer " + secure.token, "Content-Type": "application/json"}
    path = f"/v1/businesses/{shop.id}/connections"
    assert over_tls(secure, "POST", path, body, headers)[0] == 201
    assert over_tls(secure, "POST", path, body, headers)[0] == 409
    assert over_tls(secure, "POST", path, body[:-9], headers)[0] == 400
    assert over_tls(secure, "POST", path, body, {})[0] == 401
    assert search(secure.role_pid("listener"), {"token": token, "app secret": secret}) == []


@pytest.mark.skipif(os.environ.get("KH_SKIP_MEMORY") == "1", reason="KH_SKIP_MEMORY=1")
def test_a_customers_words_over_tls_leave_nothing(secure, provider):
    shop = Shop(secure, provider, "Heard", "206540352242922")
    words, customer = os.urandom(12).hex(), "4930" + str(int.from_bytes(os.urandom(4), "big") + 10**10)
    body = json.dumps(shop.question(words, "wamid.tls", customer)).encode()
    sent = {"X-Hub-Signature-256": sign(shop.app_secret, body), "Content-Type": "application/json"}
    assert over_tls(secure, "POST", f"/webhooks/{shop.id}", body, sent)[0] == 200
    assert over_tls(secure, "POST", f"/webhooks/{shop.id}", body, {})[0] == 401
    assert wait_for(lambda: shop.messages())
    assert over_tls(secure, "GET", shop.path("messages"), None, {"Authorization": "Bearer " + secure.token})[0] == 200
    wait_for(lambda: False, timeout=0.5)
    assert search(secure.role_pid("listener"), {"words": words, "customer": customer}) == []


@pytest.fixture
def secure_provider(directory):
    cert, key = certificate(directory)
    with Provider(cert=cert, key=key) as p:
        p.cert = cert
        yield p


BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def may_mount() -> bool:
    return os.path.exists(BUNDLE) and subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs the right to mount, and the system's certificates")
def test_sends_over_tls(directory, secure_provider):
    """The program finds the test's certificate in the system's bundle, which a mount of its own replaces for it alone."""
    g = Gateway(directory, secure_provider.url)
    g.wrapper = ["unshare", "--mount", "sh", "-c", f'mount --bind {secure_provider.cert} {BUNDLE} && exec "$0" "$@"']
    g.start()
    try:
        shop = Shop(g, secure_provider, "Paul's Electronics", "106540352242922", verify=True)
        shop.products("name,price,currency,stock\niPhone 13,350000,NGN,1\n")
        shop.send(shop.question("price of iphone 13", "wamid.out"))
        assert wait_for(lambda: secure_provider.sent(shop.number))
        assert wait_for(lambda: shop.messages(direction="outbound", state="sent"))
        if os.environ.get("KH_SKIP_MEMORY") != "1":
            assert search(g.role_pid("sender"), {"token": shop.token, "app secret": shop.app_secret}) == []
    finally:
        g.stop()


def test_an_unknown_certificate_gets_no_token(directory, secure_provider):
    g = Gateway(directory, secure_provider.url)
    g.start()
    try:
        shop = Shop(g, secure_provider, "Paul's Electronics", "106540352242922")
        shop.products("name,price,currency,stock\niPhone 13,350000,NGN,1\n")
        shop.send(shop.question("price of iphone 13", "wamid.out"))
        assert wait_for(lambda: shop.messages(direction="outbound", state="retry"))
        assert secure_provider.requests == []
    finally:
        g.stop()
