"""Goal of this test: what happens at the same moment as connecting leaves nothing half. A business or connection that is
deleted meanwhile leaves no row behind, one that comes anew under the same id gets nothing of the old one's, a kill leaves
what a later check or registration mends, and another shop notices none of it."""
import random
import sqlite3
import threading
import time

import pytest

from conftest import Shop, wait_for
from shops import DialogShop, checks
from test_settings import Caller

NUMBER, WABA, OTHERS = "106540352242922", "102290129340398", "306540352242922"
D360 = "206540352242922"
WELL = {"token", "app_secret", "permissions", "number", "waba", "callback", "subscription", "webhook"}


class Unconnected(Shop):
    def __init__(self, gateway, provider):
        self.prepare(gateway, provider, "Paul's Electronics", NUMBER, WABA)


class UnconnectedDialog(DialogShop):
    def __init__(self, gateway, provider):
        self.waba, self.key = "880000000000001", "Kd" + "k" * 30 + "_AK"
        provider.add_d360_key(self.key, D360)
        super(DialogShop, self).__init__(gateway, "Sarah's Fashion", "none")


@pytest.fixture
def others(gateway, provider):
    """A shop that has nothing to do with it, before and after."""
    shop = Shop(gateway, provider, "Ada's Shoes", OTHERS, responder="none", verify=True, waba="777")
    before = shop.connections()
    yield shop
    assert shop.connections() == before and checks(shop.test())["number"] == "ok"
    assert shop.send(shop.question("Boots?", "wamid.other")).status == 200


class Connecting(threading.Thread):
    """A connect on its way; a provider's answer to the question that ends with on is slow, or does not come."""

    def __init__(self, shop, provider, on, kind="slow", **more):
        super().__init__()
        self.shop, self.more, self.answer = shop, more, None
        provider.fault(kind, on=on, times=1, **({"delay": 1.5} if kind == "slow" else {}))
        seen = len(provider.requests)
        self.start()
        assert wait_for(lambda: any(f"{r.method} {r.path}".endswith(on) for r in provider.requests[seen:])), on

    def run(self):
        try:
            self.answer = self.shop.connect(**self.more)
        except OSError:
            pass  # killed

    def end(self):
        self.join(40)
        assert not self.is_alive()
        return self.answer


