"""Goal of this test: every field and type of webhook keeps its meaning, as the API tells it, and nothing that is missing,
wrong or unheard of keeps the next webhook from going through."""
import copy
import json
import time

import pytest

from conftest import SAMPLES, Shop, wait_for
from fake_platform import empty
from test_settings import Caller

NUMBER, WABA = "106540352242922", "102290129340398"
CUSTOMER, USER = "16505551234", "US.13491208655302741918"
FILES = sorted((SAMPLES / "payloads" / "meta").glob("*.json")) + sorted((SAMPLES / "payloads" / "360dialog").glob("*.cloud.json"))


@pytest.fixture
def shop(gateway, provider):
    return Shop(gateway, provider, "Every kind", NUMBER, responder="none", waba=WABA)


@pytest.fixture
def asked_shop(gateway, provider, platform):
    return Shop(gateway, provider, "Asked", NUMBER, responder=platform, waba=WABA)


def message(kind, wamid, customer=CUSTOMER, user=USER, when=None, **more):
    one = {"id": wamid, "timestamp": str(int(when or time.time())), "type": kind, **more}
    if customer:
        one["from"] = customer
    if user:
        one["from_user_id"] = user
    return one


def settled(shop, count=None):
    """The newest event once all are settled."""
    def look():
        events = shop.events()
        return events[0] if events and all(e["state"] != "accepted" for e in events) and \
            (count is None or len(events) == count) else None
    found = wait_for(look)
    assert found, shop.events()
    return shop.gateway.api("GET", shop.path("events", found["id"])).json


def deliver(shop, body):
    """Sends it; the event with its updates."""
    before = len(shop.events())
    assert shop.send(body).status == 200
    return settled(shop, min(before + 1, 200))


def counted(event):
    return event["delivered"], event["duplicates"]


def logged(shop, wamid):
    """The message as it is looked up by its id here."""
    found = [m for m in shop.messages(limit=200) if m["wamid"] == wamid]
    assert len(found) == 1, (wamid, found)
    return shop.message(found[0]["id"])


# ---------------------------------------------------------------- messages

# type: its object
TYPES = {
    "text": {"body": "hello"}, "image": {"id": "1", "mime_type": "image/jpeg", "sha256": "x", "caption": "look"},
    "video": {"id": "1", "mime_type": "video/mp4"}, "audio": {"id": "1", "mime_type": "audio/ogg", "voice": True},
    "document": {"id": "1", "filename": "bill.pdf"}, "sticker": {"id": "1", "animated": False},
    "location": {"latitude": 1.5, "longitude": 2.5}, "contacts": [{"phones": [{"phone": "+1 650"}]}],
    "button": {"payload": "p", "text": "Yes"}, "order": {"catalog_id": "1", "product_items": []},
    "request_welcome": {}, "hologram": {"depth": 3},
}
INNER = {"interactive": ("button_reply", "list_reply", "nfm_reply", "call_permission_reply"),
         "system": ("user_changed_number", "user_changed_user_id", "customer_identity_changed"),
         "unsupported": ("poll_creation", "gif")}


def test_every_type_of_message(shop):
    bodies = [(t, f"messages/{t}", {t: v}) for t, v in TYPES.items()]
    bodies += [(t, f"messages/{t}-{i}", {t: {"type": i}}) for t, inner in INNER.items() for i in inner]
    bodies += [("system", "messages/system", {"system": {"body": "Ada has a new number"}})]
    bodies += [("interactive", "messages/interactive", {}), ("button", "messages/button", {}),
               ("unsupported", "messages/unsupported", {"errors": [{"code": 131060, "title": "Unavailable"}]})]
    # In one webhook, as Meta may batch them.
    value = {"contacts": [{"wa_id": CUSTOMER, "user_id": USER, "profile": {"name": "Ada"}}],
             "messages": [message(t, f"wamid.T{i}", **more) for i, (t, _, more) in enumerate(bodies)]}
    event = deliver(shop, shop.envelope(value))
    assert [u["what"] for u in event["updates"]] == [what for _, what, _ in bodies]
    assert {(u["kind"], u["verdict"], u["field"], u["number"]) for u in event["updates"]} == {
        ("message", "delivered", "messages", NUMBER)}
    assert event["raw"] == shop.envelope(value)
    shown = messages_page(shop)
    assert "Something new (<bdi>hologram</bdi>)" in shown and "request_welcome" not in shown
    assert "Note from WhatsApp: </span><bdi>Ada has a new number</bdi>" in shown
    for i, (kind, _, _) in enumerate(bodies):
        m = logged(shop, f"wamid.T{i}")
        assert (m["type"], m["customer"], m["content"]["message"]["type"]) == (kind, "+" + CUSTOMER, kind)


