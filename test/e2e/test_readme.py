"""Goal of this test: README.md is true. Every command in its sh blocks is run as it stands, in order, in an empty directory,
by somebody who has nothing but the build; the real providers are the sandbox, and the two ports are free ones. Every file
that it points to exists."""
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import time

import pytest

from conftest import BINARY, ROOT, free_port, wait_for
from provider import Provider

TEXT = (ROOT / "README.md").read_text()


def commands_of(text):
    """The commands of its sh blocks; one that goes on is indented."""
    blocks = "".join(re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S))
    return [command.split("  #")[0].strip() for command in re.split(r"\n(?! )", blocks) if command.strip()]


COMMANDS = commands_of(TEXT)
APP, WABA, NUMBER, ADA, BEN = "1111", "2222", "3333", "206540352242922", "306540352242922"
TOKEN, SECRET = "EAAGreadmeTokenOfPaulsElectronics", "readme-app-secret-0123456789abcd"
# What is typed at a prompt.
TYPED = {"connection add my-shop": f"{SECRET}\n{TOKEN}\n", "connection add adas-shoes": "key-of-ada-0123456789\n"}


class Newcomer:
    """A shell in an empty directory that holds what a checkout has at its top."""

    def __init__(self, directory, provider):
        self.dir, self.background = directory, []
        for name in ("examples", "Makefile"):
            os.symlink(ROOT / name, f"{directory}/{name}")
        os.symlink(BINARY.parent, f"{directory}/build")
        self.port, self.sandbox_port = free_port(), free_port()
        around = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}  # the tests' own make
        self.env = {**around, "DESTDIR": f"{directory}/root", "KEYHOUSE_LISTEN": f"127.0.0.1:{self.port}",
                    "KEYHOUSE_META_API_URL": provider.url, "KEYHOUSE_D360_API_URL": provider.url,
                    "KEYHOUSE_D360_SANDBOX_URL": provider.url + "/360dialog-sandbox"}
        self.demo = {**around, "PORT": str(self.port), "SANDBOX_PORT": str(self.sandbox_port),
                     "DEMO_DIR": f"{directory}/keyhouse-demo", "B": str(BINARY.parent)}

    def here(self, command):
        return command.replace("localhost:8080", f"127.0.0.1:{self.port}").replace("localhost:8900", f"127.0.0.1:{self.sandbox_port}")

    def run(self, command, typed="", where=None, env=None):
        """-e: a pipe's first failure is not hidden where the last part reads it."""
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", self.here(command)], cwd=where or self.dir, env=env or self.env,
                              input=typed, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert '"status":4' not in done.stdout and '"status":5' not in done.stdout, (command, done.stdout)
        return done.stdout

    def start(self, command, where, env, until):
        log = open(f"{self.dir}/log{len(self.background)}", "w+")
        process = subprocess.Popen(shlex.split(command), cwd=where, env=env, stdout=log, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
        self.background.append(process)

        def said():
            log.seek(0)
            return log.read()
        assert wait_for(lambda: process.poll() is not None or until(said()), timeout=60), (command, said())
        kept = pathlib.Path(self.dir, "keyhouse-demo", "keyhouse.log")
        assert process.poll() is None, (command, said(), kept.read_text()[-1500:] if kept.exists() else "it kept no log")
        return process, said

    def close(self):
        for process in self.background:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def provider():
    with Provider(statuses="read") as p:
        p.add_token(TOKEN, [NUMBER], app_id=APP, app_secret=SECRET, waba_ids=[WABA])
        p.add_d360_key("key-of-ada-0123456789", ADA)
        p.add_d360_key("key-of-ben-0123456789", BEN)
        yield p


@pytest.fixture
def newcomer(directory, provider):
    n = Newcomer(directory, provider)
    yield n
    n.close()


def answers(port):
    return subprocess.run(["curl", "-sf", "-o", "/dev/null", f"127.0.0.1:{port}/readyz"]).returncode == 0


def typed_for(command):
    return next((text for words, text in TYPED.items() if words in command), "")


def test_every_command_works(newcomer, provider):
    assert len(COMMANDS) > 18 and COMMANDS[:2] == ["make run", "make test"]
    with open(f"{newcomer.dir}/key.json", "w") as file:
        file.write('{"provider": "360dialog", "api_key": "..."}'.replace("...", "key-of-ben-0123456789"))
    assert '`{"provider": "360dialog", "api_key": "..."}`' in TEXT
    demo = None
    for command in COMMANDS:
        if command == "make run":
            demo, _ = newcomer.start(command, ROOT, newcomer.demo, lambda said: "Ctrl-C ends both" in said)
        elif command == "make test":
            newcomer.run("make -n test", where=ROOT)  # running it is what this is part of
        elif command == "build/keyhouse serve":
            assert demo.poll() is None
            os.killpg(demo.pid, signal.SIGINT)
            demo.wait(20)
            newcomer.start(command, newcomer.dir, newcomer.env, lambda said: answers(newcomer.port))
        elif command.split()[0] == "make":
            newcomer.run(command, where=ROOT, env={**newcomer.env, "B": str(BINARY.parent)})
        else:
            newcomer.run(command, typed_for(command))
    # What the reader was promised.
    assert os.access(f"{newcomer.dir}/root/usr/local/bin/keyhouse", os.X_OK) and os.path.getsize(f"{newcomer.dir}/copy.db") > 4096
    shown = [newcomer.run(f"build/keyhouse connection list {shop}") for shop in ("my-shop", "adas-shoes", "bens-bikes")]
    assert all("active" in one for one in shown), shown
    assert os.stat(f"{newcomer.dir}/auth").st_mode & 0o077 == 0
    provider.write(NUMBER, {"type": "text", "text": {"body": "How much is iPhone 13 Pro?"}})
    (answer,) = provider.wait_sent(1, number=NUMBER)
    promised = [line.strip() for line in re.search(r"answers Ada with key.*?\n(.*?)  phone", TEXT, re.S).group(1).splitlines()]
    assert answer["body"]["text"]["body"].splitlines() == promised[:3] + ["My Shop"] + promised[4:]


def test_a_shop_of_your_own(newcomer):
    """What examples/sandbox/README.md says, while make run runs."""
    commands = commands_of((ROOT / "examples" / "sandbox" / "README.md").read_text())
    assert len(commands) == 6
    newcomer.start("make run", ROOT, newcomer.demo, lambda said: "Ctrl-C ends both" in said)
    for command in commands:
        newcomer.run(command)
    shown = json.loads(newcomer.run("curl -H @keyhouse-demo/auth localhost:8080/v1/businesses/my-own/connections"))
    assert [c["status"] for c in shown["data"]] == ["active"]
    shops = json.loads(newcomer.run("curl localhost:8900/sandbox/shops"))["shops"]
    assert {s["name"]: s["connected"] for s in shops} == {"Paul's Electronics": True, "Sarah's Fashion": True, "My shop": True}


def test_what_it_points_to_is_there():
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    files = [link for link in links if not link.startswith("https://")]
    assert len(files) >= 4
    for file in files:
        assert (ROOT / file).is_file(), file
    for command in re.findall(r"`(build/keyhouse [^`]*|make [^`]*)`", TEXT):
        assert any(known.startswith(command) for known in COMMANDS) or command.endswith("--help"), f"not run: {command}"
    for folder in re.findall(r"\b(\w+)/(?=[ \n])", TEXT[TEXT.index("## Where things are"):]):
        assert list(ROOT.glob(f"**/{folder}/")), folder
    assert len(TEXT.splitlines()) <= 150


# ------------------------------------------------------------ make run, as its user has it

def test_run_twice_and_a_port_in_use(newcomer):
    """The second time finds its data; a port in use is one line; Ctrl-C leaves nothing behind."""
    def answered(said):
        return "Ctrl-C ends both" in said
    for round_ in range(2):
        process, said = newcomer.start("make run", ROOT, newcomer.demo, answered)
        shown = said()
        for line in ("Ada +2348012345678 writes to Paul's Electronics: How much is iPhone 13 Pro?",
                     "Paul's Electronics answers Ada with key ...PAUL (Meta):", "Price: ₦450,000",
                     "Ben +4915112345678 writes to Sarah's Fashion: Do you have the ankara dress?",
                     "Sarah's Fashion answers Ben with key ...SARA (360dialog):", "Price: €49.90",
                     f"settings   http://127.0.0.1:{newcomer.demo['PORT']}/settings/open#",
                     f"phone      http://127.0.0.1:{newcomer.sandbox_port}/phone"):
            assert line in shown, (round_, line, shown)
        if round_ == 1:
            second = subprocess.run(["make", "run"], cwd=ROOT, env={**newcomer.demo, "DEMO_DIR": f"{newcomer.dir}/other"},
                                    capture_output=True, text=True, timeout=60)
            taken = newcomer.demo["PORT"]
            assert second.returncode != 0
            assert second.stderr.splitlines()[0] == f"make run: port {taken} is in use; another one: make run PORT={int(taken) + 1}"
            same = subprocess.run(["make", "run"], cwd=ROOT, env=newcomer.demo, capture_output=True, text=True, timeout=60)
            assert same.stderr.startswith(f"make run: another make run works in {newcomer.dir}/keyhouse-demo; beside it: make run PORT=")
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)
        assert wait_for(lambda: not answers(newcomer.demo["PORT"]), timeout=5)
        assert "Stopped. make run goes on where it was" in said()
    left = subprocess.run(["pgrep", "-f", f"{newcomer.dir}/keyhouse-demo"], capture_output=True, text=True).stdout
    assert left == "", left


