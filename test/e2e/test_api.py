"""Goal of this test: the platform API and the commands as a newcomer uses them, over the wire and off line, and
that nobody learns anything of another business or of a secret."""
import json

import pytest

from conftest import PAUL, ROOT, Gateway, Shop, wait_for
from shops import new_key


def test_from_nothing_by_commands(directory, provider):
    """init, business, connection, product and token without a running service; then serve finds it all."""
    g = Gateway(directory, provider.url)
    assert "no database yet" in g.run("business", "list", check=False).stderr
    assert "ready" in g.run("init").stdout
    g.run("business", "add", "pauls-electronics", "--name", "Paul's Electronics")
    added = g.run("connection", "add", "pauls-electronics", "--app-id", "123", "--waba-id", "456", "--phone-number-id", "789",
                  "--no-verify", stdin="0123456789abcdef0123456789abcdef\nEAAGthetokenofpaulwhichislongenough\n")
    assert "webhook_url" in added.stdout and "verify_token" in added.stdout
    assert "EAAGtheto" not in added.stdout + added.stderr and "0123456789abcdef" not in added.stdout + added.stderr
    missing = g.run("connection", "add", "pauls-electronics", "--waba-id", "456", check=False)
    assert missing.returncode == 2 and "app_id is missing" in missing.stderr, "said before keys are asked for"
    missing = g.run("connection", "add", "pauls-electronics", "--app-id", "123", "--no-verify", check=False)
    assert missing.returncode == 2 and "waba_id is missing" in missing.stderr, "Meta is not asked for it"
    assert "catalogue" in g.run("business", "responder", "pauls-electronics", "catalogue").stdout
    (g.dir / "p.csv").write_text(PAUL)
    assert "3 added" in g.run("product", "import", "pauls-electronics", str(g.dir / "p.csv")).stdout
    assert "3 changed" in g.run("product", "import", "pauls-electronics", "-", stdin=PAUL).stdout
    token = g.run("token", "new", "--name", "platform").stdout
    assert token.endswith("\n") and token.count("\n") == 1
    g.start()
    assert "in use" in g.run("init").stdout
    one = g.api("GET", "/v1/businesses/pauls-electronics", token=token.strip())
    assert one.json["name"] == "Paul's Electronics" and one.json["webhook_url"].endswith("/webhooks/pauls-electronics")
    assert "iPhone 13 Pro (128GB)" in g.run("product", "list", "pauls-electronics").stdout
    assert json.loads(g.run("connection", "list", "pauls-electronics", "--json").stdout)[0]["status"] == "pending"
    g.stop()


def test_the_sample_list_is_a_list(gateway, shop):
    added = gateway.run("product", "import", shop.id, str(ROOT / "examples" / "products.csv")).stdout
    assert "changed" in added and "1 added, 2 changed" in added, added


def test_a_check_that_failed_is_not_success(gateway, provider, shop):
    tested = gateway.run("connection", "test", shop.id, shop.connection, check=False)
    assert tested.returncode == 1 and "callback     failed" in tested.stdout, "nothing was registered"
    assert "webhook      waiting" in tested.stdout
    assert f"\nkeyhouse connection register {shop.id} {shop.connection}\n" in tested.stderr, "the next command, whole"
    assert gateway.run("connection", "test", shop.id, shop.connection, "--take-over", check=False).returncode == 2
    registered = gateway.run("connection", "register", shop.id, shop.connection)
    assert "callback     ok" in registered.stdout and "webhook      ok" in registered.stdout
    assert "callback     ok" in gateway.run("connection", "test", shop.id, shop.connection).stdout
    provider.fault("error", number=shop.number, http=400, code=100, subcode=33)
    failed = gateway.run("connection", "test", shop.id, shop.connection, check=False)
    assert failed.returncode == 1 and "not every check passed" in failed.stderr
    assert gateway.run("connection", "remove", shop.id, shop.connection, check=False).returncode == 2
    assert "removed there" in gateway.run("connection", "remove", shop.id, shop.connection, "--yes").stderr
    assert gateway.run("connection", "list", shop.id, "--json").stdout.strip() == "[]"
    assert "nothing has that id" in gateway.run("business", "show", "nobody", check=False).stderr


