"""A crowd of strangers on loopback, as one process with one thread: so many connections from so many addresses, each of
which does one bad thing, is closed for it, and comes again at once.

usage: crowd.py PORT KIND CONNECTIONS ADDRESSES SECONDS [FIRST]

FIRST: the last byte of the first address, 127.0.0.FIRST (2). At the end it prints one JSON object: statuses (what was
answered, by status), other (what came back that was no answer), opened, closed (by the server), held (open at the end).
"""
import collections
import errno
import json
import selectors
import socket
import ssl
import sys
import time

DRIP_S = 0.1
CLOSE_WAIT = 8
LARGE = 3 * 1024 * 1024
HEAD = b"POST /webhooks/nobody HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def hello():
    """The first flight of a TLS handshake."""
    out = ssl.MemoryBIO()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


# What is said at once; what is said again and again; whether each answer is followed by the same again; whether it reads.
Kind = collections.namedtuple("Kind", "first drip again reads", defaults=(b"", b"", False, True))
KINDS = {
    "idle": Kind(),
    "heads": Kind(HEAD + b"X-Slow: ", b"a"),
    "bodies": Kind(HEAD + b"Content-Length: 1000\r\n\r\n", b"a"),
    "kept": Kind(GET),  # answered, then silent
    "asking": Kind(GET, again=True),  # one request after the other
    "large": Kind(HEAD + b"Content-Length: %d\r\n\r\n" % LARGE + b"x" * LARGE),
    "deaf": Kind(b"GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n" * 100, reads=False),
    "wrong": Kind(HEAD + b"X-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\nContent-Length: 2\r\n\r\n{}", again=True),
    "half a handshake": Kind(hello()),
    "a dripped handshake": Kind(hello()[:40], b"\0"),
}


class Caller:
    def __init__(self, crowd, address):
        self.crowd, self.address = crowd, address
        self.connect()

    def connect(self):
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # no port is left waiting
        if not self.crowd.kind.reads:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.bind((self.address, 0))
        self.left = memoryview(self.crowd.kind.first)
        self.got = b""
        if self.socket.connect_ex(("127.0.0.1", self.crowd.port)) not in (0, errno.EINPROGRESS):
            raise OSError("connect")
        self.crowd.opened += 1
        self.events = selectors.EVENT_WRITE | self.listens
        self.crowd.selector.register(self.socket, self.events, self)

    @property
    def listens(self):
        return selectors.EVENT_READ if self.crowd.kind.reads else 0

    def ended(self):
        self.crowd.note(self.got)
        self.crowd.closed += 1
        self.crowd.selector.unregister(self.socket)
        self.socket.close()
        self.connect()

    def say(self):
        while self.left:
            n = self.socket.send(self.left)
            self.left = self.left[n:]
        self.want(self.listens)

    def want(self, events):
        if events != self.events and events:
            self.crowd.selector.modify(self.socket, events, self)
            self.events = events

    def drip(self):
        if not self.left and not self.got:
            self.left = memoryview(self.crowd.kind.drip)
            self.say()

    def look(self):
        """Who does not listen does not hear either that he was closed."""
        if self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in (0, 7, CLOSE_WAIT):
            self.ended()

    def hear(self):
        part = self.socket.recv(65536)
        if not part:
            return self.ended()
        self.got += part
        if self.crowd.kind.again and self.got.count(b"\r\n\r\n") and b"keep-alive" in self.got and not self.left:
            self.crowd.note(self.got)
            self.got, self.left = b"", memoryview(self.crowd.kind.first)
            self.want(selectors.EVENT_WRITE | selectors.EVENT_READ)

    def act(self, events):
        try:
            if events & selectors.EVENT_READ:
                self.hear()
            elif events & selectors.EVENT_WRITE:
                self.say()
        except BlockingIOError:
            pass
        except OSError:
            self.ended()


class Crowd:
    def __init__(self, port, kind, connections, addresses, first):
        self.port, self.kind = port, KINDS[kind]
        self.selector = selectors.DefaultSelector()
        self.statuses = collections.Counter()
        self.opened = self.closed = self.other = 0
        self.callers = [Caller(self, f"127.0.{n % addresses // 250}.{first + n % addresses % 250}") for n in range(connections)]

    def note(self, got):
        if got.startswith(b"HTTP/1.1 "):
            self.statuses[int(got[9:12])] += 1
        elif got:
            self.other += 1

    def run(self, seconds):
        end = time.monotonic() + seconds
        drip = time.monotonic() + DRIP_S
        while (now := time.monotonic()) < end:
            for key, events in self.selector.select(min(end, drip) - now):
                key.data.act(events)
            if time.monotonic() >= drip:
                drip += DRIP_S
                for c in self.callers if self.kind.drip or not self.kind.reads else ():
                    try:
                        c.drip() if self.kind.drip else c.look()
                    except BlockingIOError:
                        pass
                    except OSError:
                        c.ended()
        for c in self.callers:
            self.note(c.got)
        return {"statuses": self.statuses, "other": self.other, "opened": self.opened, "closed": self.closed,
                "held": self.opened - self.closed}


if __name__ == "__main__":
    port, kind, connections, addresses, seconds = sys.argv[1:6]
    crowd = Crowd(int(port), kind, int(connections), int(addresses), int((sys.argv[6:] or ["2"])[0]))
    print("here", flush=True)
    print(json.dumps(crowd.run(float(seconds))))
