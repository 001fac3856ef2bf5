"""Goal of this test: however much waits, a restart takes webhooks again within two seconds. A million events that are not
split yet, a million messages that are to go out and a million questions to a responder lie in the database of a gateway that
was killed, and before them webhooks of a thousand updates each.

Takes a minute or two: with KH_SLOW only, as in make test-slow. KH_BACKLOG: other than a million."""
import os
import pathlib
import sqlite3
import statistics
import sys
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from conftest import Gateway, Shop, wait_for  # noqa: E402
from provider import Provider  # noqa: E402

ROWS = int(os.environ.get("KH_BACKLOG", "1000000"))
BATCHES, UPDATES = ROWS // 1000, 1000
FIRST_S = 2.0
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) "
# Ids that nothing else has: what is sealed was sealed for its own id, so that a copied event is one that does not open.
COPY_EVENTS = NUMBERS + """INSERT INTO events (id, business_id, connection_id, state, received_at, body)
    SELECT printf('e%025d', i), business_id, connection_id, 1, received_at, body FROM n, (SELECT * FROM events LIMIT 1)"""
COPY_MESSAGES = NUMBERS + """INSERT INTO messages (id, business_id, connection_id, number, direction, state, type, conversation,
    awaits, created_at, updated_at, next_at, attempts, error_code, reason, content)
    SELECT printf('m%025d', i), business_id, connection_id, number, 2, 2, type, CAST(printf('%016d', i / 4) AS BLOB),
    0, created_at, updated_at, 0, 0, 0, '', content FROM n, (SELECT * FROM messages LIMIT 1)"""
COPY_ASKS = NUMBERS + """INSERT INTO asks (id, business_id, kind, message_id, connection_id, number, conversation, created_at)
    SELECT printf('a%025d', i), business_id, 1, id, connection_id, number, CAST(printf('%016d', i / 4) AS BLOB), created_at
    FROM n, (SELECT * FROM messages LIMIT 1)"""


def backlog(gateway):
    db = sqlite3.connect(next(gateway.data.glob("*.db")), isolation_level=None)
    db.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -400000")
    for copy in (COPY_EVENTS, COPY_MESSAGES, COPY_ASKS):
        began = time.monotonic()
        db.execute("BEGIN")
        db.execute(copy, {"rows": ROWS})
        db.execute("COMMIT")
        print(f"backlog: {ROWS} {copy.split('INTO ')[1].split()[0]} in {time.monotonic() - began:.1f} s", flush=True)
    waits = db.execute("SELECT count(*) FROM events WHERE state = 1").fetchone()[0]
    db.close()
    print(f"backlog: {waits} events wait", flush=True)
    assert waits >= ROWS + BATCHES / 10, "the batches were to wait, too"
    os.sync()  # else the next start would wait for what this wrote without waiting


def batch(shop, n):
    value = shop.envelope({})
    change = value["entry"][0]["changes"][0]
    change["value"]["contacts"] = [{"wa_id": "16505551234", "profile": {"name": "Kerry"}}]
    change["value"]["messages"] = [{"from": "16505551234", "id": f"wamid.batch.{n}.{i}", "timestamp": "1753900000", "type": "text",
                                    "text": {"body": "Hello"}} for i in range(UPDATES)]
    return value


def first_200(gateway, shop, which):
    """Seconds from the start of the program."""
    log = gateway.data / "keyhouse.db-wal"
    log_mb = log.stat().st_size / 1e6 if log.exists() else 0
    began = time.monotonic()
    gateway.start(wait=False)
    refused = 0

    def accepted():
        nonlocal refused
        try:
            status = shop.send(shop.question("Hello", f"wamid.first.{which}")).status
        except OSError:
            return False
        refused += status == 503
        return status == 200
    assert wait_for(accepted, timeout=60, every=0.01), gateway.log_text()[-3000:]
    took = time.monotonic() - began
    print(f"backlog: first 200 after {took:.2f} s, {refused} times 503 before ({which}; a log of {log_mb:.1f} MB)", flush=True)
    return took


@pytest.mark.skipif("KH_SLOW" not in os.environ, reason="takes minutes")
def test_a_backlog_does_not_hold_up_the_start():
    with tempfile.TemporaryDirectory(prefix="kh-") as directory, Provider() as provider:
        gateway = Gateway(directory, provider.url).start()
        try:
            shop = Shop(gateway, provider, "Paul's Electronics", "106540352242922")
            assert shop.send(shop.question("Hello", "wamid.0")).status == 200
            assert wait_for(lambda: shop.messages(direction="inbound"))
            gateway.stop()
            usual = first_200(gateway, shop, "nothing waits")
            for n in range(BATCHES):
                assert wait_for(lambda: shop.send(batch(shop, n)).status == 200)  # a busy machine is a reason to be asked again
            gateway.kill()
            backlog(gateway)
            times = [first_200(gateway, shop, "all of that waits")]
            for n in range(5):
                time.sleep(1)
                gateway.kill()
                times.append(first_200(gateway, shop, f"killed again {n}"))
        finally:
            gateway.kill()
    # Splitting a webhook of a thousand updates holds up the writer: on a busy machine one that comes meanwhile may be asked
    # to come again, which is no matter of the start.
    assert times[0] < FIRST_S and statistics.median(times) < FIRST_S, (usual, times)