def test_run_on_other_ports_still_answers(newcomer):
    """What the sandbox knew of the first ports is replaced."""
    for _ in range(2):
        process, _ = newcomer.start("make run", ROOT, newcomer.demo, lambda said: "Ctrl-C ends both" in said)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)
        newcomer.demo["PORT"], newcomer.demo["SANDBOX_PORT"] = str(free_port()), str(free_port())


def test_run_ends_what_was_begun(newcomer):
    """A shop that has its key, but no product yet."""
    process, said = newcomer.start("make run", ROOT, newcomer.demo, lambda said: "Ctrl-C ends both" in said)
    path = f"http://127.0.0.1:{newcomer.demo['PORT']}/v1/businesses/pauls-electronics"
    for product in json.loads(newcomer.run(f"curl -sSf -H @keyhouse-demo/auth {path}/products"))["data"]:
        newcomer.run(f"curl -sSf -X DELETE -H @keyhouse-demo/auth {path}/products/{product['id']}")
    newcomer.run(f"curl -sSf -X PUT -H @keyhouse-demo/auth {path}/responder --json '{{\"kind\": \"none\"}}'")
    os.killpg(process.pid, signal.SIGHUP)
    try:
        process.wait(45)  # Keyhouse may give requests and a new start ten seconds each
    except subprocess.TimeoutExpired:
        pytest.fail("make run does not end:\n" + newcomer.run("tail -n 40 keyhouse-demo/keyhouse.log"))
    assert wait_for(lambda: not answers(newcomer.demo["PORT"]), timeout=5), "a closed terminal leaves nothing behind"
    newcomer.start("make run", ROOT, {**newcomer.demo, "http_proxy": "http://127.0.0.1:9"}, lambda said: "Ctrl-C ends both" in said)


def test_run_after_a_kill_at_any_time(newcomer):
    """Killed while it sets up: the next run ends what was begun."""
    for seconds in (0.5, 0.9, 1.3):
        process = subprocess.Popen(["make", "run"], cwd=ROOT, env=newcomer.demo, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert wait_for(lambda: not answers(newcomer.demo["PORT"]), timeout=10)
    newcomer.start("make run", ROOT, newcomer.demo, lambda said: "Ctrl-C ends both" in said)
