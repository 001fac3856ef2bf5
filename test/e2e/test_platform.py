"""Goal of this test: the platform that writes the answers. It is asked once per question with two signatures that hold,
asked again when it fails, and one answer is taken, however often it was asked. One shop's platform that hangs holds up
no other shop, and nobody can point the gateway at a private address."""
import json
import select
import socket
import time

import pytest

from conftest import RESPONDER_TIMEOUT_S, DialogShop, Gateway, Shop, wait_for
from fake_platform import Platform, drop, echo, empty, fail, garbage, hang, huge, redirect, reply, say, slow

NUMBER, OTHER = "106540352242922", "306540352242922"


@pytest.fixture
def shop(gateway, provider, platform):
    return Shop(gateway, provider, "Paul's Electronics", NUMBER, responder=platform)


def texts(provider, number=NUMBER):
    return [m["body"]["text"]["body"] for m in provider.sent(number)]


def settled(shop):
    """Nothing is on its way any more."""
    return all(e["state"] == "settled" for e in shop.events()) and \
        not {m["state"] for m in shop.messages(direction="outbound")} & {"queued", "sending", "retry"}


def quiet(provider, count=0, seconds=0.8):
    """No more than count messages went out."""
    wait_for(lambda: len(provider.sent()) > count, timeout=seconds)
    return len(provider.sent()) == count


# ------------------------------------------------------------ the way of a question

def test_a_question_its_ask_and_the_answer(provider, platform, shop):
    shop.send(shop.question("How much is it?", "wamid.one"))
    (ask,) = platform.wait_asks(1)
    assert ask.signed, ask.fault
    assert ask.business == shop.id and ask.path == "/hook" and ask.headers["content-type"].startswith("application/json")
    assert ask.json["object"] == "whatsapp_business_account" and list(ask.json) == ["object", "entry"]
    (entry,) = ask.json["entry"]
    assert entry["id"] == shop.waba and entry["changes"][0]["field"] == "messages"
    assert ask.value["messaging_product"] == "whatsapp"
    assert ask.value["metadata"] == {"display_phone_number": shop.display, "phone_number_id": NUMBER}
    assert ask.value["contacts"] == [{"profile": {"name": "Ada"}, "wa_id": "16505551234"}]
    assert ask.message["text"] == {"body": "How much is it?"} and ask.message["id"] == "wamid.one"
    provider.wait_sent(1)
    (request,) = provider.sends()
    assert request.token == shop.token and request.json["to"] == "+16505551234"
    assert request.json["text"] == {"body": "Re: How much is it?"} and request.json["messaging_product"] == "whatsapp"
    for _ in range(2):
        shop.send(shop.question("How much is it?", "wamid.one"))
    assert quiet(provider, 1) and len(platform.asks) == 1


def test_no_credential_reaches_the_platform(platform, shop):
    shop.send(shop.question("hello", "wamid.c"))
    (ask,) = platform.wait_asks(1)
    everything = json.dumps(ask.headers).encode() + ask.body
    for secret in (shop.token, shop.app_secret, platform.secrets[shop.id], platform.secrets[shop.id].removeprefix("whsec_")):
        assert secret.encode() not in everything
    assert "authorization" not in ask.headers and "d360-api-key" not in ask.headers


def test_a_signing_secret_is_shown_once_and_rotates(platform, shop):
    first = platform.secrets[shop.id]
    assert first.startswith("whsec_")
    shown = shop.gateway.api("GET", shop.path("responder"))
    assert shown.json["kind"] == "platform" and shown.json["signing_secret"]["last4"] == first[-4:]
    assert first.encode() not in shown.body
    assert "signing_secret" not in shop.use_platform(platform, path="/moved")
    shop.send(shop.question("hello", "wamid.s1"))
    (ask,) = platform.wait_asks(1)
    assert ask.signed and ask.path == "/moved"
    assert shop.use_platform(platform, rotate_secret=True)["signing_secret"] != first
    shop.send(shop.question("hello", "wamid.s2"))
    assert platform.wait_asks(2)[1].signed


def test_up_to_five_messages(provider, platform, shop):
    platform.then(reply(200, {"messages": [{"type": "text", "text": {"body": f"part {n}"}} for n in range(5)]}),
                  reply(200, {"messages": [{"type": "text", "text": {"body": f"part {n}"}} for n in range(6)]}))
    shop.send(shop.question("tell me all", "wamid.five"))
    provider.wait_sent(5)
    assert texts(provider) == [f"part {n}" for n in range(5)]
    shop.send(shop.question("tell me more", "wamid.six"))
    platform.wait_asks(2)
    assert quiet(provider, 5), "six are refused as a whole"


