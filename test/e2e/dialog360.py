"""360dialog's half of the fake provider: keys, each bound to one number, so that no path names one; health_status, the
webhook of a number, sending. It keeps its own form of errors, and delivers to what was registered, with the headers
that were asked for."""
import hashlib
import hmac
import json

import graph
from server import call


def error(http, text, details=()):
    return {"meta": {"success": False, "http_code": http, "developer_message": text, "details": list(details)}}


class Dialog360:
    name = "360dialog"

    def __init__(self, house):
        self._house = house
        self._keys = {}

    def add_key(self, key, number, waba_id="880000000000001", display_phone_number="+49 30 901820", health="AVAILABLE",
                webhook=None, platform_secret=None, tells_id=True):
        """A new key of a number ends the older ones, and its webhook has to be set again (webhook: a foreign one that
        is there). tells_id: health_status has the number at the top, as newer versions do."""
        with self._house.lock:
            for known in self._keys.values():
                if known["number"] == number:
                    known["valid"] = False
            self._keys[key] = {"number": number, "waba_id": waba_id, "display_phone_number": display_phone_number,
                               "health": health, "platform_secret": platform_secret, "tells_id": tells_id, "valid": True,
                               "webhook": {"url": webhook, "headers": {}} if webhook else None, "deaf": False}

    def change(self, number, **fields):
        """health=, platform_secret=, webhook={"url", "headers"} or None; deaf=True: it answers 200 to a new webhook and
        keeps the old one."""
        with self._house.lock:
            self._of(number).update(fields)

    def revoke(self, key):
        with self._house.lock:
            self._keys[key]["valid"] = False

    def knows(self, key):
        with self._house.lock:
            return key in self._keys

    def has_number(self, number):
        with self._house.lock:
            return any(k["number"] == number for k in self._keys.values())

    def webhook(self, number):
        """{"url", "headers"} as set now, or None."""
        with self._house.lock:
            return self._of(number)["webhook"]

    def _of(self, number):
        return next(k for k in reversed(self._keys.values()) if k["number"] == number)

    # ------------------------------------------------------------ webhooks

    def deliver(self, number, value, prefix="", headers=None):
        """To the number's webhook with its headers, signed where there is a platform secret: bare hex, or after
        prefix."""
        with self._house.lock:
            known = dict(self._of(number))
        body = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": known["waba_id"], "changes": [
            {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": {
                "display_phone_number": known["display_phone_number"].strip("+").replace(" ", ""),
                "phone_number_id": number}, **value}}]}]}).encode()
        send = {"Content-Type": "application/json", **known["webhook"]["headers"], **(headers or {})}
        if known["platform_secret"]:
            send["x-360dialog-signature"] = prefix + hmac.new(
                known["platform_secret"].encode(), body, hashlib.sha256).hexdigest()
        return [graph.Delivery(known["webhook"]["url"], *call(known["webhook"]["url"], "POST", body, send))]

    # ------------------------------------------------------------ answers

    def who(self, path, headers):
        """The number that the request's key is bound to, and the key."""
        key = headers.get("D360-API-KEY")
        with self._house.lock:
            known = self._keys.get(key)
        return known["number"] if known else None, key

    def answer(self, method, path, query, body, key):
        with self._house.lock:
            known = self._keys.get(key)
        if known is None or not known["valid"]:
            return 401, error(401, "Invalid API key")
        if (method, path) == ("POST", "/messages"):
            fault = graph.message_fault(body)
            return (400, fault) if fault else (200, self._house.accept(self.name, known["number"], body))
        if (method, path) == ("GET", "/health_status"):
            return 200, self._health(known, query)
        if path == "/v1/configs/webhook":
            return self._webhook(method, known, body)
        return 403, error(403, "URL blocked")

    @staticmethod
    def _health(known, query):
        fields = {"display_phone_number": known["display_phone_number"], "verified_name": "Test Shop",
                  "quality_rating": "GREEN", "name_status": "APPROVED"}
        wanted = ",".join(query.get("fields", [])).split(",")
        entities = [("PHONE_NUMBER", known["number"]), ("WABA", known["waba_id"]), ("BUSINESS", "2729063490586005"),
                    ("APP", "9876543210")]
        return {**{f: fields[f] for f in wanted if f in fields},
                "health_status": {"can_send_message": known["health"], "entities": [
                    {"entity_type": kind, "id": one, "can_send_message": known["health"]} for kind, one in entities]},
                **({"id": known["number"]} if known["tells_id"] else {})}

    def _webhook(self, method, known, body):
        if method == "POST":
            if not isinstance(body, dict) or not isinstance(body.get("url"), str) or \
                    not all(isinstance(v, str) for v in body.get("headers", {}).values()):
                return 400, error(400, "Bad request", ["url: required"])
            with self._house.lock:
                if not known["deaf"]:
                    known["webhook"] = {"url": body["url"], "headers": body.get("headers", {})}
            return 200, {"url": body["url"], "headers": body.get("headers", {})}
        with self._house.lock:
            return 200, known["webhook"] or {"url": "", "headers": {}}