def test_a_foreign_callback_fails_the_command(gateway, provider, shop):
    provider.graph.set_callback(shop.app_id, "https://hooks.other-tool.example/in/secret-path")
    refused = gateway.run("connection", "register", shop.id, shop.connection, check=False)
    assert refused.returncode == 1 and "callback     failed" in refused.stdout and "--take-over" in refused.stdout
    assert "not every check passed" in refused.stderr and shop.connection_status() == "webhook_taken"
    assert "webhook registered" not in gateway.log_text() and "webhook not registered" in gateway.log_text()
    assert "secret-path" not in gateway.log_text()
    taken = gateway.run("connection", "register", shop.id, shop.connection, "--take-over")
    assert "callback     ok" in taken.stdout and shop.connection_status() == "active"
    assert "webhook registered" in gateway.log_text()


def test_commands_say_what_to_do(gateway, provider, shop):
    ids = ("--app-id", "1", "--waba-id", "2", "--phone-number-id", "3")
    for wrong in ("360Dialog", "twilio"):
        answer = gateway.run("connection", "add", shop.id, "--provider", wrong, *ids, check=False)
        assert answer.returncode == 2 and "--provider must be meta or 360dialog" in answer.stderr, answer.stderr
    nobody = gateway.run("connection", "add", "nobody", *ids, check=False)
    assert nobody.returncode == 1 and nobody.stderr.strip() == \
        "keyhouse: there is no business nobody; add it with `keyhouse business add nobody --name ...`"
    taken = gateway.run("connection", "add", shop.id, *ids[:4], "--phone-number-id", shop.number, "--no-verify", check=False,
                        stdin=f"{'f' * 32}\nEAAG{'x' * 40}\n")
    assert taken.returncode == 1 and f"number {shop.number} is connected already" in taken.stderr
    key = new_key()
    provider.add_d360_key(key, "226540352242922")
    added = gateway.run("connection", "add", shop.id, "--provider", "360dialog", stdin=key + "\n")
    assert "verify_token" not in added.stdout and "X-Keyhouse-Secret" in added.stdout


def test_a_key_is_replaced_by_a_command(gateway, provider, shop):
    token = "EAAG" + "n" * 60 + "NEWZ"
    provider.add_token(token, [shop.number], app_id=shop.app_id, app_secret=shop.app_secret, waba_ids=[shop.waba])
    gateway.run("connection", "register", shop.id, shop.connection)
    assert gateway.run("connection", "rotate", shop.id, shop.connection, "password", check=False).returncode == 2
    assert "no access_token was given" in gateway.run("connection", "rotate", shop.id, shop.connection, "access_token",
                                                      check=False).stderr
    done = gateway.run("connection", "rotate", shop.id, shop.connection, "access_token", stdin=token + "\n")
    assert token not in done.stdout + done.stderr
    shown = gateway.api("GET", f"/v1/businesses/{shop.id}/connections/{shop.connection}").json
    assert shown["secrets"]["access_token"]["last4"] == "NEWZ" and shown["status"] == "active"
    refused = gateway.run("connection", "rotate", shop.id, shop.connection, "access_token", check=False,
                          stdin="EAAG" + "w" * 60 + "\n")
    assert refused.returncode == 1 and "refuses it" in refused.stderr


def test_tokens(gateway):
    token = gateway.run("token", "new", "--name", "second").stdout.strip()
    assert gateway.api("GET", "/v1/businesses", token=token).status == 200
    row = next(t for t in json.loads(gateway.run("token", "list", "--json").stdout) if t["name"] == "second")
    assert token not in json.dumps(row) and row["last4"] == token[-4:]
    gateway.run("token", "revoke", row["id"])
    assert gateway.api("GET", "/v1/businesses", token=token).status == 401
    for bad in ("", "x", token + "x"):
        assert gateway.get("/v1/businesses", {"Authorization": "Bearer " + bad}).status == 401
    answers = [gateway.get(p) for p in ("/v1/businesses", "/v1/nothing", "/v1/businesses/x/messages")]
    assert {a.status for a in answers} == {401} and len({a.body for a in answers}) == 1
    assert answers[0].headers["content-type"].startswith("application/problem+json")
    assert gateway.get("/control/tokens").status == 404
    assert gateway.api("GET", "/control/tokens").status == 404, "not for a token, only for the control socket"
    titles = {gateway.get("/nothing").json["title"], gateway.api("GET", "/v1/nothing").json["title"]}
    assert titles == {"Not Found"}