@pytest.mark.parametrize("step", [empty(), empty(200), reply(200, []), reply(200, {}), reply(200, {"messages": []})],
                         ids=["204", "nothing", "[]", "{}", "no messages"])
def test_no_reply(provider, platform, shop, step):
    platform.then(step)
    shop.send(shop.question("hello", "wamid.silence"))
    platform.wait_asks(1)
    assert quiet(provider) and len(platform.asks) == 1, "nothing to say is an answer"


# ------------------------------------------------------------ answers that are none

@pytest.mark.parametrize("step", [
    garbage(), garbage(b'{"messages":[{"type":"text"', "application/json"), reply(200, {"messages": "hello"}),
    reply(200, {"messages": [{"type": "text"}]}), reply(200, {"messages": [5]}), say("not yours", to="+16505550000"),
    say("not yours", recipient="US.1"), reply(200, "hello"), reply(200, {"messages": [{"type": "text", "text": {"body": "fine"}},
                                                                                    {"type": "nonsense"}]}),
], ids=["html", "cut", "no list", "no text", "a number", "another customer", "another user", "a string", "one bad"])
def test_an_answer_that_is_refused(gateway, provider, platform, shop, step):
    platform.then(step)
    shop.send(shop.question("hello", "wamid.odd"))
    platform.wait_asks(1)
    assert quiet(provider)
    shop.send(shop.question("and now?", "wamid.next"))
    provider.wait_sent(1)
    assert texts(provider) == ["Re: and now?"], "the conversation goes on"
    assert "6505550000" not in gateway.log_text() and "not yours" not in gateway.log_text()


def test_the_customer_may_be_named(provider, platform, shop):
    platform.then(say("by digits", to="16505551234"), say("by plus", to="+16505551234"))
    for n in range(2):
        shop.send(shop.question("hello", f"wamid.to{n}"))
    provider.wait_sent(2)
    assert {r.json["to"] for r in provider.sends()} == {"+16505551234"}


def test_a_redirect_is_not_followed(provider, platform, shop):
    with Platform() as elsewhere:
        platform.then(redirect(elsewhere.url + "/stolen"))
        shop.send(shop.question("hello", "wamid.redirect"))
        provider.wait_sent(1)
        assert elsewhere.asks == [] and len(platform.asks) == 2


def test_a_huge_answer_ends_early(gateway, provider, platform, shop):
    other = Shop(gateway, provider, "Other", OTHER, responder=platform, waba="302290129340398")
    platform.then(huge)
    shop.send(shop.question("hello", "wamid.huge"))
    platform.wait_asks(1)
    other.send(other.question("hello", "wamid.other"))
    provider.wait_sent(1, number=OTHER)
    assert gateway.role_pid("sender") and gateway.ready(2)


# ------------------------------------------------------------ failing, and being asked again

@pytest.mark.parametrize("step", [fail(500), fail(429, [("Retry-After", "1")]), fail(404), drop, hang,
                                  slow(RESPONDER_TIMEOUT_S + 1, say("too late"))],
                         ids=["500", "429", "404", "drop", "hang", "slow"])
def test_asked_again_with_the_same_id(provider, platform, shop, step):
    platform.then(step)
    shop.send(shop.question("hello", "wamid.again"))
    first, second = platform.wait_asks(2, timeout=RESPONDER_TIMEOUT_S + 8)
    assert first.id == second.id and first.body == second.body and second.signed
    provider.wait_sent(1)
    wait_for(lambda: len(provider.sent()) > 1, timeout=1.5)
    assert texts(provider) == ["Re: hello"], "one answer is accepted, though it was asked twice"


def test_it_is_not_hammered(provider, platform, shop):
    platform.then(*[fail(503)] * 3)
    shop.send(shop.question("hello", "wamid.patience"))
    asks = platform.wait_asks(4, timeout=20)
    provider.wait_sent(1)
    assert len({a.id for a in asks}) == 1 and texts(provider) == ["Re: hello"]
    assert asks[3].at - asks[0].at > 0.2, "not as fast as it can"


def test_order_in_a_conversation(provider, platform, shop):
    """The second question waits for the first's answer; another customer does not."""
    platform.then(fail(500), fail(500))
    for n in range(3):
        shop.send(shop.question(f"question {n}", f"wamid.order{n}"))
    platform.wait_asks(1)
    shop.send(shop.question("me too", "wamid.someone", customer="16505559999"))
    provider.wait_sent(4, timeout=20)
    ours = [m["body"]["text"]["body"] for m in provider.sent() if m["body"]["to"] == "+16505551234"]
    assert ours == ["Re: question 0", "Re: question 1", "Re: question 2"]
    asked = [a.message["text"]["body"] for a in platform.questions() if a.message["from"] == "16505551234"]
    assert asked == sorted(asked), "and asked in order"


