"""Goal of this test: of a business that is removed the keys leave every file, also when somebody was reading, and a removal
that was cut short is carried on to its end."""
import hashlib
import sqlite3
import threading

from conftest import wait_for


def wrapped_keys(gateway, business):
    with sqlite3.connect(f"file:{gateway.data}/keyhouse.db?mode=ro", uri=True, timeout=10) as db:
        return [k for (k,) in db.execute("SELECT wrapped FROM tenant_keys WHERE business_id = ?", (business,))]


def files_with(gateway, keys):
    return [p.name for p in gateway.data.iterdir() if p.is_file() and any(k in p.read_bytes() for k in keys)]


def test_keys_leave_the_log_after_a_reader(gateway, shop):
    keys = wrapped_keys(gateway, shop.id)
    assert len(keys) == 3
    reader = sqlite3.connect(f"file:{gateway.data}/keyhouse.db?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM businesses").fetchall()
    answer = gateway.api("DELETE", shop.path())
    assert answer.status == 200 and answer.json["flushed"] is False
    assert files_with(gateway, keys)
    assert "the write-ahead log was emptied" not in gateway.log_text()
    reader.execute("COMMIT")
    # Nothing is written any more, and nobody asks again.
    assert wait_for(lambda: not files_with(gateway, keys), 3)
    assert wait_for(lambda: "the write-ahead log was emptied" in gateway.log_text(), 2)
    reader.close()


# How many marks of messages seen a large shop has: its removal takes seconds.
MARKS = 300_000


def rows(gateway, sql, *values):
    with sqlite3.connect(f"file:{gateway.data}/keyhouse.db?mode=ro", uri=True, timeout=10) as db:
        return db.execute(sql, values).fetchall()


def killed_while_removing(gateway, shop):
    """Kills the service once the keys are gone; gives their ids, as a receipt would have them, and what it was told to do."""
    ids = [hashlib.blake2b(k, digest_size=32).hexdigest()[:16] for k in wrapped_keys(gateway, shop.id)]
    assert len(ids) == 3
    gateway.stop()
    with sqlite3.connect(gateway.data / "keyhouse.db") as db:
        db.execute("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
                   "INSERT INTO seen (business_id, key, at) SELECT ?, CAST(printf('%016d', i) AS BLOB), unixepoch() * 1000 FROM n",
                   (MARKS, shop.id))
    gateway.start()

    def remove():
        try:
            gateway.api("DELETE", shop.path())
        except OSError:
            pass  # killed

    asking = threading.Thread(target=remove)
    asking.start()
    assert wait_for(lambda: not rows(gateway, "SELECT 1 FROM tenant_keys WHERE business_id = ?", shop.id), every=0.002)
    gateway.kill()
    asking.join()
    assert rows(gateway, "SELECT name FROM businesses WHERE id = ?", shop.id), "it is not over when it was killed"
    return ids


def assert_removed(gateway, shop, ids):
    for table in ("businesses", "seen", "connections", "products", "messages"):
        column = "id" if table == "businesses" else "business_id"
        assert rows(gateway, f"SELECT count(*) FROM {table} WHERE {column} = ?", shop.id) == [(0,)], table
    found = rows(gateway, "SELECT actor, action, subject, purpose FROM audit WHERE business_id = ? ORDER BY seq DESC LIMIT 4", shop.id)
    assert found[0] == ("keyhouse", "business_removed", "", "")
    assert [r[1:] for r in reversed(found[1:])] == [("keys_destroyed", key, f"{purpose}, version 1") for key, purpose in
                                                    zip(ids, ("credential", "content", "index"))]
    assert gateway.run("verify", "--audit").returncode == 0


def test_a_killed_removal_ends_after_the_next_start(gateway, shop):
    ids = killed_while_removing(gateway, shop)
    gateway.start()
    # Ready before it is done, and nobody finds the business meanwhile.
    left = rows(gateway, "SELECT count(*) FROM seen WHERE business_id = ?", shop.id)[0][0]
    assert left > 0
    assert gateway.api("PATCH", shop.path(), {"status": "active"}).status == 404
    assert gateway.api("DELETE", shop.path()).status == 404
    assert gateway.api("POST", shop.path("connections"), {"provider": "meta"}).status == 404
    question = shop.question("How much is AirPods Pro 2?", "wamid.late")
    assert shop.send(question).status == gateway.webhook("nobody", question, shop.app_secret).status != 200
    listed = gateway.api("GET", "/v1/businesses")
    assert listed.status == 200 and shop.id not in listed.body.decode()
    assert rows(gateway, "SELECT 1 FROM businesses WHERE id = ?", shop.id), "all that was asked while it went on"
    assert wait_for(lambda: f"carried on to its end: business removed, its keys are destroyed business={shop.id}" in
                    gateway.log_text(), 60)
    assert_removed(gateway, shop, ids)


def test_a_killed_removal_ends_with_a_command(gateway, shop):
    ids = killed_while_removing(gateway, shop)
    gateway.run("business", "list")
    assert_removed(gateway, shop, ids)
