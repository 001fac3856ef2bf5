"""Goal of this test: each role has given up what it needs no more, as the system itself shows it; a debugger of another
user or of the same one gets at none; memory that cannot be locked is said, with what to do; and names
are looked up also after the files for that were replaced."""
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import time

import pytest

from conftest import Gateway, Shop, wait_for

ROLES = ("listener", "sender", "vault")
NOBODY = 65534


def status_of(path):
    return dict(l.split(":", 1) for l in (path / "status").read_text().splitlines())


def test_roles_gave_everything_up(gateway, shop):
    for role in ROLES:
        process = pathlib.Path(f"/proc/{gateway.role_pid(role)}")
        for thread in (process / "task").iterdir():
            status = {k: v.strip() for k, v in status_of(thread).items()}
            for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                assert int(status[kind], 16) == 0, (role, kind)
            assert os.geteuid() != 0 or int(status["CapBnd"], 16) == 0, role
            assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", role
            # The listener's second filter, which forbids opening files and new threads, holds in every one of them.
            assert status["Seccomp_filters"] == ("2" if role == "listener" else "1"), role
        limits = (process / "limits").read_text()
        assert re.search(r"Max core file size\s+0\s+0\s", limits), role


# Prints what it could do with the process that it is told.
PROBE = """
import ctypes, os, sys
pid = int(sys.argv[1])
for name in ("environ", "maps", "mem"):
    try:
        os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
        print(name)
    except OSError:
        pass
libc = ctypes.CDLL(None, use_errno=True)
ATTACH, DETACH = 16, 17
if libc.ptrace(ATTACH, pid, None, None) == 0:
    os.waitpid(pid, 0)
    libc.ptrace(DETACH, pid, None, None)
    print("ptrace")
"""


def probe(pid, *become):
    done = subprocess.run(["setpriv", *become, sys.executable, "-c", PROBE, str(pid)], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv")
def test_no_debugger_gets_at_a_role(gateway):
    plain = ["--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    other = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    with subprocess.Popen(["setpriv", *plain, "sleep", "60"]) as sleeper:
        assert wait_for(lambda: pathlib.Path(f"/proc/{sleeper.pid}/comm").read_text() == "sleep\n")
        assert {"environ", "maps"} <= probe(sleeper.pid, *plain), "an ordinary process of the same user can be looked into"
        sleeper.kill()
    for role in ROLES:
        pid = gateway.role_pid(role)
        assert probe(pid, *plain) == set(), f"{role}, the same user"
        if os.geteuid() == 0:
            assert probe(pid, *other) == set(), f"{role}, another user"


def test_keys_are_locked_in_memory(gateway, shop):
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] in range(128 * 1024):
        pytest.skip("hardly any memory may be locked here")
    vault = status_of(pathlib.Path(f"/proc/{gateway.role_pid('vault')}"))
    assert int(vault["VmLck"].split()[0]) > 0
    assert "keys may reach swap" not in gateway.log_text()


@pytest.mark.skipif(not shutil.which("prlimit"), reason="needs prlimit")
def test_what_cannot_be_locked_is_said(directory, provider):
    gateway = Gateway(directory, provider.url)
    gateway.wrapper = ["prlimit", "--memlock=0:0"]
    gateway.start()
    try:
        lines = [l for l in gateway.log_text().splitlines() if "keys may reach swap" in l]
        assert len(lines) == 1 and " warn vault " in lines[0] and "LimitMEMLOCK=64M" in lines[0]
    finally:
        gateway.stop()


# ------------------------------------------------------------ files that are replaced

@pytest.fixture
def own_etc(tmp_path):
    """A wrapper that gives a program an /etc of its own, and where that lies."""
    namespace = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    etc = tmp_path / "etc"
    etc.mkdir()
    for name in ("hosts", "nsswitch.conf", "resolv.conf", "passwd", "group", "ssl", "host.conf", "gai.conf"):
        path = pathlib.Path("/etc", name)
        if path.is_dir():
            shutil.copytree(path, etc / name, symlinks=True, ignore_dangling_symlinks=True, ignore=shutil.ignore_patterns("private"))
        elif path.exists():
            shutil.copy(path, etc / name)
    mount = ["sh", "-c", f'mount --bind {etc} /etc && exec "$@"', "sh"]
    if subprocess.run([*namespace, *mount, "true"], capture_output=True).returncode != 0:
        pytest.skip("needs a mount namespace of its own")
    return [*namespace, *mount], etc


def replace(path, text):
    """As a network manager does it, or an editor: another file under the name."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.rename(path)


def test_names_are_looked_up_after_their_files_were_replaced(directory, provider, platform, own_etc):
    """Landlock goes by the file and not by its name: who saw the old one may not read the new one."""
    wrapper, etc = own_etc
    gateway = Gateway(directory, provider.url, responder_allow=f"platform.test:{platform.port}", responder_timeout=2)
    gateway.wrapper = wrapper
    gateway.start()
    try:
        before = gateway.role_pid("sender")
        shop = Shop(gateway, provider, "Movers", "106540352242922", responder="none")
        for n in range(2):
            replace(etc / "hosts", f"127.0.0.1 localhost\n127.0.0.1 {'other' if n else 'platform'}.test\n")
            assert wait_for(lambda: gateway.role_pid("sender") not in (None, before), timeout=20), gateway.log_text()
            assert gateway.ready()
            before = gateway.role_pid("sender")
            assert "/etc/hosts is another file now" in gateway.log_text()
            if n == 0:
                assert gateway.api("PUT", shop.path("responder"), {"kind": "platform", "url": f"http://platform.test:{platform.port}/"}).status == 200
                assert shop.send(shop.question("hello", "wamid.1")).status == 200
                assert wait_for(lambda: platform.asks), gateway.log_text()
        (etc / "hosts").write_text("127.0.0.1 localhost\n127.0.0.1 platform.test\n")  # written over: the same file
        (etc / "unrelated").write_text("x")
        time.sleep(7)
        assert gateway.role_pid("sender") == before
        assert shop.send(shop.question("hello", "wamid.2", customer="16505551111")).status == 200
        assert wait_for(lambda: len(platform.asks) == 2), gateway.log_text()
    finally:
        gateway.stop()