def test_a_hanging_platform_holds_up_no_other_shop(gateway, provider, platform, shop):
    """More customers of one shop than may be asked for at once wait on a platform that hangs; the next shop's customer
    is answered at once."""
    other = Shop(gateway, provider, "Other", OTHER, responder=platform, waba="302290129340398")

    def usual(handler, ask):
        (hang if ask.business == shop.id else echo)(handler, ask)
    platform.usual = usual
    for n in range(300):
        assert shop.send(shop.question("hello", f"wamid.hang{n}", customer=f"1650556{n:04}")).status == 200
    platform.wait_asks(8)
    for n in range(3):
        began = time.monotonic()
        other.send(other.question(f"fast {n}", f"wamid.fast{n}", customer=f"1650557{n:04}"))
        provider.wait_sent(n + 1, timeout=5, number=OTHER)
        assert time.monotonic() - began < 1, "one shop's platform is one shop's trouble"
    platform.usual = echo
    provider.wait_sent(300, timeout=30, number=NUMBER)


def test_many_shops_on_a_hanging_platform_hold_up_no_other(gateway, provider, platform, shop):
    """As many as take every place there is for asks: the next shop's own list still answers at once."""
    platform.then(hang)
    crowd = [Shop(gateway, provider, f"Shop {n}", f"4065403522{n:05}", responder=platform) for n in range(18)]
    for hanging in crowd:
        for n in range(17):
            assert hanging.send(hanging.question("hello", f"wamid.{hanging.number}.{n}", customer=f"1650557{n:04}")).status == 200
    platform.wait_asks(200, timeout=30)
    calm = Shop(gateway, provider, "Ada's Shoes", OTHER)
    calm.products("name,price,currency,stock\nRed Shoe,100,NGN,5\n")
    for n in range(5):
        began = time.monotonic()
        calm.send(calm.question("How much is Red Shoe?", f"wamid.calm{n}", customer=f"1650558{n:04}"))
        provider.wait_sent(n + 1, number=OTHER, timeout=5)
        assert time.monotonic() - began < 1.5


# ------------------------------------------------------------ where it may be

PRIVATE = ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1", "2130706433")
NAMES = (socket.gethostname(), "ip6-localhost")  # names that lead home, where they lead anywhere


@pytest.fixture
def inside():
    """Somebody at home: whether anyone connected to him on this port."""
    with socket.create_server(("127.0.0.1", 0)) as four:
        port = four.getsockname()[1]
        with socket.create_server(("::1", port), family=socket.AF_INET6) as six:
            four.setblocking(False)
            six.setblocking(False)
            yield port, lambda: {s for s in (four, six) if select.select([s], [], [], 0)[0]}


def test_a_private_address_is_refused(directory, provider, inside):
    """What responder_allow does not name, loopback under any of its names, is never connected to."""
    port, visited = inside
    gateway = Gateway(directory, provider.url).start()
    try:
        shop = Shop(gateway, provider, "Curious", NUMBER, responder="none")

        def put(url):
            return gateway.api("PUT", shop.path("responder"), {"kind": "platform", "url": url})
        for host in PRIVATE:
            for scheme in ("http", "https"):
                refused = put(f"{scheme}://{host}:{port}/hook")
                assert refused.status == 400 and f"can name {host}:{port} in responder_allow" in refused.json["detail"], host
        for n, host in enumerate(NAMES):
            assert put(f"https://{host}:{port}/hook").status == 200, host
            shop.send(shop.question("hello", f"wamid.{n}", customer=f"1650558{n:04}"))
            wait_for(visited, timeout=0.5)
            assert not visited(), host
        for bad in ("ftp://x.example/", "https://", "https://user:pass@x.example/", "x", "https://x.example/" + "a" * 1024, 5):
            assert put(bad).status in (400, 422), bad
        gateway.stop()
        gateway.settings["responder_allow"] = f"127.0.0.1:{port}"
        gateway.start()
        assert put(f"https://127.0.0.1:{port}/hook").status == 200
        shop.send(shop.question("hello", "wamid.allowed", customer="16505589999"))
        assert wait_for(visited), "the same address, named"
        assert provider.sent() == []
    finally:
        gateway.stop()