def test_edits_revokes_and_reactions(shop, gateway):
    send = lambda kind, wamid, **more: deliver(shop, shop.envelope({"messages": [message(kind, wamid, **more)]}))
    send("text", "wamid.A", text={"body": "the first words"})
    send("edit", "wamid.E", edit={"original_message_id": "wamid.A", "message": {"type": "text", "text": {"body": "better words"}}})
    send("reaction", "wamid.R", reaction={"message_id": "wamid.A", "emoji": "\U0001f44d"})
    first, edit, reaction = (logged(shop, w) for w in ("wamid.A", "wamid.E", "wamid.R"))
    assert (edit["relation"], edit["concerns"], reaction["relation"], reaction["concerns"]) == (
        "edits", first["id"], "reacts", first["id"])
    assert first["edited_at"] and "revoked_at" not in first
    assert first["reaction"] == {"message_id": reaction["id"], "emoji": "\U0001f44d"}
    send("reaction", "wamid.U", reaction={"message_id": "wamid.A"})
    assert "reaction" not in logged(shop, "wamid.A") and logged(shop, "wamid.U")["relation"] == "unreacts"
    # Deleted before it is here: webhooks overtake each other.
    send("revoke", "wamid.V", revoke={"original_message_id": "wamid.B"})
    assert logged(shop, "wamid.V")["concerns"] is None
    send("text", "wamid.B", text={"body": "regretted words"})
    assert logged(shop, "wamid.B")["revoked_at"] and logged(shop, "wamid.V")["concerns"] == logged(shop, "wamid.B")["id"]
    send("revoke", "wamid.W", revoke={"original_message_id": "wamid.A"})
    page = messages_page(shop)
    assert "regretted words" not in page and "better words" not in page and "the first words" not in page
    assert page.count("The customer deleted this message.") == 3
    caller = Caller(shop.gateway)
    caller.open(shop)
    search = lambda words: caller.post("messages", csrf=caller.csrf(), do="search", words=words).body.decode()
    assert "0 found" in search("regretted") and "0 found" in search("better") and "7 found" in search(CUSTOMER)


def test_what_only_our_parser_takes_is_shown_as_json(shop):
    for value, shown in ((b"007", 7), (b"1.", 1), (b'"a\x01b"', "a\x01b"), (b"\x0b [-01]", [-1])):
        body = b'{"entry":[{"id":"%s","changes":[{"field":"messages","value":%s}]}]}' % (WABA.encode(), value)
        assert deliver(shop, body)["raw"]["entry"][0]["changes"][0]["value"] == shown
    exact = b'{"entry":[{"id":"%s","changes":[{"field":"messages","value":12345678901234567890}]}]}' % WABA.encode()
    assert deliver(shop, exact)["raw"]["entry"][0]["changes"][0]["value"] == 12345678901234567890


def test_millions_of_values_are_kept_unparsed(shop):
    """Each would take fifty times its length."""
    event = deliver(shop, b'{"entry":[{"id":"%s","changes":[{"field":"messages","value":[%s0]}]}]}' % (
        WABA.encode(), b"0," * 1_500_000))
    assert (event["state"], event["raw"], event["updates"]) == ("unparsed", None, [])


def test_only_who_wrote_it_edits_and_revokes_it(shop):
    """Ids of others' messages are known in a group, and whatever Meta checks, it is not for us to take for granted."""
    send = lambda kind, wamid, **more: deliver(shop, shop.envelope({"messages": [message(kind, wamid, **more)]}))
    other = {"customer": "19999999999", "user": "US.9"}
    send("text", "wamid.A", text={"body": "forty phones"})
    send("revoke", "wamid.V", revoke={"original_message_id": "wamid.A"}, **other)
    send("edit", "wamid.E", edit={"original_message_id": "wamid.A", "message": {"type": "text", "text": {"body": "no phones"}}},
         **other)
    first = logged(shop, "wamid.A")
    assert "revoked_at" not in first and "edited_at" not in first
    assert logged(shop, "wamid.V")["concerns"] is None and logged(shop, "wamid.E")["concerns"] is None
    assert "forty phones" in page(shop, "messages")
    # By one of his names is enough.
    send("revoke", "wamid.W", revoke={"original_message_id": "wamid.A"}, user=None)
    assert logged(shop, "wamid.A")["revoked_at"]


