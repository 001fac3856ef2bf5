"""Goal of this test: where the master key may come from and where not, each refusal in one sentence; and that a recovery
kit on paper brings it back, to its passphrase alone."""
import base64
import hashlib
import json
import os
import pty
import re
import select
import shutil
import stat
import struct
import subprocess
import time

import pytest

from conftest import BINARY, Gateway, Shop

PASSPHRASE = "correct horse battery staple"
SERVICE = 65534  # nobody: a user who is not root


def key_of(gateway):
    return gateway.data / "master.key"


@pytest.fixture
def still(directory):
    """A data directory that no service uses."""
    os.chmod(directory, 0o755)
    g = Gateway(directory, "http://127.0.0.1:9")
    g.run("init")
    return g


def passphrase_file(gateway, text=PASSPHRASE):
    path = gateway.dir / "passphrase"
    path.write_text(text + "\n")
    return f"--passphrase-file={path}".split("=")


def make_kit(gateway, *more, text=PASSPHRASE):
    return gateway.run("key", "kit", *passphrase_file(gateway, text), *more).stdout


def lines_of(page):
    return re.findall(r"^ *(\d+/\d+ .*)$", page, re.M)


def restore(gateway, page, *more, text=PASSPHRASE, check=True):
    path = gateway.dir / "page"
    path.write_text(page)
    return gateway.run("restore-key", path, *passphrase_file(gateway, text), *more, check=check)


def one_sentence(done, *parts):
    assert done.returncode == 1 and done.stdout == "", (done.returncode, done.stdout, done.stderr)
    said = done.stderr.strip().splitlines()
    assert len(said) == 1 and said[0].startswith("keyhouse: "), said
    for part in parts:
        assert part in said[0], (part, said)


# ------------------------------------------------------------ the kit

def test_a_kit_brings_the_key_back(gateway, provider):
    """While the service runs; and the restored key opens what was sealed."""
    shop = Shop(gateway, provider, "Paul", "106540352242922", responder="none")
    page = make_kit(gateway)
    assert len(lines_of(page)) == 8
    key_id = re.search(r"current ([0-9a-f]{16}) ", key_of(gateway).read_text()).group(1)
    assert f"master key    {key_id}\n" in page and time.strftime("%Y", time.gmtime()) in page
    assert PASSPHRASE not in page and key_of(gateway).read_text().split()[-1] not in page
    gateway.stop()
    before = key_of(gateway).read_bytes()
    key_of(gateway).unlink()
    done = restore(gateway, page)
    assert key_id in done.stdout and "It is the key of the database" in done.stdout
    assert key_of(gateway).read_bytes() == before and stat.S_IMODE(key_of(gateway).stat().st_mode) == 0o600
    assert not list(gateway.data.glob("*.new"))
    gateway.start()
    assert shop.send(shop.question("hello", "wamid.1")).status == 200


def test_the_code_holds_the_same(still):
    """The code as it is printed, read by a program that reads codes."""
    zbar = pytest.importorskip("pyzbar.pyzbar")
    from PIL import Image
    page = make_kit(still)
    rows = page[page.index("scan:") + 5:].strip("\n").split("\n")
    width = max(map(len, rows))
    dots = []
    for row in rows:
        row = row.ljust(width)
        dots.append([c in "█▀" for c in row])
        dots.append([c in "█▄" for c in row])
    image = Image.new("L", (width * 6, len(dots) * 6), 255)
    for y, line in enumerate(dots):
        for x, dot in enumerate(line):
            if dot:
                image.paste(0, (x * 6, y * 6, x * 6 + 6, y * 6 + 6))
    found = zbar.decode(image)
    assert len(found) == 1
    text = found[0].data.decode()
    assert text.replace(" ", "") == "+".join(lines_of(page)).replace(" ", "")
    key_of(still).rename(still.dir / "old")
    restore(still, text)
    assert key_of(still).read_bytes() == (still.dir / "old").read_bytes()