# ------------------------------------------------------------ statuses

def test_statuses_are_handed_on_with_what_the_client_gave(provider, platform, shop):
    own = shop.post("order 5 is ready", biz_opaque_callback_data="order-5").json["id"]
    bare = shop.post("hello", to="+16505550001").json["id"]
    provider.wait_sent(2)
    assert {r.json["biz_opaque_callback_data"] for r in provider.sends()} == {own, bare}, "ours travels meanwhile"
    assert shop.message(own)["biz_opaque_callback_data"] == "order-5"
    wamids = {i: wait_for(lambda i=i: shop.message(i)["wamid"]) for i in (own, bare)}
    shop.send(shop.status(wamids[own], "delivered", opaque=own))
    shop.send(shop.status(wamids[bare], "delivered", opaque=bare, customer="16505550001"))
    shop.send(shop.status("wamid.ELSEWHERE", "read", opaque="of another system", customer="16505550002"))
    asks = platform.wait_asks(3)
    assert all(a.signed for a in asks)
    told = {a.status["id"]: a.status for a in asks}
    assert told[wamids[own]]["biz_opaque_callback_data"] == "order-5" and told[wamids[own]]["status"] == "delivered"
    assert "biz_opaque_callback_data" not in told[wamids[bare]]
    assert told["wamid.ELSEWHERE"]["biz_opaque_callback_data"] == "of another system"
    about = {a.status["id"]: a.headers.get("x-keyhouse-message") for a in asks}
    assert about == {wamids[own]: own, wamids[bare]: bare, "wamid.ELSEWHERE": None}
    assert asks[0].value["metadata"]["phone_number_id"] == NUMBER
    assert wait_for(lambda: shop.message(own)["state"] == "delivered")


def test_nothing_is_said_to_a_status(provider, platform, shop):
    platform.then(say("thank you for reading"))
    shop.send(shop.status("wamid.x", "read"))
    platform.wait_asks(1)
    assert quiet(provider) and len(platform.asks) == 1


def test_a_status_is_handed_on_again_until_it_is_taken(platform, shop):
    platform.then(fail(500))
    shop.send(shop.status("wamid.x", "read"))
    first, second = platform.wait_asks(2)
    assert first.id == second.id and first.status == second.status


# ------------------------------------------------------------ dying meanwhile

def test_a_restart_while_an_ask_is_out(gateway, provider, platform, shop):
    platform.then(hang)
    shop.send(shop.question("hello", "wamid.crash"))
    platform.wait_asks(1)
    gateway.kill()
    gateway.start()
    first, second = platform.wait_asks(2)
    assert first.id == second.id
    provider.wait_sent(1)
    assert quiet(provider, 1, seconds=1.5) and texts(provider) == ["Re: hello"]


def test_an_answer_that_comes_while_it_stops(gateway, provider, platform, shop):
    """It ends in time though the platform does not answer, and the question is not forgotten."""
    platform.then(hang)
    shop.send(shop.question("hello", "wamid.stop"))
    platform.wait_asks(1)
    began = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - began < 10
    gateway.start()
    provider.wait_sent(1)
    assert texts(provider) == ["Re: hello"]


def test_a_platform_of_a_360dialog_shop(gateway, provider, platform):
    shop = DialogShop(gateway, provider, "Sarah's Fashion", "206540352242922", responder=platform)
    provider.deliver(shop.number, {"contacts": [{"profile": {"name": "Ada"}, "wa_id": "16505551234"}], "messages": [
        {"from": "16505551234", "id": "wamid.d", "timestamp": str(int(time.time())), "type": "text", "text": {"body": "hi"}}]})
    (ask,) = platform.wait_asks(1)
    assert ask.signed and ask.json["entry"][0]["id"] == shop.waba
    provider.wait_sent(1, number=shop.number)
    assert provider.sends()[0].path == "/messages" and texts(provider, shop.number) == ["Re: hi"]


def test_a_customer_without_a_phone_number(provider, platform, shop):
    body = shop.question("hello", "wamid.bsuid")
    value = body["entry"][0]["changes"][0]["value"]
    del value["messages"][0]["from"]
    value["messages"][0]["from_user_id"] = "US.13491208655302741918"
    value["contacts"] = [{"profile": {"name": "Ada", "username": "ada"}, "user_id": "US.13491208655302741918"}]
    shop.send(body)
    (ask,) = platform.wait_asks(1)
    assert ask.message["from_user_id"] == "US.13491208655302741918"
    provider.wait_sent(1)
    assert provider.sends()[0].json["recipient"] == "US.13491208655302741918"
