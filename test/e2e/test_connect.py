"""Goal of this test: connecting a Meta number with as little typing as Meta allows: an app that demands proofs, ids that
are left out, several numbers, fields that a token may not read, and ids in the wrong place."""
import pytest

from conftest import Shop
from shops import checks

NUMBER, SECOND, WABA = "106540352242922", "106540352242923", "102290129340398"


@pytest.fixture
def shop(gateway, provider):
    """A business that is not connected yet, and what Meta knows of it."""
    class Unconnected(Shop):
        def connect(self, **more):
            body = {"provider": "meta", "app_id": self.app_id, "app_secret": self.app_secret, "access_token": self.token}
            return gateway.api("POST", self.path("connections"), {**body, **more})

    made = Unconnected.__new__(Unconnected)
    made.prepare(gateway, provider, "Paul's Electronics", NUMBER, WABA)
    return made


def detail(answer, name):
    return next(c["detail"] for c in answer.json["checks"] if c["name"] == name)


def well(answer):
    return answer.status == 201 and answer.json["status"] == "active" and \
        {result for name, result in checks(answer.json).items()} == {"ok"}


def test_an_app_that_demands_proofs(provider, shop):
    provider.patch(apps={shop.app_id: {"require_app_secret_proof": True}})
    answer = shop.connect(waba_id=WABA, phone_number_id=NUMBER)
    assert well(answer), answer.body
    proven = [r for r in provider.requests if r.token == shop.token]
    assert proven and all("appsecret_proof" in r.query for r in proven)


def test_the_keys_are_enough(gateway, provider, shop):
    answer = shop.connect()
    assert well(answer), answer.body
    assert (answer.json["waba_id"], answer.json["phone_number_id"]) == (WABA, NUMBER)
    assert shop.token not in gateway.log_text() and shop.app_secret not in gateway.log_text()


def test_a_command_asks_for_keys_alone(gateway, shop):
    added = gateway.run("connection", "add", shop.id, "--app-id", shop.app_id, stdin=f"{shop.app_secret}\n{shop.token}\n")
    assert NUMBER in added.stdout and WABA in added.stdout and "webhook      ok" in added.stdout


def test_one_of_several_numbers(gateway, provider, shop):
    provider.add_token(shop.token, [NUMBER, SECOND], app_id=shop.app_id, app_secret=shop.app_secret, waba_ids=[WABA])
    provider.describe_number(SECOND, verified_name="Paul's Phones", display_phone_number="+234 801 234 5678")
    answer = shop.connect()
    assert (answer.status, answer.json["code"], answer.json["field"]) == (422, "number_required", "phone_number_id"), answer.body
    assert NUMBER in answer.json["detail"] and f"{SECOND} (+234 801 234 5678, Paul's Phones)" in answer.json["detail"]
    assert shop.connections() == []
    refused = gateway.run("connection", "add", shop.id, "--app-id", shop.app_id, check=False,
                          stdin=f"{shop.app_secret}\n{shop.token}\n")
    assert refused.returncode == 1 and SECOND in refused.stderr
    answer = shop.connect(phone_number_id=SECOND)
    assert well(answer) and answer.json["phone_number_id"] == SECOND, answer.body


def test_several_accounts_or_none(provider, shop):
    for accounts in ([WABA, "77"], []):
        provider.patch(tokens={shop.token: {"wabas": accounts}})
        answer = shop.connect()
        assert (answer.status, answer.json["code"], answer.json["field"]) == (400, "invalid_field", "waba_id"), answer.body
        assert "WhatsApp > API setup" in answer.json["detail"] and shop.connections() == []
        unchecked = shop.connect(verify=False)
        assert (unchecked.status, unchecked.json["field"]) == (400, "waba_id"), "nobody is asked"
    assert well(shop.connect(waba_id=WABA)) is False, "Meta lists no accounts for this token: skipped"
    assert [c["phone_number_id"] for c in shop.connections()] == [NUMBER]


def test_meta_is_silent(provider, shop):
    provider.fault("error", http=503, code=2, on=f"/{WABA}/phone_numbers", times=1)
    answer = shop.connect()
    assert (answer.status, answer.json["code"], answer.json["field"]) == (503, "unavailable", "phone_number_id"), answer.body
    assert "try again later" in answer.json["detail"] and shop.connections() == []
    assert well(shop.connect())


def test_a_field_that_the_token_may_not_read(provider, shop):
    provider.fault("error", http=403, code=10, on=f"GET /v26.0/{NUMBER}", times=1)
    answer = shop.connect()
    assert well(answer) and answer.json["verified_name"] == "Test Shop", answer.body


def test_ids_in_the_wrong_place(provider, shop):
    provider.describe_number(NUMBER, display_phone_number="+234 801 234 5678")
    swapped = shop.connect(waba_id=NUMBER, phone_number_id=WABA)
    assert checks(swapped.json)["waba"] == "failed" and "swapped" in detail(swapped, "waba"), swapped.body
    phone = shop.connect(waba_id=WABA, phone_number_id="2348012345678")
    assert checks(phone.json)["number"] == "failed" and f"is {NUMBER}" in detail(phone, "number"), phone.body


def test_a_handshake_hides_no_fault(shop):
    """Meta calls us, and that is all: the number that is not there stays to be mended."""
    answer = shop.connect(waba_id=WABA, phone_number_id="99")
    results = checks(answer.json)
    assert (results["number"], results["webhook"], answer.json["status"]) == ("failed", "ok", "pending"), answer.body
    again = shop.gateway.api("PATCH", shop.path("connections", answer.json["id"]), {"take_over": False})
    assert (checks(again.json)["webhook"], again.json["status"]) == ("ok", "pending"), again.body


def test_a_refused_token_is_said_once(provider, shop):
    """What cannot be known before it is right says only that."""
    answer = shop.connect()
    assert well(answer), answer.body
    provider.revoke(shop.token)
    again = shop.gateway.api("POST", shop.path("connections", answer.json["id"], "test"))
    assert checks(again.json)["token"] == "failed" and again.json["status"] == "key_refused", again.body
    for name in ("permissions", "waba", "number", "subscription"):
        assert (checks(again.json)[name], detail(again, name)) == ("waiting", "known once the access token is right"), name


def test_keys_of_two_apps(provider, shop):
    """The token belongs to another app than the secret: the token is at fault, and the secret; not the number."""
    provider.patch(apps={"4343": {"secret": "s" * 32}})
    answer = shop.connect(app_id="4343", app_secret="s" * 32, waba_id=WABA, phone_number_id=NUMBER)
    results = checks(answer.json)
    assert (results["token"], results["app_secret"], results["number"]) == ("failed", "failed", "waiting"), answer.body
    assert "same app" in detail(answer, "app_secret")