def page(shop, name):
    """As the owner sees it."""
    caller = Caller(shop.gateway)
    caller.open(shop)
    return caller.get(name).body.decode()


def messages_page(shop):
    return page(shop, "messages")


def status_page(shop):
    return page(shop, "")


# ---------------------------------------------------------------- statuses

def test_statuses(shop, provider):
    """The real table is walked in a unit test in every order; here, what a shop sees of some."""
    sent = [shop.post(f"number {i}").json["id"] for i in range(4)]
    wamids = wait_for(lambda: w if all(w := [shop.message(m)["wamid"] for m in sent]) else None)
    status = lambda i, what, **more: deliver(shop, shop.status(wamids[i], what, opaque=sent[i], **more))
    for what in ("played", "failed", "sent", "delivered", "read"):
        assert status(0, what)["updates"][0]["what"] == f"statuses/{what}"
    failed = {"errors": [{"code": 131026, "title": "Undeliverable"}]}
    status(1, "failed", **failed)
    status(1, "sent")
    status(2, "failed", **failed)
    status(2, "delivered")
    # One of a group has read it, for another it failed.
    status(3, "read", recipient_type="group", recipient_participant_id=CUSTOMER)
    status(3, "failed", recipient_type="group", recipient_participant_id="16505559999", **failed)
    states = [shop.message(m) for m in sent]
    assert [m["state"] for m in states] == ["read", "failed", "delivered", "sent"]
    assert [("error" in m, "played_at" in m) for m in states] == [(False, False), (True, False), (False, False), (False, False)]
    # Not ours: kept, no error.
    event = deliver(shop, shop.envelope({"statuses": [{"id": "wamid.NOBODY", "status": "read"}, {"id": "wamid.N", "status": "warped"}, {}]}))
    assert [u["what"] for u in event["updates"]] == ["statuses/read", "statuses/warped", "statuses"]


# ---------------------------------------------------------------- standby, handovers, echoes

def standby(shop, wamid, text, customer=CUSTOMER, nested=True, when=None):
    value = {"messages": [message("text", wamid, customer, None, when, text={"body": text})]}
    return shop.envelope({"standby": value} if nested else value, field="standby")


def told(platform):
    """All that it was asked, as text."""
    return json.dumps([a.value for a in platform.asks])


def handover(shop, role, when, customer=CUSTOMER):
    return {"object": "whatsapp_business_account", "entry": [{"id": shop.waba, "changes": [{"field": "messaging_handovers", "value": {
        "messaging_product": "whatsapp", "recipient": {"phone_number_id": shop.number}, "sender": {"phone_number": customer},
        "timestamp": str(when), "type": "control_taken", "control_taken": {"previous_owner_role": "x", "new_owner_role": role}}}]}]}


def test_standby_is_read_only(asked_shop, platform):
    shop, now = asked_shop, int(time.time()) - 60
    for i, nested in enumerate((True, False)):
        event = deliver(shop, standby(shop, f"wamid.S{i}", "for the agent", nested=nested, when=now + i))
        assert [(u["kind"], u["what"]) for u in event["updates"]] == [("message", "standby/text")]
    deliver(shop, shop.envelope({"standby": {"message_echoes": [
        {"to": CUSTOMER, "id": "wamid.S9", "timestamp": str(now + 2), "type": "text", "text": {"body": "from the agent"}}]}}, field="standby"))
    m, e = logged(shop, "wamid.S0"), logged(shop, "wamid.S9")
    assert m["standby"] and m["read_only"] and e["standby"] and e["echo"] and e["direction"] == "outbound"
    assert "another assistant answers" in messages_page(shop)
    # Somebody else's conversation is not touched.
    deliver(shop, shop.envelope({"messages": [message("text", "wamid.O", "16505550000", None, text={"body": "hello"})]}))
    assert "read_only" not in logged(shop, "wamid.O")
    assert wait_for(lambda: len(platform.asks) == 1) and "wamid.S" not in told(platform)
    # A reply takes control, and says so before.
    answer = shop.post("I am back", to="+" + CUSTOMER)
    assert answer.status == 202 and "takes control" in answer.json["warning"]
    assert wait_for(lambda: "read_only" not in logged(shop, "wamid.S0"))
    assert "warning" not in shop.post("again", to="+" + CUSTOMER).json
    # The newest word counts, whenever it comes.
    deliver(shop, handover(shop, "ai_agent", now))
    assert "read_only" not in logged(shop, "wamid.S0")
    event = deliver(shop, handover(shop, "ai_agent", int(time.time()) + 2))
    assert event["updates"][0]["what"] == "handover/control_taken" and event["updates"][0]["verdict"] == "delivered"
    assert logged(shop, "wamid.S0")["read_only"]
    # A question of before that comes late is not asked any more: the agent has it.
    deliver(shop, handover(shop, "ai_agent", int(time.time()), "16505550077"))
    deliver(shop, shop.envelope({"messages": [message("text", "wamid.L", "16505550077", None, now, text={"body": "late"})]}))
    deliver(shop, shop.envelope({"messages": [message("text", "wamid.M", "16505550000", None, text={"body": "not held"})]}))
    assert wait_for(lambda: "not held" in told(platform)) and "late" not in told(platform)
    time.sleep(0.3)
    assert "late" not in told(platform)


