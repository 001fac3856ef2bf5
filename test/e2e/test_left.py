"""Goal of this test: what a command that was killed left in the data directory, keys and all, goes at the next start or
command; what a running one has stays, and so does every file that is not ours."""
import fcntl
import os
import signal
import sqlite3
import subprocess

from conftest import BINARY, ROOT, wait_for

OURS = ["verify-4711.db", "verify-4711.db-wal", "verify-4711.db-shm", "verify-1.db", "restoring.db", "restoring.db-wal",
        "restoring.db-journal"]
NOT_OURS = ["verify-.db", "verify-12.db.bak", "verify-12x.db", "verify-12.db-old", "restoring.db.bak", "before-restore-1.db",
            "my-verify-12.db", "master.key.new", "master.key.keyhouse-draft.1"]


def litter(gateway, names):
    for name in names:
        (gateway.data / name).write_bytes(b"keys")


def lying(gateway, names):
    return [n for n in names if (gateway.data / n).exists()]


def key_file(gateway):
    return next(p for p in gateway.data.iterdir() if p.name.endswith(".key"))


def test_a_start_removes_what_was_left(gateway):
    gateway.stop()
    draft = key_file(gateway).name + ".keyhouse-draft"
    ours = [*OURS, draft]
    litter(gateway, [*ours, *NOT_OURS])
    (gateway.data / "verify-13.db").symlink_to("keyhouse.db")
    (gateway.data / "verify-14.db").mkdir()
    gateway.start()
    assert lying(gateway, ours) == []
    assert lying(gateway, NOT_OURS) == NOT_OURS
    assert (gateway.data / "verify-13.db").is_symlink() and (gateway.data / "verify-14.db").is_dir()
    for name in ours:
        assert f"removed what a command that was killed left: {gateway.data / name}\n" in gateway.log_text()


def test_so_does_a_command_off_line(gateway):
    gateway.stop()
    litter(gateway, [*OURS, *NOT_OURS])
    gateway.run("token", "list")
    assert lying(gateway, OURS) == [] and lying(gateway, NOT_OURS) == NOT_OURS


def test_what_is_in_use_stays(gateway):
    """Whoever has a copy holds a lock, and whoever writes a key file one of its directory."""
    gateway.stop()
    draft = key_file(gateway).name + ".keyhouse-draft"
    litter(gateway, [*OURS, draft])
    copies = os.open(gateway.data / "copies", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(copies, fcntl.LOCK_SH)
    directory = os.open(gateway.data, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    in_use = [n for n in OURS if n.startswith("verify-")] + [draft]
    gateway.start()
    assert lying(gateway, [*OURS, draft]) == in_use
    os.close(copies)
    os.close(directory)
    gateway.stop()
    gateway.start()
    assert lying(gateway, in_use) == []


def older_backup(path):
    """A database of the version before: looked at in a copy that is brought up to date."""
    with sqlite3.connect(path) as db:
        for migration in sorted((ROOT / "migrations").glob("000[1-4]*.sql")):
            db.executescript(migration.read_text())
        db.execute("INSERT INTO meta (key, value) VALUES ('deployment_id', '0123456789abcdefghjkmnpqrs')")
        db.execute("PRAGMA application_id = 0x4b657968")
        db.execute("PRAGMA user_version = 4")


def test_a_running_verify_keeps_its_copy(gateway):
    older = gateway.dir / "older.db"
    older_backup(older)
    verify = subprocess.Popen([BINARY, "verify", "--backup", str(older), *gateway.arguments()], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    copy = gateway.data / f"verify-{verify.pid}.db"
    assert wait_for(copy.exists, 5, every=0.0005)
    verify.send_signal(signal.SIGSTOP)
    assert copy.exists(), "it is looked at while it is there"
    gateway.stop()
    gateway.start()
    gateway.run("verify", "--backup", str(older), check=False)
    assert copy.exists() and "removed what" not in gateway.log_text()
    verify.kill()
    verify.wait()
    assert copy.exists()
    # The next of its kind removes it, also while the service runs.
    gateway.run("verify", "--backup", str(older), check=False)
    assert not list(gateway.data.glob("verify-*"))
    gateway.stop()


def test_a_key_file_is_written_without_a_name(gateway):
    """So that a kill leaves nothing: until it is whole there is no file."""
    seen, place = set(), gateway.dir / "place"
    place.mkdir()
    command = subprocess.Popen([BINARY, "key", "rotate", "--master", "--to", str(place / "new.key"), *gateway.arguments()],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while command.poll() is None:
        seen |= {p.name for p in place.iterdir()}
    assert command.returncode == 0, command.stderr.read()
    assert seen <= {"new.key"} and [p.name for p in place.iterdir()] == ["new.key"]
    assert (place / "new.key").stat().st_mode & 0o7777 == 0o600
    again = gateway.run("key", "rotate", "--master", "--to", str(place / "new.key"), check=False)
    assert again.returncode != 0, "never over a file that is there"
