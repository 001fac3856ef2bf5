"""Goal of this test: every sample body that others published goes through, signed, and comes out as the
right number of updates: delivered, quarantined or duplicate, none lost."""
import json

import pytest

from conftest import SAMPLES, Shop, wait_for

FILES = sorted((SAMPLES / "payloads" / "meta").glob("*.json"))
# Of the arrays that a change may hold, those whose elements are updates of their own.
SPLIT = ("messages", "statuses", "message_echoes")


def updates(body):
    """How many updates the design (section 4) sees in a body; None: of unknown shape."""
    if not isinstance(body.get("entry"), list):
        return None
    count = 0
    for entry in body["entry"]:
        for change in entry.get("changes", []):
            value = change.get("value", {})
            parts = sum(len(value.get(k, [])) for k in SPLIT) if change.get("field", "messages") in (
                "messages", "smb_message_echoes", "message_echoes", "standby") else 0
            count += parts or 1
    return count


@pytest.mark.skipif(not FILES, reason="skipped: no samples")
def test_every_sample(gateway, provider):
    """All shops of the samples are one business here, with a connection for each number that is a number."""
    shop = Shop(gateway, provider, "Sample", "1122334455667", responder="catalogue", waba="1234567890987654321")
    for i, path in enumerate(FILES):
        body = json.loads(path.read_text())
        before = len(shop.events())
        assert shop.send(json.dumps(body).encode()).status == 200, path.name
        events = wait_for(lambda: [e for e in shop.events() if e["state"] != "accepted"]
                          if len(shop.events()) == before + 1 and all(e["state"] != "accepted" for e in shop.events()) else None)
        assert events, path.name
        newest = events[0]
        want = updates(body)
        total = newest["delivered"] + newest["quarantined"] + newest["duplicates"]
        if want is None:
            assert newest["state"] == "unparsed" and total == 0, path.name
        else:
            assert (newest["state"], total) == ("settled", want), (path.name, newest)
        ours = shop.number in path.read_text() or f'"{shop.waba}"' in path.read_text() or "partner_solutions" in path.name
        assert (newest["quarantined"] == 0) == (ours or want is None), (path.name, newest)
        if i >= 150:
            break
    again = json.loads(next(p for p in FILES if p.name.startswith("messages.text.pywa")).read_text())
    shop.send(json.dumps(again).encode())
    assert wait_for(lambda: shop.events()[0]["duplicates"] == 1)
