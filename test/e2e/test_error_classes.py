"""Goal of this test: what a provider's refusal means is what the facts say: whether the message is tried again and when,
what its number's next message does, what others do, and what becomes of the connection.

All codes are met side by side, each by a business and a number of its own; then each is judged by itself. What is expected
is written here, by the table of Meta's codes and that of 360dialog's answers, and not read from the program; that the program
knows no code that is not here is looked for in its source.
"""
import datetime
import re
import tempfile
import time

import pytest

from conftest import ROOT, Gateway, Shop, wait_for
from provider import Provider
from shops import DialogShop

SECOND, MINUTE, HOUR = 1, 60, 3600

# What becomes of the message: its state once all is quiet; after how many seconds it is tried again (from, to); whether the
# number's next message, to another customer, goes meanwhile; and who else waits.
GONE = dict(state="dead")
SOON = dict(state="sent", attempts=2)
# The provider says that the key is fine: what was refused was the message.
AUTH = dict(state="retry", wait=(5 * MINUTE, 5 * MINUTE + 1))
ACCOUNT = dict(state="retry", wait=(10 * MINUTE, 10 * MINUTE + 1), next="waits")


def later(seconds, **more):
    return dict(state="retry", wait=(seconds, seconds + 2), next="waits", **more)


def itself(row):
    """The same, but it is about what the message wants: the number goes on."""
    return {k: v for k, v in row.items() if k != "next"}


MESSAGE = RECIPIENT = WINDOW = GONE
APP = later(5 * MINUTE, app="waits")
WABA = later(5 * MINUTE, waba="waits")

META = [
    # codes, HTTP status, what becomes of it
    ([0], 401, AUTH),
    ([1], 400, SOON),
    ([2], 503, SOON),
    ([3], 500, AUTH),
    ([4], 400, APP),
    ([10], 403, AUTH),
    ([17, 613], 400, APP),
    ([33], 400, ACCOUNT),
    ([100], 400, MESSAGE),
    ([101, 102, 104, 2500], 400, AUTH),
    ([190], 401, AUTH),
    ([200, 230, 299], 403, AUTH),
    ([368], 403, ACCOUNT),
    ([803], 404, MESSAGE),
    ([80007], 400, WABA),
    ([130403], 400, RECIPIENT),
    ([130429], 400, SOON),
    ([130472], 400, MESSAGE),
    ([130497], 403, RECIPIENT),
    ([131000], 500, SOON),
    ([131005], 403, AUTH),
    ([131008, 131009], 400, MESSAGE),
    ([131016], 500, SOON),
    ([131020, 131041, 131059], 400, MESSAGE),
    ([131021], 400, MESSAGE),
    ([131026, 131030], 400, RECIPIENT),
    ([131031], 403, ACCOUNT),
    ([131037, 131042, 131044], 400, ACCOUNT),
    ([131045], 500, ACCOUNT),
    ([131047], 400, WINDOW),
    ([131048, 131064], 400, later(HOUR)),
    ([131049, 131050], 400, RECIPIENT),
    ([131051, 131052], 400, MESSAGE),
    ([131053], 400, SOON),
    ([131055, 131060, 131062, 131063], 400, MESSAGE),
    ([131056], 400, SOON),
    ([131057], 500, later(MINUTE)),
    ([131201, 131207, 131209, 131215], 400, MESSAGE),
    ([131208], 400, later(MINUTE)),
    ([132000, 132005, 132007, 132008, 132012, 132018], 400, MESSAGE),
    ([132001], 404, MESSAGE),
    ([132015, 132016, 132068], 400, MESSAGE),
    ([132069], 400, itself(later(10 * MINUTE))),
    ([133000], 500, ACCOUNT),
    ([133004], 503, SOON),
    ([133005, 133006, 133010], 400, ACCOUNT),
    ([133008, 133009], 400, later(10 * MINUTE)),
    ([133015], 400, later(5 * MINUTE)),
    ([133016], 400, later(HOUR)),
    ([134011], 500, itself(ACCOUNT)),
    ([134100], 400, MESSAGE),
    ([134101], 400, itself(later(10 * MINUTE))),
    ([134102], 500, itself(ACCOUNT)),
    ([135000], 400, MESSAGE),
    ([137000], 400, RECIPIENT),
    ([138000, 138018], 400, MESSAGE),
    ([139000, 139004, 139100, 139103], 400, MESSAGE),
    ([147001, 147005], 400, MESSAGE),
    ([2388000, 2388019, 2388999], 400, MESSAGE),
    ([2494100], 400, later(5 * MINUTE)),
    ([2593107, 2593108, 2593109], 400, MESSAGE),
]