def test_slips_are_named(still):
    page = make_kit(still, "--no-qr")
    assert "scan" not in page
    key_of(still).rename(still.dir / "old")
    lines = lines_of(page)
    slip = list(lines)
    slip[4] = slip[4][:-1] + ("X" if slip[4][-1] != "X" else "Y")
    one_sentence(restore(still, "\n".join(slip), check=False), "line 5", "letter by letter")
    one_sentence(restore(still, "\n".join(lines[:-1]), check=False), "line 8 is missing")
    one_sentence(restore(still, "\n".join([lines[1], lines[0], *lines[2:]]), check=False), "line 1", "order")
    one_sentence(restore(still, "no kit at all", check=False), "no recovery kit")
    one_sentence(restore(still, page, text="wrong horse battery staple", check=False), "passphrase")
    one_sentence(still.run("restore-key", still.dir / "nothing", check=False), "cannot read")
    one_sentence(still.run("restore-key", "-", stdin=page, check=False), "--passphrase-file")
    assert not key_of(still).exists() and not list(still.data.glob("*.new"))
    still.run("restore-key", *passphrase_file(still), stdin="\n".join(lines).lower().replace(" ", "  "))
    assert key_of(still).read_bytes() == (still.dir / "old").read_bytes()


def test_never_over_a_key_file(still):
    page = make_kit(still)
    before = key_of(still).read_bytes()
    one_sentence(restore(still, page, check=False), "already", "--out")
    (still.dir / "link").symlink_to(still.dir / "nowhere")
    one_sentence(restore(still, page, "--out", still.dir / "link", check=False), "already")
    done = restore(still, page, "--out", still.dir / "other")
    assert (still.dir / "other").read_bytes() == before == key_of(still).read_bytes()
    assert str(still.dir / "other") in done.stdout


def test_the_kit_of_another_installation(still, directory):
    """No key file is made of it that would stand in the right kit's way; elsewhere it is, and said."""
    os.mkdir(directory + "/o")
    other = Gateway(directory + "/o", "http://127.0.0.1:9")
    other.run("init")
    page, own = make_kit(other), make_kit(still)
    key_of(still).rename(still.dir / "old")
    one_sentence(restore(still, page, check=False), "kit of another master key", "this installation", "--out FILE")
    assert not key_of(still).exists() and not list(still.data.glob("*.new"))
    done = restore(still, page, "--out", still.dir / "elsewhere")
    assert "under another master key" in done.stderr
    assert (still.dir / "elsewhere").read_bytes() == key_of(other).read_bytes()
    restore(still, own)
    assert key_of(still).read_bytes() == (still.dir / "old").read_bytes()


def test_a_kit_from_after_a_new_key(still):
    """The database may be older than the kit: one of the previous keys is its key."""
    shutil.copy(still.data / "keyhouse.db", still.dir / "kept")
    still.run("key", "rotate", "--master")
    page = make_kit(still)
    key_of(still).unlink()
    for old in still.data.glob("keyhouse.db*"):
        old.unlink()
    shutil.copy(still.dir / "kept", still.data / "keyhouse.db")
    assert "one of the previous ones" in restore(still, page).stdout


def test_weak_passphrases_are_refused(still):
    for text in ("", "elevenchars", "ελληνικά..."):
        one_sentence(still.run("key", "kit", *passphrase_file(still, text), check=False), "12 characters")
    one_sentence(still.run("key", "kit", *passphrase_file(still, "x" * 2000), check=False), "1024")
    assert "8/8" in still.run("key", "kit", stdin="twelve chars\n").stdout, "a line on standard input"