def test_another_tenants_id_is_404(gateway, provider, shop):
    other = Shop(gateway, provider, "Other", "506540352242922", waba="502290129340398")
    shop.send(shop.question("How much is iPhone 13 Pro?", "wamid.t"))
    message = wait_for(lambda: shop.messages())[0]["id"]
    product = gateway.api("GET", f"/v1/businesses/{shop.id}/products").json["data"][0]["id"]
    for method, path in (("GET", f"connections/{shop.connection}"), ("DELETE", f"connections/{shop.connection}"),
                         ("POST", f"connections/{shop.connection}/test"), ("GET", f"messages/{message}"),
                         ("DELETE", f"products/{product}")):
        foreign = gateway.api(method, f"/v1/businesses/{other.id}/{path}")
        nobody = gateway.api(method, f"/v1/businesses/{other.id}/{path[:-3]}zzz" if not path.endswith("/test")
                             else f"/v1/businesses/{other.id}/connections/nothing/test")
        assert foreign.status == nobody.status == 404, (method, path)
        assert foreign.json["code"] == nobody.json["code"]
    assert gateway.api("GET", f"/v1/businesses/{shop.id}/connections/{shop.connection}").status == 200


def test_a_number_belongs_to_one_business(gateway, provider, shop):
    other = Shop(gateway, provider, "Other", "606540352242922", waba="602290129340398")
    answer = gateway.api("POST", f"/v1/businesses/{other.id}/connections", {
        "provider": "meta", "app_id": "1", "app_secret": "f" * 32, "access_token": "EAAG" + "x" * 40, "waba_id": "2",
        "phone_number_id": shop.number, "verify": False})
    assert (answer.status, answer.json["code"]) == (409, "number_taken")
    assert shop.id not in answer.body.decode() and shop.name not in answer.body.decode()


def test_more_connections_than_can_be_verified_are_refused(gateway, shop):
    answers = [shop.connect(phone_number_id=str(1000 + n), verify=False) for n in range(32)]
    assert [a.status for a in answers] == [201] * 31 + [400], [a.status for a in answers]
    assert "32 connections" in answers[-1].json["detail"]
    assert shop.send(shop.question("hello", "wamid.many")).status == 200


def test_verified_connection(gateway, provider):
    shop = Shop(gateway, provider, "Checked", "706540352242922", verify=True, waba="702290129340398")
    connection = gateway.api("GET", f"/v1/businesses/{shop.id}/connections/{shop.connection}").json
    assert connection["status"] == "active"
    tested = gateway.api("POST", f"/v1/businesses/{shop.id}/connections/{shop.connection}/test").json
    results = {c["name"]: c["result"] for c in tested["checks"]}
    assert results["token"] == "ok" and results["number"] == "ok", tested


def test_refused_key_stores_nothing(gateway, provider):
    shop = Shop(gateway, provider, "Refused", "806540352242922", waba="802290129340398")
    wrong = gateway.api("POST", f"/v1/businesses/{shop.id}/connections", {
        "provider": "meta", "app_id": shop.app_id, "app_secret": shop.app_secret, "access_token": "EAAG" + "w" * 60,
        "waba_id": shop.waba, "phone_number_id": "809999", "verify": True})
    assert (wrong.status, wrong.json["code"]) == (422, "credential_refused"), wrong.body
    assert b"wwww" not in wrong.body
    assert len(gateway.api("GET", f"/v1/businesses/{shop.id}/connections").json["data"]) == 1


def test_provider_down_is_not_a_refusal(gateway, provider):
    shop = Shop(gateway, provider, "Down", "906540352242922", waba="902290129340398")
    provider.fault("error", http=503, code=2, times=20)
    answer = shop.connect(phone_number_id="909999", verify=True)
    assert answer.status == 201 and answer.json["status"] == "pending", answer.body


def test_sending_and_looking_up(gateway, provider, shop):
    answer = gateway.api("POST", f"/v1/businesses/{shop.id}/messages", {
        "to": "+1 (650) 555-1234", "type": "text", "text": {"body": "Your order is ready"}})
    assert answer.status == 202 and answer.json["status"] == "queued"
    sent = wait_for(lambda: [r for r in provider.requests if r.path.endswith("/messages")])
    assert json.loads(sent[0].body)["to"] == "+16505551234"
    one = wait_for(lambda: (m := gateway.api("GET", f"/v1/businesses/{shop.id}/messages/{answer.json['id']}").json)["state"] == "sent" and m)
    assert one["wamid"].startswith("wamid.") and one["direction"] == "outbound"
    for body, field in (({"to": "123"}, "type"), ({"type": "text", "text": {"body": "x"}}, "to"),
                        ({"to": "+16505551234", "type": "text"}, "text"), ([], ""), ("x", "")):
        bad = gateway.api("POST", f"/v1/businesses/{shop.id}/messages", json.dumps(body))
        assert bad.status == 400 and field in bad.body.decode(), bad.body


