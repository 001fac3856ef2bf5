"""Goal of this test: each role has given up what it needs no more, as the system itself shows it; a debugger of another
user or of the same one gets at none; and memory that cannot be locked is said, with what to do."""
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys

import pytest

from conftest import Gateway, wait_for

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