# What is no code of the table: a name, the fault, what becomes of it.
META_MORE = [
    ("100 with subcode 33: the token lost the number", dict(kind="error", http=400, code=100, subcode=33), AUTH),
    ("a code that nobody knows", dict(kind="error", http=400, code=999999), GONE),
    ("one that says that it is transient", dict(kind="error", http=400, code=999998, transient=True), SOON),
    ("429 with Retry-After", dict(kind="error", http=429, code=130429, retry_after=90), later(90)),
    # Of one number to one customer: the next one's goes.
    ("131056 with Retry-After", dict(kind="error", http=400, code=131056, retry_after=60), dict(state="retry", wait=(60, 62))),
    ("429 without a body", dict(kind="error", http=429, body="slow down"), SOON),
    ("a page with 503", dict(kind="html", http=503), dict(state="unknown")),
    ("a page with 404", dict(kind="html", http=404), SOON),
    ("too large", dict(kind="html", http=413), GONE),
]

DIALOG = [
    ("disabled", dict(kind="error", http=400, text="WhatsApp Business API has been disabled for this number"), ACCOUNT),
    ("their throttle", dict(kind="error", http=400, text="Endpoint rate limit exceeded"), SOON),
    ("too many requests", dict(kind="error", http=400, text="Too many requests"), SOON),
    ("unpaid", dict(kind="error", http=400, text="Sending is blocked for lack of payment"), ACCOUNT),
    ("overdue", dict(kind="error", http=400, text="Your invoice is overdue"), ACCOUNT),
    ("another 400", dict(kind="error", http=400, text="Invalid payload"), GONE),
    ("a path that is blocked", dict(kind="error", http=403, text="Forbidden"), ACCOUNT),
    ("401", dict(kind="error", http=401, text="Invalid API key"), dict(AUTH, status="key_refused", next="waits")),
    ("500", dict(kind="error", http=500, text="Internal error"), dict(state="unknown")),
    ("502", dict(kind="html", http=502), dict(state="unknown")),
    ("555", dict(kind="html", http=555), dict(state="unknown")),
    ("Meta's throttle through it", dict(kind="error", http=400, code=130429), SOON),
    ("Meta's account limit through it", dict(kind="error", http=400, code=80007), later(5 * MINUTE)),
    ("Meta's payment problem through it", dict(kind="error", http=400, code=131042), ACCOUNT),
    ("Meta's window through it", dict(kind="error", http=400, code=131047), GONE),
    # It is 360dialog's own token that Meta refuses: no other key of the shop's would mend that.
    ("Meta's 190 through it", dict(kind="error", http=401, code=190), dict(AUTH, status="key_refused", next="waits")),
    ("Meta's 190 as a 400", dict(kind="error", http=400, code=190), ACCOUNT),
]

ROWS = [(f"{code}", "meta", dict(kind="error", http=http, code=code), expected) for codes, http, expected in META for code in codes]
ROWS += [(name, "meta", fault, expected) for name, fault, expected in META_MORE]
ROWS += [("360dialog: " + name, "360dialog", fault, expected) for name, fault, expected in DIALOG]
FIRST, SECOND_ONE, ADA = "+16505551234", "+16505559999", "+16505550000"