def test_echoes(shop, provider):
    echo = {"from": shop.display, "to": CUSTOMER, "id": "wamid.E1", "timestamp": str(int(time.time())), "type": "text",
            "text": {"body": "typed by hand"}}
    event = deliver(shop, shop.envelope({"message_echoes": [echo]}, field="smb_message_echoes"))
    assert [(u["kind"], u["what"]) for u in event["updates"]] == [("echo", "echoes/text")]
    assert counted(deliver(shop, shop.envelope({"message_echoes": [echo, echo]}, field="message_echoes"))) == (0, 2)
    assert len(shop.messages()) == 1
    m = logged(shop, "wamid.E1")
    assert (m["direction"], m["state"], m["echo"], m["customer"], m["content"]) == ("outbound", "sent", True, "+" + CUSTOMER, echo)
    deliver(shop, shop.status("wamid.E1", "read"))
    assert logged(shop, "wamid.E1")["state"] == "read"
    deliver(shop, shop.envelope({"message_echoes": [{"to": CUSTOMER, "id": "wamid.E2", "type": "revoke", "revoke": {
        "original_message_id": "wamid.E1"}}]}, field="smb_message_echoes"))
    assert logged(shop, "wamid.E1")["revoked_at"] and "typed by hand" not in messages_page(shop)
    # What failed of it is the owner's to send again, and says nothing of our key.
    deliver(shop, shop.envelope({"message_echoes": [{**echo, "id": "wamid.E3"}]}, field="smb_message_echoes"))
    deliver(shop, shop.status("wamid.E3", "failed", errors=[{"code": 131042, "title": "Payment issue"}]))
    assert logged(shop, "wamid.E3")["state"] == "failed" and "Send it again" not in messages_page(shop)
    assert "unpaid" not in found(shop)
    # What was sent from here is not told twice.
    ours = shop.post("from here").json["id"]
    wamid = wait_for(lambda: shop.message(ours)["wamid"])
    again = shop.envelope({"message_echoes": [{**echo, "id": wamid}]}, field="message_echoes")
    assert [counted(deliver(shop, again)) for _ in range(3)] == [(1, 0), (0, 1), (0, 1)]
    assert logged(shop, wamid)["id"] == ours
    assert len(provider.sent(NUMBER)) == 1


# ---------------------------------------------------------------- names

def test_one_customer_under_two_names(asked_shop, platform, provider):
    """The owner's pause, told by phone, holds for the user id, and where both change."""
    shop = asked_shop
    ask = lambda wamid, customer, user: deliver(shop, shop.envelope({"messages": [message("text", wamid, customer, user, text={"body": "hello"})]}))
    ask("wamid.1", CUSTOMER, USER)
    assert wait_for(lambda: len(platform.asks) == 1)
    deliver(shop, shop.envelope({"user_id_update": [{"user_id": {"previous": USER, "current": "US.2"}, "timestamp": "1"}]}, field="user_id_update"))
    deliver(shop, shop.envelope({"messages": [message("system", "wamid.2", CUSTOMER, None, system={
        "type": "user_changed_number", "wa_id": "16505550009", "body": "x"})]}))
    deliver(shop, shop.envelope({"message_echoes": [{"to": CUSTOMER, "id": "wamid.3", "type": "text", "text": {"body": "me"}}]}, field="smb_message_echoes"))
    for i, (customer, user) in enumerate(((None, USER), (None, "US.2"), ("16505550009", None), (CUSTOMER, None))):
        ask(f"wamid.4{i}", customer, user)
    ask("wamid.5", "16505557777", "US.7")
    assert wait_for(lambda: len(platform.asks) == 2)
    assert "wamid.4" not in told(platform)