@pytest.mark.parametrize("body,status,code", [
    (b"", 400, "invalid_json"), (b"{", 400, "invalid_json"), (b"[1]", 400, None), (b'{"name":5}', 400, "invalid_field"),
    (b"{}", 400, "missing_field"), (b'{"name":"a","colour":"red"}', 400, "unknown_field"),
    (b'{"name":""}', 400, "invalid_field"), (b'{"name":"' + b"x" * 300 + b'"}', 400, "invalid_field"),
    (b'{"id":"../x","name":"a"}', 400, "invalid_field"), (b'{"a":' * 80, 400, "invalid_json"),
    (b'{"name":"a\\u0000b"}', 400, None), (b'{"name":"\xff"}', 400, None)], ids=lambda v: repr(v)[:30])
def test_malformed_bodies(gateway, body, status, code):
    answer = gateway.api("POST", "/v1/businesses", body)
    assert answer.status == status, answer.body
    assert answer.headers["content-type"].startswith("application/problem+json")
    if code:
        assert answer.json["code"] == code


def test_pages(gateway):
    for n in range(7):
        assert gateway.api("POST", "/v1/businesses", {"id": f"shop-{n}", "name": f"Shop {n}"}).status == 201
    assert gateway.api("POST", "/v1/businesses", {"id": "shop-1", "name": "again"}).status == 409
    seen, cursor = [], ""
    while True:
        page = gateway.api("GET", f"/v1/businesses?limit=3&order=asc{cursor}").json
        seen += [b["id"] for b in page["data"]]
        if not page.get("next_cursor"):
            break
        cursor = "&cursor=" + page["next_cursor"]
    assert seen == [f"shop-{n}" for n in range(7)]
    assert [b["id"] for b in gateway.api("GET", "/v1/businesses").json["data"]] == seen[::-1]


def test_removal_takes_everything(gateway, shop):
    shop.send(shop.question("How much is iPhone 13 Pro?", "wamid.r"))
    wait_for(lambda: shop.messages())
    assert gateway.run("business", "remove", shop.id, check=False).returncode == 2
    gateway.run("business", "remove", shop.id, "--yes")
    assert gateway.api("GET", f"/v1/businesses/{shop.id}").status == 404
    assert shop.send(shop.question("x", "wamid.gone")).status == 401


def test_wrong_usage_is_2(gateway):
    for words in ((), ("nonsense",), ("business",), ("business", "show"), ("token", "new"), ("serve", "extra")):
        assert gateway.run(*words, check=False).returncode == 2, words
    assert gateway.run("--help").stdout.count("retention_days") == 1
    done = gateway.run("verify", "--audit", "a.db", "--backup", "b.db", check=False)
    assert done.returncode == 2 and "without --backup" in done.stderr
    # a file that cannot be read is no wrong usage
    for path in (gateway.dir / "nothing", gateway.dir):
        done = gateway.run("version", "--config", path, check=False)
        assert done.returncode == 1 and f"cannot read {path}" in done.stderr, done
    assert gateway.run("serve", "--help").stdout == gateway.run("--help").stdout
    # of one command, only its rows
    for words, has, has_not in ((("key", "--help"), ("key rotate BUSINESS", "key kit"), ("business add", "restore-key")),
                                (("key", "rotate", "--help"), ("BUSINESS | --all", "--master [--to FILE]"), ("key kit",)),
                                (("backup", "-h"), ("backup FILE",), ("verify",)),
                                (("key", "rotate", "--master", "help"), ("--master [--to FILE]",), ("key kit",))):
        shown = gateway.run(*words).stdout
        assert all(part in shown for part in has) and not any(part in shown for part in has_not), (words, shown)
    for words, said in ((("key", "turn"), "there is no command `key turn`"), (("key",), "`key` is not a command by itself")):
        done = gateway.run(*words, check=False)
        assert done.returncode == 2 and done.stdout == "" and said in done.stderr.splitlines()[0]
        assert "key rotate BUSINESS" in done.stderr and "business add" not in done.stderr
        assert done.stderr.count("  virtual-key add BUSINESS") == 1, "who looks for a client's key finds it"
    done = gateway.run("turn", check=False)
    assert done.returncode == 2 and "there is no command `turn" in done.stderr and "business add" in done.stderr
    bad = gateway.run("config", "check", "--responder-timeout=http://example.com", check=False)
    assert bad.returncode == 2 and "responder_timeout" in bad.stderr


def test_openapi_is_served(gateway):
    answer = gateway.api("GET", "/openapi.yaml")
    assert answer.status == 200 and answer.body.startswith(b"openapi: 3.1")