class Case:
    """One refusal, and who meets it. app: another business with the same app, and another account; waba: one that
    has a number of the same account, and another app."""

    def __init__(self, gateway, provider, n, provider_name, fault):
        self.gateway, self.provider = gateway, provider
        number = str(200000000000000 + n)
        if provider_name == "meta":
            self.shop = Shop(gateway, provider, f"Shop {n}", number, waba=str(700000000000000 + n), responder="none")
            self.app = Shop(gateway, provider, f"App {n}", str(300000000000000 + n), waba=str(710000000000000 + n), app=self.shop,
                            responder="none")
            self.waba = Shop(gateway, provider, f"Account {n}", str(400000000000000 + n), waba=self.shop.waba, responder="none")
        else:
            self.shop = DialogShop(gateway, provider, f"Shop {n}", number, responder="none", waba=str(700000000000000 + n))
            self.app = self.waba = None
        provider.fault(fault["kind"], number=number, on="/messages", times=1, **{k: v for k, v in fault.items() if k != "kind"})

    def send(self, shop, to):
        answer = shop.gateway.api("POST", shop.path("messages?window=unchecked"), {"to": to, "type": "text", "text": {"body": "hello"}})
        assert answer.status == 202, answer.body
        return shop, answer.json["id"]

    def meet(self):
        self.first = self.send(self.shop, FIRST)

    def is_met(self):
        message = self.message(self.first)
        return message["attempts"] >= 1 and message["state"] not in ("queued", "sending")

    def go_on(self, bystander):
        """When it was refused: what else is to be sent."""
        self.second = self.send(self.shop, SECOND_ONE)
        self.others = [self.send(shop, ADA) if shop else None for shop in (self.app, self.waba)]
        self.bystander = self.send(bystander, self.first_of_its_own())

    def first_of_its_own(self):
        return "+1650" + self.shop.number[-7:]

    def message(self, sent):
        shop, id_ = sent
        return shop.message(id_)

    def look(self):
        """What there is to judge."""
        self.end = self.message(self.first)
        self.next_state = self.message(self.second)["state"]
        self.other_states = [self.message(sent)["state"] if sent else None for sent in self.others]
        self.bystander_state = self.message(self.bystander)["state"]
        self.status = self.shop.connection_status() if hasattr(self.shop, "connection_status") else self.shop.connections()[0]["status"]


