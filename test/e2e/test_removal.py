"""Goal of this test: of a business that is removed the keys leave every file, also when somebody was reading, and a removal
that was cut short is carried on to its end."""
import sqlite3

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
