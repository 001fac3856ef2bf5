"""Meta's half of the fake provider: tokens, apps and numbers, sending, debug_token, and the registration of webhooks
with the handshake that Meta makes before it answers. What is delivered goes to what was registered, signed."""
import collections
import hashlib
import hmac
import json
import os
import re
import urllib.parse

from server import call

VERSIONED = re.compile(r"^/v\d+\.\d+/")
ROUTE = re.compile(r"^/v\d+\.\d+/(?P<node>\d+|debug_token)(?:/(?P<edge>messages|subscriptions|subscribed_apps))?$")

# The fields of webhooks that an app may subscribe.
FIELDS = set("""account_alerts account_review_update account_update automatic_events business_capability_update history
    message_template_components_update message_template_quality_update message_template_status_update messages
    partner_solutions payment_configuration_update phone_number_name_update phone_number_quality_update security
    smb_app_state_sync smb_message_echoes template_category_update user_preferences calls flows message_echoes
    messaging_handovers standby group_lifecycle_update group_participants_update group_settings_update
    group_status_update account_settings_update consumer_profile user_id_update business_username_updates
    tracking_events template_correct_category_detection""".split())
# Of these a WABA's own address gets.
OVERRIDABLE = {"messages", "message_echoes", "calls", "consumer_profile", "messaging_handovers", "group_lifecycle_update",
               "group_participants_update", "group_settings_update", "group_status_update", "smb_message_echoes",
               "smb_app_state_sync", "history", "account_settings_update"}
OVERRIDE_MAX = 200

Delivery = collections.namedtuple("Delivery", "url status body")


def error(code, message, subcode=None, details=None, transient=None, kind="OAuthException"):
    document = {"message": message, "type": kind, "code": code, "fbtrace_id": "AbCdEf0123"}
    if subcode is not None:
        document["error_subcode"] = subcode
    if details is not None:
        document["error_data"] = {"messaging_product": "whatsapp", "details": details}
    if transient is not None:
        document["is_transient"] = transient
    return {"error": document}


def message_fault(body):
    """What Meta says to a body that is no message; None: it is one."""
    if not isinstance(body, dict) or body.get("messaging_product") != "whatsapp":
        return error(100, "(#100) The parameter messaging_product is required.")
    if not (body.get("to") or body.get("recipient")) or not isinstance(body.get(body.get("type", "")), (dict, list)):
        return error(131008, "(#131008) Required parameter is missing")
    return None