def talk(gateway, *words, answers):
    """Runs a command at a terminal, typing an answer after each prompt; all that the terminal shows."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(BINARY, [str(BINARY), *map(str, words), *gateway.arguments()])
    shown = b""
    for prompt, answer in [*answers, (None, None)]:
        end = time.monotonic() + 30
        start = len(shown)
        while time.monotonic() < end:
            if prompt is not None and prompt.encode() in shown[start:]:
                break
            if select.select([fd], [], [], 0.2)[0]:
                try:
                    piece = os.read(fd, 65536)
                except OSError:
                    piece = b""
                if not piece:
                    break
                shown += piece
        if answer is not None:
            time.sleep(0.1)  # the echo is off before the prompt is there
            os.write(fd, answer.encode() + b"\n")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode(errors="replace").replace("\r\n", "\n")


def test_at_a_terminal(still):
    """A passphrase is asked for twice and never shown; Enter has one made, which is; and both open the kit."""
    status, shown = talk(still, "key", "kit", answers=[("Enter for one", PASSPHRASE), ("same again", PASSPHRASE)])
    assert status == 0 and PASSPHRASE not in shown and len(lines_of(shown)) == 8
    assert "\033[38;5;16;48;5;231m" in shown, "black on white, whatever the terminal's colours"
    status, shown = talk(still, "key", "kit", answers=[("Enter for one", PASSPHRASE), ("same again", "another passphrase")])
    assert status == 1 and "not the same" in shown and not lines_of(shown)
    status, shown = talk(still, "key", "kit", "--no-qr", answers=[("Enter for one", "")])
    made = re.search(r"^ *((?:[0-9A-HJKMNP-TV-Z]{4}-){5}[0-9A-HJKMNP-TV-Z]{4})$", shown, re.M).group(1)
    assert status == 0 and len(lines_of(shown)) == 8
    key_of(still).rename(still.dir / "old")
    kit = still.dir / "typed"
    kit.write_text("\n".join(lines_of(shown)))
    status, said = talk(still, "restore-key", kit, answers=[("passphrase", made.lower().replace("-", " "))])
    assert status == 0 and made not in said and key_of(still).read_bytes() == (still.dir / "old").read_bytes()
    key_of(still).unlink()
    status, said = talk(still, "restore-key", answers=[("empty line", "\n".join(lines_of(shown)) + "\n"), ("passphrase", made)])
    assert status == 0 and key_of(still).read_bytes() == (still.dir / "old").read_bytes(), said


def test_nothing_secret_in_the_arguments(still):
    """--passphrase takes no value: what stands in arguments, others can read."""
    assert still.run("key", "kit", "--passphrase", PASSPHRASE, check=False).returncode == 2


def test_until_there_is_a_kit(gateway, provider):
    """Log, doctor and the operator's pages say what losing the file means, and what to do; then they do not."""
    from test_admin import Operator
    due = "Losing the key file loses every shop"
    operator = Operator(gateway).sign_in()
    assert gateway.log_text().count(due) == 1
    assert due in gateway.run("doctor").stdout and "keyhouse key kit" in gateway.run("doctor").stdout
    row = [r for r in json.loads(gateway.run("doctor", "--json").stdout) if r["business"] is None]
    assert [f["finding"] for f in row[0]["findings"]] == ["kit_missing"]
    for page in ("", "keys"):
        assert due.encode() in operator.get(page).body and b"keyhouse key kit" in operator.get(page).body
    make_kit(gateway)
    assert due not in gateway.run("doctor").stdout
    for page in ("", "keys"):
        assert due.encode() not in operator.get(page).body
    gateway.stop()
    gateway.start()
    assert gateway.log_text().count(due) == 1
    gateway.run("key", "rotate", "--master")
    assert due in gateway.run("doctor").stdout, "another key, another kit"


# ------------------------------------------------------------ sources

def refused(gateway, *parts, **popen):
    done = subprocess.run([BINARY, "serve", *gateway.arguments()], capture_output=True, text=True, timeout=30, **popen)
    said = [line for line in done.stderr.splitlines() if "cannot start" in line]
    assert done.returncode == 1 and len(said) == 1, done.stderr
    for part in parts:
        assert part in said[0], (part, said)
    return said[0]


def test_what_is_no_key_file(still):
    key, kept = key_of(still), still.dir / "kept"
    shutil.copy(key, kept)
    line = next(x for x in kept.read_text().splitlines() if x.startswith("keyhouse-master"))
    words = line.split()

    def fresh(what):
        if key.is_dir() and not key.is_symlink():
            key.rmdir()
        else:
            key.unlink(missing_ok=True)
        what()

    def written(text, mode=0o600):
        def write():
            key.write_bytes(text if isinstance(text, bytes) else text.encode())
            key.chmod(mode)
        return write
    previous = " ".join([words[0], "previous", *words[2:]])

    def another(n):
        key = bytes([n]) * 32
        id_ = hashlib.blake2b(b"keyhouse-master-key-id-1", digest_size=16, key=key).hexdigest()[:16]
        return " ".join([words[0], "previous", id_, base64.b64encode(key).decode()]) + "\n"
    cases = [
        ("group-readable", written(line, 0o640), "owner"), ("readable by all", written(line, 0o604), "owner"),
        ("symbolic link", lambda: key.symlink_to(kept), "symbolic link"), ("a FIFO", lambda: os.mkfifo(key, 0o600), "regular file"),
        ("a directory", lambda: key.mkdir(0o700), "regular file"), ("hard link", lambda: os.link(kept, key), "second name"),
        ("empty", written(""), "cannot be read as one"), ("garbage", written("hello\n"), "cannot be read as one"),
        ("two current lines", written(line + "\n" + another(1).replace("previous", "current")), "cannot be read as one"),
        ("the same id twice", written(line + "\n" + previous + "\n"), "cannot be read as one"),
        ("ten keys", written(line + "\n" + "".join(map(another, range(9)))), "cannot be read as one"),
        ("a NUL", written(line.encode() + b"\0\n"), "cannot be read as one"),
        ("5 KiB", written(line + "\n" + "# " + "x" * 5120 + "\n"), "cannot be read as one"),
        ("missing", lambda: None, "missing")]
    for name, make, part in cases:
        fresh(make)
        said = refused(still, part)
        assert words[-1] not in said, name
    fresh(written(line + "\n" + "".join(map(another, range(8)))))
    still.start()
    still.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to make files of another user")
