"""What every end-to-end test stands on: the real program in a directory of its own."""
import hashlib
import hmac
import http.client
import itertools
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from fake_platform import Platform
from provider import Provider
from shops import PAUL, DialogShop, Shop  # noqa: F401  (the tests take them from here)

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("KEYHOUSE", ROOT / "build" / "keyhouse")).resolve()
SAMPLES = pathlib.Path(os.environ.get("KH_SAMPLES", ROOT.parent / "shared"))

RESPONDER_TIMEOUT_S = 2  # where a test has a platform


# Ports of this process of the tests alone, below those that the system hands to outgoing connections: between being found
# free and being listened at, nobody else can come to have one. Where the round begins is chance: another run of the tests
# may go on beside this one.
_first = 10240 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 32 * 640
_begin = random.randrange(640)
_ports = itertools.cycle(_first + (_begin + n) % 640 for n in range(640))


def free_port() -> int:
    for port in itertools.islice(_ports, 640):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")


def sign(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def wait_for(what, timeout=10.0, every=0.02):
    """The first true answer of what(), or the last one when time is up."""
    end = time.monotonic() + timeout
    while True:
        answer = what()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(every)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Gateway:
    """keyhouse serve, and the commands, on one data directory."""

    def __init__(self, directory, provider_url, **settings):
        self.dir = pathlib.Path(directory)
        self.data = self.dir / "data"
        self.port = free_port()
        self.settings = {"data_dir": self.data, "listen": f"127.0.0.1:{self.port}", "meta_api_url": provider_url,
                         "meta_media_url": provider_url, "d360_api_url": provider_url, "d360_sandbox_url": provider_url + "/360dialog-sandbox", **settings}
        self.base = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.wrapper = []
        self.log_path = self.dir / "log"
        self._token = None

    def arguments(self):
        return [f"--{k.replace('_', '-')}={v}" for k, v in self.settings.items()]

    def start(self, wait=True):
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen([*self.wrapper, BINARY, "serve", *self.arguments()], stderr=self.log, stdout=self.log,
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        if wait:
            assert self.ready(), "did not become ready:\n" + self.log_text()[-3000:]
        return self

    def ready(self, timeout=20.0):
        def probe():
            if self.process.poll() is not None:
                return "dead"
            try:
                return self.get("/readyz").status == 200
            except OSError:
                return False
        return wait_for(probe, timeout) is True

    def stop(self, timeout=15):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return self.process.returncode if self.process else None

    def kill(self):
        """The whole group, as a power cut would, but for what the kernel had."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def log_text(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def role_pid(self, role):
        for p in pathlib.Path("/proc").iterdir():
            if not p.name.isdigit():
                continue
            try:
                if (p / "cmdline").read_bytes() == b"keyhouse\0" + role.encode() + b"\0" and \
                        int((p / "stat").read_text().rsplit(")", 1)[1].split()[1]) == self.process.pid:
                    return int(p.name)
            except OSError:
                continue
        return None

    # ------------------------------------------------ commands
    def run(self, *words, stdin="", check=True):
        done = subprocess.run([BINARY, *words, *self.arguments()], input=stdin, capture_output=True, text=True, timeout=60)
        if check:
            assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done

    @property
    def token(self):
        if self._token is None:
            self._token = self.run("token", "new", "--name", "tests").stdout.strip()
        return self._token

    # ------------------------------------------------ requests
    def request(self, method, path, body=None, headers=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def api(self, method, path, body=None, content_type="application/json", token=None, headers=None):
        headers = {"Authorization": "Bearer " + (token or self.token), **(headers or {})}
        if body is not None:
            headers["Content-Type"] = content_type
            if not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            if isinstance(body, str):
                body = body.encode()
        return self.request(method, path, body, headers)

    def metric(self, name):
        """A number of /metrics that has no labels."""
        return int(re.search(rf"^{name} (\d+)$", self.get("/metrics").body.decode(), re.M).group(1))

    def webhook(self, business, body, secret=None, signature=None, headers=None):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = dict(headers or {}, **{"Content-Type": "application/json"})
        if signature is None and secret is not None:
            signature = sign(secret, body)
        if signature is not None:
            headers["X-Hub-Signature-256"] = signature
        return self.request("POST", f"/webhooks/{business}", body, headers)


@pytest.fixture
def directory():
    # A short path: socket paths are.
    with tempfile.TemporaryDirectory(prefix="kh-") as d:
        yield d


@pytest.fixture
def provider():
    with Provider() as p:
        yield p


@pytest.fixture
def platform():
    with Platform() as p:
        yield p


@pytest.fixture
def gateway(request, directory, provider):
    settings = {}
    if "platform" in request.fixturenames:
        settings = {"responder_allow": request.getfixturevalue("platform").place, "responder_timeout": RESPONDER_TIMEOUT_S}
    g = Gateway(directory, provider.url, **settings)
    g.start()
    yield g
    g.stop()


@pytest.fixture
def shop(gateway, provider):
    s = Shop(gateway, provider, "Paul's Electronics", "106540352242922")
    s.products(PAUL)
    return s