def handshake(url, verify_token):
    """Whether the address answers a challenge as it must."""
    challenge = str(int.from_bytes(os.urandom(4), "big"))
    query = urllib.parse.urlencode({"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token})
    return call(f"{url}?{query}") == (200, challenge.encode())


class Graph:
    name = "meta"

    def __init__(self, house):
        self._house = house
        self._tokens = {}
        self._numbers = {}
        self._wabas = {}  # of numbers
        self.apps = {}  # app id: {"secret", "callback", "verify_token", "fields"}
        self.subscribed = {}  # WABA: {app id: its override there, or None}

    def add_token(self, token, numbers, app_id="4242", app_secret="0123456789abcdef0123456789abcdef", waba_ids=(),
                  scopes=("whatsapp_business_messaging", "whatsapp_business_management"), expires_at=0):
        with self._house.lock:
            self._tokens[token] = {"numbers": list(numbers), "app_id": app_id, "waba_ids": list(waba_ids),
                                   "scopes": list(scopes), "expires_at": expires_at, "valid": True}
            self.apps.setdefault(app_id, {"callback": None, "verify_token": None, "fields": []})["secret"] = app_secret
            for number in numbers:
                if waba_ids:
                    self._wabas[number] = waba_ids[0]
                self._numbers.setdefault(number, {
                    "id": number, "display_phone_number": f"+1 555-{number[-7:]}", "verified_name": "Test Shop",
                    "quality_rating": "GREEN", "code_verification_status": "VERIFIED", "platform_type": "CLOUD_API",
                    "throughput": {"level": "STANDARD"}})

    def describe_number(self, number, **fields):
        with self._house.lock:
            self._numbers[number].update(fields)

    def revoke(self, token):
        with self._house.lock:
            self._tokens[token]["valid"] = False

    def set_callback(self, app_id, url):
        """As somebody else's tool would have left it."""
        with self._house.lock:
            self.apps[app_id].update(callback=url, verify_token="theirs", fields=["messages"])

    def override(self, waba, app_id):
        """The address that this WABA has of its own for that app, or None."""
        with self._house.lock:
            return self.subscribed.get(waba, {}).get(app_id)

    # ------------------------------------------------------------ webhooks

    def deliver(self, number, value, field="messages"):
        """To every app that is subscribed to the number's WABA: there, or at the app's callback."""
        with self._house.lock:
            waba = self._wabas[number]
            targets = [(override if override and field in OVERRIDABLE else self.apps[app_id]["callback"],
                        self.apps[app_id]["secret"]) for app_id, override in self.subscribed.get(waba, {}).items()
                       if field in self.apps[app_id]["fields"] or override]
        metadata = {"display_phone_number": "15550783881", "phone_number_id": number}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": waba, "changes": [
            {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}]}]}).encode()
        return [Delivery(url, *call(url, "POST", body, {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}))
            for url, secret in targets if url]

    # ------------------------------------------------------------ answers

    def who(self, path, headers):
        """The node that a request is about, and the token it comes with."""
        route = ROUTE.match(path)
        value = headers.get("Authorization") or ""
        return route.group("node") if route else None, value[7:] if value.startswith("Bearer ") else None

    def answer(self, method, path, query, body, token):
        route = ROUTE.match(path)
        if route is None:
            return 404, error(2500, "Unknown path components")
        node, edge = route.group("node"), route.group("edge")
        with self._house.lock:
            holder = self._tokens.get(token)
        if node == "debug_token":
            return self._debug_token(query, token)
        if edge == "subscriptions":
            return self._subscriptions(method, node, body, token)
        if holder is None or not holder["valid"]:
            return 401, error(190, "Error validating access token: Session has expired", 463)
        if edge == "messages" and method == "POST":
            return self._message(node, body, holder)
        if edge == "subscribed_apps":
            return self._subscribed_apps(method, node, body, holder)
        if edge is None and method == "GET":
            return self._node(node, query, holder)
        return 400, error(100, "Unsupported request")

    @staticmethod
    def _missing(node):
        return 400, error(100, f"Unsupported request. Object with ID '{node}' does not exist", 33)

    def _message(self, number, body, holder):
        if number not in holder["numbers"]:
            return self._missing(number)
        fault = message_fault(body)
        return (400, fault) if fault else (200, self._house.accept(self.name, number, body))

    def _node(self, number, query, holder):
        with self._house.lock:
            known = dict(self._numbers.get(number, {}))
        if not known or number not in holder["numbers"]:
            return self._missing(number)
        wanted = (query.get("fields") or ["id,display_phone_number,verified_name,quality_rating"])[0].split(",")
        return 200, {key: known[key] for key in dict.fromkeys(wanted + ["id"]) if key in known}

    def _app_token(self, token):
        """The app whose id and secret make this token, or None."""
        app_id, _, secret = (token or "").partition("|")
        with self._house.lock:
            return app_id if secret and self.apps.get(app_id, {}).get("secret") == secret else None

    def _debug_token(self, query, token):
        if self._app_token(token) is None:
            return 400, error(190, "Invalid OAuth access token signature.")
        with self._house.lock:
            asked = self._tokens.get((query.get("input_token") or [""])[0])
        if asked is None:
            return 200, {"data": {"is_valid": False, "scopes": [], "error": {
                "code": 190, "message": "Malformed access token", "subcode": 467}}}
        targets = {"target_ids": asked["waba_ids"]} if asked["waba_ids"] else {}
        return 200, {"data": {
            "app_id": asked["app_id"], "type": "SYSTEM_USER", "application": "Test App", "data_access_expires_at": 0,
            "expires_at": asked["expires_at"], "is_valid": asked["valid"], "issued_at": 1700000000,
            "scopes": asked["scopes"], "user_id": "1000",
            "granular_scopes": [{"scope": s, **targets} for s in asked["scopes"]]}}

    def _subscriptions(self, method, app_id, body, token):
        """An app's one callback."""
        if self._app_token(token) != app_id:
            return 400, error(190, "Invalid OAuth access token signature.")
        app = self.apps[app_id]
        if method == "GET":
            with self._house.lock:
                return 200, {"data": [] if app["callback"] is None else [{
                    "object": "whatsapp_business_account", "callback_url": app["callback"], "active": True,
                    "fields": [{"name": f, "version": "v26.0"} for f in app["fields"]]}]}
        body = body if isinstance(body, dict) else {}
        fields = str(body.get("fields", "")).split(",")
        url, verify_token = body.get("callback_url"), body.get("verify_token")
        if body.get("object") != "whatsapp_business_account" or not url or not verify_token:
            return 400, error(100, "(#100) The parameters object, callback_url and verify_token are required.")
        if not set(fields) <= FIELDS:
            return 400, error(100, f"(#100) Param fields must be a subset of {sorted(FIELDS)}")
        if not handshake(url, verify_token):
            return 400, error(2200, "(#2200) Callback verification failed")
        with self._house.lock:
            app.update(callback=url, verify_token=verify_token, fields=fields)
        return 200, {"success": True}

    def _subscribed_apps(self, method, waba, body, holder):
        """Which apps get this WABA's webhooks, and where, if not at their callback."""
        app_id = holder["app_id"]
        if holder["waba_ids"] and waba not in holder["waba_ids"]:
            return self._missing(waba)
        if method == "GET":
            with self._house.lock:
                return 200, {"data": [{"whatsapp_business_api_data": {
                    "id": app, "name": "Test App", "link": f"https://www.facebook.com/games/?app_id={app}"},
                    **({"override_callback_uri": override} if override else {})}
                    for app, override in self.subscribed.get(waba, {}).items()]}
        body = body if isinstance(body, dict) else {}
        override = body.get("override_callback_uri")
        if override is not None and (len(override) > OVERRIDE_MAX or not body.get("verify_token")):
            return 400, error(100, "(#100) Invalid parameter")
        if override is not None and not handshake(override, body["verify_token"]):
            return 400, error(2200, "(#2200) Callback verification failed")
        with self._house.lock:
            self.subscribed.setdefault(waba, {})[app_id] = override
        return 200, {"success": True}