def test_other_users_files(still):
    os.chown(key_of(still), SERVICE, SERVICE)
    refused(still, "owner")
    for path in [still.dir, still.data, *still.data.iterdir()]:
        os.chown(path, SERVICE, SERVICE)
    os.chown(key_of(still), 0, 0)
    refused(still, "Permission denied", user=SERVICE, group=SERVICE)


def acl(*entries):
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)


USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER, NONE = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0xffffffff


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to make files of another user")
def test_systemds_credential(still):
    """systemd (exec-credential.c) keeps it as root's, mode 0400, with an access control list that lets the service's user
    read it; where the file system has no such lists, it gives the file to that user."""
    credentials = still.dir / "credentials"
    credentials.mkdir()
    credential = credentials / "master-key"
    shutil.move(key_of(still), credential)
    for path in [still.dir, still.data, *still.data.iterdir()]:
        os.chown(path, SERVICE, SERVICE)
    os.chmod(credentials, 0o755)
    environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(credentials)}
    as_service = {"user": SERVICE, "group": SERVICE, "extra_groups": [], "env": environment}

    def works():
        done = subprocess.run([BINARY, "verify", *still.arguments()], capture_output=True, text=True, timeout=30, **as_service)
        assert done.returncode == 0, done.stderr

    def as_systemd(*more, user=SERVICE, group_rights=0, mode=0o440):
        os.chown(credential, 0, 0)
        os.chmod(credential, 0o400)
        try:
            os.setxattr(credential, "system.posix_acl_access", acl(
                (USER_OBJ, 4, NONE), *sorted([(USER, 4, user), (GROUP_OBJ, group_rights, NONE), *more]), (MASK, 4, NONE), (OTHER, 0, NONE)))
        except OSError:
            pytest.skip("no access control lists on this file system")
        os.chmod(credential, mode)

    os.chown(credential, SERVICE, SERVICE)
    os.chmod(credential, 0o400)
    works()
    as_systemd()
    assert stat.S_IMODE(credential.stat().st_mode) == 0o440
    works()
    as_systemd(group_rights=4)
    refused(still, "owner", **as_service)
    as_systemd((GROUP, 4, 12345))
    refused(still, "owner", **as_service)
    as_systemd((USER, 4, 12345))
    refused(still, "owner", **as_service)
    as_systemd(mode=0o444)
    refused(still, "owner", **as_service)
    os.chown(credential, 0, SERVICE)  # by its group, and no list
    os.removexattr(credential, "system.posix_acl_access")
    os.chmod(credential, 0o440)
    refused(still, "owner", **as_service)


def test_the_credential_goes_before_the_file(still):
    credentials = still.dir / "credentials"
    credentials.mkdir()
    shutil.copy(key_of(still), credentials / "master-key")
    key_of(still).write_text("hello\n")
    environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(credentials)}
    done = subprocess.run([BINARY, "verify", *still.arguments()], capture_output=True, text=True, timeout=30, env=environment)
    assert done.returncode == 0, done.stderr
    (credentials / "master-key").write_text("hello\n")
    shutil.copy(key_of(still), still.dir / "x")
    refused(still, "key file", env=environment)
    (credentials / "master-key").unlink()
    refused(still, "cannot be read as one", env=environment)