# ---------------------------------------------------------------- coexistence and everything without messages

FIELDS = [
    ("history", {"history": [{"metadata": {"phase": 1, "chunk_order": 3, "progress": 40},
                              "threads": [{"id": CUSTOMER, "messages": [{"id": "wamid.H1", "type": "text", "text": {"body": "old"}}]}]}]},
     "history/phase 1, chunk 3, 40 %"),
    ("history", {"history": [{"errors": [{"code": 2593109}]}]}, "history/declined"),
    ("history", {"messages": [{"id": "wamid.H2", "type": "image"}]}, "history/media"),
    ("smb_app_state_sync", {"state_sync": [{"action": "add", "contact": {"phone_number": CUSTOMER}}]}, "smb_app_state_sync/1 added, 0 removed"),
    ("messages", {"errors": [{"code": 130429}]}, "messages/errors"),
    ("messages", {"user_actions": [{"action_type": "marketing_messages_link_click"}]}, "user_actions/marketing_messages_link_click"),
    ("account_alerts", {"alert_info": {"alert_type": "OBA_APPROVED"}}, "account_alerts/OBA_APPROVED"),
    ("account_review_update", {"decision": "APPROVED"}, "account_review_update/APPROVED"),
    ("account_update", {"event": "VERIFIED_ACCOUNT"}, "account_update/VERIFIED_ACCOUNT"),
    ("account_settings_update", {}, "account_settings_update"),
    ("automatic_events", {"automatic_events": [{"event_name": "LeadSubmitted"}]}, "automatic_events/LeadSubmitted"),
    ("business_capability_update", {"max_phone_numbers_per_waba": 2}, "business_capability_update"),
    ("business_username_update", {"status": "approved"}, "business_username_update/approved"),
    ("calls", {"calls": [{"event": "terminate"}]}, "calls/terminate"),
    ("consumer_profile", {}, "consumer_profile"),
    ("flows", {"event": "FLOW_STATUS_CHANGE"}, "flows/FLOW_STATUS_CHANGE"),
    ("group_lifecycle_update", {"groups": [{"type": "group_create"}]}, "group_lifecycle_update/group_create"),
    ("group_participants_update", {"groups": [{}]}, "group_participants_update"),
    ("group_settings_update", {"groups": []}, "group_settings_update"),
    ("group_status_update", {}, "group_status_update"),
    ("message_template_components_update", {"message_template_id": 12345678901234567}, "template_components"),
    ("message_template_quality_update", {"new_quality_score": "GREEN"}, "template_quality/GREEN"),
    ("message_template_status_update", {"event": "PAUSED"}, "template/PAUSED"),
    ("template_category_update", {"new_category": "MARKETING"}, "template_category/MARKETING"),
    ("partner_solutions", {"event": "SOLUTION_CREATED"}, "partner_solutions/SOLUTION_CREATED"),
    ("payment_configuration_update", {"status": "Active"}, "payment_configuration_update/Active"),
    ("phone_number_name_update", {"decision": "APPROVED"}, "phone_number_name_update/APPROVED"),
    ("phone_number_quality_update", {"event": "THROUGHPUT_UPGRADE"}, "phone_number_quality_update/THROUGHPUT_UPGRADE"),
    ("security", {"event": "PIN_RESET_REQUEST"}, "security/PIN_RESET_REQUEST"),
    ("user_preferences", {"user_preferences": [{"wa_id": CUSTOMER, "value": "stop"}]}, "user_preferences/stop"),
    ("tracking_events", {}, "tracking_events"),
    ("field_of_next_year", {"a": {"b": [1]}}, "field_of_next_year"),
]


def test_every_field(shop):
    entry = [{"id": WABA, "time": 1790000000 + i, "changes": [{"field": f, "value": v}]} for i, (f, v, _) in enumerate(FIELDS)]
    event = deliver(shop, {"object": "whatsapp_business_account", "entry": entry})
    assert [(u["field"], u["what"]) for u in event["updates"]] == [(f, what) for f, _, what in FIELDS]
    assert {(u["kind"], u["verdict"]) for u in event["updates"]} == {("other", "delivered")}
    assert event["raw"]["entry"] == entry
    assert shop.messages() == []  # nothing of history is a message that came now