@pytest.fixture(scope="module")
def cases():
    with Provider() as provider, tempfile.TemporaryDirectory(prefix="kh-") as directory:
        gateway = Gateway(directory, provider.url).start()
        try:
            bystander = Shop(gateway, provider, "Bystander", "100000000000000", waba="600000000000000", responder="none")
            found = {name: Case(gateway, provider, n, which, fault) for n, (name, which, fault, _) in enumerate(ROWS)}
            for case in found.values():
                case.meet()
            left = list(found.values())
            until = time.monotonic() + 30
            while left and time.monotonic() < until:
                left = [case for case in left if not case.is_met()]
                time.sleep(0.05)
            assert not left, [case.message(case.first) for case in left]
            for case in found.values():
                case.go_on(bystander)
            time.sleep(4)
            for case in found.values():
                case.look()
            yield found
        finally:
            gateway.stop()


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@pytest.mark.parametrize("name, expected", [(row[0], row[3]) for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_becomes_of_a_refusal(cases, name, expected):
    case = cases[name]
    end = case.end
    assert end["state"] == expected["state"], end
    if "attempts" in expected:
        assert end["attempts"] == expected["attempts"], end
    if "wait" in expected:
        assert end["attempts"] == 1
        wait, (least, most) = moment(end["next_at"]) - moment(end["updated_at"]), expected["wait"]
        assert least - 0.1 <= wait <= most, (wait, end)  # two looks at the clock
    if expected["state"] in ("dead", "unknown"):
        assert end["attempts"] == 1 and end["error"]["reason"]
    assert case.next_state == ("queued" if expected.get("next") == "waits" else "sent")
    app, waba = case.other_states
    if app:
        assert app == ("queued" if expected.get("app") == "waits" else "sent")
        assert waba == ("queued" if expected.get("waba") == "waits" else "sent")
    assert case.bystander_state == "sent"
    assert case.status in ([expected["status"]] if "status" in expected else ["pending", "active"])


def test_every_code_that_the_program_knows_is_met_here():
    source = (ROOT / "gateway/outbound/meta.c").read_text()
    known = [(int(a), int(b)) for a, b in re.findall(r"^\t\{(\d+), (\d+), [A-Z]", source, re.M)]
    assert len(known) > 70
    met = {code for codes, _, _ in META for code in codes}
    assert [row for row in known if not {*row} <= met] == []
    dialog = re.findall(r'^\t\{"([a-z ]+)", OUTBOUND_', (ROOT / "gateway/outbound/d360.c").read_text(), re.M)
    said = " ".join(fault.get("text", "").lower() for _, fault, _ in DIALOG)
    assert len(dialog) >= 6 and [words for words in dialog if words not in said] == ["unpaid"]


def test_a_dead_token_is_confirmed_before_the_connection_is_paused(gateway, provider):
    """190 by itself may be a garbled header: debug_token says which."""
    shop = Shop(gateway, provider, "Paul's", "106540352242922", responder="none")
    provider.fault("error", number=shop.number, on="/messages", times=1, http=401, code=190)
    id_ = shop.post("hello").json["id"]
    assert wait_for(lambda: shop.message(id_)["state"] == "retry")
    time.sleep(1)
    assert shop.connections()[0]["status"] != "key_refused"
    dead = Shop(gateway, provider, "Sarah's", "106540352242933", responder="none", waba="102290129340399")
    provider.revoke(dead.token)
    id_ = dead.post("hello").json["id"]
    assert wait_for(lambda: dead.connections()[0]["status"] == "key_refused")
    assert dead.message(id_)["state"] == "retry"


@pytest.mark.parametrize("code,subcode", [(0, None), (10, None), (200, None), (131005, None), (100, 33)])
def test_what_else_may_mean_a_dead_token_is_confirmed(gateway, provider, code, subcode):
    refusal = dict(http=403, code=code, **({"subcode": subcode} if subcode else {}))
    shop = Shop(gateway, provider, "Paul's", "106540352242922", responder="none")
    provider.fault("error", number=shop.number, on="/messages", times=1, **refusal)
    id_ = shop.post("hello").json["id"]
    assert wait_for(lambda: shop.message(id_)["state"] == "retry")
    assert wait_for(lambda: any("/debug_token" in r.path for r in provider.requests))
    time.sleep(0.5)
    assert shop.connections()[0]["status"] != "key_refused"
    dead = Shop(gateway, provider, "Sarah's", "106540352242933", responder="none", waba="102290129340399")
    provider.revoke(dead.token)
    provider.fault("error", number=dead.number, on="/messages", times=1, **refusal)
    id_ = dead.post("hello").json["id"]
    assert wait_for(lambda: dead.connections()[0]["status"] == "key_refused")
    assert dead.message(id_)["state"] == "retry"


def test_few_times_means_few(gateway, provider):
    """Code 1 may be the message's own fault: after five tries it is."""
    shop = Shop(gateway, provider, "Paul's", "106540352242922", responder="none")
    provider.fault("error", number=shop.number, on="/messages", http=400, code=1)
    id_ = shop.post("hello").json["id"]
    assert wait_for(lambda: shop.message(id_)["state"] == "dead", 60, 0.2), shop.message(id_)
    assert shop.message(id_)["attempts"] == 5


def test_a_media_host_that_fails_holds_up_nothing_else(gateway, provider):
    """131053 is the message's own: it is tried once more, and the number goes on."""
    shop = Shop(gateway, provider, "Paul's", "106540352242922", responder="none")
    provider.fault("error", number=shop.number, on="/messages", times=14, http=400, code=131053)
    ids = [shop.post("look", to=f"+1650555{n:04}").json["id"] for n in range(7)]
    assert wait_for(lambda: {shop.message(i)["state"] for i in ids} == {"dead"}, 30, 0.1)
    assert {shop.message(i)["attempts"] for i in ids} == {2}
    began = time.monotonic()
    id_ = shop.post("hello", to="+16505559999").json["id"]
    assert wait_for(lambda: shop.message(id_)["state"] == "sent", 10)
    assert time.monotonic() - began < 4.5, "nothing was closed for it"