def rows_of(gateway, business):
    """How many rows of each table name the business, or a connection that is not there; but the audit's, which stay."""
    with sqlite3.connect(f"file:{gateway.data}/keyhouse.db?mode=ro", uri=True) as db:
        tables = [name for name, in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {t: [c[1] for c in db.execute(f"PRAGMA table_info({t})")] for t in tables}
        found = {t: db.execute(f"SELECT count(*) FROM {t} WHERE business_id = ?", (business,)).fetchone()[0]
                 for t in tables if "business_id" in columns[t] and t != "audit"}
        for t in ("numbers", "credentials", "connection_facts"):
            found[t] = found.get(t, 0) + db.execute(
                f"SELECT count(*) FROM {t} WHERE connection_id NOT IN (SELECT id FROM connections)").fetchone()[0]
    return {t: n for t, n in found.items() if n > 0}


def remove(shop, *what):
    return shop.gateway.api("DELETE", shop.path(*what)).status


def connects_well(shop):
    answer = shop.connect(verify=True)
    assert (answer.status, answer.json["status"]) == (201, "active"), answer.body
    assert {name for name, result in checks(answer.json).items() if result == "ok"} == WELL, answer.body


# ---------------------------------------------------------------- deleted meanwhile

def test_a_business_is_deleted_before_anything_is_stored(gateway, provider, others):
    shop = Unconnected(gateway, provider)
    connecting = Connecting(shop, provider, "/debug_token", verify=True)
    assert remove(shop) == 200
    assert (connecting.end().status, rows_of(gateway, shop.id)) == (404, {})
    assert not any(r.path.endswith("/subscriptions") and r.method == "POST" and shop.app_id in r.path
                   for r in provider.requests), "nothing is registered for it"


def test_a_business_is_deleted_while_its_address_is_set(gateway, provider, others):
    for on in ("/subscriptions", "/subscribed_apps"):
        shop = Unconnected(gateway, provider)
        connecting = Connecting(shop, provider, on, verify=True)
        assert remove(shop) == 200
        assert (connecting.end().status, rows_of(gateway, shop.id)) == (404, {}), on
        assert shop.send(shop.question("Hello?", "wamid.1")).status == 401


def test_another_of_that_id_gets_nothing_of_it(gateway, provider, others):
    """The platform's ids are its own: it may use one again."""
    shop = Unconnected(gateway, provider)
    for on in ("/debug_token", f"GET /v26.0/{NUMBER}", f"POST /v26.0/{shop.app_id}/subscriptions"):
        connecting = Connecting(shop, provider, on, verify=True)
        assert remove(shop) == 200
        assert gateway.api("POST", "/v1/businesses", {"id": shop.id, "name": "Bola's Phones"}).status == 201
        assert connecting.end().status == 404, (on, connecting.answer.body)
        assert set(rows_of(gateway, shop.id)) == {"tenant_keys"} and shop.connections() == [], on
    connects_well(shop)


def test_a_connection_is_deleted_while_its_address_is_set(gateway, provider, others):
    shop = Unconnected(gateway, provider)
    connecting = Connecting(shop, provider, f"POST /v26.0/{shop.app_id}/subscriptions", verify=True)
    (stored,) = shop.connections()
    assert remove(shop, "connections", stored["id"]) == 204
    assert connecting.end().status == 404
    assert set(rows_of(gateway, shop.id)) == {"tenant_keys"}
    connects_well(shop)


def test_a_360dialog_connection_is_deleted_while_its_address_is_set(gateway, provider, others):
    shop = UnconnectedDialog(gateway, provider)
    connecting = Connecting(shop, provider, "POST /v1/configs/webhook")
    (stored,) = shop.connections()
    assert remove(shop, "connections", stored["id"]) == 204
    assert connecting.end().status == 404
    assert set(rows_of(gateway, shop.id)) == {"tenant_keys"}
    again = shop.connect()
    assert (again.status, again.json["status"], checks(again.json)["callback"]) == (201, "active", "ok"), again.body
    shop.number, shop.webhook_secret = D360, again.json["webhook_headers"]["X-Keyhouse-Secret"]
    assert [d.status for d in provider.deliver(D360, shop.question("Boots?", "wamid.2")["entry"][0]["changes"][0]["value"])] == [200]


def test_a_business_is_deleted_while_its_owner_connects(gateway, provider, others):
    """On the page: said in its words, and nothing is left."""
    class FromPage(Unconnected):
        def connect(self, verify):
            return caller.post("connect-meta", csrf=csrf, app_id=self.app_id, app_secret=self.app_secret, access_token=self.token)
    shop, caller = FromPage(gateway, provider), Caller(gateway)
    caller.open(shop)
    csrf = caller.csrf()
    connecting = Connecting(shop, provider, f"POST /v26.0/{shop.app_id}/subscriptions", verify=True)
    assert len(shop.connections()) == 1 and remove(shop) == 200
    answer = connecting.end()
    assert answer.status == 200 and b"That did not work just now" in answer.body and b"</html>" in answer.body
    assert rows_of(gateway, shop.id) == {} and shop.token not in gateway.log_text()


def test_many_are_deleted_at_any_moment(gateway, provider, others):
    """Where exactly the deletion falls is left to chance."""
    chance = random.Random(7)

    def one(n):
        shop = Unconnected.__new__(Unconnected)
        shop.prepare(gateway, provider, f"Shop {n}", f"4065403522429{n:02}", WABA + f"{n:02}")
        connecting = threading.Thread(target=lambda: statuses.append(shop.connect(verify=True).status))
        connecting.start()
        time.sleep(chance.random() * 0.12)
        gone.append((remove(shop), shop.id))
        connecting.join(40)
    statuses, gone = [], []
    for start in range(0, 40, 4):
        rounds = [threading.Thread(target=one, args=(n,)) for n in range(start, start + 4)]
        for thread in rounds:
            thread.start()
        for thread in rounds:
            thread.join(60)
    assert len(statuses) == 40 and set(statuses) <= {201, 404}, statuses
    assert {status for status, _ in gone} == {200}
    assert [rows_of(gateway, id_) for _, id_ in gone] == [{}] * 40


# ---------------------------------------------------------------- killed meanwhile

def test_killed_before_anything_is_stored(gateway, provider, others):
    shop = Unconnected(gateway, provider)
    connecting = Connecting(shop, provider, "/debug_token", kind="hang", verify=True)
    gateway.kill()
    provider.heal()
    connecting.end()
    gateway.start()
    assert shop.connections() == [] and set(rows_of(gateway, shop.id)) == {"tenant_keys"}
    connects_well(shop)


def test_killed_before_the_address_is_set(gateway, provider, others):
    """Stored whole: what is missing is said, and registering again mends it."""
    shop = Unconnected(gateway, provider)
    connecting = Connecting(shop, provider, f"POST /v26.0/{shop.app_id}/subscriptions", kind="hang", verify=True)
    gateway.kill()
    provider.heal()
    connecting.end()
    gateway.start()
    (stored,) = shop.connections()
    assert (stored["status"], stored["phone_number_id"]) == ("pending", NUMBER)
    shop.connection = stored["id"]
    tested = shop.test()
    results = checks(tested)
    assert (results["token"], results["number"], results["callback"], tested["status"]) == ("ok", "ok", "failed", "active"), tested
    mended = shop.patch(take_over=False)
    assert {name for name, result in checks(mended.json).items() if result == "ok"} == WELL, mended.body
    assert shop.send(shop.question("Boots?", "wamid.3")).status == 200


def test_killed_before_a_360dialog_address_is_set(gateway, provider, others):
    """Its secret was made here, and shown to nobody: a new one is set by hand or by connecting anew."""
    shop = UnconnectedDialog(gateway, provider)
    connecting = Connecting(shop, provider, "POST /v1/configs/webhook", kind="hang")
    gateway.kill()
    provider.heal()
    connecting.end()
    gateway.start()
    (stored,) = shop.connections()
    shop.connection, shop.number = stored["id"], D360
    assert stored["status"] == "pending"
    assert checks(shop.test())["callback"] == "failed"
    mended = shop.patch(take_over=False)
    assert (checks(mended.json)["callback"], mended.json["status"]) == ("ok", "active"), mended.body
    value = shop.question("Boots?", "wamid.4")["entry"][0]["changes"][0]["value"]
    assert [d.status for d in provider.deliver(D360, value)] == [200]