def test_an_event_of_another_shop(shop, gateway, provider):
    other = Shop(gateway, provider, "Other", "106540352242999", responder="none", waba="102290129340999")
    event = deliver(shop, shop.question("hello", "wamid.1"))
    assert gateway.api("GET", other.path("events", event["id"])).status == 404
    assert gateway.api("GET", shop.path("events", "none")).status == 404
    assert shop.send(b'{"entry": 1}').status == 200
    assert (e := settled(shop, 2))["state"] == "unparsed" and e["raw"] == {"entry": 1} and e["updates"] == []
    assert shop.send(b"\xff not JSON").status == 200
    assert (e := settled(shop, 3))["state"] == "unparsed" and e["raw"] is None


# ---------------------------------------------------------------- what is missing

def places(value, path=()):
    """Every key of every object."""
    if isinstance(value, dict):
        for k in value:
            yield (*path, k)
            yield from places(value[k], (*path, k))
    elif isinstance(value, list):
        for i, v in enumerate(value):
            yield from places(v, (*path, i))


def without(body, path):
    body = copy.deepcopy(body)
    at = body
    for step in path[:-1]:
        at = at[step]
    del at[path[-1]]
    return body


def test_whatever_is_missing(shop, gateway):
    """One webhook holds everything; each key of it is left out once. All are settled, but where the way to the changes is gone."""
    value = {
        "contacts": [{"wa_id": CUSTOMER, "user_id": USER, "profile": {"name": "Ada"}}],
        "messages": [message("text", "wamid.M1", text={"body": "x"}, context={"from": "1", "id": "w"}),
                     message("reaction", "wamid.M2", reaction={"message_id": "wamid.M1", "emoji": "x"}),
                     message("edit", "wamid.M3", edit={"original_message_id": "wamid.M1", "message": {"type": "text", "text": {"body": "y"}}}),
                     message("revoke", "wamid.M4", revoke={"original_message_id": "wamid.M1"}),
                     message("system", "wamid.M5", system={"type": "user_changed_number", "wa_id": "16505550009"})],
        "statuses": [{"id": "wamid.M6", "status": "failed", "recipient_id": CUSTOMER, "recipient_user_id": USER,
                      "errors": [{"code": 131026, "title": "t", "error_data": {"details": "d"}}]}]}
    body = shop.envelope(value)
    body["entry"] += shop.envelope({"standby": {"messages": [message("text", "wamid.M7")], "message_echoes": [
        {"to": CUSTOMER, "id": "wamid.M8", "type": "text"}]}}, field="standby")["entry"]
    body["entry"] += handover(shop, "ai_agent", 1790000000)["entry"]
    body["entry"] += shop.envelope({"user_id_update": [{"wa_id": CUSTOMER, "user_id": {"previous": USER, "current": "US.2"}}]},
                                   field="user_id_update")["entry"]
    sent = 0
    for path in places(body):
        for other in (None, {}, 7):
            changed = without(body, path) if other is None else put(body, path, other)
            assert shop.send(changed).status == 200
            sent += 1
    assert sent > 200
    assert wait_for(lambda: gateway.metric("keyhouse_events_unsettled") == 0, 60)
    unparsed = shop.events(state="unparsed")
    assert len(unparsed) <= 3  # entry itself
    assert deliver(shop, shop.question("still here?", "wamid.LAST"))["updates"][0]["verdict"] == "delivered"


def put(body, path, value):
    body = copy.deepcopy(body)
    at = body
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return body


@pytest.mark.skipif(not FILES, reason="skipped: no samples")
def test_samples_with_parts_missing(shop, gateway):
    parts = ("from", "from_user_id", "wa_id", "user_id", "contacts", "metadata", "id", "timestamp", "type", "profile",
             "recipient_id", "phone_number_id", "field")
    sent = 0
    for file in FILES:
        body = json.loads(file.read_text())
        if not isinstance(body.get("entry"), list):
            continue
        for path in [None, *(p for p in places(body) if p[-1] in parts)]:
            assert shop.send(body if path is None else without(body, path)).status == 200, file.name
            sent += 1
    assert wait_for(lambda: gateway.metric("keyhouse_events_unsettled") == 0, 60)
    assert shop.events(state="unparsed") == []
    assert sent > 3 * len(FILES)
    assert deliver(shop, shop.question("still here?", "wamid.LAST"))["updates"][0]["verdict"] == "delivered"


# ---------------------------------------------------------------- what is told of an account

def found(shop):
    """{finding: detail} of the doctor."""
    return {f["finding"]: f["detail"] for f in shop.gateway.api("GET", shop.path("doctor")).json["findings"]}


def tell(shop, field, value, when=None, account=None):
    return deliver(shop, {"object": "whatsapp_business_account", "entry": [
        {"id": account or shop.waba, "time": int(when or time.time()), "changes": [{"field": field, "value": value}]}]})


@pytest.fixture
def looked_at(gateway, provider):
    """A shop whose provider was asked just now, and so is not asked again soon."""
    shop = Shop(gateway, provider, "Looked at", NUMBER, responder="none", waba=WABA, verify=True)
    time.sleep(1.1)
    return shop


def test_what_is_told_of_an_account(looked_at):
    shop = looked_at
    told_of = ("account_restricted", "account_gone", "access_taken", "account_warned", "account_rejected", "name_rejected",
               "pin_changed", "quality_low")
    now, news = int(time.time()), lambda: {k: v for k, v in found(shop).items() if k in told_of}
    restriction = [{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 1893456000},
                   {"restriction_type": "call +16505551234", "expiration": 1893456000}]
    tell(shop, "account_update", {"event": "ACCOUNT_RESTRICTION", "restriction_info": restriction})
    assert news() == {"account_restricted": "Meta says: RESTRICTED_BIZ_INITIATED_MESSAGING until 2030-01-01."}
    tell(shop, "account_update", {"event": "ACCOUNT_RESTRICTION", "restriction_info": [{"restriction_type": "X", "expiration": now - 5}]})
    assert news() == {}
    rows = [("account_update", {"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "ADULT"}}, "account_warned",
             "account_alerts", {"alert_info": {"alert_severity": "WARNING", "alert_status": "NONE", "alert_type": "X"}}),
            ("account_review_update", {"decision": "REJECTED"}, "account_rejected", "account_review_update", {"decision": "APPROVED"}),
            ("phone_number_name_update", {"decision": "REJECTED"}, "name_rejected", "phone_number_name_update", {"decision": "APPROVED"})]
    for field, value, finding, end_field, end in rows:
        tell(shop, field, value, now - 50)
        assert list(news()) == [finding], field
        tell(shop, end_field, end, now - 60)  # of before
        assert list(news()) == [finding], field
        tell(shop, end_field, end, now - 50)
        assert news() == {}, field
        tell(shop, field, value, now - 70)  # told once more, late
        assert news() == {}, field
    # What the provider says of this when it is asked goes before: it was told after that.
    shop.test()
    time.sleep(1.1)
    for field, value, finding, end in (("phone_number_quality_update", {"event": "FLAGGED"}, "quality_low", {"event": "UNFLAGGED"}),
                                       ("account_update", {"event": "PARTNER_REMOVED"}, "access_taken", {"event": "PARTNER_ADDED"}),
                                       ("account_update", {"event": "PARTNER_APP_UNINSTALLED"}, "access_taken", {"event": "PARTNER_APP_INSTALLED"})):
        tell(shop, field, value, now - 50)
        assert news() == {}, field
        tell(shop, field, value)
        assert list(news()) == [finding], field
        assert ("<dt>Quality</dt>" in status_page(shop)) == (finding != "quality_low"), "a rating of before is shown"
        tell(shop, field, end)
        assert news() == {}, field
    shown = shop.connections()[0]["display_phone"]
    tell(shop, "security", {"event": "PIN_CHANGED", "display_phone_number": "1" + "".join(filter(str.isdigit, shown))})
    assert news() == {}  # another number of the account
    tell(shop, "security", {"event": "PIN_CHANGED", "display_phone_number": "".join(filter(str.isdigit, shown))})
    assert news() == {"pin_changed": "Meta says: PIN_CHANGED."}
    # What says nothing, and whose account is another's, changes nothing.
    tell(shop, "account_alerts", {"alert_info": {"alert_severity": "INFORMATIONAL", "alert_status": "ACTIVE"}})
    assert tell(shop, "account_update", {"event": "ACCOUNT_VIOLATION"}, account="1")["updates"][0]["verdict"] == "quarantined"
    for odd in ({}, {"event": 7}, {"event": "ACCOUNT_RESTRICTION", "restriction_info": 7}, {"event": "DISABLED_UPDATE"}, 7, []):
        tell(shop, "account_update", odd)
    assert set(news()) <= {"pin_changed", "account_restricted"}


def test_a_ban_shows_until_the_provider_says_otherwise(looked_at):
    shop = looked_at
    time.sleep(2)
    now = int(time.time())
    ban = lambda state, when: tell(shop, "account_update", {"event": "DISABLED_UPDATE", "ban_info": {
        "waba_ban_state": state}, "never": len(shop.events())}, when)  # none is known as seen before
    ban("DISABLE", now - 50)  # the provider was asked since
    assert shop.connection_status() == "active"
    ban("DISABLE", now - 1)
    assert shop.connection_status() == "blocked" and "number_blocked" in found(shop)
    assert "<dt>May send</dt>" not in status_page(shop), "what was answered before the ban"
    ban("REINSTATE", now - 2)  # of before
    assert shop.connection_status() == "blocked"
    ban("REINSTATE", now)
    assert shop.connection_status() == "active" and "number_blocked" not in found(shop)
    assert "<dt>May send</dt><dd>Yes</dd>" in status_page(shop)
    ban("DISABLE", now - 1)  # the same once more
    assert shop.connection_status() == "active"
    time.sleep(1.1)
    ban("DISABLE", now + 1)
    assert shop.connection_status() == "blocked"
    # Asked, the provider says that all is well: that goes before what was told, also if it is told again.
    shop.test()
    assert shop.connection_status() == "active" and "number_blocked" not in found(shop)
    ban("DISABLE", now + 1)
    assert shop.connection_status() == "active"


# ---------------------------------------------------------------- told to a platform

def test_every_update_is_told_to_a_platform_that_wants_it(asked_shop, platform, gateway):
    shop, platform.usual = asked_shop, empty()
    later = {"field": "field_of_next_year", "value": {"surprise": [1, {"a": "b"}], "big": 1.5}}
    picture = message("image", "wamid.P", image={"id": "1"})
    body = shop.envelope({"contacts": [{"wa_id": CUSTOMER, "user_id": USER}], "messages": [picture]})
    body["entry"] += [{"id": WABA, "time": 1790000000, "changes": [later]}]
    deliver(shop, body)
    assert gateway.api("GET", shop.path("responder")).json["all_updates"] is False
    assert shop.use_platform(platform, all_updates=True)["all_updates"] is True
    assert shop.use_platform(platform)["all_updates"] is True  # what is left out stays
    assert gateway.api("PUT", shop.path("responder"), {"kind": "none", "all_updates": True}).status == 400
    body["entry"][0]["changes"][0]["value"]["messages"][0]["id"] = "wamid.P2"
    body["entry"][1]["time"] += 1
    body["entry"] += shop.envelope({"message_echoes": [{"to": "16505550001", "id": "wamid.E", "type": "text"}]}, field="smb_message_echoes")["entry"]
    body["entry"] += shop.question("How much?", "wamid.Q", "16505550002")["entry"]
    body["entry"] += [{"id": WABA, "changes": [{"field": "account_update", "value": {"event": "X" * 70000}}]}]  # too long to be told
    deliver(shop, body)
    asks = platform.wait_asks(4)
    changes = [a.json["entry"][0]["changes"] for a in asks]
    assert all(len(a.json["entry"]) == 1 and len(c) == 1 and a.signed for a, c in zip(asks, changes))
    by = {c[0]["field"] if "messages" not in c[0]["value"] else c[0]["value"]["messages"][0]["type"]: (a, c[0]) for a, c in zip(asks, changes)}
    assert set(by) == {"field_of_next_year", "image", "smb_message_echoes", "text"}
    assert by["field_of_next_year"][1] == later and by["field_of_next_year"][0].json["entry"][0]["id"] == WABA
    image = by["image"][1]["value"]
    assert image["messages"] == [{**picture, "id": "wamid.P2"}] and image["contacts"][0]["user_id"] == USER
    assert image["metadata"]["phone_number_id"] == NUMBER
    assert by["smb_message_echoes"][1]["value"]["message_echoes"][0]["id"] == "wamid.E"
    time.sleep(0.5)
    assert len(platform.asks) == 4
